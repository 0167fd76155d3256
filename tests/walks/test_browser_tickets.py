"""A director on a phone writes a ticket, follows it and says what they think of it: with scripts and without."""

from datetime import date

import pytest
from playwright.sync_api import expect

from bma_portal.clock import brussels
from support import forms_contact, tickets, tokens
from support.models import Ticket
from tests.factories import MailboxFactory, OrganisationFactory, UserFactory
from tests.factories_holders import HolderFactory
from tests.support.tickets_stage import agent, asked
from tests.walks.mode_scenes import LONG_NAME, set_date
from tests.walks.sound import assert_sound_at_each_size, enter, follow, press

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DAY = date(2024, 11, 14)
AT = brussels(DAY, 12)


@pytest.fixture(autouse=True)
def patient_robot(monkeypatch):
    monkeypatch.setattr(forms_contact, "SECONDS_TO_FILL", -1)


def test_from_the_question_to_the_opinion(tab, site):
    set_date(DAY)
    box = MailboxFactory(organisation__name=LONG_NAME)
    tab.goto(f"{site}/demandes/nouvelle/")
    assert_sound_at_each_size(tab, "demande-besoins")
    follow(tab, tab.get_by_role("link", name="J’ai un autre souci technique"))
    assert_sound_at_each_size(tab, "demande-boite")
    tab.get_by_label("Numéro FASE ou adresse de la boîte").fill(f"ec{box.organisation.fase}")
    press(tab, "Continuer")
    press(tab, "Envoyer ma demande")
    expect(tab.get_by_role("alert")).to_be_focused()
    assert tab.title().startswith("Erreur")
    assert_sound_at_each_size(tab, "demande-erreur")
    tab.get_by_label("L’interface web").check()
    tab.get_by_label("En quelques mots").fill("Le webmail reste blanc")
    expect(tab.locator(".suggestions li").first).to_be_visible()
    tab.get_by_label("Votre message").fill("La page reste blanche depuis lundi.")
    tab.locator("#id_last_name").fill("Fictive")
    tab.get_by_label("Prénom").fill("Camille")
    tab.get_by_label("Adresse de contact").fill("camille@exemple.test")
    press(tab, "Envoyer ma demande")
    ticket = Ticket.objects.get()
    expect(tab.get_by_text(ticket.reference)).to_be_visible()
    assert_sound_at_each_size(tab, "demande-envoyee")

    follow(tab, tab.get_by_role("link", name="suivre la demande ici"))
    assert_sound_at_each_size(tab, "demande-suivre")
    press(tab, "Recevoir le code")
    tab.get_by_label("Code à six chiffres").fill("000000")
    press(tab, "Ouvrir ma demande")
    expect(tab.get_by_role("alert")).to_be_focused()
    tab.get_by_label("Code à six chiffres").fill(tokens.follow_code(Ticket.objects.get()).reveal())
    press(tab, "Ouvrir ma demande")
    expect(tab.get_by_role("heading", name="Le webmail reste blanc")).to_be_visible()

    by = agent(first_name="Éden", last_name="Fictif")
    tickets.answer(ticket, text="Essayez un autre navigateur.", by=by, version=0, at=AT)
    tab.reload()
    expect(tab.get_by_text("Essayez un autre navigateur.")).to_be_visible()
    tab.get_by_label("Votre message").fill("Merci, c’est réglé.")
    press(tab, "Envoyer")
    expect(tab.get_by_role("status")).to_contain_text("ajouté")
    assert_sound_at_each_size(tab, "demande-suivie")
    tickets.solve(Ticket.objects.get(), by=by, at=AT)
    tab.goto(f"{site}/demandes/avis/{tokens.opinion_token(ticket).reveal()}/")
    assert_sound_at_each_size(tab, "demande-avis")
    press(tab, "Oui, satisfait")
    expect(tab.get_by_role("heading", name="Merci")).to_be_visible()
    assert Ticket.objects.get().satisfied is True


