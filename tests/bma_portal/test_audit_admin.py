"""The audit's pages: auditors only, each reading a line; what the admin does by itself, one line too (SEC-I3, I6)."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import Contact, User
from bma_portal import audit
from bma_portal.models import AuditEntry
from tests.factories import ContactFactory, MailboxFactory, UserFactory

pytestmark = pytest.mark.django_db

AT = datetime(2024, 10, 21, 8, tzinfo=UTC)
LIST = "admin:bma_portal_auditentry_changelist"
VERIFY = "admin:bma_portal_auditentry_verify"


def person_with(*codenames: str, **facts) -> User:
    user = UserFactory(staff=True, **facts)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def auditor() -> Client:
    return signed_in(person_with("view_auditentry", username="auditrice"))


def lines(**which) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(**which).order_by("seq"))


def break_the_insert() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE bma_portal_auditentry ADD CONSTRAINT rien_ne_va CHECK (seq < 0) NOT VALID")


# Who reads


@pytest.mark.parametrize("codenames", [[], ["view_mailbox", "view_statechange", "decide_batch", "act_for_etnic"]])
def test_who_has_not_the_permission_reads_nothing_and_leaves_no_reading(codenames):
    audit.record("sign_in", at=AT)
    client = signed_in(person_with(*codenames))
    sheet = reverse("admin:bma_portal_auditentry_change", args=[1])
    for url in (reverse(LIST), sheet, f"{reverse(LIST)}?q=x"):
        assert client.get(url).status_code == 403
    assert client.post(reverse(VERIFY)).status_code == 403
    assert lines(action__startswith="audit.") == []
    assert "auditentry" not in client.get(reverse("admin:index")).content.decode()


def test_an_auditor_reads_and_each_reading_is_a_line_written_before(auditor):
    about = audit.Thing("accounts.mailbox", "7", "ec000007@adm.cfwb.be")
    audit.record("reset.shown", at=AT, about=about, by="camille", why="perdu", details={"essai": "deux"})
    page = auditor.get(reverse(LIST)).content.decode()
    for words in ("reset.shown", "camille", "ec000007@adm.cfwb.be", "audit.viewed", "auditrice"):
        assert words in page  # its own reading stands there already
    sheet = auditor.get(reverse("admin:bma_portal_auditentry_change", args=[1])).content.decode()
    for words in ("perdu", "deux", AuditEntry.objects.get(seq=1).hash):
        assert words in sheet
    auditor.get(reverse(LIST), {"q": "camille"})
    seen = lines(action="audit.viewed")
    assert [(line.actor, line.object_id, line.details) for line in seen] == [
        ("auditrice", "", {}),
        ("auditrice", "1", {}),
        ("auditrice", "", {"recherche": "q=camille"}),
    ]


def test_a_superuser_reads_too_and_it_is_seen():
    client = signed_in(UserFactory(superuser=True, username="secours"))
    assert client.get(reverse(LIST)).status_code == 200
    assert lines(action="audit.viewed")[-1].actor == "secours"


def test_nobody_writes_there_not_even_a_superuser():
    audit.record("sign_in", at=AT)
    client = signed_in(UserFactory(superuser=True))
    assert client.get(reverse("admin:bma_portal_auditentry_add")).status_code == 403
    assert client.post(reverse("admin:bma_portal_auditentry_delete", args=[1]), {"post": "yes"}).status_code == 403
    assert client.post(reverse("admin:bma_portal_auditentry_change", args=[1]), {"why": "x"}).status_code == 403
    assert audit.verify().sound


def test_the_list_is_filtered_by_what_who_result_and_day(auditor):
    person = UserFactory(username="camille")
    audit.record("reset.asked", at=AT, by=person)
    audit.record("reset.asked", at=AT, by="visiteur", result="refused")
    audit.record("sheet.viewed", at=AT, by="Nadia (commande record_cutover)")
    audit.record("sign_in", at=AT, by="portail")

    def listed(**query) -> set[int]:
        return {entry.seq for entry in auditor.get(reverse(LIST), query).context["cl"].result_list}

    first = AuditEntry.objects.get(action="reset.asked", result="ok").seq
    assert listed(quoi="reset") == {first, first + 1}
    assert listed(quoi="reset", resultat="refused") == {first + 1}
    assert listed(qui="commande") == {first + 2}
    assert listed(qui="visiteur") == {first + 1}
    assert listed(actor_id__exact=person.pk) == {first}
    assert listed(q="camille") == {first}
    assert listed(qui="portail", quoi="sign_in") == {first + 3}
    today, before = datetime.now(UTC), datetime.now(UTC) - timedelta(days=400)
    assert first in listed(recorded_at__year=today.astimezone().year, quoi="reset")
    assert listed(recorded_at__year=before.year - 1) == set()
    assert len(listed(quoi="n’importe quoi")) > 4


def test_the_list_of_many_lines_takes_a_fixed_number_of_queries(auditor, django_assert_max_num_queries):
    for _ in range(150):
        audit.record("sign_in", at=AT)
    with django_assert_max_num_queries(25):
        auditor.get(reverse(LIST))


# Is the chain intact?


def test_the_button_says_that_the_chain_is_intact(auditor):
    audit.record("sign_in", at=AT)
    response = auditor.post(reverse(VERIFY), follow=True)
    (message,) = response.context["messages"]
    assert "La chaîne est intacte" in str(message)
    assert lines(action="audit.verified")[0].result == "ok"


def test_the_button_says_that_it_is_broken_and_the_log_too(auditor, caplog):
    for _ in range(3):
        audit.record("sign_in", at=AT)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE bma_portal_auditentry SET actor = 'autre' WHERE seq = 2")
        cursor.execute("SET LOCAL session_replication_role = origin")
    response = auditor.post(reverse(VERIFY), follow=True)
    (message,) = response.context["messages"]
    assert "La chaîne est rompue. La ligne 2 a été modifiée" in str(message)
    assert [(r.levelname, r.id) for r in caplog.records if r.message == "chaîne d’audit rompue"] == [("ERROR", 2)]
    assert lines(action="audit.verified")[0].result == "broken"


def test_asking_takes_a_press_of_the_button(auditor):
    assert auditor.get(reverse(VERIFY)).status_code == 405
    assert 'method="post"' in auditor.get(reverse(LIST)).content.decode()


# No line, no page


@pytest.mark.parametrize("what", ["list", "entry", "mailbox", "mail"])
def test_what_cannot_be_recorded_is_not_shown(what):
    from tests.bma_portal.test_origin import a_mail

    audit.record("sign_in", at=AT, by="canari-7Qz")
    mailbox, mail = MailboxFactory(), a_mail()
    url = {
        "list": reverse(LIST),
        "entry": reverse("admin:bma_portal_auditentry_change", args=[1]),
        "mailbox": reverse("admin:accounts_mailbox_change", args=[mailbox.pk]),
        "mail": reverse("admin:mail_outgoingmail_change", args=[mail.pk]),
    }[what]
    client = signed_in(UserFactory(superuser=True))
    assert client.get(url).status_code == 200
    count = AuditEntry.objects.count()
    break_the_insert()
    response = client.get(url)
    assert response.status_code == 503
    body = response.content.decode()
    assert "canari-7Qz" not in body
    assert mailbox.address not in body
    assert mail.subject not in body
    assert AuditEntry.objects.count() == count


def test_each_opening_of_a_sheet_or_of_a_mail_is_one_line_and_a_refused_one_is_none():
    from tests.bma_portal.test_origin import a_mail

    mailbox, mail = MailboxFactory(), a_mail()
    sheet = reverse("admin:accounts_mailbox_change", args=[mailbox.pk])
    text = reverse("admin:mail_outgoingmail_change", args=[mail.pk])
    agent = signed_in(person_with("view_mailbox", "view_outgoingmail", username="agent"))
    agent.get(sheet)
    agent.get(text)
    agent.get(text)
    stranger = signed_in(person_with(username="autre"))
    assert {stranger.get(sheet).status_code, stranger.get(text).status_code} == {403}
    agent.get(reverse("admin:accounts_mailbox_change", args=[mailbox.pk + 1]))  # there is none
    seen = [(line.action, line.actor, line.object_id) for line in lines(action__endswith=".viewed")]
    assert seen == [
        ("sheet.viewed", "agent", str(mailbox.pk)),
        ("mail.viewed", "agent", str(mail.pk)),
        ("mail.viewed", "agent", str(mail.pk)),
    ]


# What the admin does by itself


def test_adding_changing_and_deleting_in_the_admin_is_one_line_each_without_the_values():
    client = signed_in(UserFactory(superuser=True, username="secours"))
    contact = ContactFactory(name="Équipe fictive", valid_from=date(2030, 1, 1))
    url = reverse("admin:accounts_contact_change", args=[contact.pk])
    form = client.get(url).context["adminform"].form
    data = {name: "" if form.initial.get(name) is None else form.initial[name] for name in form.fields}
    before = AuditEntry.objects.count()
    response = client.post(url, {**data, "name": "Canari-7Qz"})
    assert response.status_code == 302, response.context["errors"]
    (line,) = lines(seq__gt=before)
    assert (line.action, line.actor, line.object_type, line.object_id) == (
        "admin.change", "secours", "accounts.contact", str(contact.pk),
    )  # fmt: skip
    assert "Canari" not in line.why + str(line.details)
    client.post(reverse("admin:accounts_contact_add"), {**data, "name": "Autre équipe", "valid_from": "2031-01-01"})
    client.post(reverse("admin:accounts_contact_delete", args=[contact.pk]), {"post": "yes"})
    assert [line.action for line in lines(seq__gt=before)] == ["admin.change", "admin.add", "admin.delete"]


def test_a_password_changed_in_the_admin_is_one_line_and_is_not_in_it():
    client = signed_in(UserFactory(superuser=True))
    user = UserFactory()
    before = AuditEntry.objects.count()
    secret = "Canari-7Qz-assez-long"
    data = {"usable_password": "true", "password1": secret, "password2": secret}
    assert client.post(reverse("admin:auth_user_password_change", args=[user.pk]), data).status_code == 302
    (line,) = lines(seq__gt=before, action__startswith="admin.")
    assert (line.action, line.object_id) == ("admin.change", str(user.pk))
    assert "Canari" not in str(vars(line))


def test_nothing_is_deleted_by_lists():
    """Django logs those in bulk, without the signal that the audit listens to."""
    contact = ContactFactory(valid_from=date(2030, 1, 1))
    client = signed_in(UserFactory(superuser=True))
    data = {"action": "delete_selected", "_selected_action": [contact.pk], "post": "yes"}
    client.post(reverse("admin:accounts_contact_changelist"), data)
    assert Contact.objects.filter(pk=contact.pk).exists()
    assert "delete_selected" not in dict(admin.site.actions)


def test_when_the_line_cannot_be_written_the_change_does_not_happen():
    contact = ContactFactory(valid_from=date(2030, 1, 1))
    client = signed_in(UserFactory(superuser=True))
    break_the_insert()
    response = client.post(reverse("admin:accounts_contact_delete", args=[contact.pk]), {"post": "yes"})
    assert response.status_code == 503
    assert Contact.objects.filter(pk=contact.pk).exists()
    assert not LogEntry.objects.exists()
