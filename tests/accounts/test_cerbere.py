"""Signing in by Cerbère: who comes in, and every way in which nobody does (SEC-B1 to B3, SEC-D7, SEC-G7)."""

from datetime import date, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.conf import settings as django_settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.test import Client

from accounts import people
from accounts.auth import ENTRY, is_own_path
from accounts.models import User
from accounts.roles import SGNE
from bma_portal.models import AuditEntry
from demo.people import SIMPLE
from tests.cerbere import come_back, leave, walk_in
from tests.factories import UserFactory
from tests.support.pages import Page

pytestmark = pytest.mark.django_db

EVIL = [
    "https://mechant.invalid/",
    "//mechant.invalid/",
    "/\\mechant.invalid/",
    "\\\\mechant.invalid",
    "javascript:alert(1)",
    "http:///mechant.invalid",
    "/\t/mechant.invalid",
    " //mechant.invalid",
    "https:mechant.invalid",
    "/%0d%0aLocation:x\r\nLocation: https://mechant.invalid",
    "https://testserver/admin/",
    "ma-boite/",
]


def is_in(client: Client) -> bool:
    return SESSION_KEY in client.session


def last_line() -> AuditEntry:
    return AuditEntry.objects.order_by("-seq").first()


def staff(who: str = "sgne", role: str = SGNE) -> User:
    """That demo person, known to the portal before their first sign-in, with a role."""
    user = people.known_as(f"demo-{who}", first_name="Sacha", last_name="Inventé")
    user.is_staff = True
    user.save()
    user.groups.add(Group.objects.get(name=role))
    return user


def test_somebody_whom_the_portal_does_not_know_comes_in_without_any_right(client, cerbere):
    response = walk_in(client, cerbere, "inconnue", acr=SIMPLE)
    assert (response.status_code, response.url) == (302, "/ma-boite/")
    user = User.objects.get()
    assert (user.first_name, user.last_name, user.email) == ("Andrea", "Fictive", "inconnue@exemple.test")
    assert not any((user.is_staff, user.is_superuser, user.groups.exists(), user.has_usable_password()))
    assert user.cerbere_expires_on - date.today() > timedelta(days=85)
    identity = SocialAccount.objects.get()
    assert (identity.provider, identity.uid, identity.user) == (cerbere.url, "demo-inconnue", user)
    line = last_line()
    assert (line.action, line.actor_id, line.result, line.address) == ("sign_in", user.pk, "ok", "127.0.0.1")
    assert line.details == {"par": "cerbere", "acr": SIMPLE}
    assert client.get("/admin/").status_code == 302


def test_twice_the_same_person_is_one_account_and_a_new_session(client, cerbere):
    walk_in(client, cerbere, "inconnue")
    first = client.session.session_key
    walk_in(client, cerbere, "inconnue")
    assert User.objects.count() == SocialAccount.objects.count() == 1
    assert client.session.session_key != first
    assert not Session.objects.filter(session_key=first).exists()


def test_a_planted_session_identifier_is_not_kept(client, cerbere):
    address = leave(client)
    planted = client.session.session_key
    come_back(client, address, cerbere, "inconnue")
    assert is_in(client)
    assert client.session.session_key != planted
    assert not Session.objects.filter(session_key=planted).exists()


def test_no_token_of_cerbere_stays_anywhere(client, cerbere):
    walk_in(client, cerbere, "inconnue")
    assert not SocialToken.objects.exists()
    assert set(SocialAccount.objects.get().extra_data) == {"acr", "expires_on"}
    assert "eyJ" not in str(dict(client.session.items()))


def test_who_one_is_was_known_before_the_first_sign_in(client, cerbere):
    user = people.known_as("demo-directrice", first_name="D.", last_name="F.")
    walk_in(client, cerbere, "directrice")
    user.refresh_from_db()
    assert client.session[ENTRY]["user"] == user.pk
    assert (user.first_name, user.last_name) == ("Dominique", "Fictive")


def test_neither_the_address_nor_the_login_name_tells_who_one_is(client, cerbere):
    other = UserFactory(username="directrice", email="directrice@exemple.test", superuser=True)
    walk_in(client, cerbere, "directrice")
    user = User.objects.get(pk=client.session[ENTRY]["user"])
    assert user != other
    assert user.email == other.email
    assert not user.is_superuser


def test_the_same_subject_at_another_issuer_is_another_person(client, cerbere, settings):
    settings.CERBERE_ISSUER = "https://autre-cerbere.invalid"
    other = people.known_as("demo-directrice", first_name="Autre", last_name="Personne")
    settings.CERBERE_ISSUER = cerbere.url
    walk_in(client, cerbere, "directrice")
    assert client.session[ENTRY]["user"] != other.pk


