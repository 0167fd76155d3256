"""The staff's pages: who sees what, what they show, and what they never show."""

import json
import re
from datetime import UTC, date, datetime

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import credentials
from accounts.models import Credential, Mailbox
from accounts.roles import ROLES, SGNE
from bma_portal import clock
from bma_portal.mail.compose import outgoing
from bma_portal.mail.models import OutgoingMail, Sender, SenderState
from migration import progress, sequence
from migration.models import Batch, Mailing
from migration.phases import Phase
from tests.factories import MailboxFactory, OrganisationFactory
from tests.factories_migration import BatchFactory, CampaignFactory, MoveFactory

pytestmark = pytest.mark.django_db

READERS = {"sgne", "etnic", "auditeur", "secours"}
EVERYBODY = {"sgne", "etnic", "auditeur", "secours", "personnel"}
PAGES = [
    ("admin:index", None, EVERYBODY),
    ("admin:accounts_mailbox_changelist", None, READERS),
    ("admin:accounts_mailbox_change", "mailbox", READERS),
    ("admin:migration_campaign_changelist", None, READERS),
    ("admin:migration_campaign_change", "campaign", READERS),
    ("admin:migration_batch_changelist", None, READERS),
    ("admin:migration_batch_change", "batch", READERS),
    ("admin:migration_batch_decide", "decision", {"sgne", "secours"}),
    ("admin:migration_move_changelist", None, READERS),
    ("admin:migration_move_change", "move", READERS),
    ("admin:migration_move_record_cutover", None, {"etnic", "secours"}),
    ("admin:migration_mailing_changelist", None, READERS),
    ("admin:migration_mailing_change", "mailing", READERS),
    ("admin:mail_outgoingmail_changelist", None, READERS),
    ("admin:mail_outgoingmail_change", "mail", READERS),
    ("admin:mail_senderstate_changelist", None, READERS),
    ("admin:bma_portal_statechange_changelist", None, READERS),
    ("admin:accounts_user_changelist", None, {"secours"}),
    ("admin:auth_group_changelist", None, {"secours"}),
]
# Nobody, not even a superuser, adds or deletes here.
CLOSED = ["mailbox", "batch", "move", "mailing", "mail", "campaign"]


@pytest.fixture
def story():
    """One mailbox whose mails 1 to 3 were delivered, and its batch, paused."""
    move = MoveFactory(confirmed=True, batch=BatchFactory(status=Batch.Status.PAUSED))
    mailing = Mailing.objects.get(move=move, step=1)
    return {
        "mailbox": [move.mailbox.pk],
        "campaign": [move.batch.campaign.pk],
        "batch": [move.batch.pk],
        "decision": [move.batch.pk, "approuver"],
        "move": [move.pk],
        "mailing": [mailing.pk],
        "mail": [mailing.mail_id],
    }


@pytest.mark.parametrize("role", ["anonyme", "personnel", "sgne", "etnic", "auditeur", "secours"])
@pytest.mark.parametrize(("name", "about", "allowed"), PAGES, ids=[page[0] for page in PAGES])
def test_each_page_opens_for_its_roles_only(name, about, allowed, role, story, signed_in):
    url = reverse(name, args=story[about] if about else None)
    response = signed_in(role).get(url)
    if role == "anonyme":
        assert response.status_code == 302
        assert response.url.startswith("/connexion/")
    else:
        assert response.status_code == (200 if role in allowed else 403)


@pytest.mark.parametrize("role", ["sgne", "etnic", "auditeur", "secours"])
@pytest.mark.parametrize("what", CLOSED)
def test_nobody_deletes_anything(what, role, story, signed_in):
    app_model = {"mailbox": "accounts_mailbox", "mail": "mail_outgoingmail"}.get(what, f"migration_{what}")
    response = signed_in(role).post(reverse(f"admin:{app_model}_delete", args=story[what]), {"post": "yes"})
    assert response.status_code == 403


def test_a_field_that_a_page_does_not_offer_is_not_written(story, signed_in):
    url = reverse("admin:accounts_mailbox_change", args=story["mailbox"])
    extras = {"confirmed_on": "2024-09-02", "address": "ec000001@adm.cfwb.be", "organisation": "1"}
    assert signed_in("etnic").post(url, extras).status_code == 302
    mailbox = Mailbox.objects.get(pk=story["mailbox"][0])
    assert mailbox.confirmed_on == date(2024, 9, 2)
    assert mailbox.address != "ec000001@adm.cfwb.be"
    # SGNE and the auditor read that page; what they post is refused.
    for role in ("sgne", "auditeur"):
        assert signed_in(role).post(url, {"confirmed_on": ""}).status_code == 403
    batch_url = reverse("admin:migration_batch_change", args=story["batch"])
    assert signed_in("secours").post(batch_url, {"status": "approved", "approved_by": "moi"}).status_code == 403


