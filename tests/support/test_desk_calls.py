"""A ticket for somebody on the phone: looked up, routed, or kept with a reason."""

from urllib.parse import quote

import pytest

from support.models import Ticket
from tests.factories import OrganisationFactory
from tests.factories_holders import HolderFactory
from tests.support.desk_stage import HOSTILE
from tests.support.ticket_stage import NOW, Sheet
from tests.support.tickets_stage import agent, asked, mails

pytestmark = [pytest.mark.django_db, pytest.mark.database]
Status = Ticket.Status


# For somebody on the phone


def test_a_ticket_for_a_caller_is_routed_and_says_who_wrote_it_down(sheet, lena):
    unit = OrganisationFactory(mailbox=True)
    asked(unit.mailbox, subject="Déjà demandé", at=NOW)
    page = sheet.open("/desk/nouvelle/")
    page.assert_sound()
    page = sheet.open(f"/desk/nouvelle/?numero={unit.kind}{unit.fase}&besoin=technique")
    page.assert_sound()
    assert "Déjà demandé" in page.text
    assert "Les règles la confient à ETNIC" in page.text
    (change,) = [link for link in page.links if "changer=" in link]
    page = sheet.open(change)
    assert page.status == 200  # asked again, not blamed for what is not chosen yet
    assert f'value="{unit.kind}{unit.fase:06d}"' in page.html
    typed = {"numero": f"{unit.kind}{unit.fase}", "besoin": "technique", "q_sujet": "webmail", "team": "regles"}
    who = {"first_name": "Sacha", "last_name": "Fictif", "email": "sacha@exemple.test", "subject": "Page blanche"}
    answer = sheet.client.post("/desk/nouvelle/", {**typed, **who, "text": "Au téléphone : page blanche."})
    ticket = Ticket.objects.get(subject="Page blanche")
    assert answer["Location"] == f"/desk/demande/{ticket.reference}/"
    assert (ticket.channel, ticket.team, ticket.answers) == ("desk", "etnic", {"sujet": "webmail"})
    note = ticket.messages.get(kind="note")
    assert (note.author, note.text) == (lena, "Saisie pour la personne qui a appelé (ETNIC).")
    assert mails("ticket.received")[-1].to == ["sacha@exemple.test"]


def test_a_mailbox_that_nobody_knows_is_refused_and_so_is_half_a_form(sheet):
    for numero in ("999999", "", "pas un numéro", *(quote(sign, errors="surrogatepass") for sign in HOSTILE)):
        page = sheet.open(f"/desk/nouvelle/?numero={numero}&besoin=technique")
        assert page.status == 422, numero[:20]
        assert page.title.startswith("Erreur : ")
    unit = OrganisationFactory(mailbox=True)
    typed = {"numero": f"{unit.kind}{unit.fase}", "besoin": "technique", "text": "Gardé tel quel."}
    answer = sheet.client.post("/desk/nouvelle/", typed)
    assert answer.status_code == 422
    assert "Gardé tel quel.</textarea>" in answer.content.decode()
    assert "Indiquez le nom." in answer.content.decode()
    for sign in HOSTILE:
        odd = sign.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        more = dict.fromkeys(("last_name", "email", "subject", "text", "q_sujet", "team", "phone"), odd)
        assert sheet.client.post("/desk/nouvelle/", {**typed, **more}).status_code in {413, 422}, sign[:10]
    assert Ticket.objects.count() == 1  # the one of the fixture


def test_an_old_number_names_the_unit_that_took_it_over(sheet):
    heir = OrganisationFactory(fase=901, mailbox=True, name="École réunie")
    OrganisationFactory(fase=900, mailbox=True, closed_on=NOW.date(), successor=heir)
    OrganisationFactory(fase=902, closed_on=NOW.date(), successor=heir)  # never had a mailbox
    OrganisationFactory(fase=903, mailbox=True, closed_on=NOW.date())
    for gone in ("900", "902"):
        page = sheet.open(f"/desk/nouvelle/?numero={gone}&besoin=technique")
        assert page.status == 422
        assert "C’est désormais École réunie : ec000901." in page.text
    assert (
        "le registre n’indique pas qui l’a reprise" in sheet.open("/desk/nouvelle/?numero=903&besoin=technique").text
    )


def test_a_team_keeps_a_call_against_the_rules_with_a_reason(sheet):
    unit = OrganisationFactory(mailbox=True)
    who = {"last_name": "Fictif", "email": "sacha@exemple.test", "subject": "Usage", "text": "Puis-je m’en servir ?"}
    typed = {"numero": f"{unit.kind}{unit.fase}", "besoin": "usage", "team": "regles", **who}
    assert "Les règles ne prévoient pas de demande ici" in sheet.client.post("/desk/nouvelle/", typed).content.decode()
    answer = sheet.client.post("/desk/nouvelle/", {**typed, "team": "nous"})
    assert "Dites pourquoi votre équipe garde cette demande." in answer.content.decode()
    sheet.client.post("/desk/nouvelle/", {**typed, "team": "nous", "why": "Je connais le dossier."})
    ticket = Ticket.objects.get(subject="Usage")
    assert ticket.team == "etnic"
    assert "Je connais le dossier." in ticket.messages.get(kind="note").text
    company = Sheet(agent("priminfo"), ticket)
    answer = company.client.post("/desk/nouvelle/", {**typed, "team": "nous", "why": "Essai."})
    assert "Priminfo ne reçoit que les pannes" in answer.content.decode().replace("\N{NO-BREAK SPACE}", " ")


