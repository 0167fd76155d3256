"""Passwords in a real Active Directory (Samba's): each of its answers has its verdict, and a French reason."""

from collections.abc import Iterator
from datetime import UTC, datetime

import ldap3
import pytest

from accounts import credentials, directory_ldap
from accounts.directory import directory
from accounts.directory_ldap import ActiveDirectory
from accounts.models import Credential, DirectoryPause
from bma_portal.secret import Secret
from bma_portal.verdicts import Outcome, Verdict
from tests.accounts.samba import ADDRESS, BASE, BOXES, ELSEWHERE, FIRST, POWERLESS, REALM, SECOND, said
from tests.factories import MailboxFactory

AT = datetime(2024, 10, 14, 7, tzinfo=UTC)

# What is set


def test_the_portal_takes_this_directory_when_it_has_its_address(domain):
    assert isinstance(directory(), ActiveDirectory)


def test_the_new_password_opens_and_the_former_one_no_more(domain, box, ad):
    assert ad.set_password(ADDRESS, Secret(FIRST)) == Outcome(Verdict.SENT)
    assert domain.opens(box, FIRST)
    assert not domain.opens(box, "Avant-Essai-2024x")
    assert ad.set_password(ADDRESS, Secret(SECOND)) == Outcome(Verdict.SENT)
    assert domain.opens(box, SECOND)
    assert not domain.opens(box, FIRST)


def test_the_same_again_is_harmless_whatever_the_history_demands(domain, box, ad):
    for _ in range(3):
        assert ad.set_password(ADDRESS, Secret(FIRST)).verdict is Verdict.SENT
    assert domain.opens(box, FIRST)


def test_a_mailbox_is_found_by_its_principal_name_too(domain, ad):
    dn = domain.add_mailbox("autre@exemple.test", principal="ec000345@adm.cfwb.be")
    assert ad.set_password("ec000345@adm.cfwb.be", Secret(FIRST)).verdict is Verdict.SENT
    assert domain.opens(dn, FIRST)


@pytest.mark.parametrize("address", ["ec00001*@adm.cfwb.be", "*", f"x)(mail={ADDRESS}", "ec000013@adm.cfwb.be", ""])
def test_an_address_is_never_a_pattern(domain, box, ad, address):
    outcome = ad.set_password(address, Secret(FIRST))
    assert said(outcome) == (Verdict.PERMANENT, False)
    assert outcome.reason.startswith("Aucun compte")
    assert not domain.opens(box, FIRST)


def test_two_objects_with_one_address_are_a_person_s_matter(domain, box, ad):
    other = domain.add_mailbox(ADDRESS)
    try:
        outcome = ad.set_password(ADDRESS, Secret(FIRST))
        assert said(outcome) == (Verdict.PERMANENT, False)
        assert outcome.reason.startswith("Plusieurs comptes")
        assert not domain.opens(box, FIRST)
        assert not domain.opens(other, FIRST)
    finally:
        domain.admin().delete(other)


def test_what_is_outside_the_base_is_not_looked_for(domain, ad):
    domain.add_mailbox("ec000555@adm.cfwb.be", unit=ELSEWHERE)
    assert said(ad.set_password("ec000555@adm.cfwb.be", Secret(FIRST))) == (Verdict.PERMANENT, False)


def test_a_mailbox_locked_by_wrong_tries_opens_with_its_new_password(domain, box, ad):
    domain.change(BASE, lockoutThreshold=b"3")
    try:
        for _ in range(4):
            assert not domain.opens(box, "faux")
        assert ad.set_password(ADDRESS, Secret(FIRST)).verdict is Verdict.SENT
        assert domain.opens(box, FIRST)
    finally:
        domain.change(BASE, lockoutThreshold=b"0")


# What it refuses


def test_a_weak_password_is_refused_for_good(domain, box, ad):
    outcome = ad.set_password(ADDRESS, Secret("abc"))
    assert said(outcome) == (Verdict.PERMANENT, False)
    assert "trop faible" in outcome.reason


def test_without_the_right_it_is_the_account_s_matter_and_the_others_go_on(domain, box, ad, settings):
    settings.DIRECTORY_USER = POWERLESS
    outcome = ad.set_password(ADDRESS, Secret(FIRST))
    assert said(outcome) == (Verdict.SENDER, False)
    assert "Réinitialiser le mot de passe" in outcome.reason
    assert not domain.opens(box, FIRST)


def test_the_right_ends_where_the_unit_ends(domain, ad, settings):
    settings.DIRECTORY_BASE = BASE
    domain.add_mailbox("ec000556@adm.cfwb.be", unit=ELSEWHERE)
    assert said(ad.set_password("ec000556@adm.cfwb.be", Secret(FIRST))) == (Verdict.SENDER, False)


def modified(ad: ActiveDirectory, dn: str, value: bytes) -> Outcome:
    line, _ = ad.reach(ADDRESS)
    line.modify(dn, {"unicodePwd": [(ldap3.MODIFY_REPLACE, [value])]})
    return directory_ldap.after_modify(line.result)


