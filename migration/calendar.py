"""Which day a mail or a night may fall on. School holidays, counts and other days to avoid (S4) will join here."""

from datetime import date, datetime, timedelta

from bma_portal.clock import BRUSSELS, brussels_date, is_working_day, working_day_from

OPENS, CLOSES = 8, 17  # the Service Desk's hours, at Brussels (S0 §7)


def mail_day(day: date) -> date:
    """The first day, from that one on, when mails 1 to 3 may leave: the desk must be there to answer (S0 §7)."""
    return working_day_from(day)


def night_day(day: date) -> date:
    """The first evening, from that one on, that may begin a night of migration: its morning after is worked too."""
    while not (is_working_day(day) and is_working_day(day + timedelta(days=1))):
        day += timedelta(days=1)
    return day


def desk_is_open(at: datetime) -> bool:
    """Monday to Friday, 8 to 17 at Brussels, public holidays excepted (S0 §7)."""
    return is_working_day(brussels_date(at)) and OPENS <= at.astimezone(BRUSSELS).hour < CLOSES
