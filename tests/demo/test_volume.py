"""An invented campaign holds together as a real one does, on any date; it mixes with nothing; production has none."""

import json
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count, F

from accounts import credentials
from accounts.models import Credential, Mailbox, Organisation
from accounts.models.organisations import search_key
from bma_portal import commands
from bma_portal.mail.models import OutgoingMail
from bma_portal.states import StateChange
from migration import sequence
from migration.models import Batch, Mailing, Move
from migration.phase_sets import in_phase
from migration.phases import Phase, facts_of, phase, with_phase
from tests.factories import OrganisationFactory

pytestmark = pytest.mark.django_db

AT = "2024-11-20T15:00"
MOMENT = datetime(2024, 11, 20, 14, tzinfo=UTC)
Status = OutgoingMail.Status


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("seed_volume", *arguments, stdout=out)
    return out.getvalue()


def test_they_are_as_many_as_asked_and_say_that_they_are_invented():
    told = said("120", "--at", AT)
    assert "120 boîtes inventées" in told
    assert "rien de tout cela n’est réel" in told
    assert Mailbox.objects.count() == Organisation.objects.count() == 120
    assert Move.objects.values("mailbox").distinct().count() == 120
    for unit in Organisation.objects.select_related("po"):
        assert "fictif" in unit.name
        assert unit.search_key == search_key(unit.name, unit.municipality, unit.locality)
        assert (unit.po is not None) == (unit.kind == "ec")
        assert unit.mailbox.address == f"{unit.kind}{unit.fase:06d}@adm.cfwb.be"
    Organisation.objects.order_by("?")[0].full_clean()


@pytest.mark.parametrize("at", [AT, "2025-07-18T23:30", "2031-03-30T03:30"])
def test_the_facts_agree_with_each_other_whatever_the_moment(at):
    made = json.loads(said("700", "--at", at, "--json"))
    assert (made["mailboxes"], made["invented"]) == (700, True)
    moment = commands.moment(at)
    sent = OutgoingMail.objects.filter(status=Status.SENT)
    assert set(Move.objects.values_list("status", flat=True)) == {s.value for s in Move.Status}
    assert set(Batch.objects.values_list("status", flat=True)) >= {"finished_errors", "running", "paused", "draft"}
    assert set(OutgoingMail.objects.values_list("status", flat=True)) == {Status.SENT, Status.QUEUED, Status.FAILED}
    assert sent.filter(bounced_at__isnull=False).exists()
    assert Mailing.objects.filter(held_at__isnull=False).exists()
    # Nothing left before it was due, nor was written after the moment it was asked for
    assert not sent.filter(sent_at__lt=F("queued_at")).exists()
    assert not Mailing.objects.filter(mail__isnull=False, due_at__gt=moment).exists()
    # A mail left after the one before it, and no mailbox migrated without its mails
    done = Mailing.objects.filter(mail__status=Status.SENT, mail__bounced_at=None)
    per_move = done.order_by().values("move").annotate(n=Count("pk"))
    for migrated in per_move.filter(move__status__in=["migrated", "rolled_back", "failed"]):
        assert migrated["n"] == 4
    assert not Mailing.objects.exclude(mail=None).filter(move__batch__status__in=["draft", "approved"]).exists()
    assert not StateChange.objects.filter(at__gt=moment).exists()
    wrong = Move.objects.filter(status__in=["failed", "rolled_back"]).values("batch")
    assert not Batch.objects.filter(status="finished", pk__in=wrong).exists()
    assert not Batch.objects.filter(status="finished_errors").exclude(pk__in=wrong).exists()
    assert not Batch.objects.filter(status__in=["finished", "finished_errors"], moves__status="planned").exists()
    # Whoever failed goes again; whoever closed does not
    again = Move.objects.filter(status__in=["failed", "postponed"])
    assert again.filter(mailbox__moves__status="planned").distinct().count() == again.count()
    assert not Move.objects.filter(status="cancelled", mailbox__organisation__closed_on=None).exists()


def test_the_three_ways_to_say_the_phase_agree_on_all_of_it():
    said("600", "--at", AT)
    facts = facts_of(list(Mailbox.objects.all()), MOMENT)
    one_by_one = {pk: phase(found) for pk, found in facts.items()}
    in_lists = dict(with_phase(Mailbox.objects.all(), MOMENT).values_list("pk", "phase"))
    assert one_by_one == in_lists
    for which in Phase:
        found = set(in_phase(Mailbox.objects.all(), which, at=MOMENT).values_list("pk", flat=True))
        assert found == {pk for pk, value in one_by_one.items() if value == which} != set(), which


def test_passwords_are_sealed_as_true_ones_until_they_are_recalled():
    said("400", "--at", AT)
    live = Credential.objects.live()
    assert live.exists()
    assert len(credentials.reveal(live[0]).reveal()) == 19
    over = Credential.objects.filter(mailbox__moves__status="migrated")
    assert over.exists()
    assert not over.filter(destroyed_at=None).exists()


def test_no_batch_suspends_itself_for_what_was_invented():
    said("900", "--at", AT)
    for batch in Batch.objects.filter(status__in=Batch.MOVING).annotate(total=Count("moves")):
        assert sequence.bad_moves(batch).count() <= max(1, batch.total * sequence.BAD_SHARE)


def test_a_second_time_is_refused_and_adds_nothing():
    said("60")
    with pytest.raises(CommandError, match="base vide, une seule fois"):
        said("60")
    assert Mailbox.objects.count() == 60


def test_it_does_not_mix_with_a_register():
    OrganisationFactory()
    with pytest.raises(CommandError, match="ne se mêle à rien"):
        said("60")
    assert Organisation.objects.count() == 1


def test_production_has_none(settings):
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match="en production"):
        said("60")
    assert not Organisation.objects.exists()


@pytest.mark.parametrize("count", ["1", "2", "7"])
def test_a_handful_works_too(count):
    said(count)
    assert Mailbox.objects.count() == int(count)


@pytest.mark.parametrize("count", ["0", "-3", "1000001", "dix"])
def test_a_number_that_is_none_is_refused(count):
    with pytest.raises(CommandError):
        said("--", count)
