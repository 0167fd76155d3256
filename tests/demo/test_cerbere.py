"""The Cerbère stand-in: what a good provider checks, what its pages say, its people; and the demo's accounts."""

import json
import time
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
import requests
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.core.management import call_command
from django.test import Client

from accounts import mode
from accounts.models import Gia, Holder, ResetGrant, User
from bma_portal import clock
from demo import accounts, one_time_code, stage
from demo.cerbere import lies
from demo.cerbere.control import Cerbere
from demo.cerbere.site import challenge
from demo.launch import NotStarted
from demo.people import PEOPLE, SIMPLE, STRONG
from tests.cerbere import walk_in

BACK = "http://127.0.0.1:8000/connexion/retour/"
VERIFIER = "v" * 43


@pytest.fixture(scope="session")
def running_cerbere():
    with Cerbere.start() as cerbere:
        yield cerbere


@pytest.fixture
def cerbere(running_cerbere, settings):
    settings.CERBERE_ISSUER = running_cerbere.url
    running_cerbere.tamper("")
    yield running_cerbere
    running_cerbere.tamper("")


def ask(cerbere, **changes):
    asked = {
        "response_type": "code", "client_id": "portail-bma-demo", "redirect_uri": BACK, "scope": "openid",
        "state": "etat", "nonce": "n", "code_challenge": challenge(VERIFIER), "code_challenge_method": "S256",
    } | changes  # fmt: skip
    return f"{cerbere.url}/authorize?{urlencode({k: v for k, v in asked.items() if v is not None})}"


def code_for(cerbere, who="demo-sgne", acr=STRONG, **changes) -> str:
    return parse_qs(urlsplit(cerbere.choose(ask(cerbere, **changes), who, acr=acr)).query)["code"][0]


def exchange(cerbere, code, **changes):
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER,
        "client_id": "portail-bma-demo", "client_secret": "demo-cerbere",
    } | changes  # fmt: skip
    return cerbere.session.post(f"{cerbere.url}/token", data=form, timeout=10)


def test_an_honest_way_through(cerbere):
    told = exchange(cerbere, code_for(cerbere)).json()
    key = jwt.PyJWKSet.from_dict(cerbere.session.get(f"{cerbere.url}/jwks", timeout=10).json()).keys[0]
    claims = jwt.decode(told["id_token"], key, algorithms=["RS256"], audience="portail-bma-demo", issuer=cerbere.url)
    assert (claims["sub"], claims["acr"], claims["nonce"]) == ("demo-sgne", STRONG, "n")
    bearer = {"Authorization": f"Bearer {told['access_token']}"}
    person = cerbere.session.get(f"{cerbere.url}/userinfo", headers=bearer, timeout=10).json()
    assert (person["sub"], person["given_name"], person["email"]) == ("demo-sgne", "Sacha", "sgne@exemple.test")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_secret": "faux"}, "invalid_client"),
        ({"client_id": "autre"}, "invalid_client"),
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:9/connexion/retour/"}, "invalid_grant"),
        ({"grant_type": "password"}, "invalid_grant"),
    ],
)
def test_the_token_is_for_whoever_asked(cerbere, changes, error):
    answer = exchange(cerbere, code_for(cerbere), **changes)
    assert answer.status_code in {400, 401}
    assert answer.json() == {"error": error}


def test_a_code_serves_once(cerbere):
    assert exchange(cerbere, "inconnu").json() == {"error": "invalid_grant"}
    code = code_for(cerbere)
    assert exchange(cerbere, code).ok
    assert exchange(cerbere, code).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "autre"},
        {"redirect_uri": "https://mechant.invalid/connexion/retour/"},
        {"redirect_uri": "http://127.0.0.1:8000/ailleurs/"},
        {"response_type": "token"},
        {"scope": "email"},
        {"code_challenge": None},
        {"code_challenge_method": "plain"},
    ],
)
def test_a_demand_that_is_not_the_portal_s_is_not_served(cerbere, changes):
    answer = cerbere.session.get(ask(cerbere, **changes), timeout=10)
    assert answer.status_code == 400
    assert "Connexion impossible" in answer.text


def test_userinfo_wants_its_token(cerbere):
    for header in ({}, {"Authorization": "Bearer faux"}, {"Authorization": "Basic eA=="}):
        assert cerbere.session.get(f"{cerbere.url}/userinfo", headers=header, timeout=10).status_code == 401


def test_its_page_offers_everybody_but_the_accounts_that_do_without_it(cerbere):
    page = cerbere.session.get(ask(cerbere, state='"><script>alert(1)</script>'), timeout=10)
    assert "ces personnes sont inventées" in page.text
    assert "<script" not in page.text
    for person in PEOPLE:
        assert (person.name in page.text) is not person.break_glass
    assert page.text.count("avec le mot de passe seul") == 2 * sum(p.is_agent and not p.break_glass for p in PEOPLE)
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_asked_for_a_strong_sign_in_it_offers_no_weak_one(cerbere):
    page = cerbere.session.get(ask(cerbere, acr_values=STRONG), timeout=10)
    assert "connexion renforcée" in page.text
    assert "mot de passe seul" not in page.text
    assert "|simple" not in page.text


