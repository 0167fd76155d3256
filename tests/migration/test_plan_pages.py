"""The pages from which SGNE plans: a campaign made from nothing, its plan, other settings tried, the plan accepted."""

import html
import re
from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bma_portal import clock
from bma_portal.clock import brussels
from bma_portal.models import AuditEntry
from migration import planning
from migration.models import AvoidedPeriod, Batch, Campaign, PlanDecision
from tests.factories import MailboxFactory
from tests.factories_migration import CampaignFactory, MoveFactory

pytestmark = pytest.mark.django_db

AT = brussels(date(2024, 9, 30), 10)
WHY = "Le comité du 27 septembre accepte le retard sur la circulaire."
S4_NIGHTS = {
    "po_moves_from": date(2024, 10, 1),
    "po_moves_until": date(2024, 10, 25),
    "ec_moves_from": date(2024, 11, 4),
    "ec_moves_until": date(2024, 11, 30),
}


@pytest.fixture(autouse=True)
def autumn():
    clock.set_for_every_process(AT)
    yield
    clock.release()


@pytest.fixture
def campaign():
    campaign = CampaignFactory()
    for _ in range(3):
        MailboxFactory(po=True)
        MailboxFactory()
    return campaign


def plan_url(campaign) -> str:
    return reverse("admin:migration_campaign_plan", args=[campaign.pk])


def read(response) -> str:
    assert response.status_code == 200
    return html.unescape(response.content.decode()).replace("\xa0", " ")


def sign(client, campaign, **data):
    fingerprint = client.get(plan_url(campaign)).context["plan"].fingerprint()
    return client.post(plan_url(campaign), {"fingerprint": fingerprint, "note": "", **data})


# A new campaign, its settings


def typed(form) -> dict[str, object]:
    given = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    return {name: value for name, value in given.items() if value is not None}


def test_a_new_agent_goes_from_an_empty_campaign_to_an_accepted_plan(signed_in):
    MailboxFactory(po=True)
    MailboxFactory()
    client, url = signed_in("sgne"), reverse("admin:migration_campaign_add")
    given = typed(client.get(url).context["adminform"].form)
    assert given["po_first_mail_from"] == date(2024, 10, 7)  # S1 §8
    response = client.post(url, {**given, "name": "Migration d’automne", "slug": "automne"})
    campaign = Campaign.objects.get(slug="automne")
    assert response.url == plan_url(campaign)
    assert "Ce plan respecte toutes les règles" in read(client.get(response.url))
    response = sign(client, campaign)
    assert response.url == f"{reverse('admin:migration_batch_changelist')}?campaign__id__exact={campaign.pk}"
    page = read(client.get(response.url))
    assert "Le plan est accepté." in page
    assert campaign.batches.count() == 2
    assert AuditEntry.objects.filter(action="campaign.added", actor="sgne").count() == 1


def test_the_page_of_a_campaign_leads_to_its_plan(campaign, signed_in):
    url = reverse("admin:migration_campaign_change", args=[campaign.pk])
    for role, label in (("sgne", "Planifier"), ("auditeur", "Voir le plan")):
        assert f'<a href="{plan_url(campaign)}">{label}</a>' in signed_in(role).get(url).content.decode()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"weekly_mailboxes": "0"}, "Donnez un nombre de 1 à 100000, ou laissez vide : pas de limite."),
        ({"weekly_tickets": "0", "tickets_per_hundred": "5"}, "Donnez un nombre de 1 à 100000"),
        ({"weekly_tickets": "40"}, "« demandes par semaine, au plus » ne borne les lots qu’avec « demandes d’aide"),
        ({"weekly_tickets": "1", "tickets_per_hundred": "500"}, "aucune boîte ne pourrait migrer"),
        ({"second_person_from": "0"}, "Donnez un nombre de 1 à 100000."),
        ({"mail2_after_days": "-3"}, "Donnez un nombre de 1 à 60."),
        (
            {"po_first_mail_from": "2024-11-01"},
            "« PO : premier mail, du » (01/11/2024) dépasse « PO : premier mail, au » (31/10/2024).",
        ),
        (
            {"ec_moves_from": "2024-12-02", "ec_moves_until": "2024-11-30"},
            "« établissements : nuits, du » (02/12/2024) dépasse « établissements : nuits, au » (30/11/2024).",
        ),
        ({"mail3_after_days_min": "90"}, "« mail 2 → mail 3, minimum » (90) dépasse"),
        ({"ec_first_mail_to": "2034-01-01"}, "il y a plus de deux ans"),
        ({"po_first_mail_from": "0024-10-07"}, "L’année 24 n’est pas celle d’une campagne"),
    ],
)
def test_a_setting_without_sense_is_told_once_beside_its_field_and_on_the_trial(wrong, told, campaign, signed_in):
    client, url = signed_in("sgne"), reverse("admin:migration_campaign_change", args=[campaign.pk])
    page = read(client.post(url, {**typed(client.get(url).context["adminform"].form), **wrong}))
    assert page.count(told) == 1
    before = Campaign.objects.values().get(pk=campaign.pk)
    response = client.get(plan_url(campaign), wrong)
    if set(wrong) != {"second_person_from"}:  # no plan follows from that one
        assert told in read(response)
        assert response.context["plan"] is None
    assert Campaign.objects.values().get(pk=campaign.pk) == before