def test_a_value_that_it_does_not_understand_is_not_the_password_s_fault(box, ad):
    outcome = modified(ad, box, FIRST.encode("utf-16-le"))
    assert said(outcome) == (Verdict.SENDER, False)
    assert outcome.code == "unwillingToPerform 00002035"


def test_an_object_that_has_just_gone(box, ad):
    assert said(modified(ad, f"CN=partie,{BOXES}", f'"{FIRST}"'.encode("utf-16-le"))) == (Verdict.PERMANENT, False)


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (19, "0000052D: Constraint violation - check_password_restrictions", (Verdict.PERMANENT, False)),
        (53, "0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0", (Verdict.PERMANENT, False)),
        (53, "0000001F: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0", (Verdict.SENDER, False)),
        (50, "00000005: SecErr: DSID-03152ACD", (Verdict.SENDER, False)),
        (32, "0000208D: NameErr", (Verdict.PERMANENT, False)),
        (10, "0000202B: RefErr", (Verdict.SENDER, True)),
        (17, "undefined", (Verdict.SENDER, True)),
        (51, "", (Verdict.RETRY, True)),
        (52, "00000000: the server is shutting down", (Verdict.RETRY, True)),
        (1, "000004DC: a successful bind must be completed", (Verdict.RETRY, True)),
        (80, None, (Verdict.RETRY, True)),
    ],
)  # fmt: skip
def test_each_answer_to_a_reset_has_its_verdict(code, message, expected):
    outcome = directory_ldap.after_modify({"result": code, "description": "x", "message": message})
    assert said(outcome) == expected


@pytest.mark.parametrize("base", [f"OU=Inconnue,{BASE}", "n'importe quoi", "DC=autre,DC=test"])
def test_a_base_that_is_not_there_stops_everybody(domain, ad, settings, base):
    settings.DIRECTORY_BASE = base
    outcome = ad.set_password(ADDRESS, Secret(FIRST))
    assert said(outcome) == (Verdict.SENDER, True)
    assert "DIRECTORY_BASE" in outcome.reason


# The service account


@pytest.fixture
def service(domain, settings) -> Iterator[str]:
    """Another service account, to be spoilt: its DN."""
    dn = domain.add_mailbox("svc@exemple.test", unit=ELSEWHERE, principal=f"svc-essai@{REALM}")
    settings.DIRECTORY_USER, settings.DIRECTORY_PASSWORD = f"svc-essai@{REALM}", "Avant-Essai-2024x"
    yield dn
    domain.admin().delete(dn)


SPOILT: list[tuple[str, dict[str, bytes], str]] = [
    ("533", {"userAccountControl": b"514"}, "désactivé"),
    ("701", {"accountExpires": b"130000000000000000"}, "est expiré dans l'annuaire"),
    ("773", {"pwdLastSet": b"0"}, "change son mot de passe"),
]


@pytest.mark.parametrize(("code", "facts", "words"), SPOILT)
def test_what_is_wrong_with_the_service_account_is_said(domain, service, ad, code, facts, words):
    domain.change(service, **facts)
    outcome = ad.set_password(ADDRESS, Secret(FIRST))
    assert said(outcome) == (Verdict.SENDER, True)
    assert outcome.code == code
    assert words in outcome.reason


@pytest.mark.parametrize(
    ("data", "words"),
    [("525", "ne connaît pas"), ("52e", "refuse"), ("530", "cette heure"), ("531", "cette machine"), ("532", "expiré"),
     ("533", "désactivé"), ("701", "expiré"), ("773", "change"), ("775", "verrouillé"), ("fff", "refuse")],
)  # fmt: skip
def test_each_refusal_of_ad_stops_everybody(data, words):
    message = f"80090308: LdapErr: DSID-0C090569, comment: AcceptSecurityContext error, data {data}, v4563\x00"
    outcome = directory_ldap.after_bind({"result": 49, "description": "invalidCredentials", "message": message})
    assert said(outcome) == (Verdict.SENDER, True)
    assert (outcome.code, words in outcome.reason) == (data, True)


@pytest.mark.parametrize(
    ("code", "expected"),
    [(51, Verdict.RETRY), (52, Verdict.RETRY), (8, Verdict.SENDER), (13, Verdict.SENDER), (1, Verdict.SENDER)],
)
def test_other_answers_to_the_sign_in(code, expected):
    outcome = directory_ldap.after_bind({"result": code, "description": "x", "message": ""})
    assert said(outcome) == (expected, True)


@pytest.mark.django_db
def test_a_wrong_service_password_is_tried_once_and_locks_nothing(domain, service, settings):
    settings.DIRECTORY_PASSWORD = "faux"
    domain.change(BASE, lockoutThreshold=b"3")
    try:
        credentials.issue([MailboxFactory() for _ in range(5)], at=AT)
        for _ in range(5):
            Credential.objects.update(not_before=None, claimed_until=None)
            assert credentials.set_passwords(at=AT) == 0
            for waiting in Credential.objects.all():
                credentials.set_now(waiting, at=AT)
        assert DirectoryPause.objects.get().code == "52e"
        assert domain.opens(service, "Avant-Essai-2024x"), "le compte de service n'est pas verrouillé"
    finally:
        domain.change(BASE, lockoutThreshold=b"0")
