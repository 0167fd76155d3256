"""Hors MODE: a form, a code, two persons, a link (D4, D8, D12, D14, D15, D18, D20)."""

from datetime import date, timedelta

import pytest

from accounts import mode
from accounts.models import Credential
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.mail.models import OutgoingMail
from bma_portal.models import AuditEntry
from demo.directory import MemoryDirectory
from support import resets, tokens
from support.models import PasswordReset, ProofFile
from support.resets import TooMany
from tests.factories import UserFactory
from tests.support.resets_stage import (
    AT,
    PHONE,
    confirmed,
    drafted,
    executor,
    granted,
    holder,
    hors_mode_box,
    letter,
    prepared,
    ready,
    received,
    staff,
    told,
    verifier,
)

pytestmark = pytest.mark.django_db
Status = PasswordReset.Status


@pytest.fixture(autouse=True)
def directory():
    MemoryDirectory.forget()
    yield MemoryDirectory
    MemoryDirectory.forget()


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def test_from_the_form_to_the_password():
    mailbox = hors_mode_box()
    reset, token, code = ready(mailbox)
    secret = resets.pick_up(token, code=code, at=AT)
    assert secret == MemoryDirectory.passwords[mailbox.address]
    reset.refresh_from_db()
    assert reset.status == Status.SHOWN
    assert Credential.objects.get(pk=reset.credential_id).sealed == ""
    proof = ProofFile.objects.get(reset=reset)
    assert proof.destroyed_at
    assert bytes(proof.content) == b""
    lines = list(AuditEntry.objects.order_by("seq").values_list("action", flat=True))
    for action in ("reset.drafted", "reset.confirmed", "reset.received", "reset.accepted", "reset.executed",
                   "reset.ready", "reset.shown", "proof.destroyed"):  # fmt: skip
        assert lines.count(action) == 1, (action, lines)


def test_a_form_changes_nothing_and_tells_nobody_before_its_address_is_confirmed():
    mailbox = hors_mode_box()
    reset = drafted(mailbox)
    resets.send_code(reset, at=AT)
    assert [row.to for row in OutgoingMail.objects.filter(kind__startswith="reset.")] == [["camille@exemple.test"]]
    resets.tick(at=AT)
    reset.refresh_from_db()
    assert reset.status == Status.UNCONFIRMED
    assert not MemoryDirectory.calls
    assert not Credential.objects.exists()


def test_the_code_is_in_the_mail_and_nowhere_in_the_database():
    reset = drafted(hors_mode_box())
    resets.send_code(reset, at=AT)
    reset.refresh_from_db()
    code = tokens.contact_code(reset).reveal()
    assert code in letter("reset.contact_code").text
    row = OutgoingMail.objects.get(kind="reset.contact_code")
    assert (row.sensitive, row.text, row.html) == (True, "", "")
    assert code not in row.subject


def test_five_wrong_codes_end_the_right_one():
    reset = drafted(hors_mode_box())
    resets.send_code(reset, at=AT)
    reset.refresh_from_db()
    code = tokens.contact_code(reset).reveal()
    for _ in range(5):
        with pytest.raises(Refusal, match="pas le code"):
            resets.confirm(reset, code=wrong(code), at=AT)
    with pytest.raises(Refusal, match="plus valable"):
        resets.confirm(reset, code=code, at=AT)
    resets.send_code(reset, at=AT)
    reset.refresh_from_db()
    assert tokens.contact_code(reset).reveal() != code
    resets.confirm(reset, code=tokens.contact_code(reset).reveal(), at=AT)


def test_a_code_lives_half_an_hour():
    reset = drafted(hors_mode_box())
    resets.send_code(reset, at=AT)
    reset.refresh_from_db()
    code = tokens.contact_code(reset).reveal()
    with pytest.raises(Refusal, match="plus valable"):
        resets.confirm(reset, code=code, at=AT + timedelta(minutes=30))
    resets.confirm(reset, code=code, at=AT + timedelta(minutes=29, seconds=59))


def test_a_code_sent_to_another_address_proves_nothing_of_this_one():
    mailbox = hors_mode_box()
    reset = drafted(mailbox)
    resets.send_code(reset, at=AT)
    reset.refresh_from_db()
    code = tokens.contact_code(reset).reveal()
    resets.amend_draft(
        reset, mailbox=mailbox, first_name="Camille", last_name="Fictive", email="autre@exemple.test",
        phone="0470", proof=None, at=AT,
    )  # fmt: skip
    with pytest.raises(Refusal):
        resets.confirm(reset, code=code, at=AT)


