"""What a review that tried to break the requests found, and what must stay so."""

from datetime import timedelta
from unittest import mock

import pytest
from django.test import Client
from django.urls import reverse

from accounts import by_hand, credentials, mode
from accounts.models import Credential
from bma_portal import clock
from bma_portal.errors import Refusal
from support import resets, tokens
from support.forms_hors_mode import HorsModeForm
from support.models import PasswordReset
from support.resets import upkeep
from support.views.hors_mode import IN_ALL
from tests.factories import UserFactory
from tests.support.hors_mode_stage import CHECK, FORM, answers, send
from tests.support.resets_stage import (
    AT,
    PHONE,
    box,
    confirmed,
    drafted,
    executor,
    granted,
    holder,
    hors_mode_box,
    letter,
    ready,
    received,
    staff,
    told,
    verifier,
)

pytestmark = pytest.mark.django_db(transaction=True)
Status = PasswordReset.Status
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def day(transactional_db):
    clock.set_for_every_process(AT)


@pytest.fixture
def set_by_hand(settings):
    settings.DIRECTORY_BACKEND, settings.DIRECTORY = "", "manual"


def test_one_place_that_floods_does_not_use_up_the_limit_that_everybody_shares():
    flooder = Client(REMOTE_ADDR="10.0.0.1")
    refused = [flooder.post(FORM, {"numero": "1"}).status_code for _ in range(IN_ALL.count + 1)]
    assert refused[-1] == 429
    assert send(Client(REMOTE_ADDR="10.9.9.9"), hors_mode_box()).url == CHECK


@pytest.mark.usefixtures("set_by_hand")
def test_whoever_verified_a_request_does_not_set_its_password_by_hand():
    reset, both = received(hors_mode_box()), staff("Vérification", "ETNIC")
    resets.accept(reset, by=both, number=PHONE, at=AT)
    resets.execute(reset, by=executor(), at=AT)
    reset.refresh_from_db()
    with pytest.raises(Refusal, match="ne pose pas son mot de passe"):
        by_hand.take(reset.credential, by=both, at=AT)
    assert by_hand.take(reset.credential, by=staff("ETNIC"), at=AT)


@pytest.mark.usefixtures("set_by_hand")
def test_whoever_asked_in_mode_does_not_set_the_password_by_hand():
    mailbox = box()
    agent = granted(mailbox, staff("ETNIC"))
    reset = resets.ask_in_mode(mailbox, by=agent, at=AT)
    with pytest.raises(Refusal, match="ne pose pas son mot de passe"):
        by_hand.take(reset.credential, by=agent, at=AT)


def older_request_stopped(mailbox, by) -> PasswordReset:
    """The password of a second request waits; the link that stops the first one is used."""
    first = resets.ask_in_mode(mailbox, by=by, at=AT)
    resets.show(first, by=by, at=AT)
    second = resets.ask_in_mode(mailbox, by=by, at=AT + HOUR)
    assert second.status == Status.READY
    resets.stop(tokens.stop_token(first).reveal(), at=AT + 2 * HOUR)
    return second


def test_a_password_that_a_stopped_request_took_away_does_not_hold_the_mailbox():
    mailbox = box()
    person = granted(mailbox)
    second = older_request_stopped(mailbox, person)
    resets.tick(at=AT + 2 * HOUR)
    second.refresh_from_db()
    assert second.status == Status.CLOSED
    assert person.email in told("reset.closed")
    again = resets.ask_in_mode(mailbox, by=person, at=AT + 3 * HOUR)
    assert (again.pk != second.pk, again.status) == (True, Status.RECEIVED)  # after a stop, a person looks first


def test_a_link_whose_password_was_replaced_answers_like_one_that_opens_nothing():
    mailbox = hors_mode_box()
    first, link, code = ready(mailbox)
    resets.pick_up(link, code=code, at=AT)
    _, link, code = ready(mailbox, at=AT + HOUR)
    resets.stop(tokens.stop_token(first).reveal(), at=AT + 2 * HOUR)
    clock.set_for_every_process(AT + 2 * HOUR)
    answer = Client().post(reverse("reset_pick_up", args=[link]), {"code": code})
    assert answer.status_code == 200
    assert "n’ouvrent rien" in answer.content.decode()


def test_one_request_that_fails_does_not_stop_the_others():
    ill, well = confirmed(hors_mode_box()), confirmed(hors_mode_box(), email="autre@exemple.test")
    tell = upkeep.mails.tell_concerned

    def fails(mail, reset, *, at):
        if reset.pk == ill.pk:
            raise ValueError("a fault of ours")
        tell(mail, reset, at=at)

    with mock.patch.object(upkeep.mails, "tell_concerned", fails):
        resets.tick(at=AT)
    ill.refresh_from_db()
    well.refresh_from_db()
    assert (ill.status, well.status) == (Status.UNCONFIRMED, Status.RECEIVED)
    resets.tick(at=AT)
    ill.refresh_from_db()
    assert ill.status == Status.RECEIVED


