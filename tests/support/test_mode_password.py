"""The page of a request, and the password on it: for its requester alone, once, kept by nobody."""

import traceback
import uuid
from datetime import date

import pytest

from accounts.credentials import ALPHABET
from accounts.models import ResetGrant
from bma_portal.models import AuditEntry
from bma_portal.secret import Secret
from bma_portal.templatetags import passwords
from bma_portal.verdicts import Outcome, Verdict
from demo.directory import MemoryDirectory
from support import resets
from support.models import PasswordReset
from tests.factories import UserFactory
from tests.sign_in import sign_in
from tests.support.mode_stage import (
    CHOOSE,
    asked,
    check_url,
    in_phase,
    page_of,
    signed_in,
)
from tests.support.pages import Page
from tests.support.resets_stage import AT, box, gia, granted, holder

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def a_monday_of_october_2025(it_is):
    MemoryDirectory.forget()
    it_is(date(2025, 10, 6), 10)


@pytest.fixture
def mailbox():
    return box()


@pytest.fixture
def person(client, mailbox):
    return signed_in(client, mailbox)


@pytest.fixture
def ready(client, mailbox, person) -> PasswordReset:
    return asked(client, mailbox)


@pytest.fixture
def shown(client, ready, monkeypatch):
    """The answer to the POST that shows it, and what it shows."""
    seen = []
    real = resets.show

    def show(*args, **kwargs):
        seen.append(real(*args, **kwargs))
        return seen[-1]

    monkeypatch.setattr(resets, "show", show)
    response = client.post(page_of(ready))
    return response, seen[0].reveal()


def test_it_shows_the_password_that_is_in_force(shown, mailbox):
    response, clear = shown
    page = Page(response)
    page.assert_sound()
    assert response.status_code == 200
    assert MemoryDirectory.passwords[mailbox.address] == Secret(clear)
    assert clear in page.html.replace('</span><span class="password-group">', "")
    for word in ("tiret", "comme"):
        assert word in page.text
    assert mailbox.address in page.text
    assert "lundi 6 octobre 2025" in page.text
    assert "https://ec.cfwb.be/owa" in page.links


def test_nobody_keeps_the_page_that_shows_it(shown):
    response, clear = shown
    assert "no-store" in response["Cache-Control"]
    assert "no-transform" in response["Cache-Control"]
    assert response["Referrer-Policy"] == "no-referrer"
    assert "noindex" in response["X-Robots-Tag"]
    assert not response.has_header("Content-Encoding")
    assert not response.has_header("ETag")
    assert clear not in Page(response).title
    assert f'value="{clear}' not in response.content.decode()
    assert clear not in str(response.headers)
    assert "/deconnexion/" not in response.content.decode()  # from a page without Referer its form would be refused


def test_it_is_not_compressed_even_where_a_middleware_compresses(client, ready, settings):
    settings.MIDDLEWARE = ["django.middleware.gzip.GZipMiddleware", *settings.MIDDLEWARE]
    response = client.post(page_of(ready), headers={"Accept-Encoding": "gzip"})
    assert response.status_code == 200
    assert not response.has_header("Content-Encoding")


def test_it_is_shown_once(client, ready, shown):
    clear = shown[1]
    reloaded = client.post(page_of(ready))  # it stood on a page that was posted
    assert (reloaded.status_code, reloaded["Location"]) == (302, page_of(ready))
    for response in (client.post(page_of(ready), follow=True), client.get(page_of(ready))):
        page = Page(response)
        page.assert_sound()
        assert page.status == 200
        assert clear not in page.html
        assert "Le mot de passe a été affiché" in page.text
        assert "n’a pas été affiché" not in page.text  # nothing failed
        assert f"{CHOOSE}ec" in page.html  # ask again


@pytest.mark.parametrize("method", ["get", "head"])
def test_reading_never_shows_nor_spends_it(client, ready, method):
    for _ in range(3):
        assert getattr(client, method)(page_of(ready)).status_code == 200
    ready.refresh_from_db()
    assert ready.status == "ready"
    assert not AuditEntry.objects.filter(action="reset.shown").exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_page_exists_for_its_requester_alone(client, mailbox, ready, method):
    for other in (granted(mailbox), UserFactory(), UserFactory(superuser=True), gia(mailbox), holder(mailbox)):
        client.force_login(other)
        assert getattr(client, method)(page_of(ready)).status_code == 404
    ready.refresh_from_db()
    assert ready.status == "ready"


