"""The pages of the texts: who writes, who approves, what is shown of a mail before it leaves (C1, C7, C8, SEC-F5)."""

from datetime import date, timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts import credentials
from accounts.models import Credential
from accounts.roles import SGNE
from bma_portal import clock
from bma_portal.clock import brussels
from bma_portal.mail.compose import letters
from bma_portal.models import AuditEntry
from migration import sequence
from migration.models import Mailing, MailText, Step
from migration.texts import versions
from tests.factories import MailboxFactory, UserFactory
from tests.factories_migration import BatchFactory, MoveFactory
from tests.walks.sound import at_each_size, enter, follow, hear, photograph, press, violations

pytestmark = pytest.mark.django_db
AT = brussels(date(2024, 10, 2), 10)
LIST = reverse("admin:migration_mailtext_changelist")
Status = MailText.Status


@pytest.fixture(autouse=True)
def morning(db):
    clock.set_for_every_process(AT, seconds=600)


def page_of(name: str, *args) -> str:
    return reverse(f"admin:migration_mailtext_{name}", args=args)


def fields(step=1, *, more="Une phrase de plus.", **others) -> dict[str, str]:
    subject, body = versions.source_of(step)
    return {"subject": subject, "body": f"{body}\n\n{more}", "why": "Une phrase.", **others}


def draft(step=1, by="sgne") -> MailText:
    return versions.write(step, **fields(step), by=by, at=AT)


def proposed(step=1, by="sgne") -> MailText:
    text = draft(step, by)
    versions.propose(text, by=by, at=AT)
    text.refresh_from_db()
    return text


def colleague(name="colette") -> Client:
    """Another person of SGNE."""
    user = UserFactory(username=name, staff=True)
    user.groups.add(Group.objects.get(name=SGNE))
    client = Client()
    client.force_login(user)
    return client


# Who may (C1, C8)


@pytest.mark.parametrize(
    ("role", "steps"), [("sgne", [1, 3]), ("etnic", [2, 4]), ("auditeur", []), ("secours", [1, 2, 3, 4])]
)
def test_each_team_writes_the_mails_that_it_sends(signed_in, role, steps):
    """C1: neither can write the other's, nor is offered to."""
    client = signed_in(role)
    listed = client.get(LIST).content.decode()
    for step in Step.values:
        allowed = step in steps
        assert (f"Nouvelle version du mail {step}" in listed) is allowed
        assert client.get(page_of("write", step)).status_code == (200 if allowed else 403)
        assert client.post(page_of("write", step), fields(step)).status_code == (302 if allowed else 403)
    assert MailText.objects.count() == 4 + len(steps)


@pytest.mark.parametrize(("role", "other"), [("sgne", 2), ("etnic", 1)])
def test_the_other_organisation_can_neither_correct_nor_decide(signed_in, role, other):
    """C1, C8."""
    text = proposed(other, by="quelqu’un")
    client = signed_in(role)
    for name in ("approuver", "refuser", "proposer", "reprendre"):
        for method in ("get", "post"):
            answer = getattr(client, method)(page_of("decide", text.pk, name), {"seen": versions.fingerprint(text)})
            assert answer.status_code == 403
    assert client.post(page_of("rewrite", text.pk), fields(other)).status_code == 403
    shown = client.get(page_of("change", text.pk)).content.decode()
    assert "/decision/" not in shown
    assert "Écrire une nouvelle version" not in shown
    text.refresh_from_db()
    assert text.status == Status.PROPOSED


