"""MODE: asking, showing, stopping, told as stories and as refusals (D3, D9 to D13, A6, A7)."""

from datetime import date, timedelta

import pytest

from accounts import mode
from accounts.models import Credential, ResetGrant
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.mail.models import OutgoingMail
from bma_portal.models import AuditEntry
from bma_portal.secret import Secret
from bma_portal.verdicts import Outcome, Verdict
from demo.directory import MemoryDirectory
from support import resets, tokens
from support.models import PasswordReset
from tests.factories import UserFactory
from tests.support.resets_stage import AT, box, granted, holder, letter, letters_of, told

pytestmark = pytest.mark.django_db
Status = PasswordReset.Status
AWAY = Outcome(Verdict.RETRY, "away", "L'annuaire ne répond pas.", wide=True)


@pytest.fixture(autouse=True)
def directory():
    MemoryDirectory.forget()
    yield MemoryDirectory
    MemoryDirectory.forget()


def in_directory(mailbox) -> Secret:
    return MemoryDirectory.passwords[mailbox.address]


def test_a_director_with_the_permission_gets_a_password_that_the_directory_holds():
    mailbox = box()
    director = granted(mailbox)
    reset = resets.ask_in_mode(mailbox, by=director, at=AT)
    assert reset.status == Status.READY
    secret = resets.show(reset, by=director, at=AT)
    assert secret == in_directory(mailbox)
    reset.refresh_from_db()
    assert reset.status == Status.SHOWN
    credential = Credential.objects.get(pk=reset.credential_id)
    assert credential.sealed == ""
    assert credential.destroyed_why
    assert list(AuditEntry.objects.order_by("seq").values_list("action", flat=True)) == [
        "reset.asked", "reset.ready", "reset.shown",
    ]  # fmt: skip


def test_it_is_shown_once():
    mailbox = box()
    director = granted(mailbox)
    reset = resets.ask_in_mode(mailbox, by=director, at=AT)
    resets.show(reset, by=director, at=AT)
    with pytest.raises(Refusal, match="mot de passe affiché"):
        resets.show(reset, by=director, at=AT)
    assert AuditEntry.objects.filter(action="reset.shown", result="refused").count() == 1


def test_the_box_its_po_and_its_holder_are_told_at_the_request_and_at_the_change_without_the_password():
    mailbox = box()
    director = granted(mailbox)
    holder(mailbox)
    reset = resets.ask_in_mode(mailbox, by=director, at=AT)
    expected = [mailbox.address, mailbox.organisation.po.mailbox.address, "titulaire@exemple.test"]
    assert told("reset.asked") == expected
    assert told("reset.changed") == expected
    assert OutgoingMail.objects.filter(kind__startswith="reset.", sensitive=True).count() == 6
    texts = [*letters_of("reset.asked"), *letters_of("reset.changed")]
    password = in_directory(mailbox).reveal()
    for mail in texts:
        assert password not in mail.text + mail.html + mail.subject
        assert f"/mot-de-passe/arret/{tokens.stop_token(reset).reveal()}/" in mail.text


def test_an_address_is_told_once_even_when_the_holder_s_is_the_box():
    mailbox = box()
    director = granted(mailbox)
    holder(mailbox, UserFactory(email=mailbox.address))
    resets.ask_in_mode(mailbox, by=director, at=AT)
    assert told("reset.asked") == [mailbox.address, mailbox.organisation.po.mailbox.address]


def test_without_the_permission_nothing_happens_and_the_refusal_is_written_down():
    mailbox = box()
    with pytest.raises(Refusal, match="GIA"):
        resets.ask_in_mode(mailbox, by=UserFactory(), at=AT)
    assert not PasswordReset.objects.exists()
    assert not MemoryDirectory.calls
    line = AuditEntry.objects.get(action="reset.asked")
    assert line.result == "refused"


@pytest.mark.parametrize(("days", "allowed"), [(-31, False), (-30, True), (0, True), (30, True), (31, False)])
def test_the_permission_counts_from_its_first_day_to_its_last(days, allowed):
    mailbox = box()
    director = granted(mailbox, days=30)
    at = AT + timedelta(days=days)
    if allowed:
        assert resets.ask_in_mode(mailbox, by=director, at=at).status == Status.READY
    else:
        with pytest.raises(Refusal):
            resets.ask_in_mode(mailbox, by=director, at=at)


def test_asking_twice_is_asking_once():
    mailbox = box()
    director = granted(mailbox)
    first = resets.ask_in_mode(mailbox, by=director, at=AT)
    again = resets.ask_in_mode(mailbox, by=director, at=AT)
    assert first.pk == again.pk
    assert PasswordReset.objects.count() == 1
    assert len(MemoryDirectory.calls) == 1


