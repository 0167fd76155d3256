"""Which day a mail or a night may fall on: working days, public holidays, and the days that a campaign avoids (S4).

Pure: the days to avoid are given as plain data (`Avoided`); who reads them from the database is `plan_settings`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bma_portal.clock import BRUSSELS, brussels_date, is_working_day, working_day_from
from bma_portal.errors import Refusal

OPENS, CLOSES = 8, 17  # the Service Desk's hours, at Brussels (S0 §7)
DAY = timedelta(days=1)
FRIDAY = 4
PATIENCE = 1000  # days looked at before a search gives up: nearly three years without one allowed day


def mail_day(day: date) -> date:
    """The first day, from that one on, when mails 1 to 3 may leave: the desk must be there to answer (S0 §7)."""
    return working_day_from(day)


def night_day(day: date) -> date:
    """The first evening, from that one on, that may begin a night of migration: its morning after is worked too."""
    while not (is_working_day(day) and is_working_day(day + DAY)):
        day += DAY
    return day


def desk_is_open(at: datetime) -> bool:
    """Monday to Friday, 8 to 17 at Brussels, public holidays excepted (S0 §7)."""
    return is_working_day(brussels_date(at)) and OPENS <= at.astimezone(BRUSSELS).hour < CLOSES


def any_day(day: date) -> bool:
    """As if every day were worked: what the spacings allow by themselves."""
    return True


def is_weekday(day: date) -> bool:
    return day.weekday() <= FRIDAY


def school_year(day: date) -> str:
    """« 2024-2025 ». A school year ends on the first Friday of July; the summer after it belongs to the next one."""
    july = date(day.year, 7, 1)
    ends = july + timedelta(days=(FRIDAY - july.weekday()) % 7)
    first = day.year if day > ends else day.year - 1
    return f"{first}-{first + 1}"


def week_of(day: date) -> date:
    """The Monday of its ISO week."""
    return day - timedelta(days=day.weekday())


@dataclass(frozen=True)
class Avoided:
    """Days, both included, on which no mail 1 leaves and no night begins for that kind (« » : both kinds)."""

    first: date
    last: date
    kind: str = ""
    reason: str = "other"
    name: str = ""
    source: str = ""


class Calendar:
    """The days that one plan may use. `works` says which days are worked; the default is the real rule."""

    def __init__(self, avoided: Iterable[Avoided] = (), *, works: Callable[[date], bool] = is_working_day) -> None:
        self.works = works
        self._avoided: dict[str, set[date]] = {"po": set(), "ec": set()}
        self._known: set[str] = set()
        self._nights: dict[tuple[date, str], date] = {}
        for period in avoided:
            days = {period.first + timedelta(days=n) for n in range((period.last - period.first).days + 1)}
            for kind in [period.kind] if period.kind else ["po", "ec"]:
                self._avoided[kind] |= days
            if period.reason == "school":
                self._known.add(school_year(period.first))

    def avoids(self, day: date, kind: str) -> bool:
        return day in self._avoided[kind]

    def may_announce(self, day: date, kind: str) -> bool:
        """Mail 1 may leave on that day (B4)."""
        return self.works(day) and not self.avoids(day, kind)

    def may_move(self, day: date, kind: str) -> bool:
        """A night of that kind may begin on that day: it and its morning after are worked, and it is not avoided."""
        return self.works(day) and self.works(day + DAY) and not self.avoids(day, kind)

    def working_day(self, day: date) -> date:
        """That day if it is worked, else the next one that is."""
        return self._search(day, self.works, "jour ouvré")

    def announcement(self, day: date, kind: str) -> date:
        """The first day, from that one on, on which mail 1 may leave. Raises Refusal if there is none for years."""
        return self._search(day, lambda tried: self.may_announce(tried, kind), "jour permis pour un mail 1")

    def night(self, day: date, kind: str) -> date:
        """The first night of that kind, from that day on. Raises Refusal if there is none for years."""
        found = self._nights.get((day, kind))
        if found is None:
            found = self._search(day, lambda tried: self.may_move(tried, kind), "nuit permise")
            self._nights[day, kind] = found
        return found

    def unknown_year(self, day: date) -> str:
        """The school year of that day if no school holiday of it is known (« calendrier inconnu »), else « »."""
        year = school_year(day)
        return "" if year in self._known else year

    def _search(self, first: date, fits: Callable[[date], bool], what: str) -> date:
        day = first
        for _ in range(PATIENCE):
            if fits(day):
                return day
            day += DAY
        raise Refusal(f"Aucun {what} après le {first:%d/%m/%Y} : revoyez les périodes à éviter.")