def test_nothing_that_the_browser_sends_says_who_one_is(client, cerbere):
    back = cerbere.choose(leave(client), "demo-inconnue")
    client.get(back.removeprefix("http://testserver") + "&sub=demo-sgne&uid=demo-sgne&user=1&email=a@b.test")
    assert SocialAccount.objects.get().uid == "demo-inconnue"


# What is asked of Cerbère


def test_the_way_out_carries_state_nonce_and_pkce_and_comes_back_where_the_settings_say(client, cerbere):
    response = client.post("/connexion/", headers={"host": "localhost", "x-forwarded-host": "mechant.invalid"})
    asked = {name: values[0] for name, values in parse_qs(urlsplit(response.url).query).items()}
    assert asked["redirect_uri"] == "http://testserver/connexion/retour/"
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert min(len(asked["state"]), len(asked["nonce"]), len(asked["code_challenge"])) >= 16
    assert "acr_values" not in asked
    again = parse_qs(urlsplit(client.post("/connexion/").url).query)
    assert not {asked["state"], asked["nonce"], asked["code_challenge"]} & {v for vs in again.values() for v in vs}


def test_parameters_of_allauth_do_not_pass_through_the_button(client, cerbere):
    response = client.post("/connexion/?auth_params=acr_values%3Dfaible&scope=admin&process=connect&action=x")
    assert "faible" not in response.url
    assert "admin" not in response.url


# Twenty-odd ways of lying: what the audit says of each

