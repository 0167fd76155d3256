"""Each role knocks at each address, by GET and by POST: the table of `policy.py` says who gets in (SEC-B6)."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.db import transaction
from django.test import Client
from django.urls import NoReverseMatch, reverse

from support.models import PasswordReset
from tests import policy
from tests.factories_holders import (
    DAY,
)
from tests.policy import (
    ANONYMOUS,
    ETNIC,
    EVERYONE,
    GIA,
    GLASS,
    GRANTED,
    HOLDER,
    PLAIN,
    PO,
    PRIMINFO,
    SGNE,
    VERIFIER,
    WEAK,
)
from tests.policy_stage import Stage, set_stage
from tests.sign_in import note_entry, sign_in

TABLE = policy.table()
NO_UUID = "9f4ac1a2-6a55-4cf0-a0a0-1fb1d6a6a001"
TOKENS = {"reset_pick_up", "reset_stop"}


# The table and the URLconf


def test_every_address_has_a_policy():
    """A new address: say in tests/policy.py who may open it."""
    missing = sorted({name for name, _ in policy.addresses()} - set(TABLE))
    assert missing == []


def test_every_policy_has_an_address():
    assert sorted(set(TABLE) - {name for name, _ in policy.addresses()}) == []


def test_whatever_a_visitor_may_open_says_so_in_the_code_and_nothing_else_does():
    """`login_not_required` on a view, and its line in the table, are the same decision."""
    from django.urls import get_resolver

    for name, pattern in _patterns(get_resolver(), ""):
        open_to_all = not getattr(pattern.callback, "login_required", True)
        if name in TABLE and not name.startswith("admin:"):
            assert open_to_all is (ANONYMOUS in TABLE[name].get), name
        elif name in TABLE:
            assert open_to_all is (name == "admin:login"), name


def _patterns(resolver, namespace):
    for pattern in resolver.url_patterns:
        if hasattr(pattern, "url_patterns"):
            inner = f"{pattern.namespace}:" if pattern.namespace else ""
            yield from _patterns(pattern, namespace + inner)
        else:
            yield namespace + (pattern.name or str(pattern.pattern)), pattern


@pytest.fixture
def stage(db, monkeypatch) -> Stage:
    return set_stage(monkeypatch)


@contextmanager
def undone(client: Client) -> Iterator[None]:
    """What is asked inside leaves nothing: neither rows (not by `atomic`, in which a deed of its own could not be
    committed) nor cookies."""
    cookies, start = client.cookies.copy(), transaction.savepoint()
    yield
    transaction.savepoint_rollback(start)
    client.cookies = cookies


QUERIES = {"admin:autocomplete": "?app_label=accounts&model_name=organisation&field_name=po"}


def client_of(stage: Stage, role: str) -> Client:
    client = Client()
    if role == GLASS:
        sign_in(client, stage.people[role])
        note_entry(client, stage.people[role], by="secours")
    elif role != ANONYMOUS:
        sign_in(client, stage.people[role], strong=role != WEAK)
    return client


def address(stage: Stage, name: str, role: str) -> str:
    arguments = stage.arguments(name, role)
    try:
        return reverse(name, kwargs=arguments) + QUERIES.get(name, "")
    except NoReverseMatch:
        namespace = "/admin/" if name.startswith("admin:") else "/"
        route = re.sub(r"[\^$?]", "", name.removeprefix("admin:"))
        return namespace + (arguments.get("url") or route)


def outcome(client: Client, method: str, url: str) -> str:
    """« entre », « connexion » (sent to the sign-in), « refus » with its status, « panne », or « méthode » (405)."""
    answer = getattr(client, method)(url)
    place = urlsplit(answer.headers.get("Location", "")).path
    if answer.status_code == 302 and place == "/admin/login/":
        answer = client.get(answer["Location"])
        place = urlsplit(answer.headers.get("Location", "")).path
    if answer.status_code == 302 and place == "/connexion/":
        return "connexion"
    if answer.status_code == 405:
        return "méthode"
    if answer.status_code in {403, 404}:
        return f"refus {answer.status_code}"
    return "entre" if answer.status_code < 500 else f"panne {answer.status_code}"


def expected(name: str, role: str, method: str) -> set[str]:
    allowed = getattr(TABLE[name], method)
    if role in allowed:
        return (
            {"connexion"}
            if name == "admin:login"
            else {"entre", "méthode", *(f"{w} {s}" for w in ("refus", "panne") for s in TABLE[name].refusals)}
        )
    if role in {ANONYMOUS, WEAK}:
        return {"connexion"}
    return {"refus 403", "refus 404", "méthode"}  # a method that nobody may use tells nothing


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("role", sorted(EVERYONE))
def test_each_role_at_each_address(stage, role, method):
    wrong = {}
    client = client_of(stage, role)
    client.raise_request_exception = False
    for name in TABLE:
        with undone(client):
            found = outcome(client, method, address(stage, name, role))
        if found not in expected(name, role, method):
            wrong[name] = f"{found} au lieu de {' ou '.join(sorted(expected(name, role, method)))}"
    assert wrong == {}


@pytest.mark.parametrize("role", sorted(EVERYONE))
def test_passwords_set_by_hand_show_to_those_who_set_them_and_only_where_they_do(stage, role, settings):
    settings.DIRECTORY, settings.DIRECTORY_BACKEND = "manual", ""
    client = client_of(stage, role)
    for page in ("changelist", "change"):
        found = outcome(client, "get", address(stage, f"admin:accounts_credential_{page}", role))
        refused = {"connexion"} if role in {ANONYMOUS, WEAK} else {"refus 403", "refus 404"}
        assert found in ({"entre"} if role in policy.BY_HAND else refused), page


# Someone else's object, and one that does not exist


def body(client: Client, method: str, url: str, *names: object) -> tuple[int, str]:
    """What is left of an answer once what differs by itself (tokens, the number that was asked) is put aside."""
    with undone(client):
        answer = getattr(client, method)(url)
    # The tokens of forms, and how long the session still lasts.
    text = re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"|data-[a-z-]+="[^"]*"', "", answer.content.decode())
    for name in names:
        text = text.replace(str(name), "")
    return answer.status_code, text


OBJECTS = {
    "my_mail": ("mail", NO_UUID),
    "reset_request": ("public", NO_UUID),
    "reset_mode_check": ("numero", "ec999999"),
    "mode_unit": ("numero", "ec999999"),
    "mode_grant": ("numero", "ec999999"),
    "mode_revoke": ("pk", 999_999),
    "mode_decide": ("pk", 999_999),
    "mode_withdraw": ("pk", 999_999),
}
OF_ETNICS_DESK = {
    "desk_ticket": ("reference", "D-ZZZZ-ZZZZ"),
    "desk_history": ("reference", "D-ZZZZ-ZZZZ"),
    "desk_news": ("reference", "D-ZZZZ-ZZZZ"),
    "desk_piece": ("piece", NO_UUID),
    "desk_incident": ("pk", 999_999),
    "desk_quarantine_mail": ("pk", 999_999),
    "desk_canned_edit": ("pk", 999_999),
    "desk_view": ("slug", "aucune-vue"),
    "desk_view_change": ("slug", "aucune-vue"),
}


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("role", [PLAIN, HOLDER, GRANTED, GIA, PO, ETNIC, GLASS])
def test_a_foreign_object_answers_like_one_that_does_not_exist(stage, role, method):
    client = client_of(stage, role)
    for name, (key, nothing) in OBJECTS.items():
        foreign = stage.any_[name][key]
        repeated = key == "numero"  # these pages may say again the number that they were asked
        there = body(client, method, reverse(name, kwargs={key: foreign}), *[foreign] * repeated)
        absent = body(client, method, reverse(name, kwargs={key: nothing}), *[nothing] * repeated)
        assert there == absent, name
        assert there[0] in {403, 404, 405}, name


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("role", [PLAIN, SGNE, PRIMINFO])
def test_what_is_of_another_desk_answers_like_what_does_not_exist(stage, role, method):
    client = client_of(stage, role)
    for name, (key, nothing) in OF_ETNICS_DESK.items():
        there = body(client, method, reverse(name, kwargs=stage.any_[name]))
        absent = body(client, method, reverse(name, kwargs={key: nothing}))
        assert there == absent, name
        assert there[0] in {403, 404, 405}, name


def test_who_may_not_see_a_model_learns_nothing_of_which_objects_exist(stage):
    client = client_of(stage, VERIFIER)
    hidden = [name for name, who in policy.MODELS.items() if VERIFIER not in who[0]]
    assert len(hidden) > 10
    for model in hidden:
        there = stage.any_[f"admin:{model}_change"]["object_id"]
        for page in ("change", "history", "delete"):
            answers = {body(client, "get", reverse(f"admin:{model}_{page}", args=[pk])) for pk in (there, 999_999)}
            assert len(answers) == 1, (model, page)


def test_the_request_that_another_person_made_stays_theirs(stage):
    """By POST above all: that is what shows a password."""
    url = reverse("reset_request", kwargs=stage.own["reset_request", GRANTED])
    for role in EVERYONE - {GRANTED, ANONYMOUS, WEAK}:
        assert client_of(stage, role).post(url).status_code == 404, role
    assert PasswordReset.objects.filter(status="ready", credential__destroyed_at=None).count() == 2


def test_a_quality_that_ends_closes_its_doors_at_once(stage):
    person = stage.people[GRANTED]
    client = client_of(stage, GRANTED)
    mail = reverse("my_mail", kwargs=stage.own["my_mail", GRANTED])
    check = reverse("reset_mode_check", kwargs=stage.own["reset_mode_check", GRANTED])
    assert [client.get(url).status_code for url in (mail, check)] == [200, 200]
    yesterday = DAY - timedelta(days=1)
    person.grants.update(ends_on=yesterday)
    person.holdings.update(ends_on=yesterday)
    assert [client.get(url).status_code for url in (mail, check)] == [404, 403]
