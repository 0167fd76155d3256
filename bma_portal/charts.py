"""Drawings made on the server: bars, a calendar, a span of time. No script, no style in the page, printable.

Here are their geometry and their figures; `templates/components/chart_*.html` draw them, `static/css/charts.css`
colours them. Each says the same thing three times: the drawing, words beside it, and a table of its figures.
All coordinates are whole numbers: a French template would write others with a comma.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from django.utils.dates import MONTHS_3, WEEKDAYS_ABBR
from django.utils.formats import date_format

LEVELS = 4  # of a calendar's cells, beside « nothing »
CELL_WIDTH, CELL_HEIGHT, GAP = 44, 30, 4
LEFT, TOP = 74, 22
WIDE = 1000  # of a span of time


@dataclass(frozen=True)
class Series:
    """One of the things counted: its colour's name (`mark-<key>`), its word, and that of one of it."""

    key: str
    label: str
    one: str = ""

    def words(self, count: int) -> str:
        return f"{count} {self.one if count == 1 and self.one else self.label}"


@dataclass(frozen=True)
class Part:
    key: str
    x: int
    width: int


@dataclass(frozen=True)
class Bar:
    """One line: a name, as many values as the chart has series."""

    label: str
    values: Sequence[int]
    series: Sequence[Series]
    note: str = ""
    now: bool = False

    @property
    def total(self) -> int:
        return sum(self.values)

    @property
    def parts(self) -> list[Part]:
        found, x = [], 0
        for series, value in zip(self.series, self.values, strict=True):
            if value:
                found.append(Part(series.key, x, value))
                x += value
        return found

    @property
    def words(self) -> str:
        """« 118 migrées, 2 en échec »: what is nought is not said."""
        said = [series.words(value) for series, value in zip(self.series, self.values, strict=True) if value]
        return self.note or ", ".join(said) or "aucune"


@dataclass(frozen=True)
class Group:
    heading: str
    bars: list[Bar]


@dataclass(frozen=True)
class Bars:
    """Stacked bars, all on one scale, by groups."""

    name: str  # of the drawing, for its anchors
    title: str
    series: Sequence[Series]
    groups: list[Group]
    first: str = ""  # what the lines are: the heading of the table's first column

    @property
    def most(self) -> int:
        return max((bar.total for group in self.groups for bar in group.bars), default=0) or 1

    @property
    def used(self) -> list[Series]:
        """The series that have something to show: the legend names no other."""
        bars = [bar for group in self.groups for bar in group.bars]
        return [series for n, series in enumerate(self.series) if any(bar.values[n] for bar in bars)]

    @property
    def headings(self) -> list[str]:
        return [self.first, *(series.label.capitalize() for series in self.series)]

    @property
    def rows(self) -> list[list[str | int]]:
        return [
            [f"{group.heading} : {bar.label}" if group.heading else bar.label, *bar.values]
            for group in self.groups
            for bar in group.bars
        ]


def bars(
    name: str,
    title: str,
    series: Sequence[Series],
    groups: Mapping[str, Iterable[tuple[str, Sequence[int]]]],
    *,
    first: str = "",
    now: str = "",
) -> Bars:
    """`groups`: by heading (it may be empty), lines of a name and its values; `now` is the name of today's line."""
    made = [
        Group(heading, [Bar(label, values, series, now=bool(now) and label == now) for label, values in lines])
        for heading, lines in groups.items()
    ]
    return Bars(name, title, series, [group for group in made if group.bars], first=first)


def funnel(name: str, title: str, steps: Sequence[tuple[str, int]], *, whole: int, first: str = "Étape") -> Bars:
    """What is left of a whole at each step: one bar a step, from the whole's width down."""
    series = [Series("step", "boîtes"), Series("rest", "pas encore")]
    lines = [
        Bar(label, [min(count, whole), max(0, whole - count)], series, note=f"{count} · {share(count, whole)}")
        for label, count in steps
    ]
    return Bars(name, title, series, [Group("", lines)] if lines else [], first=first)


def share(count: int, whole: int) -> str:
    """« 42 % »; never 100 % before the last one, never 0 % after the first."""
    percent = round(100 * count / whole) if whole else 0
    if 0 < count < whole:
        percent = min(99, max(1, percent))
    return f"{percent}\N{NO-BREAK SPACE}%"


# A calendar


@dataclass(frozen=True)
class Day:
    """A cell: where it stands, how dark it is, what it says."""

    day: date
    count: int
    level: int
    x: int
    y: int
    avoided: str = ""
    holiday: str = ""
    today: bool = False

    @property
    def kind(self) -> str:
        return "holiday" if self.holiday else "avoided" if self.avoided else "free"

    @property
    def text(self) -> str:
        said = [date_format(self.day, "l j F Y")]
        if self.count:
            said.append(f"nuit de {self.count} boîte{'s' if self.count > 1 else ''}")
        said += [why for why in (self.holiday, self.avoided) if why]
        return ", ".join(said) + (", aujourd’hui" if self.today else "")

    @property
    def number_y(self) -> int:
        return self.y + 12

    @property
    def count_y(self) -> int:
        return self.y + 25

    @property
    def middle(self) -> int:
        return self.x + CELL_WIDTH // 2


