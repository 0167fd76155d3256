"""How to reach a team, and whether someone is there now."""

import logging
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import F

from accounts.models import Contact
from bma_portal import kept
from bma_portal.clock import BRUSSELS, brussels, brussels_date, working_day_from
from bma_portal.french_names import MONTHS, WEEKDAYS
from bma_portal.prepared import twin

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opening:
    """Whether a team is there at a moment, and when that changes (in UTC): its closing if open, else its opening."""

    is_open: bool
    changes_at: datetime
    sentence: str  # « ouvert jusqu’à 17 h », « ouvre lundi à 8 h »


def opening_of(contact: Contact, at: datetime) -> Opening | None:
    """On working days, from its opening to its closing, Brussels time (S0 §7). None where its hours are not known."""
    if contact.opens_at is None or contact.closes_at is None:
        return None
    today = brussels_date(at)
    day = working_day_from(today)
    if day == today:
        opens, closes = _moment(day, contact.opens_at), _moment(day, contact.closes_at)
        if opens <= at < closes:
            return Opening(True, closes, f"ouvert jusqu’à {_hour(closes)}")
        if at >= closes:
            day = working_day_from(today + timedelta(days=1))
    opens = _moment(day, contact.opens_at)
    return Opening(False, opens, f"ouvre {_day(day, today)} à {_hour(opens)}")


def _moment(day: date, hour: time) -> datetime:
    return brussels(day, hour.hour, hour.minute)


def _hour(at: datetime) -> str:
    """« 8 h », « 8 h 30 », the no-break spaces included."""
    local = at.astimezone(BRUSSELS)
    return f"{local.hour}\N{NO-BREAK SPACE}h" + (f"\N{NO-BREAK SPACE}{local.minute:02d}" if local.minute else "")


def _day(day: date, today: date) -> str:
    match (day - today).days:
        case 0:
            return "aujourd’hui"
        case 1:
            return "demain"
        case days if days < 7:
            return WEEKDAYS[day.weekday()]
    return f"le {day.day if day.day > 1 else '1er'} {MONTHS[day.month]}"


def contact_of(team: str, at: datetime) -> Contact:
    """How to reach that team at that moment; the latest entry wins where two overlap.

    A gap between two entries must not stop a campaign: the nearest entry before it then serves, else the first one
    after. Raises `Contact.DoesNotExist` when the team has none at all.
    """
    rows = kept.rows(Contact)
    if rows is not None:
        return twin(_of_rows([row for row in rows if row.team == team], team, brussels_date(at)))
    entries = Contact.objects.filter(team=team)
    found = entries.valid_on(brussels_date(at)).order_by(F("valid_from").desc(nulls_last=True)).first()
    if found is None:
        log.warning("aucun contact valable ce jour-là", extra={"objet": team})
        past = entries.filter(valid_to__lte=brussels_date(at)).order_by("-valid_to").first()
        found = past or entries.order_by("valid_from").first()
    if found is None:
        raise Contact.DoesNotExist(f"no contact of {team} on {brussels_date(at)}")
    return found


def _of_rows(entries: list[Contact], team: str, day: date) -> Contact:
    """The same choice, among rows that are already read."""
    valid = [row for row in entries if row.valid_on(day)]
    if valid:
        return max(valid, key=lambda row: (row.valid_from is not None, row.valid_from or date.min))
    log.warning("aucun contact valable ce jour-là", extra={"objet": team})
    past = [row for row in entries if row.valid_to is not None and row.valid_to <= day]
    if past:
        return max(past, key=lambda row: row.valid_to or date.min)
    if not entries:
        raise Contact.DoesNotExist(f"no contact of {team} on {day}")
    return min(entries, key=lambda row: (row.valid_from is None, row.valid_from or date.min))