def test_codes_to_one_address_are_counted_whatever_the_request():
    boxes = [hors_mode_box() for _ in range(6)]
    for mailbox in boxes[:5]:
        resets.send_code(drafted(mailbox), at=AT)
    with pytest.raises(TooMany):
        resets.send_code(drafted(boxes[5], email="Camille@Exemple.test"), at=AT)
    resets.send_code(drafted(boxes[5], email="autre@exemple.test"), at=AT)


def test_a_draft_never_confirmed_is_gone_after_a_day_with_all_that_it_carried():
    reset = drafted(hors_mode_box())
    resets.tick(at=AT + timedelta(hours=23, minutes=59))
    reset.refresh_from_db()
    assert reset.status == Status.UNCONFIRMED
    resets.tick(at=AT + timedelta(hours=24))
    reset.refresh_from_db()
    assert reset.status == Status.CLOSED
    assert (reset.first_name, reset.last_name, reset.email, reset.phone) == ("", "", "", "")
    assert ProofFile.objects.get(reset=reset).destroyed_at


def test_a_second_request_waits_behind_the_first_and_comes_forward_when_it_ends():
    mailbox = hors_mode_box()
    first = received(mailbox)
    sent = OutgoingMail.objects.count()
    second = confirmed(mailbox, email="deux@exemple.test")
    resets.tick(at=AT)
    second.refresh_from_db()
    assert second.status == Status.UNCONFIRMED
    assert OutgoingMail.objects.count() == sent + 1, "seulement son code"
    resets.refuse(first, by=verifier(), why="La copie est illisible.", at=AT)
    resets.tick(at=AT)
    second.refresh_from_db()
    assert second.status == Status.RECEIVED


def test_the_number_called_back_is_the_recorded_one():
    reset = received(hors_mode_box())
    with pytest.raises(Refusal, match="n’est pas celui"):
        resets.accept(reset, by=verifier(), number=reset.phone, at=AT)
    resets.accept(reset, by=verifier(), number="081 00 00 01", at=AT)
    reset.refresh_from_db()
    assert (reset.status, reset.callback_number) == (Status.ACCEPTED, PHONE)


def test_without_a_recorded_number_nothing_is_accepted():
    reset = received(hors_mode_box(phone=""))
    with pytest.raises(Refusal, match="Aucun numéro"):
        resets.accept(reset, by=verifier(), number="", at=AT)


def test_a_verifier_cannot_use_a_number_recorded_by_the_same_hand_after_the_request():
    reset = received(hors_mode_box())
    agent = verifier()
    unit = reset.mailbox.organisation
    unit.phone_recorded_at, unit.phone_recorded_by = AT + timedelta(minutes=1), agent.username
    unit.save()
    with pytest.raises(Refusal, match="autre personne"):
        resets.accept(reset, by=agent, number=PHONE, at=AT + timedelta(minutes=2))
    resets.accept(reset, by=verifier(), number=PHONE, at=AT + timedelta(minutes=2))
    reset.refresh_from_db()
    assert reset.status == Status.ACCEPTED


@pytest.mark.parametrize("groups", [("SGNE",), ("ETNIC",), ("Exécution",), ("Auditeur",), ()])
def test_only_verifiers_verify(groups):
    reset = received(hors_mode_box())
    agent = staff(*groups) if groups else UserFactory()
    with pytest.raises(Refusal):
        resets.accept(reset, by=agent, number=PHONE, at=AT)
    with pytest.raises(Refusal):
        resets.refuse(reset, by=agent, why="non", at=AT)


@pytest.mark.parametrize("groups", [("SGNE",), ("Vérification",), ("Auditeur",)])
def test_only_executors_execute(groups):
    reset = received(hors_mode_box())
    resets.accept(reset, by=verifier(), number=PHONE, at=AT)
    with pytest.raises(Refusal):
        resets.execute(reset, by=staff(*groups), at=AT)
    assert not MemoryDirectory.calls


def test_who_verified_does_not_execute():
    both = staff("Vérification", "Exécution")
    reset = received(hors_mode_box())
    resets.accept(reset, by=both, number=PHONE, at=AT)
    with pytest.raises(Refusal, match="ne l’exécute pas"):
        resets.execute(reset, by=both, at=AT)
    resets.execute(reset, by=staff("Vérification", "Exécution"), at=AT)


def test_nothing_is_executed_before_it_is_accepted():
    reset = received(hors_mode_box())
    with pytest.raises(Refusal):
        resets.execute(reset, by=executor(), at=AT)
    assert not MemoryDirectory.calls


def test_a_refusal_says_what_to_correct_and_destroys_the_copy():
    reset = received(hors_mode_box())
    with pytest.raises(Refusal):
        resets.refuse(reset, by=verifier(), why="  ", at=AT)
    resets.refuse(reset, by=verifier(), why="La photo est floue : le nom ne se lit pas.", at=AT)
    assert "le nom ne se lit pas" in letter("reset.refused").text
    assert told("reset.refused") == ["camille@exemple.test"]
    assert ProofFile.objects.get(reset=reset).destroyed_at


