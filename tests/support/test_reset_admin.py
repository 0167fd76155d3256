"""The staff's side of the requests: who sees what, who does what, and that nobody sees a secret (D16, SEC-B)."""

import json
import re
from datetime import timedelta

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import credentials
from accounts.models import Mailbox, Organisation, User
from bma_portal import clock
from bma_portal.mail.models import OutgoingMail
from bma_portal.models import AuditEntry
from support import resets
from support.models import PasswordReset, ProofFile
from tests.factories import UserFactory
from tests.factories_holders import PasswordResetFactory
from tests.support.resets_stage import AT, PHONE, drafted, hors_mode_box, ready, received, staff
from tests.support.review_stage import (
    ACCEPTED,
    GROUPS,
    LIST,
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

pytestmark = pytest.mark.django_db
Status = PasswordReset.Status


@pytest.fixture(autouse=True)
def day(db):
    clock.set_for_every_process(AT)


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


# Who opens what

PAGES = {
    "liste": (lambda reset: LIST, {"vérificateur", "exécutant", "sgne", "etnic", "auditeur", "secours"}),
    "fiche": (sheet, {"vérificateur", "exécutant", "sgne", "etnic", "auditeur", "secours"}),
    "prendre": (lambda reset: deed(reset, "prendre"), {"vérificateur", "secours"}),
    "rendre": (lambda reset: deed(reset, "rendre"), {"vérificateur", "secours"}),
    "accepter": (lambda reset: deed(reset, "accepter"), {"vérificateur", "secours"}),
    "refuser": (lambda reset: deed(reset, "refuser"), {"vérificateur", "secours"}),
    "exécuter": (lambda reset: deed(reset, "executer"), {"exécutant", "etnic", "secours"}),
}


@pytest.mark.parametrize("role", ["anonyme", *GROUPS, "secours"])
@pytest.mark.parametrize("name", PAGES)
def test_each_page_opens_for_its_roles_only(reset, role, name):
    address, allowed = PAGES[name]
    if role == "anonyme":
        response = Client().get(address(reset))
        assert response.status_code == 302
        assert "next=" in response.url
        return
    assert as_(somebody(role)).get(address(reset)).status_code == (200 if role in allowed else 403)


@pytest.mark.parametrize("role", [*GROUPS, "secours"])
def test_nobody_opens_a_proof_without_having_taken_charge(reset, role):
    client = as_(somebody(role))
    for url in (proof_page(reset), image(reset)):
        response = client.get(url)
        assert response.status_code == 404
        assert b"JFIF" not in response.content
    assert not AuditEntry.objects.filter(action="proof.viewed", result="ok").exists()


@pytest.mark.parametrize("role", ["sgne", "auditeur"])
def test_who_only_reads_does_not_see_who_asks(reset, role):
    page = as_(somebody(role)).get(sheet(reset)).content.decode()
    for words in ("Fictive", "camille@exemple.test", "0470 00 00 00"):
        assert words not in page.replace("École fictive", "")
    assert "Réservée aux personnes" in page


def test_the_sheet_says_who_asks_whom_to_call_and_what_comes_next(reset, verifier):
    page = as_(verifier).get(sheet(reset)).content.decode()
    for words in (
        "Fictive",
        "Camille",
        "camille@exemple.test",
        PHONE,
        "ne sert pas au rappel",
        "à vérifier",
        "Journal",
    ):
        assert words in page
    assert "la prenne en charge" in page
    assert AuditEntry.objects.filter(action="reset.viewed", object_id=str(reset.pk), actor=verifier.username).exists()


def test_drafts_are_in_no_list_and_have_no_sheet(verifier):
    draft = drafted(hors_mode_box())
    client = as_(verifier)
    assert draft.reference not in client.get(LIST, {"etat": "toutes"}).content.decode()
    assert client.get(sheet(draft)).status_code == 302
    assert client.get(deed(draft, "prendre")).status_code == 404


def test_the_list_begins_with_who_waits_longest_and_filters(verifier):
    old = PasswordResetFactory(received=True, asked_at=AT - timedelta(days=2))
    new = PasswordResetFactory(received=True, asked_at=AT)
    mode = PasswordResetFactory(mode=True)
    over = PasswordResetFactory(refused=True)
    client = as_(verifier)

    def listed(**query) -> list[int]:
        return [row.pk for row in client.get(LIST, query).context["cl"].result_list]

    assert listed()[:2] == [old.pk, new.pk]
    assert over.pk not in listed()
    assert listed(etat="refused") == [over.pk]
    assert set(listed(etat="toutes")) == {old.pk, new.pk, mode.pk, over.pk}
    assert listed(path__exact="mode") == [mode.pk]
    assert set(listed(etat="n’importe quoi")) == {old.pk, new.pk, mode.pk}
    assert listed(q=new.reference) == [new.pk]
    assert listed(q=new.mailbox.address) == [new.pk]


def test_the_list_and_the_sheet_ask_a_fixed_number_of_questions(verifier):
    client = as_(verifier)

    def questions(url: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get(url).status_code == 200
        return len(asked)

    first = PasswordResetFactory(received=True, taken_by=verifier, taken_at=AT)
    questions(LIST)
    few = questions(LIST)
    for _ in range(5):
        PasswordResetFactory(received=True, taken_by=UserFactory(staff=True), taken_at=AT)
    assert questions(LIST) == few <= 16
    questions(sheet(first))
    assert questions(sheet(first)) <= 26


# Role × deed × status

MAY = {
    ("prendre", Status.RECEIVED): {"vérificateur"},
    ("rendre", Status.RECEIVED): {"en charge"},
    ("accepter", Status.RECEIVED): {"en charge"},
    ("refuser", Status.RECEIVED): {"en charge"},
    ("executer", Status.ACCEPTED): {"exécutant", "etnic"},
}
WHO = ["vérificateur", "en charge", "exécutant", "etnic", "sgne", "auditeur", "personnel"]
STATUSES = [status for status in Status if status != Status.UNCONFIRMED]
POSTED = {"accepter": ACCEPTED, "refuser": REFUSED}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("name", ["prendre", "rendre", "accepter", "refuser", "executer"])
def test_role_by_deed_by_status(name, status):
    for who in WHO:
        reset = in_status(status)
        user = somebody("vérificateur" if who == "en charge" else who)
        if who == "en charge":
            PasswordReset.objects.filter(pk=reset.pk).update(taken_by=user, taken_at=AT)
        elif name in {"rendre", "accepter", "refuser"}:
            other = staff("Vérification")
            PasswordReset.objects.filter(pk=reset.pk).update(taken_by=other, taken_at=AT)
        before = PasswordReset.objects.filter(pk=reset.pk).values().get()
        client = as_(user)
        response = client.post(deed(reset, name), POSTED.get(name, {}), follow=True)
        now = PasswordReset.objects.filter(pk=reset.pk).values().get()
        if who in MAY.get((name, status), set()):
            assert now != before, (who, name, status)
        else:
            assert now == before, (who, name, status)
            assert response.status_code == 403 or said(response), (who, name, status)


def test_the_sheet_offers_what_this_person_may_do_now(reset, verifier):
    other, executor = staff("Vérification"), staff("Exécution")

    def offered(user: User) -> list[str]:
        return [one.label for _, one in as_(user).get(sheet(reset)).context["deeds"]]

    assert offered(verifier) == ["Prendre en charge"]
    assert offered(executor) == []
    do(as_(verifier), reset, "prendre")
    assert offered(verifier) == ["Accepter", "Refuser", "Rendre"]
    assert offered(other) == []
    do(as_(verifier), reset, "accepter", **ACCEPTED)
    assert offered(verifier) == offered(other) == []
    assert offered(executor) == ["Exécuter"]


@pytest.mark.parametrize("name", ["prendre", "accepter", "refuser", "executer"])
def test_looking_at_a_question_changes_nothing(taken, verifier, name):
    before = PasswordReset.objects.filter(pk=taken.pk).values().get()
    as_(verifier).get(deed(taken, name))
    assert PasswordReset.objects.filter(pk=taken.pk).values().get() == before


def test_a_deed_that_does_not_exist_is_not_found(taken, verifier):
    client = as_(verifier)
    assert client.get(deed(taken, "detruire")).status_code == 404
    assert client.get(deed(PasswordReset(pk=999_999), "prendre")).status_code == 404


# Secrets (SEC-B8, B9)


def test_no_list_can_be_probed_for_what_it_does_not_show(reset):
    client = as_(UserFactory(superuser=True))
    columns = [field.name for field in PasswordReset._meta.get_fields() if not field.is_relation]
    paths = [*columns, "proof__content", "proof__key", "credential__sealed", "requester__password", "mailbox__address"]
    for path in paths:
        if path == "path":
            continue
        for lookup in ("startswith", "contains", "gt", "isnull"):
            response = client.get(LIST, {f"{path}__{lookup}": "1" if lookup == "isnull" else "a"})
            assert response.status_code in {302, 400}, f"{path}__{lookup}"
    for model in (Mailbox, Organisation, User):
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
        prefix = "mailbox__resets__" if model is Organisation else "resets__"
        for column in ("pickup_code", "email", "phone", "last_name"):
            response = client.get(reverse(name), {f"{prefix}{column}__startswith": "a"})
            assert response.status_code in {302, 400}, f"{model} {column}"


def test_proofs_have_no_page_of_their_own():
    assert ProofFile not in admin.site._registry


def test_a_crawl_of_all_the_pages_as_superuser_finds_no_secret():
    reset, token, code = ready(hors_mode_box())
    PasswordResetFactory(mode=True, ready=True)
    root = UserFactory(superuser=True)
    mine = received(hors_mode_box())
    PasswordReset.objects.filter(pk=mine.pk).update(taken_by=root, taken_at=AT)
    clear = credentials.reveal(reset.credential).reveal()
    proof = ProofFile.objects.get(reset=reset)
    canaries = [clear, token, code, reset.pickup_code, reset.credential.sealed, proof.key[:40]]
    client = as_(root)
    seen, todo = set(), ["/admin/", sheet(reset), LIST + "?etat=toutes"]
    for url in todo:
        if url in seen or not ("passwordreset" in url or "outgoingmail" in url or url == "/admin/"):
            continue
        seen.add(url)
        response = client.get(url)
        assert response.status_code in {200, 302, 403, 404}, url
        if response.status_code == 302 or "text/html" not in response.headers["Content-Type"]:
            continue
        page = response.content.decode()
        for canary in canaries:
            assert canary not in page, url
        for found in re.findall(r'href="([^"#]+)"', page):
            link = found.replace("&amp;", "&")
            link = ("" if "?" in url or "o=" in link else url + link) if link.startswith("?") else link
            if link.startswith("/admin/") and "logout" not in link:
                todo.append(link)
    assert sheet(reset) in seen
    assert any("/history/" in url for url in seen)
    assert any("/acte/" in url for url in seen)
    assert len(seen) > 15
    for model in ("passwordreset", "credential"):
        asked = {"app_label": "support", "model_name": model, "field_name": "credential"}
        answer = client.get("/admin/autocomplete/", asked)
        assert all(canary not in json.dumps(answer.content.decode()) for canary in canaries)


def test_the_mails_that_carry_a_link_or_a_code_show_dots(reset):
    client = as_(UserFactory(superuser=True))
    ready(hors_mode_box())
    for kind in ("reset.contact_code", "reset.pick_up", "reset.asked"):
        row = OutgoingMail.objects.filter(kind=kind).latest("pk")
        page = client.get(reverse("admin:mail_outgoingmail_change", args=[row.pk])).content.decode()
        assert "••••" in page
        assert "/mot-de-passe/" not in page


def test_each_deed_leaves_its_line(taken, verifier):
    executor = staff("Exécution")
    do(as_(verifier), taken, "accepter", **ACCEPTED)
    do(as_(executor), taken, "executer")
    taken.refresh_from_db()
    assert resets.live_of(taken.mailbox) == taken
    lines = AuditEntry.objects.filter(object_type="support.passwordreset", object_id=str(taken.pk), result="ok")
    by = {line.action: line.actor for line in lines}
    assert by["reset.taken"] == by["reset.accepted"] == verifier.username
    assert by["reset.executed"] == executor.username
    assert taken.pickup_code
