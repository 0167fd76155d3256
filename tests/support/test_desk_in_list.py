"""From one ticket to the next of the list that it was opened from (F15), and back to an answer to recall (F12)."""

from datetime import timedelta
from urllib.parse import quote

import pytest

from support import tickets
from support.models import Ticket
from tests.support.pages import Page
from tests.support.ticket_stage import NOW, Sheet
from tests.support.tickets_stage import again, agent, asked

pytestmark = [pytest.mark.django_db, pytest.mark.database]
LIST = "file=toutes&q=souci"


@pytest.fixture
def four(lena) -> list[Ticket]:
    """The latest first, as that list has them; one of another team among them."""
    made = [asked(subject=f"Souci {n}", at=NOW - timedelta(minutes=n)) for n in range(4)]
    tickets.transfer(made[1], to="sgne", why="Une date.", by=lena, at=NOW - timedelta(hours=3))
    return made


def there(ticket, query=LIST) -> str:
    return f"/desk/demande/{ticket.reference}/?liste={quote(query, safe='')}"


def test_a_list_leads_to_its_tickets_and_each_to_its_neighbours(lena, four):
    first, foreign, second, last = four
    sheet = Sheet(lena, second)
    page = sheet.open(f"/desk/?{LIST}")
    assert [href for href in page.links if href.startswith("/desk/demande/")] == [
        there(t) for t in (first, second, last)
    ]
    page = sheet.open(there(second))
    page.assert_sound()
    assert f"/desk/?{LIST}" in page.links
    assert {f"{there(second)}&aller=suivante", f"{there(second)}&aller=precedente"} <= set(page.links)
    for step, neighbour in (("suivante", last), ("precedente", first)):
        answer = sheet.client.get(f"{there(second)}&aller={step}")
        assert answer["Location"] == there(neighbour)
    answer = sheet.client.get(f"{there(last)}&aller=suivante", follow=True)
    assert answer.redirect_chain[0][0] == f"/desk/?{LIST}"
    assert "Vous êtes au bout de cette liste." in Page(answer).text
    assert sheet.client.get(f"{there(foreign)}&aller=suivante").status_code == 404


def test_a_ticket_that_was_opened_by_itself_has_no_neighbours(sheet):
    page = sheet()
    assert "Retour à la liste" not in page.text
    assert "puis la suivante" not in page.text


@pytest.mark.parametrize("htmx", [False, True])
def test_an_answer_is_sent_and_one_goes_on_with_the_list(lena, four, settings, htmx):
    settings.RECALL_SECONDS = 30
    first, _foreign, second, _last = four
    sheet = Sheet(lena, first)
    page = sheet(f"?liste={quote(LIST)}")
    assert "Envoyer, puis la suivante" in page.text
    said = {"text": "Voilà.", "then": "solved", "liste": LIST, "suivante": "1", **sheet.read}
    answer = sheet.client.post(sheet.address("repondre/"), said, headers={"HX-Request": "true"} if htmx else {})
    assert answer["HX-Redirect" if htmx else "Location"] == there(second)
    assert again(first).status == "solved"
    page = sheet.open(there(second))
    assert f"Revenir à {first.reference} pour la rappeler" in page.text
    assert f"{there(first)}#rappel" in page.links
    assert "Rappeler" in sheet.open(there(first)).text


def test_a_refused_answer_goes_nowhere_and_the_last_one_leads_back_to_the_list(lena, four):
    last = four[-1]
    sheet = Sheet(lena, last)
    page = sheet.do("repondre", text="", then="open", liste=LIST, suivante="1")
    assert sheet.answer.status_code == 422
    assert "Envoyer, puis la suivante" in page.text  # the list is not forgotten
    page = sheet.do("repondre", text="Voilà.", then="open", liste=LIST, suivante="1")
    assert "Vous êtes au bout de cette liste." in page.text
    assert "Votre réponse part." in page.text


def test_one_that_has_left_its_list_is_followed_by_the_first_of_it(lena):
    mine, other = asked(subject="La mienne"), asked(subject="L’autre")
    tickets.take(mine, by=agent(), at=NOW)
    answer = Sheet(lena, mine).client.get(f"{there(mine, 'file=a-prendre')}&aller=suivante")
    assert answer["Location"] == there(other, "file=a-prendre")


@pytest.mark.parametrize("value", ["\0", "x" * 5_000, "file=%00&q=%ud800", "&" * 300, "file=miennes&lot=" + "9" * 30])
def test_a_list_that_is_none_breaks_nothing(sheet, value):
    assert sheet(f"?liste={quote(value)}").status == 200
    assert sheet.client.get(sheet.address() + f"?liste={quote(value)}&aller=suivante").status_code == 302