def test_a_saved_setting_leaves_a_line(campaign, signed_in):
    client, url = signed_in("sgne"), reverse("admin:migration_campaign_change", args=[campaign.pk])
    given = typed(client.get(url).context["adminform"].form)
    assert client.post(url, given).status_code == 302
    assert not AuditEntry.objects.filter(action="campaign.changed").exists()
    assert client.post(url, {**given, "weekly_mailboxes": "120"}).status_code == 302
    assert AuditEntry.objects.get(action="campaign.changed").details == {"weekly_mailboxes": "120"}


# The proposal


def test_the_page_shows_the_settings_the_lots_and_what_they_change(campaign, signed_in):
    response = signed_in("auditeur").get(plan_url(campaign))
    page, plan = read(response), response.context["plan"]
    assert f"{plan.mailboxes} boîtes en {len(plan.batches)} lots" in page
    for batch in plan.batches:
        for day in (batch.mail1_on, batch.mail2_on, batch.mail3_on, batch.night_on):
            assert f"{day:%d/%m/%Y}" in page
    assert "lots nouveaux" in page
    assert "Lot pilote" not in page
    tools = signed_in("sgne").get(plan_url(campaign)).content.decode()
    assert all(
        reverse(f"admin:migration_campaign_{name}", args=[campaign.pk]) in tools for name in ("pilot", "import")
    )
    assert "Réglages en vigueur" in page
    assert "Aucun plan de cette campagne n’a encore été accepté ici." in page
    assert "Accepter ce plan" not in page  # whoever reads does not sign


def test_what_cannot_hold_stands_first_with_its_rule_its_source_and_its_date(campaign, signed_in):
    Campaign.objects.update(**S4_NIGHTS)
    response = signed_in("sgne").get(plan_url(campaign))
    page, findings = read(response), response.context["plan"].findings
    assert findings
    assert page.index("Ce plan ne tient pas entièrement") < page.index("Proposition :")
    for finding in findings:
        assert finding.text.replace("\xa0", " ") in page
        assert f"({finding.source})" in page
    assert "Au plus tôt : <strong>" in page


def test_the_page_asks_as_many_questions_for_many_mailboxes_as_for_few(campaign, signed_in):
    client = signed_in("sgne")
    assert sign(client, campaign).status_code == 302
    MailboxFactory()

    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get(plan_url(campaign)).status_code == 200
        return len(asked)

    MoveFactory(announced=True, batch__campaign=campaign, batch__number=90)
    questions()
    few = questions()
    for n in range(8):
        MailboxFactory()
        MoveFactory(announced=True, batch__campaign=campaign, batch__number=91 + n)
    assert questions() == few <= 26


# Other settings, tried


