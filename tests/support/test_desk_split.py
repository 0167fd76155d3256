"""Splitting a ticket from its page: chosen, read, confirmed; refused, too late, asked by whoever may not."""

import pytest

from support import tickets
from support.models import Message, Ticket
from support.models.routing import RoutingRule
from tests.support.desk_stage import HOSTILE
from tests.support.ticket_stage import NOW, Sheet, attached, refused
from tests.support.tickets_stage import again, agent, asked, mails

pytestmark = [pytest.mark.django_db, pytest.mark.database]
SECOND = "Autre chose : quelle est la date de notre fusion ?"


@pytest.fixture
def second(ticket) -> Message:
    return tickets.requester_wrote(ticket, text=SECOND, at=NOW)


def choice(*messages, need: str = "procedure") -> str:
    return "?choisi=1&besoin=" + need + "".join(f"&m={message.pk}" for message in messages)


def test_it_is_chosen_read_and_confirmed(sheet, ticket, second):
    attached(second)
    assert any("/separer/?version=" in link for link in sheet().links)
    page = sheet(end="separer/")
    page.assert_sound()
    assert SECOND in page.text
    assert "(1 fichier)" in page.text
    page = sheet(choice(second), end="separer/")
    page.assert_sound()
    assert "Les règles la confient à SGNE" in page.text
    assert "Son délai se compte depuis le 14 novembre 2024 ; SGNE a, dès maintenant" in page.text
    assert "Camille Fictive (camille@exemple.test) en est le demandeur, et reçoit un mail" in page.text
    assert 'name="ira" value="sgne"' in page.html
    assert Ticket.objects.count() == 1  # reading changes nothing
    sent = {"m": second.pk, "besoin": "procedure", "ira": "sgne", "subject": "La date", "team": "regles"}
    assert sheet.do("separer", **sent).status == 200  # not confirmed: told again
    assert Ticket.objects.count() == 1
    page = sheet.do("separer", **sent, confirme="1")
    new = Ticket.objects.get(subject="La date")
    assert f"C’est fait : la nouvelle demande porte la référence {new.reference}, confiée à SGNE." in page.text
    assert f"la suite est sous la référence {new.reference}." in page.text
    assert sheet.answer.request["PATH_INFO"] == sheet.address()
    assert (new.team, Message.objects.get(pk=second.pk).ticket) == ("sgne", new)
    assert len(mails("ticket.split")) == 1
    there = Sheet(agent("sgne"), new)()
    assert SECOND in there.text
    assert f"écrit dans {ticket.reference}" in there.text


def test_both_pages_link_to_each_other_for_whoever_sees_both(sheet, ticket, second):
    new = tickets.split(
        ticket, messages=[second.pk], need="technique", subject="Suite", by=agent(), version=None, at=NOW
    )
    assert f"/desk/demande/{new.reference}/" in sheet().links
    sheet.ticket = new
    page = sheet()
    assert f"/desk/demande/{ticket.reference}/" in page.links
    assert page.text.count(SECOND) == 1
    assert "A séparé : le message du 14 novembre 2024" in Sheet(agent(), ticket)(end="historique/").text
    assert "Demande séparée d’une autre" not in page.text
    assert "demande séparée d’une autre" in sheet(end="historique/").text


def test_where_there_is_nothing_to_split_it_is_not_offered_and_says_so(sheet, ticket):
    tickets.note(ticket, text="Une note.", by=agent(), at=NOW)
    assert not any("/separer/" in link for link in sheet().links)
    refused(sheet(end="separer/"), "ne compte qu’un message du demandeur")
    refused(sheet.do("separer", besoin="procedure", m="1", confirme="1"), "ne compte qu’un message du demandeur")


