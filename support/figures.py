"""Figures of the desk (F19): one statement for the tickets, one for the resets, whatever the period.

A ticket counts where and when it was opened: « résolues » are those of these that are solved or closed by now. Times
to the first answer are minutes of opening of the team that has the ticket, the same that its deadlines are made of
(`support/sla.py`): each day is numbered by the minutes worked before it, so that a difference is enough.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Q

from bma_portal.clock import brussels, brussels_date, is_public_holiday
from bma_portal.templatetags.french import sans_semaine
from migration.phases import Phase
from support.desk import TEAMS
from support.models import PasswordReset
from support.needs import NEEDS
from support.tickets.common import targets_of

LONGEST_DAYS = 2 * 366
USUAL_DAYS = 12 * 7


@dataclass(frozen=True)
class Period:
    """From a day to another, both included, Brussels days."""

    start: date
    end: date

    @property
    def since(self) -> datetime:
        return brussels(self.start)

    @property
    def until(self) -> datetime:
        return brussels(self.end + timedelta(days=1))


def period(start: str, end: str, *, at: datetime) -> Period:
    """What was asked, as far as it makes sense: two years at most, the last twelve weeks unless said otherwise."""
    today = brussels_date(at)
    last = min(_day(end) or today, today)
    first = _day(start) or last - timedelta(days=USUAL_DAYS - 1)
    first = min(first, last)
    return Period(max(first, last - timedelta(days=LONGEST_DAYS)), last)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == 10 and 2000 < int(text[:4]) < 2200 else None
    except ValueError:
        return None


@dataclass
class Line:
    """One row of a table: what the group is, and its numbers."""

    label: str
    opened: int = 0
    solved: int = 0
    late: int = 0
    reopened: int = 0
    first_minutes: float | None = None  # median
    opinions: int = 0
    satisfied: int = 0

    @property
    def running(self) -> int:
        return self.opened - self.solved

    @property
    def first_hours(self) -> str:
        """« 1 h 30 » of working time; nothing while nobody was answered."""
        if self.first_minutes is None:
            return ""
        minutes = round(self.first_minutes)
        return f"{minutes // 60}\N{NO-BREAK SPACE}h\N{NO-BREAK SPACE}{minutes % 60:02d}"

    @property
    def satisfaction(self) -> str:
        return f"{round(100 * self.satisfied / self.opinions)}\N{NO-BREAK SPACE}%" if self.opinions else ""


@dataclass
class Figures:
    total: Line
    tables: dict[str, list[Line]]  # by team, need, phase, batch, week


_TICKETS = """
    WITH days AS (
        SELECT d::date AS day,
               (extract(isodow FROM d) < 6 AND d::date <> ALL(%(holidays)s::date[])) AS worked,
               count(*) FILTER (WHERE extract(isodow FROM d) < 6 AND d::date <> ALL(%(holidays)s::date[]))
                   OVER (ORDER BY d ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
        FROM generate_series(%(first)s::date, %(last)s::date, '1 day'::interval) AS d
    ), hours AS (
        SELECT * FROM unnest(%(teams)s::text[], %(opens)s::int[], %(closes)s::int[]) AS h(team, opens, closes)
    ), local AS (
        SELECT t.team, t.need, t.phase, t.late, t.reopened, t.satisfied, t.batch_id,
               t.opened_at AT TIME ZONE 'Europe/Brussels' AS opened,
               t.first_answered_at AT TIME ZONE 'Europe/Brussels' AS answered,
               coalesce(t.solved_at, t.closed_at) IS NOT NULL AS solved
        FROM support_ticket t
        WHERE t.opened_at >= %(since)s AND t.opened_at < %(until)s AND t.status <> 'merged' AND t.team = ANY(%(teams)s)
    ), one AS (
        SELECT t.team, t.need, t.phase, t.late, t.reopened, t.satisfied, t.solved,
               coalesce(c.name || ', lot ' || b.number || ' (' || upper(b.kind) || ')', '') AS batch,
               date_trunc('week', t.opened)::date AS week,
               (a.before - o.before) * (h.closes - h.opens)
                   + CASE WHEN a.worked THEN least(greatest(extract(epoch FROM t.answered::time) / 60 - h.opens, 0),
                                                   h.closes - h.opens) ELSE 0 END
                   - CASE WHEN o.worked THEN least(greatest(extract(epoch FROM t.opened::time) / 60 - h.opens, 0),
                                                   h.closes - h.opens) ELSE 0 END AS first
        FROM local t
        JOIN hours h ON h.team = t.team
        LEFT JOIN migration_batch b ON b.id = t.batch_id
        LEFT JOIN migration_campaign c ON c.id = b.campaign_id
        LEFT JOIN days o ON o.day = t.opened::date
        LEFT JOIN days a ON a.day = t.answered::date
    )
    SELECT grouping(team, need, phase, batch, week), team, need, phase, batch, week,
           count(*), count(*) FILTER (WHERE solved), count(*) FILTER (WHERE late), coalesce(sum(reopened), 0),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY first), count(satisfied), count(*) FILTER (WHERE satisfied)
    FROM one
    GROUP BY GROUPING SETS ((team), (need), (phase), (batch), (week), ())
    ORDER BY 1, 6, 7 DESC, 2, 3, 4, 5