def test_migrating_again_puts_the_roles_back(person):
    group = Group.objects.get(name=SGNE)
    before = set(group.permissions.values_list("codename", flat=True))
    assert "decide_batch" in before
    assert "act_for_etnic" not in before
    group.permissions.add(Permission.objects.get(codename="act_for_etnic"))
    group.permissions.remove(Permission.objects.get(codename="decide_batch"))
    call_command("migrate", verbosity=0, interactive=False)
    assert set(group.permissions.values_list("codename", flat=True)) == before
    for role, wanted in ROLES.items():
        names = set(Group.objects.get(name=role).permissions.values_list("codename", flat=True))
        assert names == set().union(*wanted.values())


# Lists


def test_the_mailbox_list_filters_by_phase_batch_and_kind(signed_in):
    batch = BatchFactory()
    confirmed = MoveFactory(confirmed=True, batch=batch).mailbox
    announced = MoveFactory(announced=True, batch=batch).mailbox
    alone = MailboxFactory()
    client, url = signed_in("auditeur"), reverse("admin:accounts_mailbox_changelist")

    def listed(**query):
        return {box.pk for box in client.get(url, query).context["cl"].result_list}

    assert listed() == {confirmed.pk, announced.pk, alone.pk}
    assert listed(phase=Phase.CONFIRMED) == {confirmed.pk}
    assert listed(phase=Phase.NOT_STARTED) == {alone.pk}
    assert listed(lot=batch.pk) == {confirmed.pk, announced.pk}
    assert listed(lot="none") == {alone.pk}
    assert listed(organisation__kind__exact="ec") == {alone.pk}
    assert listed(q=str(alone.organisation.fase)) == {alone.pk}
    assert listed(phase="n’importe quoi") == {confirmed.pk, announced.pk, alone.pk}


@pytest.mark.parametrize(
    "name",
    [
        "accounts_mailbox",
        "migration_batch",
        "migration_move",
        "migration_mailing",
        "mail_outgoingmail",
        "bma_portal_statechange",
    ],
)
def test_a_list_asks_as_many_questions_for_one_row_as_for_many(name, signed_in):
    client, url = signed_in("sgne"), reverse(f"admin:{name}_changelist")

    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get(url).status_code == 200
        return len(asked)

    MoveFactory(confirmed=True)
    sequence.cancel(BatchFactory(), by="sgne", at=clock.now(), note="essai")
    questions()
    few = questions()
    for _ in range(4):
        MoveFactory(credentials_sent=True)
        sequence.cancel(BatchFactory(), by="sgne", at=clock.now(), note="essai")
    assert questions() == few
    assert few <= 14


def test_the_sheet_asks_a_fixed_number_of_questions(signed_in):
    moves = [MoveFactory(migrated=True), MoveFactory(announced=True)]
    client = signed_in("auditeur")
    counts = []
    for move in moves:
        url = reverse("admin:accounts_mailbox_change", args=[move.mailbox.pk])
        client.get(url)
        with CaptureQueriesContext(connection) as asked:
            client.get(url)
        counts.append(len(asked))
    assert counts[0] == counts[1]
    assert counts[0] <= 21  # five of them for its line of audit


def test_the_batch_list_shows_the_figures_that_rules_give(signed_in, failed_mail):
    batch = BatchFactory()
    MoveFactory(batch=batch, confirmed=True)
    MoveFactory(batch=batch, migrated=True)
    bad = MoveFactory(batch=batch, announced=True)
    failed_mail(1, bad)
    refused = MoveFactory(batch=batch, announced=True)
    credentials.issue([refused.mailbox], at=clock.now())
    Credential.objects.update(refused_at=clock.now())
    Mailing.objects.filter(move=refused, step=2).update(held_at=clock.now(), held_why="En retard.")
    BatchFactory()  # an empty one
    tally = progress.tallies([batch.pk])[batch.pk]
    assert (tally.boxes, tally.migrated, tally.held) == (4, 1, 1)
    assert tally.sent == {1: 3, 2: 2, 3: 2, 4: 1}
    assert tally.bad == sequence.bad_moves(batch).count() == 2
    page = signed_in("sgne").get(reverse("admin:migration_batch_changelist")).content.decode()
    assert "approuvé" in page
    assert 'class="badge badge-bad">2<' in page