def test_other_settings_are_tried_without_being_saved(campaign, signed_in):
    client = signed_in("sgne")
    response = client.get(plan_url(campaign), {"po_first_mail_from": "2024-10-09", "weekly_mailboxes": "2"})
    page, plan = read(response), response.context["plan"]
    assert "ces réglages ne sont pas enregistrés" in page
    assert min(batch.mail1_on for batch in plan.batches) == date(2024, 10, 9)
    assert max(len(batch.mailbox_ids) for batch in plan.batches) <= 2
    assert "Accepter ce plan" not in page  # what is signed are the settings in force
    campaign.refresh_from_db()
    assert (campaign.po_first_mail_from, campaign.weekly_mailboxes) == (date(2024, 10, 7), None)
    link = re.search(r'href="([^"]+)">Enregistrer ces réglages', response.content.decode())[1]
    form = client.get(html.unescape(link)).context["adminform"].form
    assert form["weekly_mailboxes"].value() == 2
    assert form["po_first_mail_from"].value() == date(2024, 10, 9)
    assert form["mail2_after_days"].value() == 7
    response = client.post(html.unescape(link), typed(form), follow=True)
    campaign.refresh_from_db()
    assert (campaign.po_first_mail_from, campaign.weekly_mailboxes) == (date(2024, 10, 9), 2)


def test_settings_from_which_no_plan_follows_are_told(campaign, signed_in):
    AvoidedPeriod.objects.create(
        reason="other", name="Tout", first=date(2024, 1, 1), last=date(2029, 1, 1), source="SGNE"
    )
    page = read(signed_in("sgne").get(plan_url(campaign)))
    assert "Aucun plan ne suit de ces réglages" in page


@pytest.mark.parametrize("typed_text", ["demain", "2024-13-01", "\x00", "9" * 400])
def test_nonsense_in_the_address_is_an_error_of_the_form(typed_text, campaign, signed_in):
    client = signed_in("sgne")
    response = client.get(plan_url(campaign), {"po_first_mail_from": typed_text, "weekly_mailboxes": typed_text})
    assert "Ces réglages ne peuvent pas être essayés" in read(response)
    assert client.get(reverse("admin:migration_campaign_change", args=[campaign.pk]), {"weekly_mailboxes": typed_text})


# Accepting


def test_a_plan_that_does_not_hold_asks_for_a_signature_and_keeps_what_was_typed(campaign, signed_in):
    Campaign.objects.update(**S4_NIGHTS)
    client = signed_in("sgne")
    page = read(sign(client, campaign))
    assert "Signez votre décision : dites pourquoi ce plan est accepté tel quel." in page
    page = read(sign(client, campaign, note="D’accord pour moi."))
    assert "D’accord pour moi.</textarea>" in page
    assert "Le plan n’est pas accepté" in page
    assert not Batch.objects.exists()
    assert AuditEntry.objects.filter(action="plan.accepted", result="refused").count() == 1
    assert sign(client, campaign, note=WHY).status_code == 302
    page = read(client.get(plan_url(campaign)))
    assert WHY in page  # among the decisions
    assert "Rien : le plan écrit est déjà celui-ci." in page


def test_a_plan_that_changed_since_it_was_read_is_shown_anew_with_what_was_typed(campaign, signed_in):
    client = signed_in("sgne")
    fingerprint = client.get(plan_url(campaign)).context["plan"].fingerprint()
    MailboxFactory(po=True)
    response = client.post(plan_url(campaign), {"fingerprint": fingerprint, "note": WHY})
    page = read(response)
    assert "Le plan a changé entre-temps" in page
    assert f"{WHY}</textarea>" in page
    assert not PlanDecision.objects.exists()
    shown = response.context["form"]["fingerprint"].value()
    assert shown == response.context["plan"].fingerprint() != fingerprint
    assert client.post(plan_url(campaign), {"fingerprint": shown, "note": WHY}).status_code == 302


@pytest.mark.parametrize("role", ["etnic", "auditeur"])
def test_others_read_the_plan_and_do_not_accept_it(role, campaign, signed_in):
    client = signed_in(role)
    plan = planning.propose(campaign, at=AT)
    assert client.get(plan_url(campaign)).status_code == 200
    assert client.post(plan_url(campaign), {"fingerprint": plan.fingerprint()}).status_code == 403
    for name in ("import", "pilot"):
        url = reverse(f"admin:migration_campaign_{name}", args=[campaign.pk])
        assert (client.get(url).status_code, client.post(url).status_code) == (403, 403)
    assert not Batch.objects.exists()


@pytest.mark.parametrize("pk", ["0", "9" * 30, "abc", "%00"])
def test_the_plan_of_an_unknown_campaign_is_not_found(pk, signed_in):
    assert signed_in("sgne").get(f"/admin/migration/campaign/{pk}/plan/").status_code == 404
