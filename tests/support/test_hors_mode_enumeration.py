"""Whatever is known of a mailbox, the form does, says and sends the same (D7, SEC-A1 to A8)."""

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from kombu.exceptions import OperationalError

from accounts import directory
from accounts.models import Credential, Mailbox
from bma_portal import bells, clock
from bma_portal.mail.compose import letters
from bma_portal.mail.models import OutgoingMail
from bma_portal.models import RateCount
from support import resets
from support.models import PasswordReset
from support.tokens import contact_code
from support.views import hors_mode
from tests.factories import UserFactory
from tests.factories_holders import PasswordResetFactory
from tests.sign_in import sign_in
from tests.support.hors_mode_stage import CHECK, CODE, DONE, FORM, answers, draft_of, number, send
from tests.support.pages import Page
from tests.support.resets_stage import (
    AT,
    box,
    confirmed,
    drafted,
    gia,
    granted,
    holder,
    hors_mode_box,
    received,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def day(db):
    clock.set_for_every_process(AT)


# What may be known of a mailbox without the visitor learning it


def nothing(mailbox: Mailbox) -> None:
    pass


def pending(mailbox: Mailbox) -> None:
    received(mailbox)


def two_waiting(mailbox: Mailbox) -> None:
    received(mailbox)
    confirmed(mailbox)
    drafted(mailbox)


def holder_known(mailbox: Mailbox) -> None:
    holder(mailbox)


def holder_of_that_name(mailbox: Mailbox) -> None:
    user = UserFactory(first_name="Camille", last_name="Fictive", email="camille@exemple.test")
    holder(mailbox, user)


def grants_exist(mailbox: Mailbox) -> None:
    granted(mailbox)
    gia(mailbox)


def just_shown(mailbox: Mailbox) -> None:
    PasswordResetFactory(mailbox=mailbox, shown=True, shown_at=AT - timedelta(hours=1), ended_at=AT)


def password_waits(mailbox: Mailbox) -> None:
    PasswordResetFactory(mailbox=mailbox, ready=True)


STATES = [
    nothing, pending, two_waiting, holder_known, holder_of_that_name, grants_exist, just_shown, password_waits,
]  # fmt: skip


@dataclass
class Seen:
    """What a visitor can tell apart: each answer, each mail, how much was asked of the database."""

    answers: list[tuple] = field(default_factory=list)
    queries: list[int] = field(default_factory=list)
    mails: list[tuple] = field(default_factory=list)


def without_chance(text: str) -> str:
    """What is drawn anew for everybody is taken out; its shape stays."""
    text = re.sub(r'(name="csrfmiddlewaretoken" value=")\w{64}"', r"\1JETON", text)
    text = re.sub(r'(name="ouvert" value=")ouvert:[\w-]{6}:[\w-]{43}"', r"\1SCEAU", text)
    text = re.sub(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}", "AUTHENTICITE", text)
    return re.sub(r"BMA-[B-DF-HJ-NP-TV-Z2-9]{4}-[B-DF-HJ-NP-TV-Z2-9]{4}", "REFERENCE", text)


def headers_of(response) -> dict[str, str]:
    drawn = {"Expires", "Content-Length", "X-Request-ID"}
    found = {name: value for name, value in response.items() if name not in drawn}
    found["Set-Cookie"] = ",".join(
        f"{name}:{len(cookie.value)}:{cookie['max-age']}" for name, cookie in sorted(response.cookies.items())
    )
    found["Content-Security-Policy"] = re.sub(r"nonce-\S+'", "NONCE'", found.get("Content-Security-Policy", ""))
    return found


def go(mailbox: Mailbox) -> Seen:
    """The whole form, with a mistake on the way, until the worker has passed."""
    client, seen = Client(), Seen()

    def ask(act: Callable[[], object]) -> None:
        with CaptureQueriesContext(connection) as asked:
            response = act()
        seen.queries.append(len(asked))
        body = without_chance(response.content.decode())
        seen.answers.append((response.status_code, headers_of(response), body))

    before = set(OutgoingMail.objects.values_list("pk", flat=True))
    ask(lambda: client.get(FORM))
    ask(lambda: client.get(FORM, {"numero": number(mailbox)}))
    ask(lambda: client.post(FORM, answers(mailbox, email="camille")))
    ask(lambda: client.post(FORM, answers(mailbox, suite="1", proof=None)))
    ask(lambda: client.get(CHECK))
    ask(lambda: client.post(CHECK))
    ask(lambda: client.get(CODE))
    ask(lambda: client.post(CODE, {"code": "000000"}))
    ask(lambda: client.post(CODE, {"renvoyer": "1"}))
    code = contact_code(draft_of(client)).reveal()
    row = OutgoingMail.objects.filter(kind="reset.contact_code").latest("pk")
    letter = letters([row], at=AT)[row.pk]
    text = without_chance(letter.text).replace(code, "CODE")
    seen.mails.append((letter.subject, letter.to, letter.sender, text))
    ask(lambda: client.post(CODE, {"code": code}))
    ask(lambda: client.get(DONE))
    ask(lambda: client.get(CHECK))
    resets.tick(at=AT)
    # « Un mot de passe est demandé » goes to those who answer for the mailbox, at the addresses that the portal knows.
    new = OutgoingMail.objects.exclude(pk__in=before).exclude(kind="reset.asked")
    seen.mails += [(row.kind, row.subject) for row in new.filter(to__contains=["camille@exemple.test"])]
    return seen


def seen_in(state: Callable[[Mailbox], None], mailbox: Mailbox) -> Seen:
    """In that state, which is undone afterwards: the same mailbox, the same name, the same number every time."""
    point = transaction.savepoint()
    try:
        state(mailbox)
        RateCount.objects.all().delete()
        Session.objects.all().delete()
        return go(mailbox)
    finally:
        transaction.savepoint_rollback(point)
        cache.clear()


def test_in_eight_states_the_answers_the_headers_the_mails_and_the_work_are_the_same(db):
    mailbox = hors_mode_box()
    seen_in(nothing, mailbox)  # templates and content types are read once for all
    first = seen_in(nothing, mailbox)
    assert len(first.answers) == 12
    assert [status for status, _, _ in first.answers] == [200, 200, 200, 302, 200, 302, 200, 200, 302, 302, 200, 200]
    for state in STATES[1:]:
        other = seen_in(state, mailbox)
        for n, (one, two) in enumerate(zip(first.answers, other.answers, strict=True)):
            assert one == two, f"{state.__name__}, answer {n}"
        assert other.queries == first.queries, state.__name__
        assert other.mails == first.mails, state.__name__


def test_a_unit_of_mode_says_the_same_whoever_holds_it_and_whatever_is_under_way(client):
    mailbox = box()
    client.get(FORM, {"numero": number(mailbox)})

    def look() -> tuple[str, int]:
        with CaptureQueriesContext(connection) as asked:
            response = client.get(FORM, {"numero": number(mailbox)})
        return without_chance(response.content.decode()), len(asked)

    first = look()
    holder(mailbox)
    granted(mailbox)
    PasswordResetFactory(mailbox=mailbox, mode=True)
    assert look() == first


def test_references_have_one_shape_and_addresses_carry_128_random_bits(client):
    mailbox = hors_mode_box()
    rows = [PasswordReset(mailbox=mailbox) for _ in range(1000)]
    assert len({row.reference for row in rows}) == len({row.public for row in rows}) == 1000
    assert all(re.fullmatch(r"BMA-[B-DF-HJ-NP-TV-Z2-9]{4}-[B-DF-HJ-NP-TV-Z2-9]{4}", row.reference) for row in rows)
    assert {row.public.version for row in rows} == {4}
    send(client, mailbox)
    for url in (FORM, CHECK, CODE, DONE):  # and no page but the session's own is reached by a reference
        assert draft_of(client).reference not in url


# Nothing is changed and nobody is called (SEC-A2, A8)


def test_the_form_calls_neither_exchange_nor_the_directory_and_changes_nothing(client, monkeypatch):
    mailbox = hors_mode_box()

    def refuse(*args, **kwargs):
        raise AssertionError("a request of the form left this machine")

    monkeypatch.setattr(directory, "directory", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse_other_than_local(socket.socket.connect))
    monkeypatch.setattr("bma_portal.mail.outbox.transport", refuse)
    monkeypatch.setattr(resets, "tick", refuse)
    before = (list(Credential.objects.values()), Mailbox.objects.filter(pk=mailbox.pk).values().get())
    send(client, mailbox)
    client.post(CHECK)
    client.post(CODE, {"code": contact_code(draft_of(client)).reveal()})
    assert (list(Credential.objects.values()), Mailbox.objects.filter(pk=mailbox.pk).values().get()) == before
    assert draft_of(client).status == PasswordReset.Status.UNCONFIRMED


def refuse_other_than_local(connect):
    def only_local(self, address, *args):
        if isinstance(address, tuple):
            assert address[0] in {"127.0.0.1", "::1", "localhost"}, address
        return connect(self, address, *args)

    return only_local


# Limits (SEC-A3 to A7)


@pytest.fixture
def few(monkeypatch):
    """Each limit alone, and low: the others out of the way."""

    def set_limits(**low: int) -> None:
        high = 10_000
        place = hors_mode.Limit("hors-mode-heure", low.get("place", high), 3600)
        monkeypatch.setattr(hors_mode, "PER_PLACE", (place,))
        monkeypatch.setattr(hors_mode, "PER_NUMBER", hors_mode.Limit("hors-mode-fase", low.get("number", high), 3600))
        monkeypatch.setattr(hors_mode, "IN_ALL", hors_mode.Limit("hors-mode-tous", low.get("all", high), 3600))
        codes = hors_mode.Limit("hors-mode-code", low.get("codes", high), 3600)
        monkeypatch.setattr(hors_mode, "CODES_PER_PLACE", (codes,))

    return set_limits


def statuses(mailbox: Mailbox | str, times: int, *, addresses: bool = False, **extra) -> list[int]:
    found = []
    for n in range(times):
        asked = {"REMOTE_ADDR": f"192.0.2.{n + 1}"} if addresses else {}
        posted = {"numero": number(mailbox) if isinstance(mailbox, Mailbox) else mailbox}
        found.append(Client().post(FORM, posted, **asked, **extra).status_code)
    return found


def test_one_place_is_stopped_and_told_in_french_when_to_come_back(few):
    few(place=3)
    mailbox = hors_mode_box()
    assert statuses(mailbox, 4) == [200, 200, 200, 429]
    response = send(Client(), mailbox)
    page = Page(response)
    page.assert_sound()
    assert 1 <= int(response["Retry-After"]) <= 3600
    assert "Trop de demandes en peu de temps" in page.text
    assert send(Client(), mailbox, extra={"REMOTE_ADDR": "192.0.2.9"}).status_code == 302


def test_one_number_is_stopped_from_every_place_known_or_not(few):
    few(number=3)
    known = hors_mode_box()
    in_mode = box()
    for asked in (known, in_mode, "ec999999"):
        assert statuses(asked, 4, addresses=True) == [200, 200, 200, 429]
    assert statuses(hors_mode_box(), 1) == [200]


def test_the_spelling_of_a_number_does_not_escape_its_count(few):
    few(number=3)
    mailbox = hors_mode_box()
    fase = mailbox.organisation.fase
    spellings = [f"ec{fase:06d}", f" {fase} ", f"EC{fase:06d}@ADM.CFWB.BE", str(fase)]
    assert [statuses(text, 1)[0] for text in spellings][-1] == 429


def test_all_places_and_numbers_together_are_bounded(few):
    few(all=3)
    assert [statuses(f"ec{n}", 1, REMOTE_ADDR=f"192.0.2.{n}")[0] for n in range(1, 5)] == [200, 200, 200, 429]


def test_codes_to_one_destination_are_bounded_whatever_the_request(few, client):
    few()
    boxes = [hors_mode_box() for _ in range(3)]
    sent = []
    for n, mailbox in enumerate(boxes):
        visitor = Client(REMOTE_ADDR=f"192.0.2.{n + 1}")
        send(visitor, mailbox, email=("camille@exemple.test", "Camille@Exemple.test", "CAMILLE@exemple.test")[n])
        sent += [visitor.post(CHECK).status_code, visitor.post(CODE, {"renvoyer": "1"}).status_code]
    assert sent == [302, 302, 302, 302, 302, 429]
    assert OutgoingMail.objects.filter(kind="reset.contact_code").count() == 5


def test_codes_from_one_place_are_bounded(few, client):
    few(codes=2)
    send(client, hors_mode_box())
    assert client.post(CHECK).status_code == 302
    assert client.post(CODE, {"code": "000000"}).status_code == 200
    assert client.post(CODE, {"code": "000000"}).status_code == 429


def test_numbers_looked_up_one_after_the_other_are_slowed(client):
    answers_ = {client.get(FORM, {"numero": str(5000 + n)}).status_code for n in range(21)}
    assert answers_ == {200, 429}
    assert client.get(FORM).status_code == 200


@pytest.mark.parametrize(("proxies", "expected"), [(0, 429), (1, 200)])
def test_behind_a_trusted_proxy_visitors_are_told_apart_and_a_forged_header_is_not_believed(
    few, settings, proxies, expected
):
    few(place=3)
    settings.TRUSTED_PROXIES = proxies
    mailbox = hors_mode_box()
    found = [statuses(mailbox, 1, REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=f"203.0.113.{n}")[0] for n in range(4)]
    assert found == [200, 200, 200, expected]


def test_flooding_a_number_does_not_stop_its_mode_form(few):
    few(number=1)
    mailbox = box()
    assert statuses(mailbox, 3, addresses=True)[-1] == 429
    user = granted(mailbox)
    client = Client()
    sign_in(client, user)
    url = reverse("reset_mode_check", args=[number(mailbox)])
    key = re.search(r'name="cle" value="([^"]+)"', client.get(url).content.decode())[1]
    assert client.post(url, {"cle": key, "compris": "on"}).status_code == 302
    assert PasswordReset.objects.filter(mailbox=mailbox, requester=user).exists()


def test_with_redis_stopped_the_answers_and_the_limits_are_the_same(
    few, monkeypatch, caplog, django_capture_on_commit_callbacks
):
    def away(*task: object) -> bool:
        raise OperationalError("Redis est arrêté")

    few(place=5)
    mailbox = hors_mode_box()
    with_redis = seen_in(nothing, mailbox)
    monkeypatch.setattr(bells, "_begins", away)
    with django_capture_on_commit_callbacks(execute=True):
        RateCount.objects.all().delete()
        assert go(mailbox).answers == with_redis.answers
    assert "sonnette muette" in [record.message for record in caplog.records]
    RateCount.objects.all().delete()
    assert statuses(mailbox, 6)[-1] == 429


def test_no_address_nor_number_is_kept_by_the_counts(client):
    mailbox = hors_mode_box()
    send(client, mailbox, extra={"REMOTE_ADDR": "192.0.2.77"})
    client.post(CHECK)
    kept = " ".join(RateCount.objects.values_list("bucket", flat=True))
    for words in ("192.0.2", str(mailbox.organisation.fase), "camille"):
        assert words not in kept
