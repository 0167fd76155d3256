"""The file of one mailbox: every fact, in order, with who, before, after and the rule; no secret (B22)."""

import csv
import io
from datetime import date

import openpyxl
import pytest
from django.urls import reverse

from accounts import credentials
from accounts.models import Credential
from bma_portal import clock
from bma_portal.clock import brussels
from bma_portal.mail.models import OutgoingMail
from bma_portal.models import AuditEntry
from bma_portal.states import StateChange
from migration.admin.evidence import HEADINGS
from migration.models import Mailing, Move
from migration.timeline import story_of
from tests.factories_migration import MoveFactory

pytestmark = pytest.mark.django_db
AT = brussels(date(2024, 11, 20), 9)


@pytest.fixture
def move() -> Move:
    clock.set_for_every_process(AT)
    made = MoveFactory(confirmed=True, batch__number=3)
    credentials.issue([made.mailbox], at=brussels(date(2024, 10, 13), 9))
    Credential.objects.update(applied_at=brussels(date(2024, 10, 13), 9, 5))
    Mailing.objects.filter(move=made, step=4).update(held_at=brussels(date(2024, 11, 8), 6), held_why="=En retard")
    OutgoingMail.objects.filter(mailing__move=made, mailing__step=1).update(
        delivered_at=brussels(date(2024, 10, 7), 9, 6), delivery_code="2.1.5", delivery_text="Remis"
    )
    made.move_to(Move.Status.MIGRATED, by="etnic", at=brussels(date(2024, 11, 8), 2), migrated_at=AT, note="Signé.")
    return made


def test_every_fact_is_there_in_order_with_its_rule(move):
    found = story_of(move.mailbox).facts(at=AT)
    moments = [fact.at for fact in found]
    assert moments == sorted(moments)
    said = [(fact.by, fact.what, fact.new) for fact in found]
    assert ("SGNE", "mail 1 du lot 3 (PO)", f"envoyé à {move.mailbox.address}") in said
    assert ("serveur du destinataire", "mail 1 du lot 3 (PO)", "remis") in said
    assert ("etnic", "passage dans le lot 3 (PO)", "migrée") in said
    assert ("portail", "mail 4 du lot 3 (PO)", "en attente de décision") in said
    assert any("en vigueur dans l’annuaire" in fact.new for fact in found)
    rules = {fact.what: fact.why for fact in found if fact.new.startswith("mis en file")}
    assert rules["mail 2 du lot 3 (PO)"] == "mail 1 + 7 jours au moins, mot de passe en vigueur (S1 §5)"
    assert len([fact for fact in found if fact.new.startswith("envoyé à")]) == 3


def test_nothing_after_the_moment_is_told(move):
    early = story_of(move.mailbox).facts(at=brussels(date(2024, 10, 10), 9))
    assert {fact.what for fact in early} == {
        "mail 1 du lot 3 (PO)",
        "lot 3 (PO) approuvé, dernière fois",
        "lot 3 (PO) ouvert à toutes ses boîtes",
    }


def test_its_cost_does_not_grow(move, django_assert_num_queries):
    for number in range(20):
        StateChange.objects.create(
            object_type="migration.move", object_id=move.pk, old="a", new="b", by="x", at=AT, note=str(number)
        )
    with django_assert_num_queries(6):
        assert len(story_of(move.mailbox).facts(at=AT)) > 30


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_the_file_is_taken_from_the_sheet_and_the_audit_says_so(move, form, signed_in):
    client, url = signed_in("etnic"), reverse(f"admin:accounts_mailbox_evidence_{form}", args=[move.mailbox.pk])
    assert url in client.get(reverse("admin:accounts_mailbox_change", args=[move.mailbox.pk])).content.decode()
    answer = client.get(url)
    assert f"preuve-{move.mailbox.address[:8]}-2024-11-20.{form}" in answer.headers["Content-Disposition"]
    content = b"".join(answer.streaming_content)
    if form == "csv":
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig")), delimiter=";"))
    else:
        rows = [[cell.value or "" for cell in row] for row in openpyxl.load_workbook(io.BytesIO(content)).active]
    assert rows[0] == HEADINGS
    assert len(rows) == 1 + len(story_of(move.mailbox).facts(at=AT))
    assert "'=En retard" in [row[5] for row in rows]
    assert ["07/10/2024 09:05:00", "SGNE"] in [row[:2] for row in rows]
    sealed = Credential.objects.get(mailbox=move.mailbox).sealed
    assert sealed not in content.decode(errors="replace")
    entry = AuditEntry.objects.filter(action="evidence.exported").latest("seq")
    assert (entry.actor, entry.about, entry.details["lignes"]) == ("etnic", move.mailbox.address, len(rows) - 1)


def test_who_does_not_read_the_campaign_gets_nothing(move, signed_in):
    url = reverse("admin:accounts_mailbox_evidence_csv", args=[move.mailbox.pk])
    assert signed_in("personnel").get(url).status_code == 403
    assert signed_in("auditeur").get(url).status_code == 200
    assert signed_in("sgne").get(reverse("admin:accounts_mailbox_evidence_csv", args=[999_999])).status_code == 404
    assert signed_in("sgne").post(url).status_code == 405