"""
# The bits of `grouping`: a column that was grouped by is 0
_SETS = {0b01111: "team", 0b10111: "need", 0b11011: "phase", 0b11101: "batch", 0b11110: "week", 0b11111: "total"}


def tickets(teams: list[str], asked: Period, *, at: datetime) -> Figures:
    """Those opened in that period for those teams, by each of what they are counted by."""
    hours = [targets_of(team, at=at).hours for team in teams]
    first, last = asked.start, max(asked.end, brussels_date(at))
    said: dict[str, Any] = {
        "teams": teams,
        "opens": [h.opens.hour * 60 + h.opens.minute for h in hours],
        "closes": [h.closes.hour * 60 + h.closes.minute for h in hours],
        "first": first,
        "last": last,
        "holidays": [day for day in _days(first, last) if is_public_holiday(day)],
        "since": asked.since,
        "until": asked.until,
    }
    found = Figures(Line("Total"), {name: [] for name in ("team", "need", "phase", "batch", "week")})
    with connection.cursor() as cursor:
        cursor.execute(_TICKETS, said)
        for grouping, team, need, phase, batch, week, *numbers in cursor.fetchall():
            name = _SETS[grouping]
            line = Line(
                _label(name, {"team": team, "need": need, "phase": phase, "batch": batch, "week": week}), *numbers
            )
            if name == "total":
                found.total = line
            else:
                found.tables[name].append(line)
    found.total.label = "Total"
    return found


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _label(name: str, values: dict[str, Any]) -> str:
    value: Any = values.get(name)
    if name == "team":
        return str(TEAMS(value).label)
    if name == "need":
        return NEEDS[value].label if value in NEEDS else str(value)
    if name == "phase":
        return str(Phase(value).label).capitalize() if value in Phase.values else str(value)
    if name == "batch":
        return value or "Sans lot"
    if name == "week":
        return f"Semaine du {sans_semaine(value)}"
    return ""


@dataclass
class ResetLine:
    label: str
    asked: int
    shown: int
    waiting: int
    unread: int
    refused: int


def resets(asked: Period, *, at: datetime) -> list[ResetLine]:
    """Requests for a password by type; « jamais retirés » are passwords that were ready and that nobody came for."""
    status = PasswordReset.Status
    expired = Q(pickup_expires_at__lte=at) | ~Q(status=status.READY)
    counted = {
        "asked": Count("id"),
        "shown": Count("id", filter=Q(shown_at__isnull=False)),
        "waiting": Count("id", filter=Q(status=status.READY)),
        "unread": Count("id", filter=Q(ready_at__isnull=False, shown_at=None) & expired),
        "refused": Count("id", filter=Q(status=status.REFUSED)),
    }
    made = PasswordReset.objects.filter(asked_at__gte=asked.since, asked_at__lt=asked.until).order_by("path")
    rows = made.values("path").annotate(**counted).values_list("path", *counted)
    return [ResetLine(str(PasswordReset.Path(path).label), *numbers) for path, *numbers in rows]
