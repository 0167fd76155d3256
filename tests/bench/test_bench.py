"""The measures measure what they say: small ones, of which only the correctness is looked at, never the time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import drains, forms, imports, planning, report
from bench.report import Line
from bench.stage import Broken, Stage
from demo import sample


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage.open(tmp_path_factory.mktemp("bench"), durable=False) as opened:
        yield opened


def kept(lines: list[Line]) -> dict[str, bool | None]:
    return {line.what: line.kept for line in lines}


@pytest.mark.slow
def test_both_sides_send_the_very_same_mails(stage):
    sides = []
    for act in (("raw",), ("drain", "etnic")):
        stage.exchange.reset()
        with stage.database("crowd", "60") as database:
            done = stage.run(database, *act)
        assert done["ended"] > done["started"]
        assert done["memory"] > 10_000
        assert stage.exchange.counts() | {"duplicates": []} == {
            "delivered": 60, "by_key_max": 1, "drafts": 0, "sent_items": 30, "duplicates": [],
        }  # fmt: skip
        mails = [stage.exchange.mailbox(f"ec{n:06d}@adm.cfwb.be")["mails"] for n in range(1, 61)]
        assert all(len(found) == 1 for found in mails)
        sides.append([(m["from"], m["subject"], m["message_id"], m["text"], m["html"]) for [m] in mails])
    assert sides[0] == sides[1]
    assert len({text for *_, text, _ in sides[0]}) == 60


@pytest.mark.slow
def test_in_turns_each_side_sends_its_own_whole_queue(stage, monkeypatch):
    monkeypatch.setattr(drains, "TURN", "0.05")
    for first in (0, 1):
        ours, theirs = drains._beside_the_limit(stage, 160, first=first)
        for side in (ours, theirs):
            assert 0 < side["worked"] < side["ended"] - side["started"]
    assert stage.exchange.counts()["delivered"] == 320


@pytest.mark.slow
def test_a_queue_that_is_not_what_was_announced_gives_no_figure(stage, monkeypatch):
    stage.template("crowd", "30")
    stage.exchange.reset()
    monkeypatch.setattr(stage, "together", lambda database, acts: [])  # nobody works
    with pytest.raises(Broken, match="30 courriels attendus"):
        drains._drained(stage, 30)


@pytest.mark.slow
def test_an_act_that_fails_says_why(stage):
    with stage.database() as database, pytest.raises(Broken, match="KeyError: 'nothing'"):
        stage.run(database, "nothing")


@pytest.mark.slow
def test_the_order_holds_under_faults_and_a_kill(stage):
    lines = drains.in_order(stage, boxes=12, mails=3)
    assert set(kept(lines).values()) == {True}
    assert stage.lease == 0


@pytest.mark.slow
def test_two_hosts_of_celery_workers_share_a_queue(stage):
    lines = drains.two_hosts(stage, boxes=15, mails=2, children=2)
    assert set(kept(lines).values()) == {True}


@pytest.mark.slow
def test_an_import_makes_the_same_mailboxes_as_a_merge_and_writes_nothing_the_second_time(stage, tmp_path: Path):
    register = sample.write(tmp_path / "registre.csv")
    lines = kept(imports.lines(stage, register, times=0, promised=False))
    assert lines["imports inchangés qui ont écrit"] is True
    assert lines["imports qui ne font pas les mêmes boîtes"] is True
    assert lines["instructions SQL d’un import"] is True
    assert [value for what, value in lines.items() if "COPY" in what] == [None, None]


@pytest.mark.slow
def test_a_small_plan_is_proposed_written_and_found_unchanged(stage):
    lines = planning.lines(stage, times=1, few=120, many=240, promised=False)
    assert len(lines) == 3
    assert "(480 mails à venir)" in lines[0].detail
    assert all(line.kept is None for line in lines)


def delivery(key: str, box: str = "a", rank: int = 1) -> dict:
    return {"key": key, "to": box, "subject": str(rank)}


def test_what_goes_wrong_is_counted():
    rows = {"k1": "sent", "k2": "sent", "k3": "queued", "k4": "sent"}
    log = [
        delivery("k2", rank=2),
        delivery("k1", rank=1),
        delivery("k1", rank=1),
        delivery("k3", "b"),
        delivery("k9", "c"),
    ]
    found = drains.reckon(rows, log)
    assert found == drains.Reckoning(lost=1, twice=2, overtaken=2, left=1)


def test_repetitions_are_added_while_the_ratios_disagree_whatever_they_are():
    assert len(drains.repeat(lambda turn: (1.0, 2.0), times=3, seconds=60)) == 3
    assert len(drains.repeat(lambda turn: (1.0 + turn % 2, 2.0), times=3, seconds=60)) == 5
    assert len(drains.repeat(lambda turn: (1.0 + turn % 2, 2.0), times=3, seconds=0)) == 3


def test_half_a_file_is_whole_lines():
    assert imports.first_half(b"1;2\n3;4\n5;6\n7;8\n") in {b"1;2\n3;4\n5;6\n", b"1;2\n3;4\n"}


def test_a_missed_promise_is_written_as_such():
    lines = [
        report.ratio("débit", [0.7, 0.9, 0.75], 0.8, "Deux côtés ;"),
        report.at_most("mémoire", 1.05, 1.1, ""),
        report.none("doublés", 0, ""),
        Line("sans promesse", "3"),
    ]
    assert [line.verdict for line in lines] == ["MANQUÉ", "tenu", "tenu", "—"]
    written = report.markdown(lines, postgres="18.1", seconds=12, command="python -m bench", load_before="0,3")
    assert "| débit | 0,75 | ≥ 0,80 | MANQUÉ |" in written
    assert "PostgreSQL 18.1" in written
    assert "3 répétitions, de 0,70 à 0,90" in written
    assert str(Path(__file__).resolve().parents[2]) not in written


@pytest.mark.slow
def test_the_form_is_timed_on_both_kinds_of_mailbox(stage):
    line = forms.line(stage, times=2)
    assert line.figure.endswith(" ms")
    assert line.kept is not None