def test_the_mail_list_is_searched_by_address(signed_in):
    box = MoveFactory(announced=True).mailbox
    MoveFactory(announced=True)
    client, url = signed_in("etnic"), reverse("admin:mail_outgoingmail_changelist")
    assert len(client.get(url, {"q": box.address.upper()}).context["cl"].result_list) == 1
    assert len(client.get(url, {"genre": "migration.announcement"}).context["cl"].result_list) == 2
    assert len(client.get(url, {"q": "<inconnu@ici>"}).context["cl"].result_list) == 0
    assert client.get(url, {"q": "\x00"}).status_code < 500


# The sheet


def test_the_sheet_says_all_about_one_mailbox(signed_in, person):
    move = MoveFactory(credentials_sent=True)
    credentials.issue([move.mailbox], at=datetime(2024, 10, 14, 6, tzinfo=UTC))
    Credential.objects.update(applied_at=datetime(2024, 10, 14, 6, 5, tzinfo=UTC))
    Mailing.objects.filter(move=move, step=3).update(held_at=clock.now(), held_why="En retard de plus de 3 jours.")
    page = signed_in("auditeur").get(reverse("admin:accounts_mailbox_change", args=[move.mailbox.pk])).content.decode()
    organisation = move.mailbox.organisation
    for words in (
        move.mailbox.address,
        organisation.name.replace("'", "&#x27;"),
        "Mot de passe envoyé",
        "mail 1 : annonce",
        "mail 4 : clôture",
        "réponse d’Exchange",
        "En retard de plus de 3 jours.",
        "en vigueur dans l’annuaire depuis le 14 octobre 2024 08:05",
        "secret conservé scellé",
        "Journal",
    ):
        assert words in page
    assert Credential.objects.get().sealed not in page


def test_the_sheet_shows_the_phase_of_the_moment_of_the_request(signed_in):
    move = MoveFactory(migrated=True)
    client, url = signed_in("auditeur"), reverse("admin:accounts_mailbox_change", args=[move.mailbox.pk])
    clock.set_for_every_process(datetime(2024, 10, 10, 8, tzinfo=UTC))
    assert client.get(url).context["sheet"].phase == Phase.ANNOUNCED
    clock.release()
    assert client.get(url).context["sheet"].phase == Phase.MIGRATED


def test_a_mailbox_outside_any_batch_has_a_sheet_too(signed_in):
    url = reverse("admin:accounts_mailbox_change", args=[MailboxFactory().pk])
    page = signed_in("sgne").get(url).content.decode()
    assert "Cette boîte n’est dans aucun lot." in page


@pytest.mark.parametrize("pk", ["0", "9" * 30, "abc", "%00"])
def test_an_unknown_mailbox_is_not_an_error(pk, signed_in):
    response = signed_in("sgne").get(f"/admin/accounts/mailbox/{pk}/change/")
    assert response.status_code in {302, 404}


# Secrets


def paths_to(model, targets: set[str], depth: int = 3) -> set[str]:
    found = set()
    for field in model._meta.get_fields():
        if field.name in targets and not field.is_relation:
            found.add(field.name)
        elif field.is_relation and depth and field.related_model:
            name = field.name if field.concrete else field.remote_field.related_query_name()
            found |= {f"{name}__{path}" for path in paths_to(field.related_model, targets, depth - 1)}
    return found


def test_no_list_can_be_probed_for_a_secret(signed_in, settings):
    settings.DIRECTORY, settings.DIRECTORY_BACKEND = "manual", ""  # then passwords have a list too
    client = signed_in("secours")
    move = MoveFactory(announced=True)
    credentials.issue([move.mailbox], at=clock.now())
    tried = 0
    for model, page in admin.site._registry.items():
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for path in sorted(paths_to(model, {"sealed", "password", "canary"})):
            for lookup in ("startswith", "contains", "gt", "isnull"):
                response = client.get(url, {f"{path}__{lookup}": "1" if lookup == "isnull" else "test."})
                assert response.status_code in {302, 400}, f"{page} {path}__{lookup}"
                tried += 1
    assert tried > 20


def test_passwords_have_a_page_only_where_agents_set_them_by_hand(signed_in, settings):
    for mode, backend, status in (("ldaps", settings.DIRECTORY_BACKEND, 403), ("manual", "", 200)):
        settings.DIRECTORY, settings.DIRECTORY_BACKEND = mode, backend
        assert signed_in("secours").get(reverse("admin:accounts_credential_changelist")).status_code == status


