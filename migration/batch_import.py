"""A batch from a list (B8): a CSV of addresses, judged line by line; one line at fault, and nothing is written."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import transaction

from accounts.addresses import address_of, parse
from accounts.models import Mailbox
from bma_portal import audit
from bma_portal.errors import Refusal
from migration import by_hand
from migration.locks import lock_plans
from migration.models import Batch, Campaign

LARGEST = 500_000  # bytes: ten times all the mailboxes of a week
MOST = 20_000  # lines
COLUMN = "adresse"
KINDS = {"ec": "établissements", "po": "PO"}


@dataclass(frozen=True)
class Fault:
    """A line that cannot enter the batch: what stands in it, shortened, and why."""

    line: int
    typed: str
    why: str


@dataclass
class Check:
    """What the list says: the mailboxes in its order, the lines at fault, the columns that were left aside."""

    mailboxes: list[Mailbox] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return bool(self.mailboxes) and not self.faults


def check(kind: str, content: bytes, *, at: datetime, ignore_others: bool = False) -> Check:
    """Judge each line; reads only, in a fixed number of statements. Raises Refusal if it is not such a file."""
    found = Check()
    rows = _rows(content, found, ignore_others=ignore_others)
    known = by_hand.with_places(Mailbox.objects.filter(address__in={address for _, _, address in rows}))
    boxes = {box.address: box for box in known}
    first_line: dict[str, int] = {}
    for line, typed, address in rows:
        box = boxes.get(address)
        if address in first_line:
            why = f"cette adresse est déjà à la ligne {first_line[address]}."
        elif not address.startswith(kind):
            why = f"ce lot est de genre « {KINDS[kind]} » et cette adresse n’en est pas."
        elif box is None:
            why = "aucune boîte n’est connue à cette adresse : vérifiez le numéro FASE."
        else:
            why = by_hand.why_not(box, at=at)
        first_line.setdefault(address, line)
        if why:
            found.faults.append(Fault(line, typed, why))
        elif box is not None:
            found.mailboxes.append(box)
    found.faults.sort(key=lambda fault: fault.line)
    return found


@transaction.atomic
def write(
    campaign: Campaign,
    kind: str,
    content: bytes,
    *,
    first_mail: date,
    by: str,
    at: datetime,
    ignore_others: bool = False,
) -> Batch:
    """A draft batch of that list, which is checked again. Raises Refusal, and writes nothing, on a line at fault."""
    lock_plans()
    checked = check(kind, content, at=at, ignore_others=ignore_others)
    if not checked.sound:
        raise Refusal("La liste a des lignes en défaut depuis sa vérification : rien n’est enregistré.")
    planned = by_hand.dates(campaign, kind, first_mail, at=at)
    batch = by_hand.compose(campaign, planned, [box.pk for box in checked.mailboxes], by=by)
    audit.record("batch.imported", about=batch, by=by, at=at, details={"boîtes": len(checked.mailboxes)})
    return batch


def _rows(content: bytes, found: Check, *, ignore_others: bool) -> list[tuple[int, str, str]]:
    """Line, what was typed, the whole address; a line that is no address goes to the faults."""
    rows = []
    for line, typed in _cells(content, found, ignore_others=ignore_others):
        try:
            parsed = parse(typed)
            if parsed.kind is None:
                raise Refusal(
                    "écrivez « ec » ou « po » devant le numéro : les mêmes chiffres existent des deux côtés."
                )
            rows.append((line, shown(typed), address_of(parsed.kind, parsed.fase)))
        except Refusal as refusal:
            found.faults.append(Fault(line, shown(typed), str(refusal)))
    if not rows and not found.faults:
        raise Refusal("Ce fichier ne contient aucune adresse.")
    return rows


def _cells(content: bytes, found: Check, *, ignore_others: bool) -> Iterator[tuple[int, str]]:
    """The cell « adresse » of each line that is not empty. Raises Refusal if this is not a CSV with that column."""
    if len(content) > LARGEST:
        raise Refusal(f"Ce fichier dépasse {LARGEST // 1000} ko : ce n’est pas la liste d’un lot.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refusal("Ce fichier n’est pas un texte en UTF-8 : enregistrez-le en « CSV UTF-8 ».") from None
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in header else ",", strict=True)
    try:
        names = [cell.strip().lower() for cell in next(reader, [])]
        place = _place(names, found, ignore_others=ignore_others)
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if reader.line_num > MOST:
                raise Refusal(f"Ce fichier a plus de {MOST} lignes : ce n’est pas la liste d’un lot.")
            if len(row) > len(names):
                found.faults.append(
                    Fault(reader.line_num, shown(row[place]), "cette ligne a plus de colonnes que le titre.")
                )
                continue
            yield reader.line_num, row[place].strip() if place < len(row) else ""
    except csv.Error:
        raise Refusal(f"Ligne {reader.line_num} : ce fichier n’est pas un CSV lisible.") from None


def _place(names: list[str], found: Check, *, ignore_others: bool) -> int:
    """Where the column stands. A column that nobody expects is refused, unless one asked to leave it aside."""
    if names.count(COLUMN) != 1:
        given = ", ".join(f"« {shown(name)} »" for name in names[:5] if name)
        raise Refusal(
            f"La première ligne doit nommer la colonne « {COLUMN} », une fois."
            + (f" Elle contient {given}." if given else "")
        )
    found.ignored = [shown(name) for name in names if name != COLUMN]
    if found.ignored and not ignore_others:
        raise Refusal(f"Colonne inconnue : « {found.ignored[0]} ». Seule « {COLUMN} » est attendue.")
    return names.index(COLUMN)


def shown(text: str) -> str:
    """What was typed, short enough and harmless to repeat."""
    return "".join(char if char.isprintable() else "?" for char in text.strip()[:60])