def test_everything_that_does_not_open_says_the_same():
    _reset, token, code = ready(hors_mode_box())
    said = set()
    for attempt in ("", "x", "A" * 48, token[:-1] + ("A" if token[-1] != "A" else "B")):
        with pytest.raises(resets.PickUpRefused) as refusal:
            resets.pick_up(attempt, code=code, at=AT)
        said.add(str(refusal.value))
    resets.pick_up(token, code=code, at=AT)
    with pytest.raises(resets.PickUpRefused) as refusal:
        resets.pick_up(token, code=code, at=AT)
    said.add(str(refusal.value))
    assert len(said) == 1


def test_the_link_is_in_the_mail_and_nowhere_in_the_database():
    _reset, token, code = ready(hors_mode_box())
    mail = letter("reset.pick_up")
    assert f"http://testserver/mot-de-passe/retrait/{token}/" in mail.text
    assert all("le code que nous vous disons au téléphone" in text for text in (mail.text, mail.html))
    assert code not in mail.text + mail.html
    assert list(mail.to) == ["camille@exemple.test"]
    assert OutgoingMail.objects.get(kind="reset.pick_up").text == ""


def test_stopping_a_request_under_review_ends_it():
    reset = received(hors_mode_box())
    resets.stop(tokens.stop_token(reset).reveal(), at=AT)
    with pytest.raises(Refusal):
        resets.accept(reset, by=verifier(), number=PHONE, at=AT)


def test_what_nobody_brings_to_its_end_is_closed_after_ten_working_days():
    asked = brussels(date(2025, 10, 24), 10)  # a Friday; 11 November is a holiday
    reset = received(hors_mode_box(), at=asked)
    resets.tick(at=brussels(date(2025, 11, 6), 23, 59))
    reset.refresh_from_db()
    assert reset.status == Status.RECEIVED
    resets.tick(at=brussels(date(2025, 11, 7), 0))
    reset.refresh_from_db()
    assert reset.status == Status.CLOSED
    assert ProofFile.objects.get(reset=reset).destroyed_at


def test_a_proof_never_outlives_its_decision_by_more_than_thirty_days():
    reset = received(hors_mode_box())
    resets.accept(reset, by=verifier(), number=PHONE, at=AT)
    PasswordReset.objects.filter(pk=reset.pk).update(asked_at=AT + timedelta(days=40))  # kept open, for this test
    resets.tick(at=AT + timedelta(days=30) - timedelta(minutes=1))
    assert ProofFile.objects.get(reset=reset).destroyed_at is None
    resets.tick(at=AT + timedelta(days=30))
    proof = ProofFile.objects.get(reset=reset)
    assert proof.destroyed_at
    assert (proof.key, bytes(proof.content)) == ("", b"")


def test_who_asked_is_forgotten_thirty_days_after_the_end():
    reset, token, code = ready(hors_mode_box())
    resets.pick_up(token, code=code, at=AT)
    resets.tick(at=AT + timedelta(days=30))
    reset.refresh_from_db()
    assert reset.erased_at
    assert not reset.last_name + reset.email + reset.phone


def test_a_change_of_head_closes_the_request_of_the_former_by_name():
    mailbox = hors_mode_box()
    former = holder(mailbox, UserFactory(first_name="Camille", last_name="Fictive"))
    mine, other = received(mailbox), confirmed(hors_mode_box(), email="autre@exemple.test")
    mode.change_holder(mailbox.organisation, to=UserFactory(), by="sgne", on=AT.date(), at=AT)
    mine.refresh_from_db()
    other.refresh_from_db()
    assert mine.status == Status.CLOSED
    assert other.status == Status.UNCONFIRMED
    assert former.pk


def test_a_mode_unit_is_sent_to_the_mode_form():
    from tests.support.resets_stage import box

    with pytest.raises(Refusal):
        drafted(box())


def test_what_is_pending_elsewhere_changes_neither_the_answer_nor_the_work(django_assert_num_queries):
    """D7: the same statements whatever the mailbox has under way, its holder, its permissions."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    bare, busy = hors_mode_box(), hors_mode_box()
    received(busy, email="autre@exemple.test")
    granted(busy, holder(busy))
    proof = prepared()
    counts = []
    for n, mailbox in enumerate((bare, busy)):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            reset = resets.draft_hors_mode(
                mailbox, first_name="A", last_name="B", email=f"c{n}@exemple.test", phone="0", proof=proof, at=AT
            )
            resets.send_code(reset, at=AT)
            reset.refresh_from_db()
            resets.confirm(reset, code=tokens.contact_code(reset).reveal(), at=AT)
        counts.append(len(queries))
    assert counts[0] == counts[1]
