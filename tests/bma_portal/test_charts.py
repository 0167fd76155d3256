"""Drawings: their geometry holds together, and their words and table say what they show."""

from datetime import date, timedelta
from xml.etree import ElementTree

import pytest
from django.template.loader import render_to_string
from hypothesis import given
from hypothesis import strategies as st

from bma_portal import charts

SERIES = [
    charts.Series("done", "migrées", "migrée"),
    charts.Series("future", "à venir"),
    charts.Series("failed", "en échec"),
]
MONDAY = date(2024, 10, 28)
counts = st.integers(min_value=0, max_value=5000)


def drawn(template: str, chart: object, **more: object) -> str:
    html = render_to_string(f"components/{template}.html", {"chart": chart, **more})
    ElementTree.fromstring(f"<div>{html}</div>".replace("&nbsp;", " "))  # well formed
    assert "style=" not in html
    assert "<script" not in html
    return html


@given(st.lists(st.tuples(counts, counts, counts), max_size=8))
def test_stacked_parts_follow_each_other_and_stay_inside(lines):
    chart = charts.bars("essai", "Essai", SERIES, {"": [(str(n), values) for n, values in enumerate(lines)]})
    for group in chart.groups:
        for bar in group.bars:
            end = 0
            for part in bar.parts:
                assert (part.x, part.width > 0) == (end, True)
                end += part.width
            assert end == bar.total <= chart.most
    assert [row[1:] for row in chart.rows] == [list(values) for values in lines]


def test_bars_say_in_words_what_they_show():
    groups = {"PO": [("sem. du 7 oct", (118, 0, 2)), ("sem. du 14 oct", (1, 3, 0))], "vide": []}
    chart = charts.bars("semaines", "Par semaine", SERIES, groups, first="Semaine", now="sem. du 14 oct")
    assert [bar.words for bar in chart.groups[0].bars] == ["118 migrées, 2 en échec", "1 migrée, 3 à venir"]
    assert len(chart.groups) == 1
    assert [bar.now for bar in chart.groups[0].bars] == [False, True]
    html = drawn("chart_bars", chart, legend=True, shape="")
    assert html.count('aria-hidden="true"') == 3  # the legend and two bars: what they show is said
    assert '<th scope="row">PO : sem. du 7 oct</th><td>118</td><td>0</td><td>2</td>' in html
    assert chart.used == SERIES
    assert charts.bars("vide", "Vide", SERIES, {}).most == 1


@pytest.mark.parametrize(
    ("count", "whole", "said"),
    [(0, 0, "0"), (0, 10, "0"), (1, 3475, "1"), (3474, 3475, "99"), (3475, 3475, "100"), (5, 10, "50")],
)
def test_a_share_is_all_or_nothing_only_when_it_is(count, whole, said):
    assert charts.share(count, whole) == f"{said}\N{NO-BREAK SPACE}%"


def test_a_funnel_narrows_from_the_whole():
    chart = charts.funnel("f", "Entonnoir", [("mail 1", 90), ("mail 2", 60), ("migrées", 12)], whole=100)
    assert chart.most == 100
    assert [bar.parts[0].width for bar in chart.groups[0].bars] == [90, 60, 12]
    assert chart.groups[0].bars[1].words == "60 · 60\N{NO-BREAK SPACE}%"
    assert charts.funnel("f", "Rien", [], whole=0).groups == []
    drawn("chart_bars", chart, legend=False, shape="")


def calendar(nights: dict[date, int], **more) -> charts.Calendar:
    known = {
        "first": MONDAY + timedelta(days=2),
        "last": MONDAY + timedelta(days=16),
        "today": MONDAY + timedelta(days=3),
        "avoided": {MONDAY: "congé d’automne"},
        "holidays": {date(2024, 11, 1): "jour férié"},
    }
    return charts.calendar("nuits", "Calendrier", nights, **{**known, **more})


def test_a_calendar_has_whole_weeks_and_darkens_with_its_nights():
    nights = {MONDAY + timedelta(days=3): 1, MONDAY + timedelta(days=9): 60, MONDAY + timedelta(days=10): 120}
    chart = calendar(nights)
    days = {day.day: day for week in chart.weeks for day in week.days}
    assert len(days) == 21
    assert min(days) == MONDAY
    assert [days[day].level for day in nights] == [1, 2, 4]
    assert days[MONDAY].kind == "avoided"
    assert days[date(2024, 11, 1)].kind == "holiday"
    assert days[MONDAY + timedelta(days=3)].text == "jeudi 31 octobre 2024, nuit de 1 boîte, aujourd’hui"
    assert chart.text == "3 nuits, du 31 octobre 2024 au 7 novembre 2024, aucune un jour à éviter ou férié."
    assert [row[1] for row in chart.rows] == [1, 60, 120]
    places = {(day.x, day.y) for day in days.values()}
    assert len(places) == 21
    assert all(
        day.x + chart.cell_width <= chart.width and day.y + chart.cell_height <= chart.height for day in days.values()
    )
    html = drawn("chart_calendar", chart)
    assert 'role="img" aria-labelledby="nuits-t nuits-d"' in html


def test_a_night_on_a_day_to_avoid_is_told():
    chart = calendar({MONDAY: 5, date(2024, 11, 1): 2})
    assert chart.text.endswith("2 un jour à éviter ou férié.")
    assert chart.rows[0] == ["lundi 28 octobre 2024", 5, "congé d’automne"]
    empty = calendar({})
    assert empty.text == "0 nuit, aucune un jour à éviter ou férié."
    assert empty.rows == []


@given(st.lists(st.dates(date(2024, 1, 1), date(2026, 1, 1)), min_size=4, max_size=4))
def test_a_span_keeps_its_days_in_order_and_inside(days):
    start, now, earliest, latest = sorted(days)
    chart = charts.span("fin", "Fin", "Entre deux jours.", start=start, now=now, earliest=earliest, latest=latest)
    places = [mark.x for mark in chart.marks]
    assert places == sorted(places)
    assert (min(places), max(places)) in {(0, charts.WIDE), (0, 0)}
    assert chart.now_x <= chart.from_x <= chart.until_x
    assert len(chart.rows) == 4


def test_a_span_is_drawn_with_its_dates():
    day = date(2024, 10, 7)
    other = [("announced", "Fin annoncée", date(2024, 11, 30))]
    chart = charts.span(
        "fin", "Fin", "Entre deux jours.", start=day, now=day, earliest=date(2024, 12, 5), latest=date(2024, 12, 12),
        others=other,
    )  # fmt: skip
    html = drawn("chart_span", chart)
    assert "30 novembre 2024" in html
    assert html.count("<li>") == 5
