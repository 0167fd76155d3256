"""`check_directory` against a real domain: what is wrong is said in French, and no secret with it."""

import json
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts import credentials
from accounts.models import Credential, DirectoryPause
from bma_portal.verdicts import Outcome, Verdict
from tests.accounts.samba import ADDRESS, BASE, POWERLESS, SERVICE_PASSWORD
from tests.factories import MailboxFactory

pytestmark = pytest.mark.django_db
AT = datetime(2024, 10, 14, 7, tzinfo=UTC)


def look(*arguments: str) -> dict:
    """What the command says, and how it ends; no password is part of it."""
    out, status, error = StringIO(), 0, ""
    try:
        call_command("check_directory", "--json", *arguments, stdout=out)
    except CommandError as refusal:
        status, error = refusal.returncode, str(refusal)
    assert SERVICE_PASSWORD not in out.getvalue() + error
    return {**json.loads(out.getvalue() or "{}"), "status": status, "error": error}


def test_all_is_well(domain):
    mailbox = MailboxFactory()
    domain.add_mailbox(mailbox.address)
    report = look()
    assert report["status"] == 0, report
    assert report["wrong"] == []
    assert [line for line in report["fine"] if "son certificat est bien celui de dc1.ad.exemple.test" in line]
    assert [line for line in report["fine"] if "les 1 boîtes cherchées s’y trouvent" in line]
    assert "expire le" in report["warnings"][0], "le certificat des essais ne vaut qu'un jour"


def test_the_words_for_a_person(domain):
    out = StringIO()
    call_command("check_directory", stdout=out)
    assert "Bien      Le compte de service se connecte." in out.getvalue()
    assert "check_directory --address" in out.getvalue()


def test_a_test_box_is_given_a_password_that_opens_it(domain, box):
    before = look("--address", ADDRESS)
    assert before["status"] == 0
    assert domain.opens(box, "Avant-Essai-2024x"), "rien n'a été posé"
    report = look("--address", ADDRESS, "--wet-run")
    assert report["status"] == 0, report
    assert report["fine"][-1] == "Ce mot de passe ouvre la boîte : le droit est délégué."
    assert not domain.opens(box, "Avant-Essai-2024x")


def test_the_missing_right_shows_when_it_is_tried(domain, box, settings):
    settings.DIRECTORY_USER = POWERLESS
    report = look("--address", ADDRESS)
    assert report["status"] == 0
    assert any("lockoutTime" in line for line in report["warnings"])
    report = look("--address", ADDRESS, "--wet-run")
    assert report["status"] == 1
    assert "Réinitialiser le mot de passe" in report["wrong"][0]


def test_a_disabled_account_is_told(domain, box):
    domain.change(box, userAccountControl=b"514")
    report = look("--address", ADDRESS, "--wet-run")
    assert report["status"] == 0
    assert any("désactivé" in line for line in report["warnings"])
    assert any("n’ouvre pas" in line for line in report["warnings"])


def test_a_real_mailbox_is_never_used_for_a_trial(domain):
    mailbox = MailboxFactory()
    dn = domain.add_mailbox(mailbox.address)
    report = look("--address", mailbox.address.upper(), "--wet-run")
    assert report["status"] == 1
    assert "vraie boîte" in report["error"]
    assert domain.opens(dn, "Avant-Essai-2024x")


def test_a_trial_names_its_box(domain):
    assert "--address" in look("--wet-run")["error"]


def test_mailboxes_that_are_not_there_are_told(domain):
    MailboxFactory()
    report = look()
    assert report["status"] == 0
    assert any("1 boîtes du portail sur 1" in line for line in report["warnings"])


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DIRECTORY_URL", "", "DIRECTORY_URL n’est pas défini"),
        ("DIRECTORY_URL", "ldap://annuaire.exemple.test", "ldaps://"),
        ("DIRECTORY_USER", "", "DIRECTORY_USER"),
        ("DIRECTORY_PASSWORD", "", "DIRECTORY_PASSWORD"),
        ("DIRECTORY_BASE", "", "DIRECTORY_BASE"),
        ("DIRECTORY_CA", "/nulle/part.pem", "DIRECTORY_CA"),
        ("DIRECTORY_BACKEND", "demo.directory.MemoryDirectory", "DIRECTORY_BACKEND"),
        ("DIRECTORY_PASSWORD", "faux", "[52e]"),
        ("DIRECTORY_SERVER_NAME", "dc2.ad.exemple.test", "certificat"),
        ("DIRECTORY_BASE", f"OU=Inconnue,{BASE}", "DIRECTORY_BASE"),
        ("DIRECTORY_URL", "ldaps://127.0.0.1:9", "injoignable"),
    ],
)
def test_what_is_wrong_is_named(domain, settings, name, value, words):
    setattr(settings, name, value)
    report = look()
    assert report["status"] == 1
    assert any(words in line for line in report["wrong"]), report


def test_a_corrected_account_ends_the_pause_and_a_wrong_one_does_not(domain, settings):
    credentials.issue([MailboxFactory()], at=AT)
    credentials._pause(Outcome(Verdict.SENDER, "52e", "L'annuaire refuse le compte de service.", wide=True))
    settings.DIRECTORY_PASSWORD = "faux"
    assert look()["status"] == 1
    assert DirectoryPause.objects.exists()
    settings.DIRECTORY_PASSWORD = SERVICE_PASSWORD
    report = look()
    assert any("refuse le compte" in line for line in report["warnings"])
    assert any("pause est levée" in line for line in report["fine"])
    assert not DirectoryPause.objects.exists()
    assert Credential.objects.get().not_before is None


def test_by_hand_there_is_nobody_to_call(settings):
    settings.DIRECTORY, settings.DIRECTORY_BACKEND, settings.DIRECTORY_URL = "manual", "", ""
    report = look()
    assert report["status"] == 0
    assert "à la main (0 en attente)" in report["fine"][0]