def test_a_limit_gives_back_what_was_written_and_a_late_theft_says_what_is_missing(tab, site):
    set_date(DAY)
    box = MailboxFactory(organisation__name=LONG_NAME)
    tab.goto(f"{site}/demandes/nouvelle/?besoin=vol&numero=ec{box.organisation.fase}")
    assert_sound_at_each_size(tab, "demande-vol")
    tab.get_by_label("Votre message").fill("Le portable a été volé dans la nuit.")
    for _ in range(6):
        press(tab, "Envoyer ma demande")
    expect(tab.get_by_role("alert")).to_contain_text("le vôtre n’est pas parti")
    expect(tab.get_by_label("Votre message")).to_have_value("Le portable a été volé dans la nuit.")
    assert_sound_at_each_size(tab, "demande-trop")

    ticket = asked(box, need="vol", subject="Portable volé", at=AT)
    set_date(date(2024, 11, 20))
    tab.goto(f"{site}/demandes/suivi/?reference={ticket.reference}")
    press(tab, "Recevoir le code")
    tab.get_by_label("Code à six chiffres").fill(tokens.follow_code(Ticket.objects.get()).reveal())
    press(tab, "Ouvrir ma demande")
    expect(tab.get_by_text("Notre réponse a du retard.")).to_be_visible()
    expect(tab.get_by_text("Il nous manque encore la copie")).to_be_visible()
    expect(tab.get_by_role("button", name="C’est réglé")).to_have_count(0)
    assert_sound_at_each_size(tab, "demande-vol-suivie")


def test_without_javascript_on_a_phone(site, new_context):
    set_date(DAY)
    box = MailboxFactory()
    page = new_context(java_script_enabled=False, viewport={"width": 390, "height": 760}).new_page()
    page.goto(f"{site}/demandes/nouvelle/?besoin=technique&sujet=webmail&numero=ec{box.organisation.fase}")
    page.get_by_label("En quelques mots").fill("Page blanche")
    page.get_by_label("Votre message").fill("Depuis lundi.")
    press(page, "Envoyer ma demande")
    expect(page.get_by_role("link", name="Indiquez votre nom.")).to_be_visible()
    assert page.get_by_label("Votre message").input_value() == "Depuis lundi."
    page.locator("#id_last_name").fill("Fictive")
    page.get_by_label("Prénom").fill("Camille")
    page.get_by_label("Adresse de contact").fill("camille@exemple.test")
    press(page, "Envoyer ma demande")
    expect(page.get_by_text(Ticket.objects.get().reference)).to_be_visible()


def test_an_old_number_a_refused_date_and_an_opinion_that_was_not_chosen(tab, site):
    """What goes wrong is said, and nothing that was typed is lost; the key Enter gives no opinion (F16)."""
    set_date(DAY)
    heir = MailboxFactory(organisation__name=LONG_NAME).organisation
    gone = OrganisationFactory(name="École d’avant", mailbox=True, closed_on=DAY, successor=heir)
    person = UserFactory()
    HolderFactory(user=person, organisation=heir)
    tab.goto(f"{site}/demandes/nouvelle/?besoin=nouveau-mot-de-passe&numero=ec{heir.fase}")
    assert_sound_at_each_size(tab, "demande-ailleurs")
    enter(tab.context, site, person, strong=False)
    tab.goto(f"{site}/demandes/nouvelle/?besoin=panne&parcours=materiel/panne")
    assert_sound_at_each_size(tab, "demande-ma-boite")
    tab.get_by_label("Numéro FASE ou adresse de la boîte").fill(f"ec{gone.fase}")
    press(tab, "Continuer")
    assert_sound_at_each_size(tab, "demande-numero-repris")
    follow(tab, tab.get_by_role("link", name=LONG_NAME))
    tab.get_by_label("Quel jour").fill("15/12/2024")
    tab.get_by_label("Votre message").fill("Il ne s’allume plus.")
    press(tab, "Envoyer ma demande")
    follow_to = tab.get_by_role("alert").get_by_role("link", name="n’est pas encore passé")
    follow_to.click()
    expect(tab.get_by_label("Quel jour")).to_be_focused()
    assert tab.get_by_label("Votre message").input_value() == "Il ne s’allume plus."
    assert_sound_at_each_size(tab, "demande-date-refusee")

    ticket = asked(heir.mailbox, at=AT)
    tickets.solve(ticket, by=agent(), at=AT)
    tab.goto(f"{site}/demandes/avis/{tokens.opinion_token(ticket).reveal()}/")
    word = tab.get_by_label("Un mot, si vous le souhaitez")
    word.fill("Merci, mais")
    word.press("Enter")
    word.press_sequentially("trois jours.")
    assert Ticket.objects.get(pk=ticket.pk).satisfied is None
    with tab.expect_navigation():
        tab.evaluate("document.querySelector('main form').submit()")  # as some browsers do, by no button
    expect(tab.get_by_role("alert")).to_be_focused()
    assert word.input_value() == "Merci, mais\ntrois jours."
    assert_sound_at_each_size(tab, "demande-avis-non-choisi")
    press(tab, "Non, pas vraiment")
    assert Ticket.objects.get(pk=ticket.pk).opinion == "Merci, mais\ntrois jours."
