"""A request examined by one person and executed by another, by hand and both at once (D15, D18, SEC-E7, I3)."""

import re
from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse

from accounts import credentials
from accounts.models import Organisation
from bma_portal import audit, clock
from bma_portal.models import AuditEntry
from bma_portal.verdicts import Outcome, Verdict
from demo.directory import MemoryDirectory
from support import proofs, tokens
from support.models import PasswordReset, ProofFile
from tests.factories import UserFactory
from tests.factories_holders import PasswordResetFactory
from tests.support.resets_stage import AT, PHONE, granted, hors_mode_box, received, staff, told
from tests.support.review_stage import (
    ACCEPTED,
    GROUPS,
    REFUSED,
    as_,
    deed,
    do,
    image,
    in_status,
    proof_page,
    said,
    sheet,
    somebody,
)
from tests.together import together

pytestmark = pytest.mark.django_db
Status = PasswordReset.Status


@pytest.fixture(autouse=True)
def day(db):
    clock.set_for_every_process(AT)
    MemoryDirectory.forget()
    yield
    MemoryDirectory.forget()


@pytest.fixture
def reset():
    return received(hors_mode_box())


@pytest.fixture
def verifier():
    return staff("Vérification")


@pytest.fixture
def taken(reset, verifier):
    """A request in the charge of `verifier`."""
    assert do(as_(verifier), reset, "prendre").status_code == 200
    reset.refresh_from_db()
    return reset


# Charge


def test_one_person_is_in_charge_and_another_is_told(taken, verifier):
    other = staff("Vérification")
    response = do(as_(other), taken, "prendre")
    assert "Une autre personne vient de prendre" in said(response)
    taken.refresh_from_db()
    assert taken.taken_by == verifier
    assert AuditEntry.objects.filter(action="reset.taken", result="refused", actor=other.username).exists()


def test_what_its_verifier_leaves_aside_for_a_day_another_may_take(taken, verifier):
    other = staff("Vérification")
    clock.set_for_every_process(AT + timedelta(hours=23, minutes=59))
    do(as_(other), taken, "prendre")
    taken.refresh_from_db()
    assert taken.taken_by == verifier
    clock.set_for_every_process(AT + timedelta(hours=24))
    do(as_(other), taken, "prendre")
    taken.refresh_from_db()
    assert taken.taken_by == other
    assert as_(verifier).get(image(taken)).status_code == 404
    assert as_(other).get(image(taken)).status_code == 200


def test_what_is_given_back_waits_for_anybody(taken, verifier):
    do(as_(verifier), taken, "rendre")
    assert as_(verifier).get(image(taken)).status_code == 404
    other = staff("Vérification")
    do(as_(other), taken, "prendre")
    taken.refresh_from_db()
    assert taken.taken_by == other


# The proof


def test_the_person_in_charge_sees_the_proof_as_an_image_that_nothing_keeps_nor_runs(taken, verifier):
    client = as_(verifier)
    page = client.get(proof_page(taken)).content.decode()
    assert f'<img class="proof" src="{image(taken)}" alt="Page 1 de la copie">' in page
    response = client.get(image(taken))
    assert response.content.startswith(b"\xff\xd8\xff")
    assert response["Content-Type"] == "image/jpeg"
    assert response["Content-Disposition"].startswith("attachment; filename=")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert "no-store" in response["Cache-Control"]
    line = AuditEntry.objects.get(action="proof.viewed")
    assert (line.actor, line.object_type, line.details["page"]) == (verifier.username, "support.prooffile", 1)


def test_each_opening_is_one_line(taken, verifier):
    client = as_(verifier)
    for _ in range(3):
        client.get(image(taken))
    assert AuditEntry.objects.filter(action="proof.viewed", result="ok").count() == 3


