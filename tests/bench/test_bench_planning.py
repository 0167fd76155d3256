"""The measures of the plan measure a plan: small ones, of which only the correctness is looked at, never the time."""

from bench import acts, planning


def test_both_sides_of_the_measure_cut_the_same_list(monkeypatch):
    monkeypatch.setattr(acts, "wait_for_the_signal", lambda: None)
    found = planning.plan("240", "480", "2")
    assert found["lots"] > 8
    assert {name: len(found[name]) for name in ("few", "many", "raw")} == {"few": 2, "many": 2, "raw": 2}
    given = planning.boxes(240)
    slices = planning._sorted_and_sliced(given, found["lots"])
    assert [box for part in slices for box in part] == given
    assert len(slices) == found["lots"]