def test_what_ended_says_so_at_once(sheet, ticket, second):
    tickets.close(ticket, why="fini", by=agent(), at=NOW)
    assert not any("/separer/" in link for link in sheet().links)
    refused(sheet(end="separer/"), "Cette demande est close : rien ne s’en sépare plus.")
    sent = {"m": second.pk, "besoin": "procedure", "subject": "x", "team": "regles", "confirme": "1"}
    refused(sheet.do("separer", **sent), "Cette demande est close")
    joined, stays = asked(ticket.mailbox, at=NOW), asked(ticket.mailbox, at=NOW)
    tickets.merge(joined, into=stays, by=agent(), at=NOW)
    sheet.ticket = joined
    refused(sheet(end="separer/"), "jointe à une autre")


def test_a_wrong_choice_comes_back_with_what_was_chosen(sheet, ticket, second):
    first = ticket.messages.earliest("pk")
    refused(sheet("?choisi=1&besoin=procedure", end="separer/"), "Choisissez au moins un message.")
    page = sheet(choice(first, second), end="separer/")
    refused(page, "Laissez au moins un message dans cette demande")
    assert page.html.count(" checked") == 2
    assert '<option value="procedure" selected>' in page.html
    page = sheet(choice(second, need=""), end="separer/")
    refused(page, "Choisissez un besoin.")
    assert page.html.count(" checked") == 1
    page = sheet(f"?m={second.pk}&besoin=vol", end="separer/")  # « choisir autrement »
    assert page.status == 200
    assert page.html.count(" checked") == 1
    assert '<option value="vol" selected>' in page.html
    elsewhere = asked(at=NOW).messages.get()
    refused(sheet(choice(elsewhere), end="separer/"), "Un de ces messages n’est plus dans cette demande")


def test_what_is_wrong_on_the_second_page_keeps_all_of_it(sheet, ticket, second):
    sent = {"m": second.pk, "besoin": "usage", "confirme": "1", "ira": ""}
    page = sheet.do("separer", **sent, subject="Mon objet", team="regles")
    refused(page, "Les règles ne prévoient pas de demande ici.")
    assert 'value="Mon objet"' in page.html
    assert f'name="m" value="{second.pk}"' in page.html
    page = sheet.do("separer", **sent, subject="Mon objet", team="nous", why="")
    refused(page, "Dites pourquoi votre équipe garde cette demande.")
    refused(sheet.do("separer", **sent, subject="", team="nous", why="Elle nous connaît."), "Donnez un objet.")
    assert Ticket.objects.count() == 1
    sheet.do("separer", **sent, subject="Mon objet", team="nous", why="Elle nous connaît.")
    new = Ticket.objects.get(subject="Mon objet")
    assert new.team == "etnic"
    assert new.messages.get(kind="note").text == "ETNIC la garde : Elle nous connaît."


def test_it_never_goes_elsewhere_than_the_page_had_said(sheet, ticket, second):
    """Another answer, or a rule that changed meanwhile: what was read is not what would be done."""
    sent = {"m": second.pk, "besoin": "panne", "subject": "Écran noir", "team": "regles", "confirme": "1"}
    sent |= {"q_livraison": "2023-01-10", "ira": "etnic"}
    page = sheet.do("separer", **sent)
    refused(page, "Ainsi, les règles la confient à Priminfo. Relisez, puis confirmez.")
    assert 'name="ira" value="priminfo"' in page.html
    assert 'value="2023-01-10"' in page.html
    assert Ticket.objects.count() == 1
    sheet.do("separer", **sent | {"ira": "priminfo"})
    assert Ticket.objects.get(subject="Écran noir").team == "priminfo"


def test_where_the_rules_are_silent_the_page_says_so(sheet, ticket, second):
    RoutingRule.objects.filter(need="procedure").delete()
    page = sheet(choice(second), end="separer/")
    page.assert_sound()
    assert "Les règles diront quelle équipe la reçoit d’après vos réponses." in page.text
    assert "première réponse" not in page.text
    sent = {"m": second.pk, "besoin": "procedure", "ira": "", "subject": "La date", "confirme": "1"}
    refused(sheet.do("separer", **sent, team="regles"), "Aucune règle ne répond")
    assert Ticket.objects.count() == 1