def test_the_line_is_written_before_a_byte_is_unsealed_and_without_it_nothing_leaves(taken, verifier, monkeypatch):
    client, order = as_(verifier), []
    record, open_pages = audit._append, proofs.open_pages
    monkeypatch.setattr(audit, "_append", lambda entry: order.append("ligne") or record(entry))
    monkeypatch.setattr("support.proofs.open_pages", lambda proof: order.append("copie") or open_pages(proof))
    assert client.get(image(taken)).status_code == 200
    assert order == ["ligne", "copie"]

    def broken(entry):
        raise DatabaseError("no line today")

    monkeypatch.setattr(audit, "_append", broken)
    response = client.get(image(taken))
    assert response.status_code == 503
    assert b"\xff\xd8\xff" not in response.content
    assert order == ["ligne", "copie"]
    assert client.get(sheet(taken)).status_code == 503


def test_a_page_that_the_proof_does_not_have_is_not_found(taken, verifier):
    client = as_(verifier)
    assert client.get(image(taken, 2)).status_code == 404
    assert client.get(image(taken, 0)).status_code == 404
    assert client.head(image(taken)).status_code == 405
    assert client.post(image(taken)).status_code == 405


def test_the_link_of_an_image_opens_in_no_other_session(taken, verifier):
    url = image(taken)
    assert as_(staff("Vérification")).get(url).status_code == 404
    assert as_(UserFactory(superuser=True)).get(url).status_code == 404
    assert Client().get(url).status_code == 302


def test_after_the_decision_nobody_opens_it(taken, verifier):
    do(as_(verifier), taken, "accepter", **ACCEPTED)
    assert as_(verifier).get(image(taken)).status_code == 404


def test_a_proof_in_quarantine_is_shown_to_nobody(taken, verifier):
    ProofFile.objects.filter(reset=taken).update(to_scan=True)
    client = as_(verifier)
    assert client.get(image(taken)).status_code == 404
    assert "attend encore l’antivirus" in client.get(proof_page(taken)).content.decode()
    assert not AuditEntry.objects.filter(action="proof.viewed", result="ok").exists()


# Accept, refuse, execute


@pytest.fixture
def accepted(taken, verifier):
    """A request that `verifier` accepted; another person is to execute it."""
    do(as_(verifier), taken, "accepter", **ACCEPTED)
    taken.refresh_from_db()
    return taken


def test_accepting_calls_the_recorded_number_and_shows_no_code(taken, verifier):
    client = as_(verifier)
    page = client.get(deed(taken, "accepter")).content.decode()
    assert PHONE in page
    assert "0470 00 00 00" not in page
    response = do(client, taken, "accepter", **ACCEPTED)
    assert "est acceptée" in said(response)
    assert "spoken-code" not in response.content.decode()
    taken.refresh_from_db()
    assert (taken.status, taken.callback_number, taken.pickup_code) == (Status.ACCEPTED, PHONE, "")


def test_executing_shows_the_spoken_code_once_and_the_number_that_the_verifier_called(accepted, verifier):
    Organisation.objects.filter(pk=accepted.mailbox.organisation_id).update(phone="+32 2 999 99 99")
    client = as_(staff("Exécution"))
    page = client.get(deed(accepted, "executer")).content.decode()
    assert f"<strong>{PHONE}</strong>, celui que {verifier} a rappelé" in page
    assert "une seule fois, un code à dire" in page
    response = client.post(deed(accepted, "executer"))
    assert "no-store" in response["Cache-Control"]
    page = response.content.decode()
    code = "".join(re.findall(r"<span>(\w{4})</span>", page))
    assert PHONE in page
    assert "999 99 99" not in page
    assert "0470 00 00 00" not in page
    accepted.refresh_from_db()
    assert accepted.status == Status.READY
    assert tokens.spoken_digest(accepted, credentials.Secret(code)) == accepted.pickup_code
    again = client.post(deed(accepted, "executer"), follow=True)
    assert "a changé entre-temps" in said(again)
    for page in (again, client.get(sheet(accepted)), as_(verifier).get(sheet(accepted))):
        assert code[:4] not in page.content.decode()
    assert f"{accepted.executed_by} dit le code à la personne" in client.get(sheet(accepted)).content.decode()


