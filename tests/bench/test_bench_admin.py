"""The measures of the staff's lists: every page of them answers, and what is told of them is what was measured."""

from collections.abc import Iterator

import pytest

from bench import admin
from bench.stage import Stage

TINY = admin.Size(mailboxes=150, turns=1, calls=1)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage.open(tmp_path_factory.mktemp("bench-admin"), durable=False) as opened:
        yield opened


@pytest.mark.slow
def test_every_page_answers_in_few_statements(stage):
    lines = admin.lines(stage, TINY, promised=False)
    assert len(lines) == len(admin.WHATS) + 1
    assert {line.kept for line in lines} == {None}
    assert all(line.figure.endswith(" ms") and "à 150 boîtes" in line.what for line in lines)


def test_a_percentile_is_a_value_that_was_measured():
    assert admin.percentile([1.0], 95) == 1.0
    assert admin.percentile(list(range(1, 101)), 95) == 95
    assert admin.percentile([3.0, 1.0, 2.0], 50) == 2.0


def test_only_ten_times_reality_is_promised():
    acts = [*admin.WHATS, "raw", "rows"]
    figures = admin.Figures({act: [10.0, 400.0] for act in acts}, dict.fromkeys(acts, 7))
    lines = admin._told(figures, 40_000, promised=True)
    assert [line.kept for line in lines if line.what.startswith("fiche")] == [True]
    assert {line.kept for line in lines if not line.what.startswith("fiche")} == {False}
    assert all("7 instructions" in line.detail for line in lines[:-1])
    assert {line.target for line in admin._told(figures, 400_000, promised=False)} == {""}