def test_a_permission_withdrawn_before_the_showing_is_refused_then(client, ready):
    ResetGrant.objects.update(revoked_at=AT, revoked_by="gia", revoked_why="départ")
    page = Page(client.post(page_of(ready)))
    assert page.status == 409
    page.assert_sound()
    assert page.title.startswith("Erreur : ")
    assert "permission" in page.text
    ready.refresh_from_db()
    assert ready.status != "shown"


def test_a_fault_while_the_page_is_made_carries_no_password(client, ready, monkeypatch):
    seen = []

    def broken(sign):
        seen.append(sign)
        raise RuntimeError("casse")

    monkeypatch.setattr(passwords, "word", broken)
    with pytest.raises(RuntimeError) as caught:
        client.post(page_of(ready))
    assert seen
    held = []
    for frame, _ in traceback.walk_tb(caught.value.__traceback__):
        if "/bma_portal/" in frame.f_code.co_filename or "/django/template/" in frame.f_code.co_filename:
            held += [value for value in frame.f_locals.values() if isinstance(value, str) and value.count("-") == 3]
    assert [value for value in held if len(value) == 19] == []


STATES = [
    ("setting", "L’annuaire des mots de passe ne répond pas", "nous vous écrirons"),
    ("received", "un agent vérifie votre demande", "Nous vous écrirons"),
    ("accepted", "Un agent de l’ETNIC s’occupe", "Nous vous écrirons"),
    ("shown", "n’existe plus ici", "Demandez-en un autre"),
    ("stopped", "Une des personnes prévenues a arrêté", "ETNIC"),
    ("refused", "Le motif du refus", "ETNIC"),
    ("closed", "n’a pas abouti à temps", "Faire une autre demande"),
]


@pytest.mark.parametrize(("state", "words", "next_"), STATES)
def test_each_state_says_what_happens_next_and_no_personal_data(client, ready, person, state, words, next_):
    PasswordReset.objects.update(
        status=state, shown_at=AT, refusal="Le motif du refus." if state == "refused" else "", ended_why="interne"
    )
    page = Page(client.get(page_of(ready)))
    page.assert_sound()
    assert page.status == 200
    assert words in page.text
    assert next_ in page.text
    assert "<button" not in page.html.partition("<main")[2].partition("</main>")[0]
    main = page.html.partition("<main")[2].partition("</main>")[0]
    for private in (person.last_name, person.email, "interne"):
        assert private not in main


def test_a_directory_that_is_away_queues_the_request_and_says_so(client, mailbox, person):
    MemoryDirectory.answers = [Outcome(Verdict.RETRY, "injoignable", "L’annuaire ne répond pas.", wide=True)]
    response = client.post(check_url(mailbox), {"cle": uuid.uuid4(), "compris": "on"})
    assert response.status_code == 302
    page = Page(client.get(response["Location"]))
    assert "L’annuaire des mots de passe ne répond pas" in page.text
    assert PasswordReset.objects.get().status == "setting"


def test_before_the_night_the_page_says_from_when_the_password_serves(client, it_is):
    mailbox = in_phase(confirmed=True)
    user = granted(mailbox, days=500)
    it_is(date(2024, 12, 4), 10)
    sign_in(client, user)
    answer = client.post(check_url(mailbox), {"cle": uuid.uuid4(), "compris": "on"})
    page = Page(client.post(answer["Location"]))
    page.assert_sound()
    assert page.text.count("à partir du vendredi 6 décembre 2024") == 2
    assert "Gardez-le jusqu’à la migration" in page.text
    assert "https://ec.cfwb.be/owa" not in page.links
    assert "http://webmail.adm.cfwb.be" in page.links


# The words of a password


def test_groups_put_end_to_end_are_the_password_and_each_sign_is_said():
    secret = Secret("bR7m-Zxk9-2222-wwWW")
    assert passwords.groups(secret) == ["bR7m-", "Zxk9-", "2222-", "wwWW"]
    assert passwords.spelled(secret)[0] == [
        "b minuscule comme Bernard", "R majuscule comme Robert", "7 chiffre sept", "m minuscule comme Marcel", "tiret",
    ]  # fmt: skip
    assert passwords.groups(Secret("abcdefghij")) == ["abcd", "efgh", "ij"]


def test_every_sign_that_a_password_may_hold_has_a_word():
    said = [passwords.word(sign) for sign in ALPHABET + "-"]
    assert len(set(said)) == len(said)
    assert not [words for words in said if words.startswith("signe")]