def test_only_a_second_person_of_the_team_is_offered_to_approve(signed_in):
    """C8: the author is told who it waits for, and is refused if the address is typed; the refusal is on record."""
    client, other = signed_in("sgne"), colleague()
    text = proposed()
    mine = client.get(page_of("change", text.pk)).content.decode()
    assert "Reprendre pour corriger" in mine
    assert ">Approuver<" not in mine
    assert "attend une autre personne de l’équipe SGNE" in mine
    answer = client.post(page_of("decide", text.pk, "approuver"), {"seen": versions.fingerprint(text)}, follow=True)
    assert "Vous avez écrit ce texte" in answer.content.decode()
    assert AuditEntry.objects.filter(action="text.approved", result="refused").count() == 1
    theirs = other.get(page_of("change", text.pk)).content.decode()
    assert ">Approuver<" in theirs
    asked = other.get(page_of("decide", text.pk, "approuver"))
    assert "Une phrase de plus." in asked.content.decode()
    seen = {"seen": asked.context["form"]["seen"].value()}
    done = other.post(page_of("decide", text.pk, "approuver"), seen, follow=True)
    assert "approuvé, il sert dès maintenant" in done.content.decode()
    text.refresh_from_db()
    assert (text.status, text.approved_by) == (Status.APPROVED, "colette")
    listed = other.get(LIST).content.decode()
    assert listed.count("en vigueur") == 4
    assert listed.count("remplacé") == 1


def test_the_second_to_approve_is_told(signed_in):
    first, second, text = colleague(), colleague("corneille"), proposed(by="quelqu’un")
    seen = {"seen": versions.fingerprint(text)}
    first.post(page_of("decide", text.pk, "approuver"), seen)
    answer = second.post(page_of("decide", text.pk, "approuver"), seen, follow=True)
    assert "n’attend pas d’approbation" in answer.content.decode()


def test_an_approval_without_having_read_is_refused():
    client, text = colleague(), proposed()
    for seen in ({}, {"seen": "x" * 32}):
        answer = client.post(page_of("decide", text.pk, "approuver"), seen, follow=True)
        assert "relisez-le" in answer.content.decode()


def test_a_refusal_asks_why_and_keeps_it():
    client, text = colleague(), proposed()
    empty = client.post(page_of("decide", text.pk, "refuser"), {"why": " "})
    assert "Dites pourquoi" in empty.content.decode()
    answer = client.post(page_of("decide", text.pk, "refuser"), {"why": "Ton trop sec."}, follow=True)
    assert "Ton trop sec." in answer.content.decode()  # in the journal of the version
    assert MailText.objects.get(pk=text.pk).status == Status.REFUSED


def test_what_does_not_exist_is_not_found(signed_in):
    client = signed_in("sgne")
    assert client.get(page_of("decide", 999_999, "approuver")).status_code == 404
    assert client.get(page_of("decide", proposed().pk, "effacer")).status_code == 404
    assert client.get(page_of("rewrite", 999_999)).status_code == 404
    assert client.get(page_of("frame", 999_999)).status_code == 404
    assert client.get(page_of("write", 5)).status_code == 403


# Writing


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("{{ settings }}", "« {{ » n’est pas permis"),
        ("{% debug %}", "« {% » n’est pas permis"),
        ("{inconnu}", "le champ {inconnu} n’existe pas pour ce mail"),
        ("{mot_de_passe}", "le champ {mot_de_passe} n’existe pas pour ce mail"),
        ("<script>alert(1)</script>", "le HTML n’est pas permis"),
        ("support@ethnic.be", "sans h"),
        ("ligne\n" * 5000, "le texte a 50"),
        ("a\x00b", "Le caractère nul n’est pas autorisé"),
    ],
)
def test_a_fault_is_told_with_its_line_and_what_was_typed_is_kept(signed_in, bad, said):
    """SEC-F5: nothing saved by half, nothing typed is lost."""
    client = signed_in("sgne")
    answer = client.post(page_of("write", 1), fields(more=bad, why="Mon idée."))
    shown = answer.content.decode().replace("&#x27;", "'")
    assert answer.status_code == 200
    assert said in shown
    assert "Ligne " in shown or "\x00" in bad
    assert "Rien n’est enregistré" in shown
    assert "Mon idée." in shown
    assert bad.split("\n")[0].replace("<", "&lt;").replace(">", "&gt;") in shown
    assert MailText.objects.count() == 4


def test_a_thousand_faults_are_told_a_dozen_at_a_time(signed_in):
    answer = signed_in("sgne").post(page_of("write", 1), fields(body="{x}\n\n" * 40))
    errors = answer.context["form"].errors["body"]
    assert len(errors) == 13
    assert errors[-1] == "Et 28 autres."