@pytest.mark.usefixtures("set_by_hand")
def test_a_password_that_nobody_ever_sets_does_not_hold_the_mailbox_for_ever():
    mailbox = box()
    person = granted(mailbox, days=60)
    reset = resets.ask_in_mode(mailbox, by=person, at=AT)
    resets.tick(at=AT + 4 * DAY)
    reset.refresh_from_db()
    assert (reset.status, reset.reminded_at) == (Status.SETTING, AT + 4 * DAY)  # the team is told, in its log
    resets.tick(at=AT + 15 * DAY)
    reset.refresh_from_db()
    assert reset.status == Status.CLOSED
    assert told("reset.closed") == [person.email]
    assert not credentials.pending().exists()
    assert resets.ask_in_mode(mailbox, by=person, at=AT + 15 * DAY).status == Status.SETTING


def test_a_permission_that_came_to_its_end_leaves_the_mailbox_to_others():
    mailbox = box()
    person, colleague = granted(mailbox, days=0), granted(mailbox)
    reset = resets.ask_in_mode(mailbox, by=person, at=AT)
    resets.tick(at=AT + HOUR)
    reset.refresh_from_db()
    assert reset.status == Status.READY  # until midnight
    resets.tick(at=AT + DAY)
    reset.refresh_from_db()
    assert (reset.status, reset.ended_why) == (Status.CLOSED, "la permission est arrivée à sa fin")
    assert resets.ask_in_mode(mailbox, by=colleague, at=AT + DAY).status == Status.READY


def test_another_permission_of_the_same_person_keeps_the_request():
    mailbox = box()
    person = granted(mailbox, days=0)
    reset = resets.ask_in_mode(mailbox, by=person, at=AT)
    granted(mailbox, person, days=30)
    resets.tick(at=AT + DAY)
    reset.refresh_from_db()
    assert reset.status == Status.READY


@pytest.mark.parametrize(
    ("first_name", "last_name"),
    [
        ("Elodie", "Dupont Martin"),
        ("élodie", "DUPONT-MARTIN"),
        ("Dupont-Martin", "Élodie"),
        ("Élodie", "Dupont-Martin"),
    ],
)
def test_a_former_head_picks_nothing_up_however_the_name_was_spelled(first_name, last_name):
    mailbox = hors_mode_box()
    holder(mailbox, UserFactory(first_name="Élodie", last_name="Dupont-Martin"))
    reset = received(mailbox, first_name=first_name, last_name=last_name)
    resets.accept(reset, by=verifier(), number=PHONE, at=AT)
    resets.execute(reset, by=executor(), at=AT)
    mode.change_holder(mailbox.organisation, to=UserFactory(), by="sgne", on=AT.date(), at=AT)
    reset.refresh_from_db()
    assert reset.status == Status.CLOSED


def test_the_request_of_somebody_else_outlives_a_change_of_head():
    mailbox = hors_mode_box()
    holder(mailbox, UserFactory(first_name="Élodie", last_name="Dupont-Martin"))
    reset = received(mailbox, first_name="Noé", last_name="Dupont-Martin")
    mode.change_holder(mailbox.organisation, to=UserFactory(), by="sgne", on=AT.date(), at=AT)
    reset.refresh_from_db()
    assert reset.status == Status.RECEIVED


@pytest.mark.parametrize("name", ["www.exemple", "Exemple.be", "Camille.Fictive", "J.P.Fictive", "a. -b", "x..y"])
def test_a_name_that_mail_programs_would_make_a_link_of_is_refused(name):
    """The BMA, its PO and its head receive it in a mail that ETNIC signs, before anybody verified anything."""
    form = HorsModeForm(answers(hors_mode_box(), last_name=name, proof=None), at=AT, kept=True)
    assert "last_name" in form.errors


@pytest.mark.parametrize("name", ["J. Fictive", "Fictive Jr.", "D’Art", "Anne-Marie", "J.-P. Œuvre"])
def test_a_name_of_a_card_is_accepted(name):
    form = HorsModeForm(answers(hors_mode_box(), last_name=name, proof=None), at=AT, kept=True)
    assert "last_name" not in form.errors


def test_marks_in_an_address_do_not_multiply_the_codes_that_one_person_receives():
    mailbox = hors_mode_box()
    sent = 0
    for address in (
        "victime@exemple.test",
        "Victime+1@exemple.test",
        "victime+b@EXEMPLE.test",
        '"victime"@exemple.test',
    ) * 2:
        try:
            resets.send_code(drafted(mailbox, email=address), at=AT)
            sent += 1
        except resets.TooMany:
            pass
    assert sent == 5


def test_the_mail_of_a_stop_says_that_the_old_password_no_longer_opens():
    mailbox = box()
    reset = resets.ask_in_mode(mailbox, by=granted(mailbox), at=AT)
    assert reset.status == Status.READY
    resets.stop(tokens.stop_token(reset).reveal(), at=AT)
    mail = letter("reset.stopped")
    assert "ne s’ouvre plus avant une nouvelle demande" in mail.text
    assert "ne s’ouvre plus avant une nouvelle demande" in mail.html
    assert not Credential.objects.live().exists()
