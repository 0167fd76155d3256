"""Races with real threads on PostgreSQL: each ends in exactly one outcome."""

from collections import Counter
from datetime import timedelta

import pytest

from accounts import mode
from accounts.models import Credential, ResetGrant
from bma_portal.errors import Refusal
from bma_portal.models import AuditEntry
from bma_portal.secret import Secret
from demo.directory import MemoryDirectory
from support import resets, tokens
from support.models import PasswordReset
from tests.factories import UserFactory
from tests.support.resets_stage import AT, PHONE, box, granted, hors_mode_box, ready, received, verifier
from tests.together import together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
Status = PasswordReset.Status


@pytest.fixture(autouse=True)
def directory():
    MemoryDirectory.forget()
    yield MemoryDirectory
    MemoryDirectory.forget()


def test_of_fifty_pick_ups_at_once_one_shows_the_password():
    mailbox = hors_mode_box()
    _reset, token, code = ready(mailbox)
    results = together(*[lambda: resets.pick_up(token, code=code, at=AT)] * 50)
    shown = [r for r in results if isinstance(r, Secret)]
    assert shown == [MemoryDirectory.passwords[mailbox.address]]
    assert sum(isinstance(r, resets.PickUpRefused) for r in results) == 49
    assert AuditEntry.objects.filter(action="reset.shown", result="ok").count() == 1


def test_of_twenty_showings_at_once_one_shows_it():
    mailbox = box()
    director = granted(mailbox)
    reset = resets.ask_in_mode(mailbox, by=director, at=AT)
    results = together(*[lambda: resets.show(reset, by=director, at=AT)] * 20)
    assert sum(isinstance(r, Secret) for r in results) == 1


def test_fifty_submissions_at_once_are_one_request():
    mailbox = box()
    director = granted(mailbox)
    results = together(*[lambda: resets.ask_in_mode(mailbox, by=director, at=AT)] * 50)
    assert len({r.pk for r in results}) == 1
    assert PasswordReset.objects.count() == 1
    assert Credential.objects.count() == 1
    assert AuditEntry.objects.filter(action="reset.asked").count() == 1


def test_two_people_asking_at_once_one_is_served():
    mailbox = box()
    people = [granted(mailbox), granted(mailbox)]
    results = together(*[lambda p=p: resets.ask_in_mode(mailbox, by=p, at=AT) for p in people])
    assert Counter(type(r).__name__ for r in results) == {"PasswordReset": 1, "Refusal": 1}


def test_two_agents_deciding_at_once_one_decides_the_other_is_told():
    reset = received(hors_mode_box())
    first, second = verifier(), verifier()
    results = together(
        lambda: resets.accept(reset, by=first, number=PHONE, at=AT),
        lambda: resets.refuse(reset, by=second, why="La copie est illisible.", at=AT),
    )
    reset.refresh_from_db()
    assert reset.status in {Status.ACCEPTED, Status.REFUSED}
    (refusal,) = [r for r in results if isinstance(r, Refusal)]
    assert "entre-temps" in str(refusal)


@pytest.mark.parametrize("turn", range(5))
def test_a_revocation_during_the_submission_leaves_one_outcome(turn):
    mailbox = box()
    director = granted(mailbox)
    grant, gia = ResetGrant.objects.get(), UserFactory(superuser=True)
    later = AT + timedelta(seconds=1)
    asked, _revoked = together(
        lambda: resets.ask_in_mode(mailbox, by=director, at=later),
        lambda: mode.revoke(grant, by=gia, why="a quitté l'école", at=AT),
    )
    assert not PasswordReset.objects.live().exists()
    assert not Credential.objects.exclude(sealed="").exists()
    if isinstance(asked, Refusal):
        assert not PasswordReset.objects.exists()
    else:
        assert PasswordReset.objects.get().status == Status.CLOSED


def test_a_stop_against_a_showing_leaves_nothing_usable_in_secret():
    mailbox = box()
    director = granted(mailbox)
    reset = resets.ask_in_mode(mailbox, by=director, at=AT)
    token = tokens.stop_token(reset).reveal()
    shown, _stopped = together(lambda: resets.show(reset, by=director, at=AT), lambda: resets.stop(token, at=AT))
    reset.refresh_from_db()
    assert reset.status == Status.STOPPED
    from accounts import credentials

    credentials.set_passwords(at=AT)
    if isinstance(shown, Secret):
        assert MemoryDirectory.passwords[mailbox.address] != shown


def test_ten_workers_at_once_receive_each_request_once():
    boxes = [hors_mode_box() for _ in range(3)]
    from tests.support.resets_stage import confirmed

    waiting = [confirmed(mailbox, email=f"c{n}@exemple.test") for n, mailbox in enumerate(boxes * 2)]
    together(*[lambda: resets.tick(at=AT)] * 10)
    resets.tick(at=AT)
    assert PasswordReset.objects.live().count() == 3
    assert AuditEntry.objects.filter(action="reset.received").count() == 3
    assert len(waiting) == 6