def test_a_draft_begins_from_the_text_in_force_or_from_another(signed_in):
    client = signed_in("sgne")
    start = client.get(page_of("write", 1)).context["form"].initial
    assert (start["subject"], start["body"]) == versions.source_of(1)
    text = draft()
    for wanted, body in ((text.pk, text.body), ("x", start["body"]), ("9" * 30, start["body"])):
        assert client.get(page_of("write", 1), {"depuis": wanted}).context["form"].initial["body"] == body
    assert client.get(page_of("write", 3), {"depuis": text.pk}).context["form"].initial == {}


def test_a_draft_is_corrected_then_proposed_by_its_author(signed_in):
    client, text = signed_in("sgne"), draft()
    assert ">Corriger<" in client.get(page_of("change", text.pk)).content.decode()
    answer = client.post(page_of("rewrite", text.pk), fields(more="Mieux dit."), follow=True)
    assert "Mieux dit." in answer.content.decode()
    client.post(page_of("decide", text.pk, "proposer"))
    text.refresh_from_db()
    assert text.status == Status.PROPOSED
    late = client.post(page_of("rewrite", text.pk), fields(more="Trop tard."))
    assert "plus un brouillon" in late.content.decode()
    client.post(page_of("decide", text.pk, "reprendre"))
    text.refresh_from_db()
    assert text.status == Status.DRAFT


# What a mailbox would receive (C7)


def test_the_page_shows_the_difference_and_the_preview_of_the_mailbox_asked_for(signed_in):
    move = MoveFactory(batch=BatchFactory(number=3))
    other = MailboxFactory()
    text = draft()
    client = signed_in("auditeur")
    shown = client.get(page_of("change", text.pk))
    assert shown.context["preview"].mailbox == move.mailbox
    page = shown.content.decode()
    assert '<ins><span class="visually-hidden">ajouté : </span>+ Une phrase de plus.</ins>' in page
    assert shown.context["preview"].text.replace("'", "&#x27;").split("\n")[2][:60] in page
    asked = client.get(page_of("change", text.pk), {"boite": other.address})
    assert asked.context["preview"].mailbox == other
    assert "les dates sont un exemple" in asked.content.decode()
    for words in ("ec999999", "bonjour", "1" * 100, "a\x00", "po000000"):
        wrong = client.get(page_of("change", text.pk), {"boite": words})
        assert wrong.status_code == 200
        assert wrong.context["problem"]
        assert client.get(page_of("frame", text.pk), {"boite": words}).status_code == 404


@pytest.mark.parametrize(("step", "role"), [(1, "sgne"), (2, "etnic")])
def test_the_frame_is_the_mail_that_leaves_the_secret_apart(signed_in, step, role):
    """C7: the same HTML as the transport is given; C9: no secret reaches the page."""
    move = MoveFactory(batch=BatchFactory(number=3), **({"announced": True} if step == 2 else {}))
    credentials.issue([move.mailbox], at=AT)
    Credential.objects.update(applied_at=AT)
    at = Mailing.objects.get(move=move, step=step).due_at + timedelta(minutes=5)
    sequence.queue_step(move.batch.campaign, step, at=at)
    mailing = Mailing.objects.get(move=move, step=step)
    letter = letters([mailing.mail], at=at)[mailing.mail_id]
    secret = credentials.reveal(Credential.objects.get()).reveal()
    client = signed_in(role)
    frame = client.get(page_of("frame", mailing.text_id), {"boite": move.mailbox.address})
    assert frame.content.decode() == letter.html.replace(secret, "••••")
    page = client.get(page_of("change", mailing.text_id), {"boite": move.mailbox.address})
    assert page.context["preview"].text == letter.text.replace(secret, "••••")
    assert secret not in page.content.decode()


