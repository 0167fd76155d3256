"""The mails that wait for a person, as ETNIC reads and places them, in a real browser: keyboard, phone."""

from datetime import date

import pytest
from playwright.sync_api import expect

from support.models import InboxState, Ticket
from tests.factories import MailboxFactory, OrganisationFactory
from tests.factories_tickets import IncomingMailFactory
from tests.support.tickets_stage import AT, agent, asked
from tests.walks.mode_scenes import set_date
from tests.walks.sound import assert_sound_at_each_size, enter, follow, press

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WIDE = "<table><tr>" + "<td>colonne large</td>" * 30 + "</tr></table>"


def test_an_agent_reads_a_waiting_mail_and_opens_a_ticket(tab, site):
    set_date(date(2024, 11, 15))
    MailboxFactory(organisation=OrganisationFactory(fase=247))
    InboxState.objects.create(
        sender="etnic", since=AT, read_at=AT, failures=2, last_error="Exchange est occupé et demande d'attendre."
    )
    IncomingMailFactory(
        subject="La boîte ec000247@adm.cfwb.be est pleine",
        html=f"<p>Bonjour, elle est <b>pleine</b>.</p><blockquote><p>De : ETNIC</p></blockquote>{WIDE}",
        files=["une-photo-au-nom-vraiment-tres-long-de-l-ecran-de-la-direction.jpg"],
        received_at=AT,
    )
    enter(tab.context, site, agent("etnic"))
    tab.goto(f"{site}/desk/quarantaine/")
    expect(tab.get_by_text("n’est pas lue en ce moment")).to_be_visible()
    assert_sound_at_each_size(tab, "quarantaine")

    follow(tab, tab.get_by_role("link", name="est pleine"))
    assert_sound_at_each_size(tab, "quarantaine-message")
    tab.get_by_label("De quoi s’agit-il").focus()
    press(tab, "Ouvrir une demande")
    expect(tab.get_by_role("alert").first).to_be_focused()
    assert_sound_at_each_size(tab, "quarantaine-erreur")
    tab.get_by_label("De quoi s’agit-il").select_option("reception")
    press(tab, "Ouvrir une demande")
    expect(tab.get_by_role("status").first).to_contain_text(Ticket.objects.get().reference)
    expect(tab.get_by_text("Rien à examiner")).to_be_visible()


def test_a_reply_of_priminfo_is_placed_without_opening_its_ticket(tab, site):
    set_date(date(2024, 11, 15))
    ticket = asked(need="panne", answers={"livraison": "2023-01-10"})
    IncomingMailFactory(
        from_address="sttd@priminfo.be", subject=f"RE: [{ticket.reference}]", text="Demain.", ticket=ticket,
        received_at=AT,
    )  # fmt: skip
    enter(tab.context, site, agent("etnic"))
    tab.goto(f"{site}/desk/quarantaine/")
    follow(tab, tab.get_by_role("link", name=ticket.reference))
    expect(tab.get_by_label("la réponse de l’équipe")).to_be_checked()
    assert_sound_at_each_size(tab, "quarantaine-equipe")
    press(tab, "Ajouter à cette demande")
    expect(tab.get_by_role("status").first).to_contain_text("que suit Priminfo")