def test_it_lies_in_known_ways_only_and_never_for_a_page_of_another_site(cerbere):
    for lie in lies.LIES:
        cerbere.tamper(lie)
        assert cerbere.state()["lie"] == lie
    with pytest.raises(ValueError, match="inventée"):
        cerbere.tamper("inventée")
    origin = {"Origin": "https://mechant.invalid"}
    answer = cerbere.session.post(f"{cerbere.url}/_demo/tamper", json={"lie": ""}, headers=origin, timeout=5)
    assert answer.status_code == 403
    assert cerbere.session.get(f"{cerbere.url}/", headers={"Host": "mechant.invalid"}, timeout=5).status_code == 421


def test_it_listens_on_this_machine_only_and_dies_with_its_context():
    with Cerbere.start() as cerbere:
        assert cerbere.url.startswith("http://127.0.0.1:")
        port = urlsplit(cerbere.url).port
        with pytest.raises(NotStarted, match="déjà pris"):
            Cerbere.start(port)
    with pytest.raises(requests.ConnectionError):
        requests.get(cerbere.url, timeout=2)


# The demo's people in the portal


@pytest.fixture
def sample(db):
    stage.load_register(None, at=clock.now())


@pytest.mark.django_db
def test_everybody_has_an_account_once_and_those_of_cerbere_no_password(settings):
    accounts.create_people()
    accounts.create_people()
    assert User.objects.count() == len(PEOPLE)
    assert SocialAccount.objects.count() == len(PEOPLE) - 1
    for user in User.objects.exclude(break_glass=True):
        assert not user.has_usable_password()
    settings.CERBERE_ISSUER = "http://127.0.0.1:9999"  # the stand-in moved to another port
    accounts.create_people()
    assert User.objects.count() == len(PEOPLE)
    assert SocialAccount.objects.filter(provider=settings.CERBERE_ISSUER).count() == len(PEOPLE) - 1


@pytest.mark.django_db
def test_their_qualities_are_in_force_today_and_twice_is_once(sample):
    now = clock.now()
    for _ in range(2):
        accounts.create_people()
        accounts.give_qualities(now)
    assert (Holder.objects.count(), Gia.objects.count(), ResetGrant.objects.count()) == (4, 1, 1)
    director = User.objects.get(username="directrice")
    unit = Holder.objects.in_force(now).get(user=director).organisation
    assert mode.grant_for(director, unit, at=now) is not None
    assert mode.perimeter_of(unit, now).verdict == "mode"
    assert unit.phone, "sans numéro à rappeler, aucune demande hors MODE n'aboutit"
    other = User.objects.get(username="directeur")
    lacking = Holder.objects.in_force(now).get(user=other).organisation
    assert mode.grant_for(other, lacking, at=now) is None
    assert lacking in mode.scope_of(User.objects.get(username="gia"), now)
    assert {row.organisation.kind for row in Holder.objects.filter(user__username="po")} == {"ec", "po"}


@pytest.mark.django_db
def test_a_real_register_gets_no_invented_holder():
    accounts.create_people()
    accounts.give_qualities(clock.now())
    assert not Holder.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("person", [p for p in PEOPLE if not p.break_glass], ids=lambda p: p.username)
def test_each_of_them_signs_in_with_one_click(person, cerbere, client):
    accounts.create_people()
    response = walk_in(client, cerbere, person.username, acr=STRONG if person.is_agent else SIMPLE)
    assert response.url == ("/admin/" if person.is_staff else "/desk/" if person.is_agent else "/ma-boite/")
    assert (client.get("/admin/").status_code == 200) is person.is_staff


@pytest.mark.django_db
def test_the_break_glass_account_signs_in_as_the_command_says(capsys):
    call_command("demo_accounts", "--json")
    told = json.loads(capsys.readouterr().out)["people"]
    (rescue,) = (person for person in told if "password" in person)
    client = Client()
    form = {"login": rescue["username"], "password": rescue["password"]}
    assert client.post(rescue["path"], form).url == "/connexion/secours/code/"
    code = one_time_code.at(rescue["one_time_key"], time.time())
    assert client.post("/connexion/secours/code/", {"code": code}).url == "/admin/"
    assert client.get("/admin/").status_code == 200
    assert Authenticator.objects.count() == 1


@pytest.mark.django_db
def test_the_command_tells_people_their_roles_and_schools(sample, capsys):
    call_command("demo_accounts")
    said = capsys.readouterr().out
    for person in PEOPLE:
        assert person.name in said
    assert "Rôles : ETNIC, Exécution" in said
    assert "Peut réinitialiser EC " in said
    assert "GIA de PO " in said
    assert "code du moment" in said
    assert "sttd@priminfo.be" in said, "qui peut travailler par mail, et où"