def test_the_frame_has_a_policy_of_its_own_and_the_page_lets_no_other_in(signed_in):
    MoveFactory()
    client = signed_in("sgne")
    pk = MailText.objects.get(step=1).pk
    policy = client.get(page_of("frame", pk)).headers
    directives = dict(part.strip().partition(" ")[::2] for part in policy["Content-Security-Policy"].split(";"))
    directives.pop("form-action", None)  # added to every page for Cerbère; the sandbox lets no form go
    assert directives == {
        "default-src": "'none'", "style-src": "'unsafe-inline'", "base-uri": "'none'",
        "frame-ancestors": "'self'", "sandbox": "",
    }  # fmt: skip
    assert policy["X-Frame-Options"] == "SAMEORIGIN"
    page = client.get(page_of("change", pk))
    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
    assert "unsafe-inline" not in page.headers["Content-Security-Policy"]
    assert page.headers["X-Frame-Options"] == "DENY"
    assert client.post(page_of("frame", pk)).status_code == 405


def test_without_any_mailbox_the_page_says_so(signed_in):
    client, pk = signed_in("sgne"), MailText.objects.get(step=4).pk
    assert "importez le registre FASE" in client.get(page_of("change", pk)).content.decode()
    assert client.get(page_of("frame", pk)).status_code == 404


def test_the_list_costs_the_same_for_any_number_of_versions(signed_in, django_assert_num_queries):
    client = signed_in("auditeur")
    client.get(LIST)
    with CaptureQueriesContext(connection) as caught:
        client.get(LIST)
    for number in range(5):
        versions.write(1, **fields(more=f"Phrase {number}."), by="sgne", at=AT)
    with django_assert_num_queries(len(caught)):
        client.get(LIST)


# By hand


def looked_at(page: Page, name: str) -> None:
    for size in at_each_size(page):
        photograph(page, f"{name}-{size}")
        assert violations(page) == [], f"{name}, {size}"
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_text_is_written_proposed_and_approved_by_another_by_keyboard(page: Page, live_server, person, new_context):
    """C8, looked at: axe, the content policy, two sizes; no mouse for the deeds."""
    MoveFactory(batch=BatchFactory(number=3))
    person("sgne")  # makes the groups
    said = hear(page)
    enter(page.context, live_server.url, person("sgne"))
    page.goto(live_server.url + page_of("write", 1))
    page.get_by_label("Texte", exact=True).press("Control+End")
    page.keyboard.type("\n\n{{ settings }}")
    page.get_by_label("Ce qui change").fill("Une phrase d’adieu.")
    follow(page, "Enter")
    expect(page.get_by_text("« {{ » n’est pas permis")).to_be_visible()
    looked_at(page, "texte-erreur")
    page.get_by_label("Texte", exact=True).press("Control+End")
    for _ in "{{ settings }}":
        page.keyboard.press("Backspace")
    page.keyboard.type("À bientôt dans la **nouvelle** interface.")
    page.get_by_label("Ce qui change").focus()
    follow(page, "Enter")
    frame = page.frame_locator("iframe")
    expect(frame.get_by_text("À bientôt dans la nouvelle interface.")).to_be_visible()
    looked_at(page, "texte-brouillon")
    page.get_by_role("link", name="Proposer", exact=True).focus()
    follow(page, "Enter")
    press(page, "Proposer")
    expect(page.get_by_text("attend une autre personne de l’équipe SGNE")).to_be_visible()
    other = UserFactory(username="colette", staff=True)
    other.groups.add(Group.objects.get(name=SGNE))
    second = new_context().new_page()
    second_said = hear(second)
    enter(second.context, live_server.url, other)
    second.goto(live_server.url + LIST)
    looked_at(second, "textes")
    text = MailText.objects.get(step=1, version=2)
    second.goto(live_server.url + page_of("change", text.pk))
    second.get_by_role("link", name="Approuver", exact=True).focus()
    follow(second, "Enter")
    looked_at(second, "texte-approuver")
    second.get_by_role("button", name="Approuver").focus()
    follow(second, "Enter")
    expect(second.get_by_text("il sert dès maintenant")).to_be_visible()
    text.refresh_from_db()
    assert (text.status, text.approved_by) == (Status.APPROVED, "colette")
    assert said == second_said == []