def test_somebody_else_s_request_under_way_is_said_without_naming_anybody():
    mailbox = box()
    first, second = granted(mailbox), granted(mailbox)
    resets.ask_in_mode(mailbox, by=first, at=AT)
    with pytest.raises(Refusal) as refusal:
        resets.ask_in_mode(mailbox, by=second, at=AT)
    assert first.last_name not in str(refusal.value)


def test_only_the_person_who_asked_sees_it():
    mailbox = box()
    first, second = granted(mailbox), granted(mailbox)
    reset = resets.ask_in_mode(mailbox, by=first, at=AT)
    with pytest.raises(Refusal, match="pas la vôtre"):
        resets.show(reset, by=second, at=AT)


def test_a_permission_revoked_before_the_showing_closes_the_request_and_destroys_the_password():
    mailbox = box()
    director = granted(mailbox)
    reset = resets.ask_in_mode(mailbox, by=director, at=AT)
    mode.revoke(ResetGrant.objects.get(), by=UserFactory(superuser=True), why="a quitté l'école", at=AT)
    reset.refresh_from_db()
    assert reset.status == Status.CLOSED
    assert Credential.objects.get(pk=reset.credential_id).sealed == ""
    with pytest.raises(Refusal):
        resets.show(reset, by=director, at=AT + timedelta(minutes=1))


def test_a_permission_that_ended_overnight_shows_nothing():
    mailbox = box()
    director = granted(mailbox, days=1)
    reset = resets.ask_in_mode(mailbox, by=director, at=AT)
    with pytest.raises(Refusal, match="permission"):
        resets.show(reset, by=director, at=AT + timedelta(days=2))


def test_a_change_of_head_closes_the_former_s_requests():
    mailbox = box()
    director = granted(mailbox)
    holder(mailbox, director)
    reset = resets.ask_in_mode(mailbox, by=director, at=AT)
    mode.change_holder(mailbox.organisation, to=UserFactory(), by="sgne", on=AT.date(), at=AT)
    reset.refresh_from_db()
    assert reset.status == Status.CLOSED


def test_a_directory_that_is_away_costs_time_only():
    mailbox = box()
    director = granted(mailbox)
    MemoryDirectory.answers[:] = [AWAY]
    reset = resets.ask_in_mode(mailbox, by=director, at=AT)
    assert reset.status == Status.SETTING
    with pytest.raises(Refusal):
        resets.show(reset, by=director, at=AT)
    from accounts import credentials

    Credential.objects.update(not_before=None)
    later = AT + timedelta(minutes=20)
    credentials.set_passwords(at=later)
    resets.tick(at=later)
    reset.refresh_from_db()
    assert reset.status == Status.READY
    assert told("reset.ready") == [director.email]
    assert resets.show(reset, by=director, at=later) == in_directory(mailbox)


def test_a_directory_that_applied_then_fell_silent_ends_with_one_password():
    mailbox = box()
    director = granted(mailbox)
    MemoryDirectory.answers[:] = [Outcome(Verdict.AMBIGUOUS, "timeout", "Pas de réponse.", wide=True)]
    reset = resets.ask_in_mode(mailbox, by=director, at=AT)
    assert reset.status == Status.SETTING
    first = in_directory(mailbox)
    from accounts import credentials

    Credential.objects.update(not_before=None)
    credentials.set_passwords(at=AT)
    resets.tick(at=AT)
    assert resets.show(reset, by=director, at=AT) == first == in_directory(mailbox)


def test_a_password_that_the_directory_refuses_goes_to_a_person_and_another_is_made():
    from tests.support.resets_stage import executor

    mailbox = box()
    director = granted(mailbox)
    MemoryDirectory.answers[:] = [Outcome(Verdict.PERMANENT, "weak", "L'annuaire refuse ce mot de passe.")]
    reset = resets.ask_in_mode(mailbox, by=director, at=AT)
    assert reset.status == Status.ACCEPTED
    assert resets.execute(reset, by=executor(), at=AT) is None, "aucun code : la personne se connecte"
    reset.refresh_from_db()
    assert reset.status == Status.READY
    assert resets.show(reset, by=director, at=AT) == in_directory(mailbox)


def test_a_password_not_shown_in_three_days_is_destroyed_after_one_reminder():
    mailbox = box()
    director = granted(mailbox)
    reset = resets.ask_in_mode(mailbox, by=director, at=AT)
    for hours in (23, 25, 26, 71):
        resets.tick(at=AT + timedelta(hours=hours))
    assert told("reset.reminder") == [director.email]
    reset.refresh_from_db()
    assert reset.status == Status.READY
    resets.tick(at=AT + timedelta(hours=72))
    reset.refresh_from_db()
    assert reset.status == Status.CLOSED
    assert Credential.objects.get(pk=reset.credential_id).sealed == ""
    assert told("reset.closed") == [director.email]
    assert reset.reference in letter("reset.closed").text