def test_answers_that_were_given_are_there_for_the_same_need_only(sheet):
    sheet.ticket = asked(need="panne", answers={"livraison": "2023-01-10"}, team="etnic", at=NOW)
    second = tickets.requester_wrote(sheet.ticket, text=SECOND, at=NOW)
    page = sheet(choice(second, need="panne"), end="separer/")
    assert 'value="2023-01-10"' in page.html
    assert 'name="ira" value="priminfo"' in page.html
    assert "2023-01-10" not in sheet(choice(second, need="reception"), end="separer/").html


def test_the_second_of_two_agents_reads_what_is_new_and_keeps_what_was_typed(sheet, ticket, second):
    third = tickets.requester_wrote(ticket, text="Encore une question.", at=NOW)
    sheet(choice(second), end="separer/")
    lou = agent(first_name="Lou", last_name="Fictive")
    tickets.note(ticket, text="Je regarde.", by=lou, at=NOW)
    sent = {"m": second.pk, "besoin": "procedure", "ira": "sgne", "subject": "La date", "team": "regles"}
    page = sheet.do("separer", **sent, confirme="1")
    refused(page, "Cette demande a changé pendant que vous écriviez")
    assert sheet.answer.status_code == 409
    assert "Je regarde." in page.text
    assert 'value="La date"' in page.html
    # The other one split the same message meanwhile: there is nothing left of what was chosen
    tickets.split(ticket, messages=[second.pk], need="technique", subject="Lou", by=lou, version=None, at=NOW)
    refused(sheet.do("separer", **sent, confirme="1"), "n’est plus dans cette demande")
    assert Ticket.objects.count() == 2
    assert again(ticket).messages.filter(pk=third.pk).exists()


def test_a_page_that_is_too_old_tells_what_is_new_at_once(sheet, ticket, second):
    sheet()
    tickets.note(ticket, text="Je regarde.", by=agent(), at=NOW)
    page = sheet(f"{choice(second)}&version=1&vu={sheet.read['vu']}", end="separer/")
    assert page.status == 200
    assert "Je regarde." in page.text
    assert 'name="version" value="2"' in page.html


def test_another_team_s_ticket_is_not_found(lena, second, ticket):
    stranger = Sheet(agent("sgne"), ticket)
    assert stranger(choice(second), end="separer/").status == 404
    sent = {"version": "1", "m": second.pk, "besoin": "procedure", "subject": "x", "team": "regles", "confirme": "1"}
    assert stranger.do("separer", reading=False, **sent).status == 404
    assert Ticket.objects.count() == 1


def test_hostile_values_give_a_form_back(sheet, ticket, second):
    fields = ("m", "besoin", "subject", "team", "why", "ira", "version", "vu", "confirme", "choisi", "q_sujet")
    for sign in HOSTILE:
        wrong = sign.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        assert sheet.do("separer", **dict.fromkeys(fields, wrong)).status in {200, 413, 422}
        typed = {"m": second.pk, "besoin": "technique", "confirme": "1"}
        typed |= dict.fromkeys(("subject", "team", "why", "ira", "version", "vu", "q_sujet"), wrong)
        assert sheet.do("separer", **typed).status in {200, 409, 413, 422}
    assert sheet("?choisi=1&besoin=vol" + "&m=1" * 300, end="separer/").status == 422
    assert Ticket.objects.count() == 1


def test_what_the_requester_wrote_is_shown_as_words(sheet, ticket):
    words = "<script>alert(1)</script> & {{ x }} " * 20
    second = tickets.requester_wrote(ticket, text=words, at=NOW)
    for page in (sheet(end="separer/"), sheet(choice(second), end="separer/")):
        assert "<script>alert(1)" not in page.html
        assert "&lt;script&gt;alert(1)" in page.html


def test_the_page_of_the_ticket_costs_no_more(sheet, ticket, second, django_assert_max_num_queries):
    tickets.split(ticket, messages=[second.pk], need="technique", subject="x", by=agent(), version=None, at=NOW)
    sheet()
    with django_assert_max_num_queries(8):
        sheet()