def test_a_mail_that_carries_a_secret_shows_dots(signed_in):
    plain = outgoing(
        key="p", kind="plain", sender=Sender.SGNE, to=["a@exemple.test"], subject="S",
        text="Texte <b>visible</b>", queued_at=clock.now(),
    )  # fmt: skip
    secret = outgoing(
        key="s", kind="migration.new_password", object_id=1, sender=Sender.ETNIC, to=["a@exemple.test"], subject="S",
        sensitive=True, queued_at=clock.now(),
    )  # fmt: skip
    plain.save()
    secret.save()
    client = signed_in("etnic")
    page = client.get(reverse("admin:mail_outgoingmail_change", args=[plain.pk])).content.decode()
    assert "Texte &lt;b&gt;visible&lt;/b&gt;" in page
    page = client.get(reverse("admin:mail_outgoingmail_change", args=[secret.pk])).content.decode()
    assert "••••" in page


def test_a_crawl_of_all_the_pages_finds_no_secret(signed_in):
    move = MoveFactory(confirmed=True)
    credentials.issue([move.mailbox], at=clock.now())
    credential = Credential.objects.get()
    clear, sealed = credentials.reveal(credential).reveal(), credential.sealed
    SenderState.objects.create(sender=Sender.ETNIC, refusals=3, paused_at=clock.now(), reason="Refusé.")
    sequence.cancel(BatchFactory(), by="sgne", at=clock.now(), note="essai")
    client = signed_in("secours")
    seen, todo = set(), ["/admin/"]
    for url in todo:
        if url in seen:
            continue
        seen.add(url)
        response = client.get(url)
        assert response.status_code in {200, 302}, url
        if response.status_code == 302 or "text/html" not in response.headers["Content-Type"]:
            continue
        page = response.content.decode()
        assert clear not in page, url
        assert sealed not in page, url
        for found in re.findall(r'href="([^"#]+)"', page):
            link = found.replace("&amp;", "&").partition("?_changelist_filters")[0]  # the way back to a filtered list
            if link.startswith("?"):
                # One filter at a time: their combinations and the orders of a list show the same rows again.
                link = "" if "?" in url or "o=" in link else url + link
            if link.startswith("/admin/") and "logout" not in link:
                todo.append(link)
    assert any("/accounts/mailbox/" in url and url.endswith("/change/") for url in seen)
    assert any("/history/" in url for url in seen)
    assert 50 < len(seen) < 1500
    # Autocompletion, the last way in.
    for model in ("accounts.organisation", "accounts.mailbox"):
        app, name = model.split(".")
        response = client.get("/admin/autocomplete/", {"app_label": app, "model_name": name, "field_name": "po"})
        assert sealed not in json.dumps(response.content.decode())


# Campaign


def test_each_setting_of_the_campaign_cites_its_source(signed_in):
    page = signed_in("sgne").get(reverse("admin:migration_campaign_change", args=[CampaignFactory().pk]))
    text = page.content.decode()
    for source in ("S1 §8", "S1 §5", "S3 §3", "S4", "S0 §7"):
        assert source in text


def test_a_setting_without_sense_is_refused(signed_in):
    campaign = CampaignFactory()
    client, url = signed_in("sgne"), reverse("admin:migration_campaign_change", args=[campaign.pk])
    form = client.get(url).context["adminform"].form
    given = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    good = {name: value for name, value in given.items() if value is not None}
    for wrong in (
        {"mails_hour": "25"},
        {"night_to_hour": "12"},
        {"old_webmail": "https://www.webmail@adm.cfwb.be"},
        {"po_first_mail_to": "2024-01-01"},
    ):
        response = client.post(url, {**good, **wrong})
        assert response.status_code == 200, wrong
        assert response.context["errors"]
    assert client.post(url, {**good, "night_from_hour": "23"}).status_code == 302
    campaign.refresh_from_db()
    assert campaign.night_from_hour == 23


def test_an_organisation_with_a_quoted_name_stays_text(signed_in):
    box = MailboxFactory(organisation=OrganisationFactory(name="<script>alert(1)</script>"))
    page = signed_in("sgne").get(reverse("admin:accounts_mailbox_change", args=[box.pk])).content.decode()
    assert "<script>alert" not in page
    assert OutgoingMail.objects.count() == 0
