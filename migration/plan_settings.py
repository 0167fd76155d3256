"""What a plan follows from: windows, spacings, capacity, days to avoid. From a campaign, from a file, or by default.

The file is JSON, documented key by key in `docs/plan.md`; what it leaves out is as in the campaign, or by default.
"""

import json
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Any

from bma_portal.errors import Refusal
from migration import school_years
from migration.calendar import Avoided
from migration.campaigns import AUTUMN_2024
from migration.models import AvoidedPeriod, Campaign

LARGEST = 500_000  # bytes of a settings file
LONGEST = 731  # days of a window, or of a period to avoid
REASONS = {str(reason) for reason in AvoidedPeriod.Reason.values}
KINDS = {"po": "PO", "ec": "établissements"}

# Where each setting stands in the file, and the least and the most that a number may be
DATES = {
    "po.first_mails.from": "po_first_mail_from",
    "po.first_mails.to": "po_first_mail_to",
    "po.nights.from": "po_moves_from",
    "po.nights.to": "po_moves_until",
    "ec.first_mails.from": "ec_first_mail_from",
    "ec.first_mails.to": "ec_first_mail_to",
    "ec.nights.from": "ec_moves_from",
    "ec.nights.to": "ec_moves_until",
    "old_server_closes_on": "old_server_closes_on",
}
NUMBERS = {
    "spacings.mail_2_after": ("mail2_after_days", 1, 60),
    "spacings.mail_3_after_min": ("mail3_after_days_min", 1, 180),
    "spacings.mail_3_after_max": ("mail3_after_days_max", 1, 180),
    "spacings.night_after": ("night_after_days", 0, 60),
    "capacity.weekly_mailboxes": ("weekly_mailboxes", 1, 100_000),
    "capacity.tickets_per_hundred": ("tickets_per_hundred", 1, 1000),
    "capacity.weekly_tickets": ("weekly_tickets", 1, 100_000),
}
MAY_BE_NULL = {"po.nights.from", "po.nights.to", "ec.nights.from", "ec.nights.to"} | {
    key for key in NUMBERS if key.startswith("capacity.")
}
KEYS = {**DATES, **{key: name for key, (name, _, _) in NUMBERS.items()}}
IN_ORDER = [
    ("po.first_mails.from", "po.first_mails.to"),
    ("po.nights.from", "po.nights.to"),
    ("ec.first_mails.from", "ec.first_mails.to"),
    ("ec.nights.from", "ec.nights.to"),
    ("spacings.mail_3_after_min", "spacings.mail_3_after_max"),
]


