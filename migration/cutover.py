"""The result of a night: ETNIC's tools move the mailboxes, the portal records what they say.

Order of a night: mail 4 leaves while the address is still read on the old interface, ETNIC moves the mailbox, the
result is recorded here. Afterwards a person accepts what could not be carried over (B15), or puts a mailbox back on
the old server (B21).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from django.db import connection, transaction
from django.db.models import Q

from accounts.addresses import address_of, parse
from accounts.models import Mailbox
from bma_portal import audit
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from migration.models import Batch, Campaign, Mailing, Move
from migration.phases import Facts, facts_of
from migration.results_file import Fault, Result

__all__ = ["Fate", "Line", "Report", "Result", "accept_skipped", "batch_named", "record", "roll_back"]

NIGHT_LOCK = 730_002  # advisory, held to the end of the transaction
OF_A_NIGHT = {*Batch.MOVING, Batch.Status.PAUSED, Batch.Status.FINISHED, Batch.Status.FINISHED_WITH_ERRORS}
NAMED = 200  # addresses of one deed that its line of audit names
Status = Move.Status


class Fate(StrEnum):
    """What becomes of one line of the file."""

    MIGRATED = "migrated"
    FAILED = "failed"
    ALREADY = "already"
    REFUSED = "refused"  # by a rule of the portal: the other lines are recorded
    FAULT = "fault"  # of the file: nothing of it is recorded


@dataclass(frozen=True)
class Line:
    """`signable`: a person may sign for it, and then it is recorded."""

    number: int
    address: str
    fate: Fate
    words: str = ""
    signable: bool = False


@dataclass
class Report:
    """What the results of a night did, or would do, in the order of the file."""

    lines: list[Line] = field(default_factory=list)

    def of(self, fate: Fate) -> list[Line]:
        return [line for line in self.lines if line.fate == fate]

    @property
    def migrated(self) -> int:
        return len(self.of(Fate.MIGRATED))

    @property
    def failed(self) -> int:
        return len(self.of(Fate.FAILED))

    @property
    def already(self) -> int:
        return len(self.of(Fate.ALREADY))

    @property
    def refused(self) -> list[tuple[str, str]]:
        return [(f"ligne {line.number} ({line.address})", line.words) for line in self.of(Fate.REFUSED)]

    @property
    def faults(self) -> list[Line]:
        return self.of(Fate.FAULT)

    @property
    def changes(self) -> int:
        return self.migrated + self.failed

    @property
    def may_be_signed(self) -> bool:
        return any(line.signable for line in self.lines)


def batch_named(name: str, addresses: Collection[str] = ()) -> Batch:
    """« CAMPAIGN/number », the number of a batch of the latest campaign, or a pk. Raises Refusal.

    Where a figure is both, the batch that holds the mailboxes of the file is meant.
    """
    slug, slash, number = name.strip().rpartition("/")
    batches = Batch.objects.select_related("campaign")
    if not (number.isascii() and number.isdigit() and len(number) <= 9):
        raise Refusal("Un lot se nomme « campagne/numéro » (par exemple 2024/3), par son numéro ou par sa clé.")
    if slash:
        found = list(batches.filter(campaign__slug=slug, number=int(number)))
    else:
        latest = Campaign.objects.order_by("-pk").first()
        found = list(batches.filter(Q(pk=int(number)) | Q(campaign=latest, number=int(number))))
    if len(found) > 1:
        found = [batch for batch in found if batch.moves.filter(mailbox__address__in=addresses).exists()]
        if len(found) != 1:
            raise Refusal(f"« {name} » peut désigner deux lots : écrivez « campagne/numéro ».")
    if not found:
        raise Refusal(f"Aucun lot ne porte le nom « {name[:60]} ».")
    return found[0]


@transaction.atomic
def record(
    results: Iterable[Result],
    *,
    by: str,
    at: datetime,
    signed: str = "",
    write: bool = True,
    batch: Batch | None = None,
    faults: Iterable[Fault] = (),
) -> Report:
    """Record each mailbox's result at `at`; a line that a rule refuses does not stop the others, a fault stops all.

    A mailbox whose mail 2 was not delivered (or came back since), or whose mail 4 has not left, is refused unless a
    person signs for it (B18). The same result twice changes nothing. All of it is written at once, with its line of
    audit. With `batch`, the file speaks of that batch only. Raises Refusal.
    """
    _refuse_nul(signed)
    if write:
        with connection.cursor() as cursor:  # two files of the same night, in another order: one after the other
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [NIGHT_LOCK])
    if batch is not None:
        batch = _of_a_night(batch, at=at, lock=write)
    report = Report([Line(fault.line, fault.address, Fate.FAULT, fault.why) for fault in faults])
    judged = _judged(list(results), batch, at=at, signed=signed, lock=write)
    report.lines = sorted([*report.lines, *(line for line, _, _ in judged)], key=lambda line: line.number)
    if not write:
        return report
    if report.faults:
        raise nothing_is_recorded(report)
    skipped = 0
    for line, result, move in judged:
        if line.fate == Fate.MIGRATED:
            assert move is not None
            signature = signed if line.signable else ""
            facts = {"migrated_at": at, "signed_by": signature, "skipped_items": result.skipped}
            move.move_to(Status.MIGRATED, by=by, at=at, note=signature, **facts)
            skipped += result.skipped
        elif line.fate == Fate.FAILED:
            assert move is not None
            why = _cause(result)
            move.move_to(Status.FAILED, by=by, at=at, note=why, failure=why)
    counts = {"migrées": report.migrated, "en échec": report.failed, "déjà": report.already}
    audit.record(
        "cutover.recorded",
        about=batch,
        by=by,
        at=at,
        why=signed,
        result="ok" if any(counts.values()) else audit.REFUSED,
        details={**counts, "refusées": len(report.refused)} | ({"éléments non repris": skipped} if skipped else {}),
    )
    return report


def _refuse_nul(text: str) -> None:
    if "\0" in text:
        raise Refusal("Un caractère invisible se trouve dans ce texte : écrivez-le de nouveau.")


def nothing_is_recorded(report: Report) -> Refusal:
    count = len(report.faults)
    subject = f"{count} lignes sont à corriger" if count > 1 else "Une ligne est à corriger"
    return Refusal(f"{subject} : rien n’est enregistré.")


def _of_a_night(batch: Batch, *, at: datetime, lock: bool) -> Batch:
    """That batch as it stands now. Raises Refusal if no night of it can have a result."""
    rows = Batch.objects.select_related("campaign")
    if lock:
        rows = rows.select_for_update(of=("self",), no_key=True)
    now = rows.get(pk=batch.pk)
    if now.status not in OF_A_NIGHT:
        raise Refusal(f"Le {now} est « {now.get_status_display()} » : aucune de ses nuits n’a de résultat.")
    if at < now.campaign.night(now.night_on)[0]:
        raise Refusal(f"La nuit du {now}, celle du {now.night_on:%d/%m/%Y}, n’a pas encore commencé.")
    return now


Judged = tuple[Line, Result, Move | None]


def _judged(results: Sequence[Result], batch: Batch | None, *, at: datetime, signed: str, lock: bool) -> list[Judged]:
    """What becomes of each, in a fixed number of statements. The moves are locked, and read as they are then."""
    keys = [(result, _key(result.address)) for result in results]
    mailboxes = {
        mailbox.address: mailbox
        for mailbox in Mailbox.objects.filter(address__in={key for _, key in keys}).select_related("organisation")
    }
    rows = Move.objects.filter(mailbox__in=mailboxes.values()).select_related("batch__campaign").order_by("pk")
    if lock:  # of two who record the same night, the second sees what the first wrote
        rows = rows.select_for_update(of=("self",))
    moves: dict[int, list[Move]] = {mailbox.pk: [] for mailbox in mailboxes.values()}
    for move in rows:
        moves[move.mailbox_id].append(move)
    facts = facts_of(mailboxes.values(), at, moves=[move for of_box in moves.values() for move in of_box])
    closed = set(  # mail 4 of this move, not of a former night
        Mailing.objects.filter(
            Q(mail__bounced_at=None) | Q(mail__bounced_at__gt=at),
            step=Mailing.Step.CLOSING,
            mail__sent_at__lte=at,
            move__mailbox__in=mailboxes.values(),
        ).values_list("move", flat=True)
    )
    found: list[Judged] = []
    done: set[int] = set()
    for result, address in keys:
        mailbox = mailboxes.get(address)
        if mailbox is None:
            fate = Fate.FAULT if batch else Fate.REFUSED
            words = "cette adresse n’est celle d’aucune boîte connue."
            found.append((Line(result.line, result.address, fate, words), result, None))
            continue
        mine, line = _place(result, moves[mailbox.pk], batch, mailbox)
        if mine is not None and mine.pk in done:
            line = Line(result.line, result.address, Fate.ALREADY, "donnée deux fois.")
        elif mine is not None:
            line = _judge(result, mine, facts[mailbox.pk], is_closed=mine.pk in closed, signed=signed)
            done.add(mine.pk)
        assert line is not None
        found.append((line, result, mine))
    return found


def _key(address: str) -> str:
    """The address as the register writes it; what is none has no mailbox."""
    try:
        parsed = parse(address)
    except Refusal:
        return ""
    return address_of(parsed.kind, parsed.fase) if parsed.kind else ""


def _place(
    result: Result, moves: list[Move], batch: Batch | None, mailbox: Mailbox
) -> tuple[Move | None, Line | None]:
    """The move that this result is about; or why it is about none."""

    def line(fate: Fate, words: str) -> tuple[None, Line]:
        return None, Line(result.line, result.address, fate, words)

    planned = next((move for move in moves if move.status == Status.PLANNED), None)
    if batch is None:
        if result.moved and any(move.status == Status.MIGRATED for move in moves):
            return line(Fate.ALREADY, "déjà enregistrée.")
        return (planned, None) if planned else line(Fate.REFUSED, "cette boîte n’est dans aucun lot en cours.")
    if mailbox.organisation.kind != batch.kind:
        return line(Fate.FAULT, f"ce n’est pas une boîte de ce lot, qui est fait de boîtes « {batch.kind} ».")
    own = next((move for move in reversed(moves) if move.batch_id == batch.pk), None)
    if own is None:
        where = f"est dans le {planned.batch}" if planned else "n’est dans aucun lot en cours"
        return line(Fate.FAULT, f"cette boîte n’est pas de ce lot : elle {where}.")
    match Status(own.status), result.moved:
        case (Status.PLANNED, _):
            return own, None
        case (Status.MIGRATED, True) | (Status.FAILED, False):
            return line(Fate.ALREADY, "déjà enregistrée.")
        case (Status.MIGRATED, False):
            return line(Fate.REFUSED, "elle est enregistrée comme migrée : remettez-la sur l’ancien serveur d’abord.")
        case (Status.FAILED, True):
            return line(Fate.REFUSED, "son échec est enregistré : reprenez-la dans un autre lot.")
        case _:
            return line(Fate.REFUSED, f"elle n’est plus de cette nuit : « {own.get_status_display()} ».")


def _judge(result: Result, move: Move, facts: Facts, *, is_closed: bool, signed: str) -> Line:
    """A mailbox that still moves: moved, failed, or refused because a mail of its way is missing."""
    if not result.moved:
        return Line(result.line, result.address, Fate.FAILED, _cause(result))
    missing = [] if Mailing.Step.CREDENTIALS in facts.delivered else ["mail 2"]
    if not is_closed:
        missing.append("mail 4")
    if missing and not signed:
        subject = "mail 2 et mail 4 ne sont pas arrivés" if len(missing) > 1 else f"{missing[0]} n’est pas arrivé"
        words = f"{subject} : migration refusée sans dérogation signée."
        return Line(result.line, result.address, Fate.REFUSED, words, signable=True)
    words = f"{result.skipped} éléments non repris, à admettre." if result.skipped else ""
    return Line(result.line, result.address, Fate.MIGRATED, words, signable=bool(missing))


def _cause(result: Result) -> str:
    return result.detail or "cause non précisée"


@transaction.atomic
def accept_skipped(move_ids: Collection[int], *, note: str, by: str, at: datetime) -> int:
    """A person of SGNE knows what was not carried over and accepts it, saying why (B15). Returns how many mailboxes.

    Raises Refusal without a reason, or when nothing waits: another person has just accepted it.
    """
    note = note.strip()
    _refuse_nul(note)
    if not note:
        raise Refusal("Dites pourquoi c’est admis : la note reste au journal.")
    if len(note) > Move._meta.get_field("skipped_note").max_length:  # type: ignore[operator]
        raise Refusal("Cette note est trop longue : 300 caractères au plus.")
    waiting = list(
        Move.objects.select_for_update(of=("self",))
        .filter(pk__in=move_ids, skipped_items__gt=0, skipped_at=None)
        .select_related("mailbox")
        .order_by("pk")
    )
    if not waiting:
        done = Move.objects.filter(pk__in=move_ids, skipped_at__isnull=False).first()
        who = f" : {done.skipped_by} vient de l’admettre" if done else ""
        raise Refusal(f"Plus rien n’attend d’être admis{who}.")
    Move.objects.filter(pk__in=[move.pk for move in waiting]).update(skipped_note=note, skipped_by=by, skipped_at=at)
    details = {
        "boîtes": [str(move.mailbox) for move in waiting[:NAMED]],
        "éléments": sum(move.skipped_items for move in waiting),
    }
    audit.record("move.skipped_accepted", about=waiting[0].batch, by=by, at=at, why=note, details=details)
    return len(waiting)


@transaction.atomic
def roll_back(move: Move, *, by: str, at: datetime, why: str) -> None:
    """This mailbox is read on the old server again (B21): its phase goes back, and it may be planned anew.

    No mail leaves because of it: a later batch does not repeat mail 2 (`planning`), and the password that was
    announced stays in force for that night. Raises Refusal without a reason, or if it is not migrated (any more).
    """
    why = why.strip()
    if not why:
        raise Refusal("Dites pourquoi cette boîte retourne sur l’ancien serveur : le motif reste au journal.")
    batches = Batch.objects.select_for_update(of=("self",), no_key=True).select_related("campaign")
    batch = batches.get(pk=move.batch_id)
    locked = Move.objects.select_for_update(of=("self",)).select_related("mailbox").get(pk=move.pk)
    if locked.status == Status.ROLLED_BACK:
        raise Refusal("Cette boîte est déjà remise sur l’ancien serveur : quelqu’un d’autre vient de le faire.")
    if locked.status != Status.MIGRATED or locked.migrated_at is None:
        raise Refusal(f"Cette boîte est « {locked.get_status_display()} » : seule une boîte migrée se remet.")
    if at < locked.migrated_at:
        raise Refusal("Cette boîte n’avait pas encore migré à ce moment.")
    closes_on = batch.campaign.old_server_closes_on
    if brussels_date(at) >= closes_on:
        raise Refusal(f"L’ancien serveur est fermé depuis le {closes_on:%d/%m/%Y} : aucune boîte n’y retourne.")
    facts: dict = {"rolled_back_at": at}
    if locked.skipped_items and locked.skipped_at is None:  # nothing is left to accept: it is all on the old server
        facts |= {"skipped_at": at, "skipped_by": by, "skipped_note": "boîte remise sur l’ancien serveur"}
    locked.move_to(Status.ROLLED_BACK, by=by, at=at, note=why, **facts)
    if batch.status == Batch.Status.FINISHED:
        batch.move_to(Batch.Status.FINISHED_WITH_ERRORS, by=by, at=at, note=f"{locked.mailbox} : {why}")
    details = {"boîte": str(locked.mailbox), "migrée le": locked.migrated_at.isoformat()}
    audit.record("move.rolled_back", about=locked, by=by, at=at, why=why, details=details)
    move.refresh_from_db()
