"""DIRECTORY=manual: one agent by name sees one password, once, and the audit said so before (D16's one exception)."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts import by_hand, credentials
from accounts.models import Credential, User
from accounts.signals import password_by_hand
from bma_portal.errors import Refusal
from bma_portal.models import AuditEntry
from bma_portal.secret import Secret
from demo.directory import MemoryDirectory
from tests.factories import MailboxFactory, UserFactory
from tests.together import together

pytestmark = pytest.mark.django_db
AT = datetime(2024, 10, 14, 7, tzinfo=UTC)
LIST = "admin:accounts_credential_changelist"
CHANGE = "admin:accounts_credential_change"


@pytest.fixture(autouse=True)
def set_by_hand(settings):
    settings.DIRECTORY, settings.DIRECTORY_BACKEND = "manual", ""
    MemoryDirectory.forget()


def agent(name: str = "agent", *, allowed: bool = True, **facts) -> User:
    user = UserFactory(username=name, staff=True, **facts)
    if allowed:
        user.user_permissions.add(Permission.objects.get(codename="set_password_by_hand"))
    return user


@pytest.fixture
def waiting() -> Credential:
    credentials.issue([MailboxFactory()], at=AT)
    return Credential.objects.get()


def lines() -> list[tuple[str, str, str]]:
    return list(AuditEntry.objects.order_by("seq").values_list("action", "result", "actor"))


def test_nothing_is_called_and_the_password_waits(waiting):
    assert credentials.set_passwords(at=AT) == 0
    credentials.set_now(waiting, at=AT)
    assert MemoryDirectory.calls == []
    assert list(by_hand.waiting()) == [waiting]
    assert (waiting.applied_at, waiting.not_before, waiting.attempts) == (None, None, 0)


def test_taken_shown_set_and_certified(waiting):
    etnic = agent()
    clear = credentials.reveal(waiting)
    assert by_hand.take(waiting, by=etnic, at=AT) == clear
    waiting.refresh_from_db()
    assert (waiting.taken_by, waiting.taken_at, waiting.applied_at) == (etnic, AT, None)
    by_hand.certify(waiting, by=etnic, at=AT)
    waiting.refresh_from_db()
    assert waiting.certified_at == waiting.applied_at == AT
    assert not by_hand.waiting().exists()
    assert lines() == [("password.taken_by_hand", "ok", "agent"), ("password.certified", "ok", "agent")]
    entry = AuditEntry.objects.order_by("seq").first()
    assert entry.details == {"credential": waiting.pk, "purpose": "migration"}
    assert clear.reveal() not in str(entry.__dict__)


def test_a_reset_set_by_hand_is_then_shown_to_its_person_once():
    credential = credentials.renew(MailboxFactory(), at=AT)
    etnic = agent()
    told = by_hand.take(credential, by=etnic, at=AT)
    with pytest.raises(Refusal, match="pas encore en vigueur"):
        credentials.reveal_once(credential, why="affiché", at=AT)
    by_hand.certify(credential, by=etnic, at=AT)
    assert credentials.reveal_once(credential, why="affiché", at=AT) == told


def test_a_lock_is_destroyed_once_certified():
    lock = credentials.renew(MailboxFactory(), at=AT, purpose=Credential.Purpose.LOCK)
    etnic = agent()
    by_hand.take(lock, by=etnic, at=AT)
    by_hand.certify(lock, by=etnic, at=AT)
    lock.refresh_from_db()
    assert (lock.sealed, lock.destroyed_at) == ("", AT)


def test_one_that_is_given_back_is_made_again_and_nobody_has_seen_it(waiting):
    first, second = agent("un"), agent("deux")
    seen = by_hand.take(waiting, by=first, at=AT)
    by_hand.give_back(waiting, by=second, at=AT)
    waiting.refresh_from_db()
    assert (waiting.taken_by, waiting.taken_at) == (None, None)
    again = by_hand.take(waiting, by=second, at=AT)
    assert again != seen
    assert Credential.objects.count() == 1
    assert [action for action, *_ in lines()] == [
        "password.taken_by_hand", "password.given_back", "password.taken_by_hand",
    ]  # fmt: skip


REFUSED = {
    "without the permission": (lambda c, a: by_hand.take(c, by=agent("rien", allowed=False), at=AT), "permission"),
    "twice by the same": (lambda c, a: by_hand.take(c, by=a, at=AT), "déjà pris"),
    "by another": (lambda c, a: by_hand.take(c, by=agent("autre"), at=AT), "Une autre personne"),
    "certified by another": (lambda c, a: by_hand.certify(c, by=agent("autre"), at=AT), "Seule la personne"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_changes_nothing_and_is_written_in_the_audit(waiting, case):
    etnic = agent()
    by_hand.take(waiting, by=etnic, at=AT)
    deed, words = REFUSED[case]
    before = Credential.objects.values().get()
    with pytest.raises(Refusal, match=words):
        deed(waiting, etnic)
    assert Credential.objects.values().get() == before
    assert lines()[-1][1] == "refused"


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"applied_at": AT}, "déjà posé"),
        ({"superseded_at": AT}, "remplacé"),
        ({"sealed": "", "destroyed_at": AT}, "détruit"),
    ],
)
@pytest.mark.parametrize("deed", [by_hand.take, by_hand.certify, by_hand.give_back])
def test_what_is_over_is_not_set_by_hand(waiting, facts, words, deed):
    Credential.objects.update(**facts)
    with pytest.raises(Refusal, match=words):
        deed(waiting, by=agent(), at=AT)


def test_nothing_is_certified_nor_given_back_before_it_is_taken(waiting):
    for deed in (by_hand.certify, by_hand.give_back):
        with pytest.raises(Refusal):
            deed(waiting, by=agent(f"a{deed.__name__}"), at=AT)


def test_where_the_portal_sets_them_itself_nobody_sees_one(waiting, settings):
    settings.DIRECTORY = "ldaps"
    with pytest.raises(Refusal, match="pose lui-même"):
        by_hand.take(waiting, by=agent(), at=AT)


def test_whoever_knows_may_object(waiting):
    def object_to(sender, credential, by, at, **_) -> None:
        raise Refusal("Vous avez vérifié cette demande : une autre personne pose le mot de passe.")

    password_by_hand.connect(object_to)
    try:
        with pytest.raises(Refusal, match="vérifié"):
            by_hand.take(waiting, by=agent(), at=AT)
    finally:
        password_by_hand.disconnect(object_to)
    waiting.refresh_from_db()
    assert waiting.taken_by is None


def test_without_its_line_of_audit_it_is_not_taken(waiting, monkeypatch):
    def away(*_, **__) -> None:
        raise RuntimeError("audit absent")

    monkeypatch.setattr(by_hand.audit, "record", away)
    with pytest.raises(RuntimeError):
        by_hand.take(waiting, by=agent(), at=AT)
    waiting.refresh_from_db()
    assert waiting.taken_by is None


@pytest.mark.django_db(transaction=True)
def test_two_agents_at_once_one_sees_it():
    credentials.issue([MailboxFactory()], at=AT)
    people = [agent(f"agent{n}") for n in range(6)]
    told = together(*[lambda by=by: by_hand.take(Credential.objects.get(), by=by, at=AT) for by in people])
    assert len([answer for answer in told if isinstance(answer, Secret)]) == 1
    assert sorted(result for _, result, _ in lines()) == ["ok"] + ["refused"] * 5


# The pages


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_an_agent_takes_one_and_certifies_it_from_the_admin(waiting):
    client = signed_in(agent())
    clear = credentials.reveal(waiting).reveal()
    page = reverse(CHANGE, args=[waiting.pk])
    for url in (reverse(LIST), page):
        answer = client.get(url)
        assert answer.status_code == 200
        assert clear not in answer.text
        assert waiting.mailbox.address in answer.text
    assert not AuditEntry.objects.exists(), "GET n'écrit rien"
    shown = client.post(page, {"deed": "prendre"})
    assert shown.status_code == 200
    assert clear in shown.text
    assert "no-store" in shown["Cache-Control"]
    again = client.post(page, {"deed": "prendre"}, follow=True)
    assert clear not in again.text
    assert "déjà pris" in again.text
    assert clear not in client.get(page).text
    done = client.post(page, {"deed": "certifier"}, follow=True)
    assert "certifié" in done.text
    waiting.refresh_from_db()
    assert waiting.applied_at is not None
    assert client.get(page).status_code == 404


def test_an_agent_gives_one_back_from_the_admin(waiting):
    client = signed_in(agent())
    page = reverse(CHANGE, args=[waiting.pk])
    client.post(page, {"deed": "prendre"})
    assert "que personne n’a vu" in client.post(page, {"deed": "rendre"}, follow=True).text
    assert "Prendre et afficher" in client.get(page).text


@pytest.mark.parametrize("user", [{"allowed": False}, {"allowed": True, "is_staff": False}])
def test_the_pages_are_closed_to_others(waiting, user):
    client = signed_in(agent(**user))
    for url in (reverse(LIST), reverse(CHANGE, args=[waiting.pk])):
        assert client.get(url).status_code in {302, 403}
        assert client.post(url, {"deed": "prendre"}).status_code in {302, 403}
    assert not Credential.objects.filter(taken_by__isnull=False).exists()


def test_the_pages_are_closed_where_the_portal_sets_them_itself(waiting, settings):
    client = signed_in(agent(is_superuser=True))
    settings.DIRECTORY = "ldaps"
    for url in (reverse(LIST), reverse(CHANGE, args=[waiting.pk])):
        assert client.get(url).status_code == 403
        assert client.post(url, {"deed": "prendre"}).status_code == 403
    assert "poser à la main" not in client.get(reverse("admin:index")).text


@pytest.mark.parametrize("deed", ["", "effacer", "__class__"])
def test_another_deed_is_not_one(waiting, deed):
    client = signed_in(agent())
    assert client.post(reverse(CHANGE, args=[waiting.pk]), {"deed": deed}).status_code == 404


def test_nothing_is_added_nor_deleted_there(waiting):
    client = signed_in(agent(is_superuser=True))
    assert client.get(reverse("admin:accounts_credential_add")).status_code == 403
    assert client.post(reverse("admin:accounts_credential_delete", args=[waiting.pk])).status_code == 403