@dataclass(frozen=True)
class Settings:
    """All that a plan follows from; Brussels days. One that makes no sense cannot be made: it raises Refusal."""

    po_first_mail_from: date
    po_first_mail_to: date
    ec_first_mail_from: date
    ec_first_mail_to: date
    old_server_closes_on: date
    po_moves_from: date | None = None
    po_moves_until: date | None = None
    ec_moves_from: date | None = None
    ec_moves_until: date | None = None
    mail2_after_days: int = 7
    mail3_after_days_min: int = 21
    mail3_after_days_max: int = 84
    night_after_days: int = 2
    weekly_mailboxes: int | None = None
    tickets_per_hundred: int | None = None
    weekly_tickets: int | None = None
    avoided: tuple[Avoided, ...] = ()

    def __post_init__(self) -> None:
        for key, (name, least, most) in NUMBERS.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise Refusal(f"« {key} » vaut {value} : donnez un nombre de {least} à {most}.")
        for first, last in IN_ORDER:
            one, other = getattr(self, KEYS[first]), getattr(self, KEYS[last])
            if one is not None and other is not None and one > other:
                raise Refusal(f"« {first} » ({_shown(one)}) dépasse « {last} » ({_shown(other)}).")
        for key, name in DATES.items():
            value = getattr(self, name)
            if value is not None and not 2000 <= value.year <= 2100:
                raise Refusal(f"« {key} » : l’année {value.year} n’est pas entre 2000 et 2100.")
        for kind in KINDS:
            opens, ends = self.first_mails(kind)
            if (ends - opens).days > LONGEST:
                raise Refusal(f"« {kind}.first_mails » dure plus de deux ans.")
        if (self.tickets_per_hundred is None) != (self.weekly_tickets is None):
            raise Refusal(
                "« capacity.tickets_per_hundred » et « capacity.weekly_tickets » vont ensemble : l’un manque."
            )
        if self.capacity == 0:
            raise Refusal(
                "« capacity.weekly_tickets » est trop bas pour « capacity.tickets_per_hundred » : "
                "aucune boîte ne pourrait migrer."
            )

    def first_mails(self, kind: str) -> tuple[date, date]:
        return getattr(self, f"{kind}_first_mail_from"), getattr(self, f"{kind}_first_mail_to")

    def nights(self, kind: str) -> tuple[date | None, date | None]:
        return getattr(self, f"{kind}_moves_from"), getattr(self, f"{kind}_moves_until")

    @property
    def capacity(self) -> int | None:
        """Mailboxes whose night falls in one week, at the most: the lower of the two limits, or none (B7; S1 §4)."""
        limits = [] if self.weekly_mailboxes is None else [self.weekly_mailboxes]
        if self.weekly_tickets is not None and self.tickets_per_hundred is not None:
            limits.append(self.weekly_tickets * 100 // self.tickets_per_hundred)
        return min(limits, default=None)

    def fill(self, campaign: Campaign) -> list[str]:
        """Give the campaign these dates and numbers, without saving it. Returns the names of what changed."""
        changed = [name for name in KEYS.values() if getattr(campaign, name) != getattr(self, name)]
        for name in changed:
            setattr(campaign, name, getattr(self, name))
        return changed


def from_campaign(campaign: Campaign) -> Settings:
    """Its settings and the periods to avoid that staff keep, in one query. Raises Refusal if they make no sense."""
    rows = AvoidedPeriod.objects.order_by("first", "last", "kind", "reason")
    avoided = tuple(Avoided(p.first, p.last, p.kind, p.reason, p.name, p.source) for p in rows)
    return Settings(**{name: getattr(campaign, name) for name in KEYS.values()}, avoided=avoided)


def school_holidays() -> tuple[Avoided, ...]:
    """Those that the portal knows by itself; they bind establishments."""
    return tuple(
        Avoided(first, last, "ec", "school", name, f"{school_years.SOURCE} {year}")
        for first, last, name, year in school_years.holidays()
    )


def default() -> Settings:
    """The dates of S1 §8 and the spacings of S1 §5, which keep every rule; no window of nights, no limit by week."""
    names = {field.name for field in fields(Settings)}
    return Settings(**{name: value for name, value in AUTUMN_2024.items() if name in names}, avoided=school_holidays())


def read(path: Path | str, *, base: Settings | None = None) -> Settings:
    """The settings of a JSON file; what it leaves out is as in `base` (by default: `default()`).

    Its periods to avoid come on top of those of `base`. Raises Refusal, naming the key, and changes nothing.
    """
    return parse(_load(Path(path)), base=base or default())


def parse(given: Any, *, base: Settings) -> Settings:
    """The same for what was read already."""
    _object(given, "le fichier", {"name", "po", "ec", "spacings", "capacity", "avoided", "old_server_closes_on"})
    _text(given.get("name", ""), "name", 200)
    found: dict[str, Any] = {}
    for kind in KINDS:
        of_kind = _object(given.get(kind, {}), kind, {"first_mails", "nights"})
        for window in ("first_mails", "nights"):
            _object(of_kind.get(window, {}), f"{kind}.{window}", {"from", "to"})
    for section in ("spacings", "capacity"):
        known = {key.partition(".")[2] for key in NUMBERS if key.startswith(f"{section}.")}
        _object(given.get(section, {}), section, known)
    for key, name in KEYS.items():
        value: Any = given
        for part in key.split("."):
            value = value.get(part, given) if isinstance(value, dict) else given
            if value is given:  # left out
                break
        if value is given:
            continue
        if value is None:
            if key not in MAY_BE_NULL:
                raise Refusal(f"« {key} » ne peut pas rester vide.")
            found[name] = None
        else:
            found[name] = _day(value, key) if key in DATES else _number(value, key)
    avoided = _avoided(given.get("avoided", []))
    return replace(base, **found, avoided=base.avoided + tuple(p for p in avoided if p not in base.avoided))


def _load(path: Path) -> Any:
    try:
        if path.stat().st_size > LARGEST:
            raise Refusal(f"Le fichier dépasse {LARGEST // 1000} ko : ce n’est pas un fichier de réglages.")
        data = path.read_bytes()
    except OSError:
        raise Refusal("Le fichier de réglages ne peut pas être lu : vérifiez son nom et vos droits.") from None
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_once)
    except UnicodeDecodeError:
        raise Refusal("Le fichier de réglages n’est pas écrit en UTF-8.") from None
    except json.JSONDecodeError as error:
        raise Refusal(f"Le fichier de réglages n’est pas du JSON : voyez la ligne {error.lineno}.") from None
    except (RecursionError, ValueError):
        raise Refusal("Le fichier de réglages n’est pas du JSON lisible.") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, _ in pairs if [name for name, _ in pairs].count(key) > 1)
        raise Refusal(f"« {_safe(twice)} » est donné deux fois.")
    return found


