"""By when a team means to answer: its target, on its own hours (E8). Asked outside them, it counts from opening."""

from datetime import datetime, timedelta

from django.utils.dates import WEEKDAYS

from bma_portal.clock import BRUSSELS, brussels_date
from bma_portal.templatetags.french import sans_semaine
from support import sla
from support.tickets.common import targets_of


def answer_by(team: str, *, at: datetime) -> datetime:
    """By when that team means to have given its first answer to what is asked now."""
    targets = targets_of(team, at=at)
    return sla.add(at, targets.first, targets.hours)


def in_words(moment: datetime, *, at: datetime) -> str:
    """« aujourd’hui avant 15 h », « mardi avant 9 h 30 »: rounded up to the half hour."""
    local = moment.astimezone(BRUSSELS)
    late = timedelta(minutes=local.minute % 30, seconds=local.second, microseconds=local.microsecond)
    local += timedelta(minutes=30) - late if late else timedelta()
    match (local.date() - brussels_date(at)).days:
        case 0:
            day = "aujourd’hui"
        case 1:
            day = "demain"
        case days if days < 7:
            day = str(WEEKDAYS[local.weekday()])
        case _:
            day = f"le {sans_semaine(local.date())}"
    hour = f"{local.hour} h" + (f" {local.minute:02d}" if local.minute else "")
    return f"{day} avant {hour}"
