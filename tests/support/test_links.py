"""What opens by a link of a mail: the password, once, for the one person who has the code; the stop (SEC-D)."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import credentials
from accounts.models import Credential
from bma_portal import clock
from bma_portal.models import RateCount
from bma_portal.secret import Secret
from support import resets, tokens
from support.models import PasswordReset
from support.views import links
from tests.support.pages import Page
from tests.support.resets_stage import AT, hors_mode_box, letter, ready, received, told
from tests.together import together

pytestmark = pytest.mark.django_db
Status = PasswordReset.Status

SCANNERS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120 SafeLinks",
    "Microsoft Office/16.0 (Microsoft Outlook 16.0.17126; Pro)",
    "Mozilla/5.0 (compatible; Proofpoint URL Defense)",
    "Mozilla/5.0 (compatible; MimecastUrlProtect/1.0)",
    "BarracudaCentral/1.0 (+http://www.barracudacentral.org)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "WhatsApp/2.23.20.0",
]


@pytest.fixture
def day(db):
    clock.set_for_every_process(AT)


@pytest.fixture
def waiting(day):
    """A request whose password waits: itself, the address of the mail, the code said on the phone, the clear text."""
    reset, token, code = ready(hors_mode_box())
    clear = credentials.reveal(reset.credential).reveal()
    return reset, reverse("reset_pick_up", args=[token]), code, clear


def read(response) -> Page:
    page = Page(response)
    page.assert_sound()
    return page


def shows(response, clear: str) -> bool:
    """Whether the password is anywhere in the answer, in one piece or in groups."""
    html = response.content.decode()
    return clear in html or clear in re.sub(r"<[^>]+>", "", html)


def assert_discreet(response) -> None:
    assert "no-store" in response["Cache-Control"]
    assert "no-transform" in response["Cache-Control"]
    assert response["Referrer-Policy"] == "no-referrer"
    assert "noindex" in response["X-Robots-Tag"]
    assert response["X-Frame-Options"] == "DENY"
    assert not response.has_header("Content-Encoding")


@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("agent", SCANNERS)
def test_a_scanner_that_opens_the_link_learns_and_spends_nothing(client, waiting, agent, method):
    reset, url, code, clear = waiting
    before = PasswordReset.objects.filter(pk=reset.pk).values().get()
    with CaptureQueriesContext(connection) as asked:
        response = getattr(client, method)(url, headers={"User-Agent": agent})
    assert response.status_code == 200
    assert_discreet(response)
    assert not any("support_passwordreset" in query["sql"] for query in asked)
    html = response.content.decode()
    for words in (reset.mailbox.address, reset.mailbox.organisation.name, reset.reference, "Camille", "exemple.test"):
        assert words not in html
    assert not response.cookies
    assert PasswordReset.objects.filter(pk=reset.pk).values().get() == before
    assert shows(client.post(url, {"code": code}), clear)


def test_the_link_of_the_mail_opens_with_the_code_once(client, waiting):
    reset, url, code, clear = waiting
    assert url in letter("reset.pick_up").text
    read(client.get(url))
    response = client.post(url, {"code": f"{code[:4].lower()} {code[4:]}"})
    assert shows(response, clear)
    assert_discreet(response)
    page = Page(response)
    assert page.h1 == 1
    assert clear not in page.title
    assert not re.search(rf'(value|href|content|data-\w+)="[^"]*{re.escape(clear)}', page.html)
    reset.refresh_from_db()
    assert reset.status == Status.SHOWN
    assert Credential.objects.get(pk=reset.credential_id).sealed == ""
    again = client.post(url, {"code": code})
    assert not shows(again, clear)
    assert "Ce lien et ce code n’ouvrent rien" in read(again).text


def test_nothing_tells_an_unknown_a_used_an_old_link_or_a_wrong_code_apart(client, waiting):
    _reset, url, code, _clear = waiting
    unknown = reverse("reset_pick_up", args=["A" * 48])
    pages = {
        "mauvais": client.post(url, {"code": "BCDF2345"}),
        "inconnu": client.post(unknown, {"code": "BCDF2345"}),
        "illisible": client.post(reverse("reset_pick_up", args=["é!"]), {"code": "BCDF2345"}),
    }
    clock.set_for_every_process(AT + timedelta(hours=25))
    pages["vieux"] = client.post(url, {"code": "BCDF2345"})
    clock.set_for_every_process(AT)
    client.post(url, {"code": code})
    pages["servi"] = client.post(url, {"code": "BCDF2345"})
    texts = {name: response.content.decode() for name, response in pages.items()}
    assert len(set(texts.values())) == 1, texts.keys()
    assert {response.status_code for response in pages.values()} == {200}
    shown = {client.get(url).content for url in (url, unknown)}
    assert len(shown) == 1


def test_a_newer_link_makes_the_older_one_void(client, waiting):
    reset, url, code, clear = waiting
    PasswordReset.objects.filter(pk=reset.pk).update(pickup_serial=reset.pickup_serial + 1)
    assert not shows(client.post(url, {"code": code}), clear)
    reset.refresh_from_db()
    assert shows(
        client.post(reverse("reset_pick_up", args=[tokens.pick_up_token(reset).reveal()]), {"code": code}), clear
    )


def test_a_robot_that_fills_and_presses_whatever_it_finds_gets_nothing(client, waiting):
    reset, url, _code, clear = waiting
    html = client.get(url).content.decode()
    fields = re.findall(r'<input[^>]*name="(\w+)"', html)
    assert fields == ["code"]
    guesses = ["", "robot", *re.findall(r"\b[A-Z0-9]{4} ?[A-Z0-9]{4}\b", html), "robot@exemple.test"]
    for guess in guesses:
        assert not shows(client.post(url, {"code": guess}), clear)
    reset.refresh_from_db()
    assert reset.shown_at is None


def test_three_wrong_codes_close_the_request(client, waiting):
    reset, url, code, clear = waiting
    for _ in range(3):
        client.post(url, {"code": "BCDF2345"})
    assert not shows(client.post(url, {"code": code}), clear)
    reset.refresh_from_db()
    assert reset.status == Status.CLOSED
    assert Credential.objects.get(pk=reset.credential_id).sealed == ""


@pytest.mark.parametrize("typed", ["\0", "é" * 1000, "x" * 100_000, "\N{RIGHT-TO-LEFT OVERRIDE}", "\ud800"])
def test_what_is_no_code_is_refused_without_fault(client, waiting, typed):
    _, url, _, clear = waiting
    body = f"code={typed}".encode(errors="surrogatepass")
    response = client.post(url, body, content_type="application/x-www-form-urlencoded")
    assert response.status_code == 200
    assert not shows(response, clear)


def test_tries_from_one_place_are_bounded(client, waiting, monkeypatch):
    monkeypatch.setattr(links, "TRIES_PER_PLACE", links.Limit("retrait-heure", 2, 3600))
    unknown = reverse("reset_pick_up", args=["A" * 48])
    found = [client.post(unknown, {"code": "BCDF2345"}).status_code for _ in range(3)]
    assert found == [200, 200, 429]
    assert client.get(unknown).status_code == 200


def test_a_page_that_sends_no_referer_may_still_be_posted(waiting):
    """Browsers then say `Origin: null`, which the CSRF check would refuse: the link itself is the right to act."""
    _, url, code, clear = waiting
    strict = Client(enforce_csrf_checks=True)
    assert shows(strict.post(url, {"code": code}, headers={"Origin": "null"}), clear)


@pytest.mark.parametrize("method", ["put", "delete", "patch", "options"])
def test_other_methods_are_refused(client, waiting, method):
    assert getattr(client, method)(waiting[1]).status_code == 405


def test_a_host_that_is_not_ours_is_refused_and_never_in_a_link(client, waiting):
    _, url, _, _ = waiting
    assert client.get(url, headers={"Host": "pirate.test"}).status_code == 400
    response = client.get(url, headers={"X-Forwarded-Host": "pirate.test"})
    assert "pirate" not in response.content.decode()
    assert "pirate" not in letter("reset.pick_up").text


@pytest.mark.django_db(transaction=True)
def test_of_fifty_posts_at_once_one_shows_the_password():
    clock.set_for_every_process(AT)
    reset, token, code = ready(hors_mode_box())
    clear = credentials.reveal(reset.credential).reveal()
    url = reverse("reset_pick_up", args=[token])

    def post(n: int) -> tuple[int, bool]:
        response = Client(REMOTE_ADDR=f"192.0.2.{n + 1}").post(url, {"code": code})
        return response.status_code, shows(response, clear)

    found = together(*[lambda n=n: post(n) for n in range(50)])
    assert {status for status, _ in found} == {200}
    assert [shown for _, shown in found].count(True) == 1
    assert PasswordReset.objects.get(pk=reset.pk).status == Status.SHOWN


# The stop


def stop_url(reset: PasswordReset) -> str:
    return reverse("reset_stop", args=[tokens.stop_token(reset).reveal()])


@pytest.mark.parametrize("method", ["get", "head"])
def test_opening_the_stop_link_explains_and_stops_nothing(client, day, method):
    reset = received(hors_mode_box())
    url = stop_url(reset)
    assert url in letter("reset.asked").text
    with CaptureQueriesContext(connection) as asked:
        response = getattr(client, method)(url)
    assert_discreet(response)
    assert not any("support_passwordreset" in query["sql"] for query in asked)
    assert reset.mailbox.address not in response.content.decode()
    reset.refresh_from_db()
    assert reset.status == Status.RECEIVED
    if method == "get":
        page = read(response)
        assert page.html.count("<button") - page.html.count("sign-out") == 1
        assert "<input" not in page.html


def test_the_button_stops_the_request_and_the_second_press_says_that_nothing_is_left(client, day):
    reset = received(hors_mode_box())
    url = stop_url(reset)
    page = read(client.post(url))
    assert "La demande est arrêtée" in page.text
    reset.refresh_from_db()
    assert reset.status == Status.STOPPED
    assert told("reset.stopped")
    assert "n’arrête aucune demande" in read(client.post(url)).text


def test_after_the_showing_the_stop_replaces_the_password_by_one_that_nobody_knows(client, waiting):
    reset, url, code, _clear = waiting
    client.post(url, {"code": code})
    assert "La demande est arrêtée" in read(client.post(stop_url(reset))).text
    lock = Credential.objects.get(mailbox=reset.mailbox, superseded_at=None)
    assert lock.purpose == Credential.Purpose.LOCK


def test_unknown_and_expired_stops_say_the_same(client, waiting):
    reset, url, code, _ = waiting
    client.post(url, {"code": code})
    clock.set_for_every_process(AT + timedelta(hours=25))
    pages = [client.post(stop_url(reset)), client.post(reverse("reset_stop", args=["A" * 48]))]
    assert len({page.content for page in pages}) == 1
    assert pages[0].status_code == 200
    assert len({client.get(stop_url(reset)).content, client.get(reverse("reset_stop", args=["A" * 48])).content}) == 1


def test_stops_from_one_place_are_bounded(client, day, monkeypatch):
    monkeypatch.setattr(links, "STOPS_PER_PLACE", links.Limit("arret-heure", 1, 3600))
    unknown = reverse("reset_stop", args=["A" * 48])
    assert [client.post(unknown).status_code for _ in range(2)] == [200, 429]
    assert RateCount.objects.exists()


def test_the_code_of_a_request_opens_no_other(client, day):
    one, _, code = ready(hors_mode_box())
    other, token, _ = ready(hors_mode_box())
    clear = credentials.reveal(other.credential).reveal()
    assert not shows(client.post(reverse("reset_pick_up", args=[token]), {"code": code}), clear)
    assert tokens.spoken_digest(one, Secret(code)) != tokens.spoken_digest(other, Secret(code))


def test_the_password_of_the_page_is_the_one_in_force(client, waiting):
    reset, url, code, clear = waiting
    assert resets.live_of(reset.mailbox).pk == reset.pk
    assert shows(client.post(url, {"code": code}), clear)
    assert resets.live_of(reset.mailbox) is None