def test_while_the_directory_is_away_the_code_is_shown_all_the_same(accepted):
    MemoryDirectory.answers[:] = [Outcome(Verdict.RETRY, "away", "L'annuaire ne répond pas.", wide=True)]
    page = as_(staff("Exécution")).post(deed(accepted, "executer")).content.decode()
    accepted.refresh_from_db()
    code = "".join(re.findall(r"<span>(\w{4})</span>", page))
    assert tokens.spoken_digest(accepted, credentials.Secret(code)) == accepted.pickup_code
    assert accepted.status == Status.SETTING


def test_what_the_directory_refuses_shows_no_code_and_says_to_execute_again(accepted):
    MemoryDirectory.answers[:] = [Outcome(Verdict.PERMANENT, "weak", "L'annuaire refuse ce mot de passe.")]
    client = as_(staff("Exécution"))
    response = do(client, accepted, "executer")
    assert "exécutez de nouveau" in said(response)
    assert "spoken-code" not in response.content.decode()
    assert "spoken-code" in do(client, accepted, "executer").content.decode()


def test_without_the_tick_nothing_is_accepted(taken, verifier):
    page = as_(verifier).post(deed(taken, "accepter"), {"number": PHONE}).content.decode()
    assert "Cochez la case une fois que vous avez rappelé" in page
    assert "<title>Erreur" in page
    taken.refresh_from_db()
    assert taken.status == Status.RECEIVED


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ({"phone": ""}, "Aucun numéro de téléphone n’est enregistré"),
        ({"phone": "+32 2 999 99 99"}, "n’est pas celui qui est enregistré"),
    ],
    ids=["sans numéro", "un autre depuis"],
)
def test_only_the_recorded_number_counts(taken, verifier, unit, words):
    Organisation.objects.filter(pk=taken.mailbox.organisation_id).update(**unit)
    response = do(as_(verifier), taken, "accepter", **ACCEPTED)
    assert words in said(response)
    taken.refresh_from_db()
    assert taken.status == Status.RECEIVED


def test_the_number_of_the_form_is_never_the_one_that_is_called(taken, verifier):
    response = do(as_(verifier), taken, "accepter", number=taken.phone, called="on")
    assert "n’est pas celui qui est enregistré" in said(response)


def test_a_number_recorded_by_the_same_hand_after_the_request_is_refused(taken, verifier):
    recorded = {"phone_recorded_at": AT + timedelta(minutes=1), "phone_recorded_by": verifier.username}
    Organisation.objects.filter(pk=taken.mailbox.organisation_id).update(**recorded)
    response = do(as_(verifier), taken, "accepter", **ACCEPTED)
    assert "une autre personne doit la vérifier" in said(response)
    taken.refresh_from_db()
    assert taken.status == Status.RECEIVED


def test_a_refusal_says_what_to_correct(taken, verifier):
    client = as_(verifier)
    for posted in ({}, {"reason": "autre"}, {"reason": "inventé"}, {"reason": "nom", "detail": "85.07.30-033.28"}):
        assert client.post(deed(taken, "refuser"), posted).status_code == 200
    taken.refresh_from_db()
    assert taken.status == Status.RECEIVED
    do(client, taken, "refuser", reason="illisible", detail="Le nom est coupé.")
    taken.refresh_from_db()
    assert taken.status == Status.REFUSED
    assert taken.refusal.startswith("La copie n’est pas lisible.")
    assert taken.refusal.endswith("Le nom est coupé.")
    assert told("reset.refused") == ["camille@exemple.test"]
    assert ProofFile.objects.get(reset=taken).destroyed_at == AT


def test_who_verified_does_not_execute_even_with_both_roles(taken):
    both = staff("Vérification", "Exécution")
    PasswordReset.objects.filter(pk=taken.pk).update(taken_by=both)
    client = as_(both)
    do(client, taken, "accepter", **ACCEPTED)
    response = do(client, taken, "executer")
    assert "ne l’exécute pas" in said(response)
    taken.refresh_from_db()
    assert (taken.status, taken.executed_by) == (Status.ACCEPTED, None)
    do(as_(staff("Exécution")), taken, "executer")
    taken.refresh_from_db()
    assert taken.status == Status.READY