LIES = {
    "issuer": "autre émetteur",
    "audience": "autre destinataire",
    "audiences": "jeton destiné à d’autres",
    "azp": "jeton destiné à d’autres",
    "expired": "jeton périmé",
    "old": "jeton trop ancien",
    "future": "jeton à venir",
    "no-expiry": "jeton incomplet",
    "nonce": "nonce différent",
    "no-nonce": "jeton incomplet",
    "no-subject": "jeton incomplet",
    "at-hash": "jeton d’accès d’un autre",
    "signature": "signature fausse",
    "other-key": "signature fausse",
    "none": "algorithme refusé",
    "hs256": "algorithme refusé",
    "unknown-key": "clé inconnue",
    "not-a-token": "jeton illisible",
    "no-id-token": "jeton d’identité absent",
    "userinfo-subject": "sujets différents",
    "state": "état inconnu",
    "iss": "autre émetteur",
    "refused-code": "code refusé par Cerbère",
    "cancelled": "interrompue par la personne",
    "error": "erreur annoncée par Cerbère",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_tampered_sign_in_ends_without_session_and_with_a_line(lie, client, cerbere):
    address = leave(client)
    cerbere.tamper(lie)
    response = come_back(client, address, cerbere, "inconnue")
    page = Page(response)
    page.assert_sound()
    assert (page.status, "no-store" in response["Cache-Control"]) == (403, True)
    assert "Recommencer la connexion" in page.text
    assert not is_in(client)
    assert not User.objects.exists()
    line = last_line()
    assert (line.action, line.result, line.why) == ("sign_in.refused", "refused", LIES[lie])
    assert LIES[lie] not in page.text  # the person is told what to do, an attacker nothing


@pytest.mark.parametrize("lie", ["weak", "no-acr"])
def test_staff_whose_sign_in_was_weak_are_refused_and_may_ask_for_a_stronger_one(lie, client, cerbere):
    user = staff()
    cerbere.tamper(lie)
    page = Page(walk_in(client, cerbere, "sgne", next_url="/admin/migration/batch/"))
    assert page.status == 403
    assert "Votre rôle demande une connexion renforcée" in page.text
    assert 'name="renforcee"' in page.html
    assert 'value="/admin/migration/batch/"' in page.html
    assert not is_in(client)
    line = last_line()
    assert (line.action, line.actor_id) == ("sign_in.refused", user.pk)

    cerbere.tamper("")
    address = leave(client, next_url="/admin/migration/batch/", stronger=True)
    asked = parse_qs(urlsplit(address).query)
    assert asked["acr_values"] == django_settings.CERBERE_STAFF_ACR
    assert asked["prompt"] == ["login"]
    response = come_back(client, address, cerbere, "sgne")
    assert response.url == "/admin/migration/batch/"
    assert client.get(response.url).status_code == 200


def test_the_strength_is_read_from_the_signed_token_only(client, cerbere, monkeypatch):
    from accounts import cerbere as rules

    staff()
    cerbere.tamper("no-acr")
    honest = rules.get_json
    strong = {"acr": django_settings.CERBERE_STAFF_ACR[0]}
    monkeypatch.setattr(rules, "get_json", lambda *a, **k: honest(*a, **k) | strong)
    assert walk_in(client, cerbere, "sgne").status_code == 403


def test_a_person_without_role_needs_no_strength(client, cerbere):
    cerbere.tamper("no-acr")
    assert walk_in(client, cerbere, "directeur").status_code == 302
    assert is_in(client)


def test_a_disabled_person_is_told_so_and_stays_out(client, cerbere):
    user = staff()
    User.objects.filter(pk=user.pk).update(is_active=False)
    page = Page(walk_in(client, cerbere, "sgne"))
    assert page.status == 403
    assert "Votre accès au portail est fermé" in page.text
    assert not is_in(client)
    assert last_line().why == "compte désactivé"


def test_an_answer_serves_once(client, cerbere):
    address = leave(client)
    back = cerbere.choose(address, "demo-inconnue").removeprefix("http://testserver")
    assert client.get(back).status_code == 302
    client.post("/deconnexion/")
    assert client.get(back).status_code == 403
    assert last_line().why == "état inconnu"
    assert not is_in(client)


def test_a_code_put_under_another_state_is_refused(client, cerbere):
    code = parse_qs(urlsplit(cerbere.choose(leave(client), "demo-inconnue")).query)["code"][0]
    state = parse_qs(urlsplit(leave(client)).query)["state"][0]
    assert client.get("/connexion/retour/", {"code": code, "state": state}).status_code == 403
    assert last_line().why == "code refusé par Cerbère"  # PKCE: the code was made for the first way out
    state = parse_qs(urlsplit(leave(client)).query)["state"][0]
    assert client.get("/connexion/retour/", {"code": code, "state": state}).status_code == 403
    assert last_line().why == "code déjà utilisé"


def test_an_answer_brought_by_another_browser_is_refused(client, cerbere):
    back = cerbere.choose(leave(client), "demo-inconnue").removeprefix("http://testserver")
    victim = Client()
    assert victim.get(back).status_code == 403
    assert not is_in(victim)
    assert not User.objects.exists()


def test_a_forged_return_counts_against_its_author_and_stops_writing(client, cerbere):
    for _ in range(60):
        client.get("/connexion/retour/?code=x&state=y")
    before = AuditEntry.objects.count()
    assert client.get("/connexion/retour/?code=x&state=y").status_code == 429
    assert AuditEntry.objects.count() == before == 60


# Cerbère away, or ill


def is_unreachable(response):
    page = Page(response)
    page.assert_sound()
    assert (page.status, response["Retry-After"]) == (503, "60")
    assert "Cerbère ne répond pas" in page.text
    assert "Réessayez dans quelques minutes" in page.text
    assert (last_line().action, last_line().why) == ("sign_in.refused", "Cerbère injoignable")


def test_with_nobody_at_its_address_the_button_says_what_to_do(client, settings):
    settings.CERBERE_ISSUER = "http://127.0.0.1:9"
    is_unreachable(client.post("/connexion/"))


@pytest.mark.parametrize("illness", ["down", "garbage"])
def test_when_it_is_ill_the_button_says_what_to_do(illness, client, cerbere):
    cerbere.tamper(illness)
    is_unreachable(client.post("/connexion/"))


@pytest.mark.parametrize("illness", ["redirect", "slow"])
def test_when_it_falls_ill_in_between_the_way_back_says_what_to_do(illness, client, cerbere, settings):
    settings.CERBERE_TIMEOUT = (1, 0.5)
    address = leave(client)
    cerbere.tamper(illness)
    is_unreachable(come_back(client, address, cerbere, "inconnue"))
    assert not is_in(client)


@pytest.mark.parametrize(
    ("illness", "why"),
    [("other-discovery", "configuration : autre émetteur"), ("endpoint-elsewhere", "configuration : autre adresse")],
)
def test_a_description_that_leads_elsewhere_is_not_followed(illness, why, client, cerbere):
    cerbere.tamper(illness)
    assert client.post("/connexion/").status_code == 403
    assert last_line().why == why


# Where one comes back to


def test_one_comes_back_to_the_page_that_asked(client, cerbere):
    page = "/ma-boite/etat/?numero=1234"
    assert walk_in(client, cerbere, "inconnue", next_url=page).url == page


@pytest.mark.parametrize("evil", EVIL)
def test_one_never_comes_back_to_somewhere_else(evil, client, cerbere):
    assert not is_own_path(evil)
    assert 'name="next" value=""' in Page(client.get("/connexion/", {"next": evil})).html
    assert walk_in(client, cerbere, "inconnue", next_url=evil).url == "/ma-boite/"
    signed_in = client.get("/connexion/", {"next": evil})
    assert signed_in.url == "/ma-boite/"
    assert client.get("/admin/login/", {"next": evil}).status_code in {302, 403}


@pytest.mark.parametrize("evil", EVIL[:8])
def test_nor_when_the_way_back_is_told_to(evil, client, cerbere):
    back = cerbere.choose(leave(client), "demo-inconnue").removeprefix("http://testserver")
    path, _, query = back.partition("?")
    given = {name: values[0] for name, values in parse_qs(query).items()} | {"next": evil}
    assert client.get(path, given).url == "/ma-boite/"