@dataclass(frozen=True)
class Week:
    label: str
    y: int
    days: list[Day]


@dataclass(frozen=True)
class Calendar:
    """Weeks one under the other, as on a wall; the more happens in a night, the darker its day."""

    name: str
    title: str
    text: str
    weeks: list[Week]
    heads: list[tuple[str, int]] = field(default_factory=list)
    headings: list[str] = field(default_factory=lambda: ["Nuit du", "Boîtes", "Remarque"])
    rows: list[list[str | int]] = field(default_factory=list)
    cell_width: int = CELL_WIDTH
    cell_height: int = CELL_HEIGHT

    @property
    def width(self) -> int:
        return LEFT + 7 * (CELL_WIDTH + GAP)

    @property
    def height(self) -> int:
        return TOP + len(self.weeks) * (CELL_HEIGHT + GAP)

    @property
    def has_avoided(self) -> bool:
        return any(day.avoided for week in self.weeks for day in week.days)

    @property
    def has_holidays(self) -> bool:
        return any(day.holiday for week in self.weeks for day in week.days)


def calendar(
    name: str,
    title: str,
    counts: Mapping[date, int],
    *,
    first: date,
    last: date,
    today: date,
    avoided: Mapping[date, str],
    holidays: Mapping[date, str],
) -> Calendar:
    """From the week of `first` to that of `last`."""
    monday, end = first - timedelta(days=first.weekday()), last + timedelta(days=6 - last.weekday())
    most = max(counts.values(), default=0)
    weeks = []
    for number in range(((end - monday).days + 1) // 7):
        start, y = monday + timedelta(weeks=number), TOP + number * (CELL_HEIGHT + GAP)
        days = []
        for offset in range(7):
            day = start + timedelta(days=offset)
            count = counts.get(day, 0)
            level = min(LEVELS, 1 + (LEVELS * (count - 1)) // most) if count else 0
            x = LEFT + offset * (CELL_WIDTH + GAP)
            days.append(Day(day, count, level, x, y, avoided.get(day, ""), holidays.get(day, ""), day == today))
        weeks.append(Week(f"{start.day} {MONTHS_3[start.month]}", y + CELL_HEIGHT // 2 + 5, days))
    every = [day for week in weeks for day in week.days]
    nights = [day for day in every if day.count]
    crossed = [day for day in nights if day.avoided or day.holiday]
    text = f"{len(nights)} nuit{'s' if len(nights) > 1 else ''}"
    if nights:
        text += f", du {date_format(nights[0].day, 'j F Y')} au {date_format(nights[-1].day, 'j F Y')}"
    text += f", {len(crossed)} un jour à éviter ou férié." if crossed else ", aucune un jour à éviter ou férié."
    return Calendar(
        name,
        title,
        text,
        weeks,
        heads=[(str(WEEKDAYS_ABBR[n])[:3], LEFT + n * (CELL_WIDTH + GAP) + CELL_WIDTH // 2) for n in range(7)],
        rows=[[date_format(day.day, "l j F Y"), day.count, day.holiday or day.avoided] for day in nights],
    )


# A span of time


@dataclass(frozen=True)
class Mark:
    """A day that counts, on the span or beyond its ends."""

    key: str
    label: str
    day: date
    x: int

    @property
    def left(self) -> int:
        return max(0, self.x - 2)


@dataclass(frozen=True)
class Span:
    """From a day to a day: how far one is, and between which two days one should arrive."""

    name: str
    title: str
    text: str
    now_x: int
    from_x: int
    until_x: int
    marks: list[Mark]

    @property
    def width(self) -> int:
        return max(6, self.until_x - self.from_x)

    headings = ("Repère", "Date")

    @property
    def rows(self) -> list[list[str]]:
        return [[mark.label, date_format(mark.day, "l j F Y")] for mark in self.marks]


def span(
    name: str,
    title: str,
    text: str,
    *,
    start: date,
    now: date,
    earliest: date,
    latest: date,
    others: Sequence[tuple[str, str, date]] = (),
) -> Span:
    """`others`: a key, a word and a day for each other mark."""
    named = [
        ("start", "Première nuit", start),
        ("now", "Aujourd’hui", now),
        ("from", "Fin au plus tôt", earliest),
        ("until", "Fin au plus tard", latest),
        *others,
    ]
    days = [day for _key, _label, day in named]
    first, whole = min(days), max(1, (max(days) - min(days)).days)

    def x(day: date) -> int:
        return round(WIDE * (day - first).days / whole)

    marks = [Mark(key, label, day, x(day)) for key, label, day in sorted(named, key=lambda mark: mark[2])]
    return Span(name, title, text, x(now), x(earliest), x(latest), marks)
