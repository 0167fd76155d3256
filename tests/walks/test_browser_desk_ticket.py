"""The page of a ticket in a real browser: by keyboard alone, two agents at once, without a script, on two screens."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from bma_portal import clock
from bma_portal.mail.models import OutgoingMail
from support import tickets
from support.models import Message, Ticket, Watcher
from tests.factories import OrganisationFactory
from tests.factories_holders import NOON, HolderFactory
from tests.factories_migration import MoveFactory
from tests.factories_tickets import CannedAnswerFactory, IncidentFactory, MessageFactory, TicketFactory, agent
from tests.support.ticket_stage import attached
from tests.walks.mode_scenes import LONG_NAME
from tests.walks.sound import assert_sound, assert_sound_at_each_size, enter, follow, press

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def lena(db):
    clock.set_for_every_process(NOON, seconds=600)
    return agent("etnic", username="lena", first_name="Léna", last_name="Inventée")


@pytest.fixture
def lou(db):
    return agent("etnic", username="lou", first_name="Lou", last_name="Fictive")


@pytest.fixture
def ticket(lena) -> Ticket:
    """A ticket of a school that migrated, with a past: messages, a note, a file, a duplicate, an incident."""
    po = OrganisationFactory(po_unit=True, mailbox=True, phone="+32 4 000 00 00")
    unit = OrganisationFactory(name=LONG_NAME, po=po, mailbox=True, phone="+32 4 111 11 11")
    HolderFactory(organisation=unit, user__first_name="Dominique", user__last_name="Exemple")
    MoveFactory(migrated=True, batch__establishments=True, mailbox=unit.mailbox)
    ticket = TicketFactory(
        mailbox=unit.mailbox,
        need="reception",
        subject="Plus aucun mail n’arrive depuis jeudi, et aucune erreur ne s’affiche",
        reason="Transmis à l’ETNIC parce que votre boîte a migré le 6 décembre 2024.",
        source="FAQ, §6",
        answers={"erreur": "aucune"},
        message="Bonjour,\n\nDepuis jeudi je ne reçois plus rien. J’ai redémarré l’ordinateur, sans effet.\n\nMerci",
        phone="+32 470 00 00 00",
    )
    attached(ticket.messages.get(), label="Capture d’écran 1")
    MessageFactory(
        ticket=ticket,
        answer=True,
        author=None,
        author_name="Lou Fictive",
        written_at=NOON - 40 * MINUTE,
        text="Bonjour,\n\nLa boîte est-elle pleine ? Regardez la barre au bas de la liste des dossiers.",
    )
    MessageFactory(
        ticket=ticket,
        written_at=NOON - 30 * MINUTE,
        by_mail=True,
        html="<p>Oui, <b>100 %</b></p>",
        text="Oui, elle affiche 100 %.",
        quoted="> La boîte est-elle pleine ?",
    )
    MessageFactory(
        ticket=ticket,
        note=True,
        author=None,
        author_name="Lou Fictive",
        written_at=NOON - 20 * MINUTE,
        text="Troisième fois pour cette école : proposer l’archivage.",
    )
    TicketFactory(mailbox=unit.mailbox, need="reception", subject="Boîte muette")
    TicketFactory(mailbox=unit.mailbox, need="cerbere", subject="Compte Cerbère bloqué", solved=True)
    IncidentFactory(need="reception", title="Retards de distribution")
    Watcher.objects.create(ticket=ticket, user=agent("etnic", first_name="Noa", last_name="Fictif"))
    CannedAnswerFactory(title="Archiver les anciens mails", text="Bonjour {prénom},\n\nVidez la corbeille.")
    return ticket


def open_ticket(page: Page, site: str, ticket: Ticket) -> None:
    page.goto(f"{site}/desk/demande/{ticket.reference}/")


def test_an_agent_takes_and_answers_by_keyboard_alone(tab, site, lena, ticket):
    enter(tab.context, site, lena)
    open_ticket(tab, site, ticket)
    assert_sound_at_each_size(tab, "demande")
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.locator("h1").click()
    tab.keyboard.press("t")
    expect(tab.locator("#annonce")).to_have_text("Cette demande est à vous.")
    expect(tab.locator("#tete")).to_contain_text("Léna Inventée")
    tab.keyboard.press("r")
    expect(tab.locator("#reponse")).to_be_focused()
    tab.keyboard.type("Cher ")
    tab.keyboard.type("t?rsn")  # no key acts while one types
    tab.keyboard.press("Shift+Tab")
    tab.keyboard.press("Shift+Tab")
    tab.keyboard.press("A")  # the canned answer that begins so
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    field = tab.locator("#reponse")
    expect(field).to_have_value("Cher t?rsn\n\nBonjour Camille,\n\nVidez la corbeille.")
    expect(field).to_be_focused()
    assert_sound(tab, "demande-reponse-type")
    tab.locator("#envoyer").focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("#annonce")).to_contain_text("Votre réponse part.")
    expect(tab.locator("#fil")).to_contain_text("Videz la corbeille.")
    expect(field).to_have_value("")
    answer = Message.objects.get(author=lena)
    assert answer.text.endswith("Videz la corbeille.")
    # A note, what is left to tick, a deed that asks something
    tab.locator("h1").click()
    tab.keyboard.press("n")
    expect(tab.locator("#note")).to_be_focused()
    tab.keyboard.type("À suivre lundi.")
    tab.locator("#garder-note").click()
    expect(tab.locator("#fil")).to_contain_text("À suivre lundi.")
    tab.keyboard.press("Escape")
    tab.locator("h1").click()
    tab.keyboard.press("s")
    confirm = tab.locator("#geste").get_by_role("button", name="Résoudre")
    expect(confirm).to_be_focused()
    expect(tab.locator("#geste")).to_contain_text("Le demandeur reçoit un mail")
    assert_sound(tab, "demande-resoudre")
    tab.keyboard.press("Enter")
    expect(tab.locator("#geste [data-error-summary]")).to_be_focused()
    assert tab.title().startswith("Erreur\N{NO-BREAK SPACE}: ")
    assert_sound(tab, "demande-liste-pas-cochee")
    tab.locator("#c-espace").click()
    expect(tab.locator("#c-espace")).to_have_attribute("aria-pressed", "true")
    expect(tab.locator("#c-espace")).to_be_focused()
    tab.locator("h1").click()
    tab.keyboard.press("c")
    expect(tab.get_by_role("heading", name="Confier à une autre équipe")).to_be_visible()
    tab.locator("#geste").get_by_label("SGNE").focus()
    assert_sound_at_each_size(tab, "demande-confier")
    tab.get_by_role("link", name="Ne rien faire").click()
    expect(tab.locator("#geste")).to_be_empty()


def test_the_key_after_g_leads_somewhere_or_does_nothing(tab, site, lena, ticket):
    enter(tab.context, site, lena)
    open_ticket(tab, site, ticket)
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    for key in ("s", "c", "?"):  # each is a shortcut of its own, and no queue's
        tab.locator("h1").click()
        tab.keyboard.press("g")
        tab.keyboard.press(key)
    expect(tab.locator("dialog[open]")).to_have_count(0)
    assert [url for url in asked if "/desk/demande/" in url] == []
    tab.keyboard.press("s")
    expect(tab.locator("#geste").get_by_role("button", name="Résoudre")).to_be_focused()
    assert not Message.objects.filter(kind="event").exists()


def test_two_agents_collide_and_nothing_is_lost(tab, site, lena, lou, ticket):
    enter(tab.context, site, lena)
    open_ticket(tab, site, ticket)
    tab.locator("#reponse").fill("Ma réponse, écrite trop lentement.")
    version = Ticket.objects.get(pk=ticket.pk).version
    tickets.answer(ticket, text="J’ai été plus vite.", by=lou, version=version, at=NOON + MINUTE)
    tab.locator("#envoyer").click()
    summary = tab.locator("#ecrire [data-error-summary]")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("Cette demande a changé pendant que vous écriviez")
    expect(tab.locator("#reponse")).to_have_value("Ma réponse, écrite trop lentement.")
    expect(tab.locator("#fil .dt-news")).to_contain_text("J’ai été plus vite.")
    expect(tab.locator("#fil .dt-new")).to_have_count(1)
    assert tab.title().startswith("Erreur\N{NO-BREAK SPACE}: ")
    assert_sound_at_each_size(tab, "demande-collision")
    assert Message.objects.filter(author=lena).count() == 0
    tab.locator("#envoyer").click()
    expect(tab.locator("#annonce")).to_contain_text("Votre réponse part.")
    assert Message.objects.filter(author=lena).count() == 1


def test_what_another_does_is_told_without_touching_what_is_being_written(tab, site, lena, lou, ticket):
    enter(tab.context, site, lena)
    open_ticket(tab, site, ticket)
    tab.locator("#reponse").fill("Je suis en train d’écrire")
    tickets.note(ticket, text="Je la prends.", by=lou, at=NOON + MINUTE)
    tab.evaluate("htmx.trigger('#nouveau', 'desk:refresh')")  # as it does by itself, and when one comes back to it
    expect(tab.locator("#nouveau")).to_contain_text("Lou Fictive a laissé une note interne à l’instant.")
    expect(tab.locator("#brouillon")).to_contain_text("Brouillon gardé à")
    assert_sound(tab, "demande-du-nouveau")
    tab.get_by_role("link", name="Voir ce qui est nouveau").click()
    expect(tab.locator("#fil")).to_contain_text("Je la prends.")
    expect(tab.locator("#reponse")).to_have_value("Je suis en train d’écrire")
    expect(tab.locator("#nouveau")).to_be_empty()
    tab.locator("#envoyer").click()
    expect(tab.locator("#annonce")).to_contain_text("Votre réponse part.")


def test_it_all_works_without_a_script(site, new_context, lena, ticket):
    context = new_context(java_script_enabled=False)
    enter(context, site, lena)
    page = context.new_page()
    open_ticket(page, site, ticket)
    page.get_by_label("Réponse type").select_option(label="Archiver les anciens mails")
    press(page, "Insérer")
    expect(page.locator("#reponse")).to_have_value("Bonjour Camille,\n\nVidez la corbeille.")
    press(page, "Relire avant d’envoyer")
    expect(page.locator("main")).to_contain_text("Videz la corbeille.")
    press(page, "Modifier")
    press(page, "Garder en brouillon")
    press(page, "Envoyer la réponse")
    expect(page.locator("#fil")).to_contain_text("Videz la corbeille.")
    follow(page, page.get_by_role("link", name="Confier", exact=True))
    page.get_by_label("Pourquoi ?").fill("Une question de date.")
    press(page, "Confier à une autre équipe")
    expect(page.locator("main")).to_contain_text("Choisissez l’équipe qui reçoit la demande")
    expect(page.get_by_label("Pourquoi ?")).to_have_value("Une question de date.")
    assert page.title().startswith("Erreur\N{NO-BREAK SPACE}: ")
    page.get_by_label("SGNE").check()
    press(page, "Confier à une autre équipe")
    expect(page.locator("main")).to_contain_text("La demande est confiée à l’autre équipe")


def test_two_questions_are_told_apart_by_keyboard_alone(tab, site, lena, ticket):
    second = ticket.messages.get(by_mail=True)
    enter(tab.context, site, lena)
    open_ticket(tab, site, ticket)
    tab.locator(".dt-more summary").focus()
    tab.keyboard.press("Enter")
    tab.get_by_role("link", name="Séparer", exact=True).focus()
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", name="Séparer en deux demandes")).to_be_visible()
    assert_sound_at_each_size(tab, "demande-separer")
    choice = tab.get_by_role("checkbox", name="Oui, elle affiche 100 %")
    choice.focus()
    tab.keyboard.press("Space")
    expect(choice).to_be_checked()
    follow(tab, "Enter")  # without a need
    expect(tab.locator("[data-error-summary]")).to_be_focused()
    expect(tab.get_by_role("checkbox", name="Oui, elle affiche 100 %")).to_be_checked()
    assert_sound(tab, "demande-separer-sans-besoin")
    tab.get_by_label("De quoi s’agit-il dans ces messages").focus()
    tab.keyboard.type("L’ordinateur fourni par la Fédération est en panne")
    tab.keyboard.press("Tab")
    expect(tab.get_by_role("button", name="Voir ce qui va se passer")).to_be_focused()
    follow(tab, "Enter")
    expect(tab.locator("#geste")).to_contain_text("Les règles la confient à")
    assert_sound_at_each_size(tab, "demande-separer-confirmer")
    tab.get_by_label("Objet").focus()
    tab.keyboard.type("L’écran reste noir")
    tab.get_by_role("button", name="Séparer", exact=True).focus()
    follow(tab, "Enter")
    new = Ticket.objects.get(subject="L’écran reste noir")
    expect(tab.locator("main")).to_contain_text(f"la nouvelle demande porte la référence {new.reference}")
    expect(tab.locator("#fil")).to_contain_text(f"la suite est sous la référence {new.reference}")
    assert_sound_at_each_size(tab, "demande-separee")
    assert Message.objects.get(pk=second.pk).ticket == new


def test_two_questions_are_told_apart_without_a_script(site, new_context, lena, ticket):
    context = new_context(java_script_enabled=False)
    enter(context, site, lena)
    page = context.new_page()
    open_ticket(page, site, ticket)
    page.locator(".dt-more summary").click()
    follow(page, page.get_by_role("link", name="Séparer", exact=True))
    page.get_by_role("checkbox", name="Oui, elle affiche 100 %").check()
    page.get_by_label("De quoi s’agit-il dans ces messages").select_option("reception")
    press(page, "Voir ce qui va se passer")
    press(page, "Séparer")
    expect(page.locator("main")).to_contain_text("Donnez un objet.")
    follow(page, page.get_by_role("link", name="Choisir autrement"))
    expect(page.get_by_role("checkbox", name="Oui, elle affiche 100 %")).to_be_checked()
    press(page, "Voir ce qui va se passer")
    page.get_by_label("Objet").fill("La boîte pleine")
    press(page, "Séparer")
    new = Ticket.objects.get(subject="La boîte pleine")
    follow(page, page.get_by_role("link", name=new.reference).first)
    expect(page.locator("#fil")).to_contain_text("Oui, elle affiche 100 %.")
    expect(page.locator("#tete")).to_contain_text(f"Fait suite à {ticket.reference}")


def test_the_other_pages_are_sound(tab, site, lena, lou, ticket):
    enter(tab.context, site, lena)
    tickets.take(ticket, by=lou, at=NOON)
    tickets.set_priority(ticket, priority="urgent", by=lou, at=NOON)
    tickets.answer(ticket, text="Videz la corbeille.", by=lou, version=2, at=NOON)
    other = Ticket.objects.get(subject="Boîte muette")
    unit = ticket.mailbox.organisation
    file = ticket.messages.first().attachments.get()
    for name, path in {
        "historique": f"/desk/demande/{ticket.reference}/historique/",
        "joindre": f"/desk/demande/{ticket.reference}/joindre/?vers={other.reference}",
        "piece": f"/desk/piece/{file.uuid}/",
        "message": f"/desk/demande/{ticket.reference}/message/{ticket.messages.get(by_mail=True).pk}/",
        "nouvelle": f"/desk/nouvelle/?numero={unit.kind}{unit.fase}&besoin=reception",
        "nouvelle-nom": f"/desk/nouvelle/?numero={unit.name}&besoin=reception",
    }.items():
        tab.goto(site + path)
        assert_sound_at_each_size(tab, f"demande-{name}")


# Recalling an answer


@pytest.fixture
def thirty_seconds(settings):
    settings.RECALL_SECONDS = 30


@pytest.mark.usefixtures("thirty_seconds")
def test_an_answer_is_recalled_by_keyboard_and_the_form_opens_on_it(tab, site, lena, ticket):
    enter(tab.context, site, lena)
    open_ticket(tab, site, ticket)
    tab.locator("#reponse").fill("Un mot de trop.")
    tab.get_by_label("la marquer résolue").check()
    tab.locator("#c-espace").click()
    expect(tab.locator("#c-espace")).to_have_attribute("aria-pressed", "true")
    tab.locator("#envoyer").focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("#annonce")).to_contain_text("Votre réponse part, et la demande est résolue.")
    recall = tab.locator("#rappel")
    expect(recall).to_contain_text("Votre réponse part dans")
    expect(recall.locator("xpath=ancestor-or-self::*[@aria-live or @role='status' or @role='alert']")).to_have_count(0)
    assert_sound_at_each_size(tab, "demande-rappel")
    tab.set_viewport_size({"width": 1280, "height": 900})
    seconds = recall.locator("[data-left]")
    expect(seconds).not_to_have_text("30\N{NO-BREAK SPACE}secondes")  # it counts down
    tab.locator("h1").click()
    tab.keyboard.press("z")
    expect(tab.locator("#annonce")).to_contain_text("Votre réponse est rappelée : rien n’est parti")
    field = tab.locator("#reponse")
    expect(field).to_have_value("Un mot de trop.")
    expect(field).to_be_focused()
    expect(recall).to_be_empty()
    expect(tab.locator("#fil")).not_to_contain_text("Un mot de trop.")
    expect(tab.locator("#tete")).not_to_contain_text("résolue")
    assert_sound(tab, "demande-rappelee")
    assert not Message.objects.filter(author=lena).exists()
    assert not OutgoingMail.objects.filter(kind__in=["ticket.answered", "ticket.solved"]).exists()


@pytest.mark.usefixtures("thirty_seconds")
def test_the_offer_to_recall_goes_away_by_itself_and_the_focus_with_it(tab, site, lena, ticket, settings):
    settings.RECALL_SECONDS = 3
    enter(tab.context, site, lena)
    open_ticket(tab, site, ticket)
    tab.locator("#reponse").fill("Videz la corbeille.")
    tab.locator("#envoyer").click()
    tab.locator("#rappeler").focus()
    expect(tab.locator("#rappel")).to_be_empty()
    expect(tab.locator("#reponse")).to_be_focused()
    expect(tab.locator("#fil")).to_contain_text("Videz la corbeille.")


@pytest.mark.usefixtures("thirty_seconds")
def test_an_answer_is_recalled_without_a_script(site, new_context, lena, ticket):
    context = new_context(java_script_enabled=False)
    enter(context, site, lena)
    page = context.new_page()
    open_ticket(page, site, ticket)
    page.locator("#reponse").fill("Un mot de trop.")
    press(page, "Envoyer la réponse")
    expect(page.locator("#rappel")).to_contain_text("Votre réponse part dans 30 secondes.")
    press(page, "Rappeler")
    expect(page.locator("#reponse")).to_have_value("Un mot de trop.")
    expect(page.locator("#reponse")).to_be_focused()
    expect(page.locator("main")).to_contain_text("Votre réponse est rappelée : rien n’est parti")
    assert page.url.endswith("#reponse")
    assert not Message.objects.filter(author=lena).exists()