def test_one_s_own_request_is_examined_by_somebody_else():
    mailbox = hors_mode_box()
    agent = granted(mailbox, staff("Vérification", "Exécution"))
    reset = PasswordResetFactory(mailbox=mailbox, mode=True, requester=agent, status=Status.RECEIVED)
    client = as_(agent)
    do(client, reset, "prendre")
    reset.refresh_from_db()
    assert reset.taken_by is None
    PasswordReset.objects.filter(pk=reset.pk).update(taken_by=agent, taken_at=AT)
    do(client, reset, "accepter", **ACCEPTED)
    reset.refresh_from_db()
    assert reset.status == Status.RECEIVED


def test_a_mode_request_that_looks_odd_is_accepted_and_executed_without_code(verifier):
    reset = PasswordResetFactory(mailbox=hors_mode_box(), mode=True, status=Status.RECEIVED, suspicion="Déjà affiché.")
    client = as_(verifier)
    assert "Déjà affiché." in client.get(sheet(reset)).content.decode()
    do(client, reset, "prendre")
    response = do(client, reset, "accepter", **ACCEPTED)
    assert "est acceptée" in said(response)
    executor = as_(staff("Exécution"))
    assert "un code à dire" not in executor.get(deed(reset, "executer")).content.decode()
    response = do(executor, reset, "executer")
    assert "est en cours de pose" in said(response)
    assert "spoken-code" not in response.content.decode()


def test_a_field_that_a_page_does_not_offer_is_not_written(taken, verifier):
    client = as_(verifier)
    extras = {"status": "shown", "verified_by": "1", "executed_by": "1", "email": "pirate@exemple.test"}
    assert client.post(sheet(taken), extras).status_code == 403
    do(client, taken, "accepter", **ACCEPTED, **extras, executed_at="2025-01-01")
    taken.refresh_from_db()
    assert (taken.status, taken.email, taken.executed_by) == (Status.ACCEPTED, "camille@exemple.test", None)
    assert taken.verified_by == verifier


@pytest.mark.parametrize("role", [*GROUPS, "secours"])
def test_nobody_adds_changes_or_deletes_a_request_by_hand(reset, role):
    client = as_(somebody(role))
    assert client.get(reverse("admin:support_passwordreset_add")).status_code == 403
    assert (
        client.post(reverse("admin:support_passwordreset_delete", args=[reset.pk]), {"post": "yes"}).status_code == 403
    )
    assert client.post(sheet(reset), {"status": "shown"}).status_code == 403


# Two at once


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["prendre", "executer"])
def test_two_agents_at_once_one_does_it_and_the_other_is_told(name):
    reset = in_status(Status.RECEIVED if name == "prendre" else Status.ACCEPTED)
    agents = [staff("Vérification" if name == "prendre" else "Exécution") for _ in range(2)]
    clients = [as_(agent) for agent in agents]
    pages = together(*[lambda one=one: do(one, reset, name) for one in clients])
    answers = [said(page) or ("code" if "spoken-code" in page.content.decode() else "") for page in pages]
    done = [text for text in answers if 'class="success"' in text or text == "code"]
    assert len(done) == 1, answers
    assert all(answers)
    action = "reset.taken" if name == "prendre" else "reset.executed"
    assert AuditEntry.objects.filter(action=action, result="ok").count() == 1
    assert AuditEntry.objects.filter(action=action, result="refused").count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_verifier_in_two_windows_accepts_and_refuses_at_once_with_one_outcome():
    reset = in_status(Status.RECEIVED)
    user = staff("Vérification")
    PasswordReset.objects.filter(pk=reset.pk).update(taken_by=user, taken_at=AT)
    one, two = as_(user), as_(user)
    answers = together(
        lambda: do(one, reset, "accepter", **ACCEPTED).status_code,
        lambda: do(two, reset, "refuser", **REFUSED).status_code,
    )
    assert answers == [200, 200]
    assert AuditEntry.objects.filter(action__in=["reset.accepted", "reset.refused"], result="ok").count() == 1
    reset.refresh_from_db()
    assert reset.status in {Status.ACCEPTED, Status.REFUSED}
