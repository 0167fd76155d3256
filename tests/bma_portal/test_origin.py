"""One number for a request, through the page, the audit, the log, the mail and the worker (SEC-I5)."""

import io
import json
import logging
import re
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.test import Client

from bma_portal import audit, origin
from bma_portal.celery import app
from bma_portal.commands import PortalCommand
from bma_portal.logs import JsonLines
from bma_portal.mail import claims, outbox
from bma_portal.mail.compose import outgoing
from bma_portal.mail.models import OutgoingMail
from bma_portal.models import AuditEntry
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

AT = datetime(2024, 10, 21, 8, tzinfo=UTC)
NUMBER = re.compile("[0-9a-f]{32}")


def through(request: HttpRequest, view) -> HttpResponse:
    return origin.RequestOrigin(view)(request)


def a_mail(key: str = "essai") -> OutgoingMail:
    mail = outgoing(
        key=key, kind="plain", sender="sgne", to=["ec000001@adm.cfwb.be"], subject="Objet-7Qz", text="t", queued_at=AT
    )
    mail.save()
    return mail


@pytest.mark.parametrize("path", ["/", "/sante/", "/n-existe-pas/", "/admin/", "/static/n-existe-pas.css"])
def test_every_answer_says_the_number_of_its_request(path):
    first, second = (Client().get(path, headers={"X-Request-ID": "choisi-par-moi"}) for _ in range(2))
    assert NUMBER.fullmatch(first["X-Request-ID"])
    assert first["X-Request-ID"] != second["X-Request-ID"]


def test_so_do_refused_requests_and_an_absent_database(monkeypatch, client):
    assert NUMBER.fullmatch(client.get("/", headers={"Host": "ailleurs.invalid"})["X-Request-ID"])
    from django.db import OperationalError

    from bma_portal import clock

    def away():
        raise OperationalError

    monkeypatch.setattr(clock, "now", away)
    client.raise_request_exception = False
    response = client.get("/")
    assert response.status_code == 503
    assert NUMBER.fullmatch(response["X-Request-ID"])


def test_lines_mails_and_the_log_bear_the_number_and_the_person_is_read_late(rf, settings):
    settings.TRUSTED_PROXIES = 1
    request = rf.get("/", headers={"X-Forwarded-For": "203.0.113.1"})
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines())
    logger = logging.Logger("tests")
    logger.addHandler(handler)

    def view(request: HttpRequest) -> HttpResponse:
        request.user = UserFactory(username="camille")  # signed in further inside
        audit.record("sign_in", at=AT)
        a_mail()
        logger.warning("essai")
        return HttpResponse()

    number = through(request, view)["X-Request-ID"]
    line = AuditEntry.objects.get()
    assert (line.request_id, line.address, line.actor) == (number, "203.0.113.1", "camille")
    assert OutgoingMail.objects.get().request_id == number
    assert json.loads(written.getvalue())["requete"] == number
    assert origin.current() == origin.Origin()  # over with the request


def test_a_request_that_fails_leaves_nothing_behind(rf):
    def view(request: HttpRequest) -> HttpResponse:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        through(rf.get("/"), view)
    assert origin.current() == origin.Origin()


def test_a_request_that_writes_no_line_does_not_read_who_is_there(rf):
    class Request(HttpRequest):
        @property
        def user(self):
            raise AssertionError("read")

    request = Request()
    request.META = {"REMOTE_ADDR": "192.0.2.7"}
    assert through(request, lambda _: HttpResponse()).status_code == 200


def test_the_worker_that_sends_a_mail_logs_the_number_of_the_request_that_queued_it(rf, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    number = through(rf.get("/"), lambda _: HttpResponse(a_mail("1").key))["X-Request-ID"]
    a_mail("2")  # by a task: none
    door = SimpleNamespace(
        draft=lambda sender, letters: [(f"id-{n}", "clé") for n, _ in enumerate(letters)],
        send=lambda *_, **__: outbox.Outcome(outbox.Verdict.SENT),
        discard=lambda *_: None,
    )
    monkeypatch.setattr(outbox, "transport", lambda: door)
    outbox.deliver(claims.claim("sgne", doubtful=False))
    sent = [record for record in caplog.records if record.message == "courriel envoyé"]
    assert [getattr(record, "requete", None) for record in sorted(sent, key=lambda r: r.id)] == [number, None]


def test_a_command_is_who_acts_under_a_number_of_its_own(monkeypatch):
    class Command(PortalCommand):
        def handle(self, **options):
            audit.record("export", at=AT)
            audit.record("export", at=AT, by="Nadia")

    Command.__module__ = "migration.management.commands.essai"
    for _ in range(2):
        call_command(Command())
    lines = list(AuditEntry.objects.order_by("seq"))
    assert [line.actor for line in lines[:2]] == ["commande essai", "Nadia (commande essai)"]
    first, second, third, _ = [line.request_id for line in lines]
    assert NUMBER.fullmatch(first)
    assert first == second != third
    assert origin.current() == origin.Origin()


def test_a_task_has_a_number_too():
    seen = []

    @app.task(name="bma_portal.essai")
    def task():
        seen.append(origin.current())

    try:
        task.apply().get()
        task()
    finally:
        del app.tasks["bma_portal.essai"]
    assert all(NUMBER.fullmatch(one.request_id) and one.actor is None for one in seen)
    assert seen[0] != seen[1]
    assert origin.current() == origin.Origin()