def _object(value: Any, key: str, known: set[str]) -> dict[str, Any]:
    shown = key if key.startswith("le ") else f"« {key} »"
    if not isinstance(value, dict):
        raise Refusal(f"{shown[0].upper()}{shown[1:]} doit être un objet JSON, entre accolades.")
    for name in value:
        if name not in known:
            place = "" if key.startswith("le ") else f"{key}."
            raise Refusal(f"Clé inconnue : « {place}{_safe(name)} ». Connues ici : {', '.join(sorted(known))}.")
    return value


def _day(value: Any, key: str) -> date:
    try:
        if isinstance(value, str) and len(value) == 10:
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise Refusal(f"« {key} » vaut « {_safe(value)} » : donnez une date, comme 2024-10-07.")


def _number(value: Any, key: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal(f"« {key} » vaut « {_safe(value)} » : donnez un nombre entier.")
    return value


def _text(value: Any, key: str, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest or not all(char.isprintable() for char in value):
        raise Refusal(f"« {key} » doit être un texte d’une ligne, de {longest} caractères au plus.")
    return value


def _avoided(given: Any) -> list[Avoided]:
    if not isinstance(given, list):
        raise Refusal("« avoided » doit être une liste de périodes, entre crochets.")
    found = []
    for n, row in enumerate(given, start=1):
        key = f"avoided.{n}"
        _object(row, key, {"from", "to", "kind", "reason", "name", "source"})
        for needed in ("from", "to", "source"):
            if not row.get(needed):
                raise Refusal(f"« {key}.{needed} » manque.")
        first, last = _day(row["from"], f"{key}.from"), _day(row["to"], f"{key}.to")
        if first > last:
            raise Refusal(f"« {key}.from » ({_shown(first)}) dépasse « {key}.to » ({_shown(last)}).")
        if (last - first).days > LONGEST or not 2000 <= first.year <= 2100:
            raise Refusal(f"« {key} » : une période dure deux ans au plus, entre 2000 et 2100.")
        kind, reason = row.get("kind", ""), row.get("reason", "other")
        if kind not in ("", *KINDS):
            raise Refusal(f"« {key}.kind » vaut « {_safe(kind)} » : « po », « ec », ou vide pour les deux.")
        if not isinstance(reason, str) or reason not in REASONS:
            raise Refusal(f"« {key}.reason » vaut « {_safe(reason)} » : {', '.join(sorted(REASONS))}.")
        name = _text(row.get("name", ""), f"{key}.name", 120)
        found.append(Avoided(first, last, kind, reason, name, _text(row["source"], f"{key}.source", 200)))
    return found


def _safe(value: Any) -> str:
    """What was typed, short and printable."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return "".join(char if char.isprintable() else "?" for char in text[:40])


def _shown(value: Any) -> str:
    return f"{value:%d/%m/%Y}" if isinstance(value, date) else str(value)