def test_a_call_for_another_team_leads_back_to_the_queue_with_its_reference(sheet):
    unit = OrganisationFactory(mailbox=True)
    who = {"last_name": "Fictif", "email": "sacha@exemple.test", "subject": "Ma date", "text": "Quand ?"}
    typed = {"numero": f"{unit.kind}{unit.fase}", "besoin": "procedure", "team": "regles", **who}
    answer = sheet.client.post("/desk/nouvelle/", typed, follow=True)
    ticket = Ticket.objects.get(subject="Ma date")
    assert ticket.team == "sgne"
    assert ticket.reference in answer.content.decode()
    assert answer.request["PATH_INFO"] == "/desk/"


# What a caller says, and what the portal knows already


def test_a_name_is_searched_and_one_chooses_since_names_are_not_unique(sheet, django_assert_max_num_queries):
    first = OrganisationFactory(fase=701, name="École Saint-Rébus", municipality="Rébussart", mailbox=True)
    OrganisationFactory(fase=702, name="Institut Saint-Rébus", municipality="Montfictif", mailbox=True)
    OrganisationFactory(fase=703, name="Saint-Rébus sans boîte")
    with django_assert_max_num_queries(8):
        page = sheet.open("/desk/nouvelle/?numero=saint rebus&besoin=panne")
    page.assert_sound()
    assert page.status == 200
    assert "École Saint-Rébus" in page.text
    assert "Rébussart" in page.text
    assert "sans boîte" not in page.text
    offered = [link for link in page.links if "numero=ec00070" in link]
    assert offered == [f"/desk/nouvelle/?numero=ec{n:06d}&besoin=panne" for n in (701, 702)]
    page = sheet.open(offered[0])
    assert page.status == 200
    assert first.mailbox.address in page.text
    page = sheet.open("/desk/nouvelle/?numero=Saint-Rébus rebussart&besoin=panne")
    assert [link for link in page.links if "numero=ec00070" in link] == offered[:1]


def test_words_that_no_unit_bears_are_an_error_and_too_many_units_ask_for_a_word_more(sheet):
    page = sheet.open("/desk/nouvelle/?numero=introuvable&besoin=panne")
    assert page.status == 422
    assert "Aucune unité ne porte ces mots" in page.text
    for numero in ("ec1234567", "école@exemple.test", "٣٤٥"):  # a number or an address gone wrong is told as such
        page = sheet.open(f"/desk/nouvelle/?numero={quote(numero)}&besoin=panne")
        assert "Aucune unité ne porte ces mots" not in page.text
        assert page.status == 422
    for n in range(13):
        OrganisationFactory(fase=800 + n, name=f"École du Préau {n}", mailbox=True)
    page = sheet.open("/desk/nouvelle/?numero=préau&besoin=panne")
    assert len([link for link in page.links if "numero=ec0008" in link]) == 12
    assert "ajoutez la commune" in page.text


@pytest.mark.parametrize(
    ("need", "known"),
    [("panne", True), ("procedure", True), ("nouveau-mot-de-passe", False), ("reception", False), ("internet", False)],
)
def test_the_mailbox_is_where_to_answer_unless_it_may_be_out_of_reach(sheet, need, known):
    unit = OrganisationFactory(fase=97004, mailbox=True)
    holder = HolderFactory(organisation=unit, user__first_name="Ariane", user__last_name="Fictive")
    page = sheet.open(f"/desk/nouvelle/?numero=ec097004&besoin={need}")
    page.assert_sound()
    assert ('value="ec097004@adm.cfwb.be"' in page.html) == known
    assert f'value="{holder.user.last_name}"' in page.html
    assert "Ariane" in page.html
    assert Ticket.objects.filter(mailbox=unit.mailbox).count() == 0


def test_a_company_is_not_told_who_the_titulaire_is(ticket):
    unit = OrganisationFactory(fase=97004, mailbox=True)
    HolderFactory(organisation=unit, user__last_name="Secrète")
    page = Sheet(agent("priminfo"), ticket).open("/desk/nouvelle/?numero=ec097004&besoin=panne")
    assert "Secrète" not in page.html
    assert 'value="ec097004@adm.cfwb.be"' in page.html


def test_a_team_is_told_that_another_has_one_already_and_not_what_it_says(lena, ticket):
    unit = OrganisationFactory(fase=97004, mailbox=True)
    other = asked(unit.mailbox, need="procedure", subject="Notre date", last_name="Confidentielle", at=NOW)
    assert other.team == "sgne"
    asks = "/desk/nouvelle/?numero=ec097004&besoin=procedure"
    page = Sheet(lena, ticket).open(asks)
    page.assert_sound()
    assert "déjà suivie par une autre équipe (SGNE) depuis le 14 novembre 2024" in page.text
    for hidden in (other.reference, "Notre date", "Confidentielle"):
        assert hidden not in page.html
    page = Sheet(agent("sgne"), ticket).open(asks)
    assert other.reference in page.html
    assert "suivie par une autre équipe" not in page.text


def test_priminfo_learns_nothing_of_what_is_asked_about_passwords(ticket):
    unit = OrganisationFactory(fase=97004, mailbox=True)
    for need in ("ancien-mot-de-passe", "panne"):
        asked(unit.mailbox, need=need, team="etnic", at=NOW)
    company = Sheet(agent("priminfo"), ticket)
    asks = "/desk/nouvelle/?numero=ec097004&besoin="
    assert "suivie par une autre équipe" not in company.open(f"{asks}ancien-mot-de-passe").text
    assert "suivie par une autre équipe (ETNIC)" in company.open(f"{asks}panne").text
