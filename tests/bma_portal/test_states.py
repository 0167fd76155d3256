"""States: the table decides, one of two wins, a refusal leaves its line whatever is rolled back (SEC-I4)."""

import json
import logging
import threading
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction

from bma_portal.errors import Refusal
from bma_portal.logs import JsonLines
from bma_portal.states import StateChange
from migration.models import Batch
from tests.factories_migration import BatchFactory

pytestmark = pytest.mark.database
AT = datetime(2024, 10, 1, 8, tzinfo=UTC)
Status = Batch.Status


@pytest.fixture
def audit(caplog):
    """The lines of the audit log, as they are written."""
    caplog.set_level(logging.INFO, logger="bma.audit")
    return lambda: [json.loads(JsonLines().format(record)) for record in caplog.records]


def changes(batch) -> list[tuple[str, str]]:
    return list(
        StateChange.objects.filter(object_type="migration.batch", object_id=batch.pk).values_list("old", "new")
    )


def test_an_allowed_move_writes_its_facts_and_its_line_together(db):
    batch = BatchFactory(status=Status.DRAFT)
    batch.move_to(Status.APPROVED, by="camille", at=AT, note="pilote", approved_by="camille", approved_at=AT)
    batch.refresh_from_db()
    assert (batch.status, batch.approved_by, batch.approved_at) == (Status.APPROVED, "camille", AT)
    line = StateChange.objects.get(object_id=batch.pk)
    assert (line.old, line.new, line.by, line.at, line.note) == ("draft", "approved", "camille", AT, "pilote")


@pytest.mark.parametrize(
    ("old", "new"),
    [(old, new) for old in Status.values for new in Status.values if new not in Batch.TRANSITIONS.get(old, set())],
)
def test_a_move_that_the_table_does_not_name_is_refused_in_french(db, audit, old, new):
    batch = BatchFactory(status=old)
    with pytest.raises(Refusal, match=f"ne peut pas passer de « {Status(old).label} » à « {Status(new).label} »"):
        batch.move_to(new, by="camille", at=AT)
    batch.refresh_from_db()
    assert batch.status == old
    assert not changes(batch)
    (line,) = audit()
    assert (line["message"], line["objet"], line["id"]) == ("transition refusée", "migration.Batch", batch.pk)
    assert (line["de"], line["vers"]) == (old, new)


def test_every_move_of_the_table_is_possible(db):
    for old, news in Batch.TRANSITIONS.items():
        for new in news:
            batch = BatchFactory(status=old)
            batch.move_to(new, by="camille", at=AT)
            assert changes(batch) == [(old, new)]


def test_a_move_that_is_rolled_back_leaves_no_line_but_a_refused_one_does(transactional_db, audit):
    batch = BatchFactory(status=Status.DRAFT)
    with transaction.atomic():
        batch.move_to(Status.APPROVED, by="camille", at=AT)
        transaction.set_rollback(True)
    assert not changes(batch)
    assert Batch.objects.get(pk=batch.pk).status == Status.DRAFT
    assert not audit()
    with pytest.raises(Refusal), transaction.atomic():
        Batch.objects.get(pk=batch.pk).move_to(Status.FINISHED, by="camille", at=AT)
    assert [line["message"] for line in audit()] == ["transition refusée"]


def test_of_twenty_people_who_click_at_once_one_moves_it(transactional_db, audit):
    batch = BatchFactory(status=Status.DRAFT)
    together = threading.Barrier(20)
    results = []

    def click(number):
        try:
            mine = Batch.objects.get(pk=batch.pk)
            together.wait(20)
            mine.move_to(Status.APPROVED, by=f"personne {number}", at=AT)
            results.append("moved")
        except Refusal as refusal:
            results.append(str(refusal))
        finally:
            connection.close()

    threads = [threading.Thread(target=click, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results.count("moved") == 1
    assert sum("quelqu'un d'autre vient de le modifier" in result for result in results) == 19
    assert changes(batch) == [("draft", "approved")]
    assert len(audit()) == 19
