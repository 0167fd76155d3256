"""Hors MODE, the code said on the phone: made by each execution, told to whoever executes (D15, D18, SEC-B7)."""

from datetime import timedelta

import pytest

from accounts import credentials
from accounts.models import Credential
from bma_portal.verdicts import Outcome, Verdict
from demo.directory import MemoryDirectory
from support import resets, tokens
from support.models import PasswordReset
from tests.support.resets_stage import AT, PHONE, executor, hors_mode_box, letter, ready, received, told, verifier

pytestmark = pytest.mark.django_db
Status = PasswordReset.Status


@pytest.fixture(autouse=True)
def directory():
    MemoryDirectory.forget()
    yield MemoryDirectory
    MemoryDirectory.forget()


def test_who_verifies_learns_no_code_and_who_executes_learns_the_one_that_opens():
    """SEC-B7: the verifier believed the address that receives the link; the code is told to somebody else."""
    reset = received(hors_mode_box())
    assert resets.accept(reset, by=verifier(), number=PHONE, at=AT) is None
    reset.refresh_from_db()
    assert reset.pickup_code == ""
    code = resets.execute(reset, by=executor(), at=AT)
    reset.refresh_from_db()
    assert tokens.spoken_digest(reset, code) == reset.pickup_code
    assert resets.pick_up(tokens.pick_up_token(reset).reveal(), code=code.reveal(), at=AT)


def test_a_password_that_the_directory_refuses_leaves_no_code_to_say_and_the_next_has_its_own():
    reset = received(hors_mode_box())
    resets.accept(reset, by=verifier(), number=PHONE, at=AT)
    MemoryDirectory.answers[:] = [Outcome(Verdict.PERMANENT, "weak", "L'annuaire refuse ce mot de passe.")]
    assert resets.execute(reset, by=executor(), at=AT) is None
    reset.refresh_from_db()
    assert reset.status == Status.ACCEPTED
    refused = reset.pickup_code
    assert resets.execute(reset, by=executor(), at=AT)
    reset.refresh_from_db()
    assert (reset.status, reset.pickup_code == refused) == (Status.READY, False)


def test_three_wrong_codes_end_the_request():
    reset, token, code = ready(hors_mode_box())
    for _ in range(3):
        with pytest.raises(resets.PickUpRefused):
            resets.pick_up(token, code="BBBBBBBB", at=AT)
    with pytest.raises(resets.PickUpRefused):
        resets.pick_up(token, code=code, at=AT)
    reset.refresh_from_db()
    assert reset.status == Status.CLOSED
    assert Credential.objects.get(pk=reset.credential_id).sealed == ""


def test_a_code_may_be_typed_in_small_letters_with_spaces():
    _reset, token, code = ready(hors_mode_box())
    assert resets.pick_up(token, code=f" {code[:4].lower()} - {code[4:]} ", at=AT)


def test_a_link_lives_a_day_and_the_next_one_makes_it_void():
    reset, token, code = ready(hors_mode_box())
    first = Credential.objects.get(pk=reset.credential_id)
    late = AT + timedelta(hours=24)
    with pytest.raises(resets.PickUpRefused):
        resets.pick_up(token, code=code, at=late)
    resets.tick(at=late)
    first.refresh_from_db()
    assert first.sealed == ""
    assert told("reset.pick_up_expired") == ["camille@exemple.test"]
    mail = letter("reset.pick_up_expired", at=late)
    assert all("Le code dit au téléphone ne sert plus" in text for text in (mail.text, mail.html))
    another = resets.execute(reset, by=executor(), at=late).reveal()
    reset.refresh_from_db()
    newer = tokens.pick_up_token(reset).reveal()
    assert (newer == token, another == code) == (False, False)
    for link, said in ((token, code), (token, another), (newer, code)):
        with pytest.raises(resets.PickUpRefused):
            resets.pick_up(link, code=said, at=late)
    assert resets.pick_up(newer, code=another, at=late)


def test_the_directory_away_while_executing_costs_time_only():
    mailbox = hors_mode_box()
    reset = received(mailbox)
    resets.accept(reset, by=verifier(), number=PHONE, at=AT)
    MemoryDirectory.answers[:] = [Outcome(Verdict.RETRY, "away", "L'annuaire ne répond pas.", wide=True)]
    code = resets.execute(reset, by=executor(), at=AT)
    reset.refresh_from_db()
    assert reset.status == Status.SETTING
    assert not told("reset.pick_up")
    Credential.objects.update(not_before=None)
    credentials.set_passwords(at=AT)
    resets.tick(at=AT)
    resets.tick(at=AT)
    assert told("reset.pick_up") == ["camille@exemple.test"]
    reset.refresh_from_db()
    assert resets.pick_up(tokens.pick_up_token(reset).reveal(), code=code.reveal(), at=AT)