def test_stopped_before_the_showing_nobody_ever_knows_the_password():
    mailbox = box()
    director = granted(mailbox)
    reset = resets.ask_in_mode(mailbox, by=director, at=AT)
    resets.stop(tokens.stop_token(reset).reveal(), at=AT)
    reset.refresh_from_db()
    assert reset.status == Status.STOPPED
    assert Credential.objects.get(pk=reset.credential_id).sealed == ""
    with pytest.raises(Refusal):
        resets.show(reset, by=director, at=AT)
    assert "support@etnic.be" in told("reset.stopped")


def test_stopped_after_the_showing_the_password_no_longer_opens_the_box():
    from accounts import credentials

    mailbox = box()
    director = granted(mailbox)
    reset = resets.ask_in_mode(mailbox, by=director, at=AT)
    known = resets.show(reset, by=director, at=AT)
    resets.stop(tokens.stop_token(reset).reveal(), at=AT + timedelta(hours=23, minutes=59))
    credentials.set_passwords(at=AT)
    assert in_directory(mailbox) != known
    assert not Credential.objects.exclude(sealed="").exists(), "personne ne peut le rappeler"


def test_a_day_after_the_showing_it_is_too_late_to_stop():
    mailbox = box()
    director = granted(mailbox)
    reset = resets.ask_in_mode(mailbox, by=director, at=AT)
    known = resets.show(reset, by=director, at=AT)
    token = tokens.stop_token(reset).reveal()
    with pytest.raises(Refusal):
        resets.stop(token, at=AT + timedelta(hours=24))
    assert resets.find_stop(token, at=AT + timedelta(hours=24)) is None
    assert in_directory(mailbox) == known


@pytest.mark.parametrize("token", ["", "x", "é" * 48, "A" * 48, "A" * 5000, "../..", "\x00"])
def test_an_invented_link_stops_nothing(token):
    with pytest.raises(Refusal):
        resets.stop(token, at=AT)


def test_the_link_of_one_request_does_not_stop_another():
    boxes = [box(), box()]
    asked = [resets.ask_in_mode(mailbox, by=granted(mailbox), at=AT) for mailbox in boxes]
    resets.stop(tokens.stop_token(asked[0]).reveal(), at=AT)
    asked[1].refresh_from_db()
    assert asked[1].status == Status.READY


def test_after_another_person_s_showing_a_request_waits_for_a_look():
    mailbox = box()
    first, second = granted(mailbox), granted(mailbox)
    resets.show(resets.ask_in_mode(mailbox, by=first, at=AT), by=first, at=AT)
    reset = resets.ask_in_mode(mailbox, by=second, at=AT + timedelta(hours=23))
    assert reset.status == Status.RECEIVED
    assert reset.suspicion
    assert len(MemoryDirectory.calls) == 1, "rien n'est changé avant le regard d'une personne"


def test_the_same_person_may_ask_again_for_an_answer_that_was_lost():
    mailbox = box()
    director = granted(mailbox)
    resets.show(resets.ask_in_mode(mailbox, by=director, at=AT), by=director, at=AT)
    again = resets.ask_in_mode(mailbox, by=director, at=AT + timedelta(minutes=5))
    assert again.status == Status.READY


def test_five_requests_a_day_are_enough():
    mailbox = box()
    director = granted(mailbox)
    for n in range(5):
        reset = resets.ask_in_mode(mailbox, by=director, at=AT + timedelta(minutes=n))
        resets.show(reset, by=director, at=AT + timedelta(minutes=n))
    with pytest.raises(Refusal, match="trop de fois"):
        resets.ask_in_mode(mailbox, by=director, at=AT + timedelta(minutes=6))


@pytest.mark.parametrize("types", [("CTA",), ("Université",), ("Sorte inconnue",)])
def test_a_unit_that_is_not_in_mode_is_sent_to_the_other_form(types):
    mailbox = box(types=types)
    with pytest.raises(Refusal):
        resets.ask_in_mode(mailbox, by=granted(mailbox), at=AT)
    assert not MemoryDirectory.calls


def test_before_mail_2_there_is_no_new_password_to_replace():
    mailbox, at = box(migrated=False), brussels(date(2024, 10, 15), 10)
    with pytest.raises(Refusal):
        resets.ask_in_mode(mailbox, by=granted(mailbox, at=at), at=at)
    assert not Credential.objects.exists()
