"""SGNE changes a rule: seen first, then confirmed, from a day to come, with a reason; which rules to review (E10)."""

from datetime import date

import pytest
from django.urls import reverse

from bma_portal import clock
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.models import AuditEntry
from support.models import RoutingRule, Ticket, TicketChange
from support.needs import NEEDS
from support.routing import facts_of, route
from support.rule_changes import EDITABLE, change, replacement, returned_by_rule
from support.tickets import open_ticket
from tests.factories import MailboxFactory, UserFactory
from tests.support.pages import Page
from tests.support.rules_stage import NOW, agent, current, opened, posted, values

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def day(db):
    clock.set_for_every_process(NOW)


@pytest.fixture
def sgne():
    return agent("SGNE")


@pytest.fixture
def etnic():
    return agent("ETNIC")


def test_the_form_opens_with_the_rule_as_it_is(sgne):
    rule = RoutingRule.objects.get(need="ancien-mot-de-passe", position=50)
    page = opened(sgne, "desk_rule_change", rule.pk)
    assert "P2 (mail 2 reçu), P3 (mail 3 reçu)" in page.text
    assert rule.reason in page.html.replace("&#x27;", "'")
    assert 'value="16/11/2024"' in page.html
    assert "{situation}" in page.text
    assert "Règle d’origine" in page.text


def test_a_change_is_shown_then_confirmed_and_holds_from_its_day_on(sgne):
    rule = RoutingRule.objects.get(need="ancien-mot-de-passe", position=50)
    to_etnic = {"team": "etnic", "source": "Notre décision du 15/11/2024"}
    page = posted(sgne, rule, **to_etnic)
    assert page.status == 200
    assert "Ce qui changerait dès le samedi 16 novembre 2024" in page.text
    assert "P2, P3 :" in page.text
    assert "avant : SGNE · une demande à l’équipe" in page.text
    assert "après : ETNIC · une demande à l’équipe – Transmis à l’ETNIC parce que" in page.text
    assert RoutingRule.objects.get(pk=rule.pk).valid_to is None

    seal = page.html.partition('name="vu" value="')[2].partition('"')[0]
    done = sgne.post(reverse("desk_rule_change", args=[rule.pk]), values(rule, **to_etnic, vu=seal), follow=True)
    assert "La règle est changée" in Page(done).text
    assert "Changements à venir" in Page(done).text
    rule.refresh_from_db()
    new = RoutingRule.objects.get(replaces=rule)
    assert rule.valid_to == new.valid_from == date(2024, 11, 16)
    assert (new.changed_by, new.changed_at) == ("SGNE", NOW)

    for moment, team in ((brussels(date(2024, 11, 15), 23, 59), "sgne"), (brussels(date(2024, 11, 16)), "etnic")):
        facts = facts_of(unit_type="CTA", stage="P2", at=moment)
        assert route("ancien-mot-de-passe", facts, {}, at=moment).team == team

    line = AuditEntry.objects.get(action="rule.changed")
    assert (line.actor, line.why) == ("SGNE", "Le SGNE et l’ETNIC se sont accordés.")
    assert line.details["team"] == ["sgne", "etnic"]
    assert line.details["remplace"] == rule.pk


def test_what_was_answered_stays_what_the_rules_say_of_that_day(sgne):
    """Replay: before and after a change, the same facts and date give the same route."""
    moments = [brussels(date(2024, 11, day), hour) for day in (1, 14, 15) for hour in (0, 12, 23)]
    facts = [facts_of(unit_type="CTA", stage=stage, at=NOW) for stage in ("P0", "P2", "P4", "P6")]
    before = [route(need, fact, {}, at=at) for need in NEEDS for fact in facts for at in moments]
    for rule in RoutingRule.objects.on(date(2024, 11, 15)):
        page = posted(sgne, rule, source="Notre décision, d’essai (S1)")
        seal = page.html.partition('name="vu" value="')[2].partition('"')[0]
        assert posted(sgne, rule, source="Notre décision, d’essai (S1)", vu=seal).status == 302
    assert [route(need, fact, {}, at=at) for need in NEEDS for fact in facts for at in moments] == before


def test_what_is_confirmed_is_what_was_seen(sgne):
    """Corrected after the preview: the effects are shown anew, nothing is written."""
    rule = RoutingRule.objects.get(need="ancien-mot-de-passe", position=50)
    seal = posted(sgne, rule, team="etnic").html.partition('name="vu" value="')[2].partition('"')[0]
    page = posted(sgne, rule, team="priminfo", vu=seal)
    assert page.status == 200
    assert "après : Priminfo" in page.text
    assert not RoutingRule.objects.filter(replaces=rule).exists()


@pytest.mark.parametrize(
    ("changed", "words", "field"),
    [
        ({"starts_on": "2024-11-15"}, "demain au plus tôt", "starts_on"),
        ({"starts_on": "2020-01-01"}, "demain au plus tôt", "starts_on"),
        ({"starts_on": ""}, "Indiquez le premier jour", "starts_on"),
        ({"starts_on": "bientôt"}, "ne se lit pas", "starts_on"),
        ({"starts_on": "2101-01-01"}, "entre 2000 et 2100", "starts_on"),
        ({"why": ""}, "Dites pourquoi", "why"),
        ({"why": "   "}, "Dites pourquoi", "why"),
        ({"why": "\x1b[31m"}, "signe illisible", "why"),
        ({"why": "x" * 301}, "tient en 300", "why"),
        ({"reason": ""}, "Écrivez pourquoi", "reason"),
        ({"reason": "Transmis {request.user}."}, "seuls ces noms", "reason"),
        ({"reason": "x" * 100_000}, "tient en 300", "reason"),
        ({"reason": "Transmis\0"}, "signe illisible", "reason"),
        ({"reason": "Écrivez à support@" + "ethn" + "ic.be."}, "écrivez « etnic.be »", "reason"),
        ({"source": "www." + "ethn" + "ic.be"}, "écrivez « etnic.be »", "source"),
        ({"why": "Voir " + "ethn" + "ic.be"}, "écrivez « etnic.be »", "why"),
        ({"source": ""}, "Citez la source", "source"),
        ({"team": ""}, "nomme l’équipe", "reason"),
        ({"team": "", "reason": "Rien."}, "va toujours à une équipe", None),
        ({"team": "enseignement_be"}, "Enseignement.be ne répond que", None),
        ({"also": ["enseignement_be"]}, "Enseignement.be ne répond que", None),
        ({"team": "nasa"}, "Choisissez une équipe", "team"),
        ({"outcome": "magie"}, "Choisissez une suite", "outcome"),
        ({"outcome": ""}, "obligatoire", "outcome"),
        ({"stages": ["P9"]}, "Choisissez des phases", "stages"),
        ({"stages": ["P2"]}, "Plus aucune règle ne répondrait à ce besoin en P3", None),
        ({}, "Rien n’a changé", None),
    ],
)
def test_a_change_that_does_not_hold_is_refused_and_what_was_typed_is_kept(sgne, changed, words, field):
    rule = RoutingRule.objects.get(need="ancien-mot-de-passe", position=50)
    page = posted(sgne, rule, **changed)
    assert page.status == 200
    assert words in page.text
    assert page.title.startswith("Erreur : ")
    assert 'name="vu"' not in page.html
    if field:
        assert f"#id_{field}" in " ".join(page.links)
    if "why" not in changed:
        assert "se sont accordés" in page.html
    assert not RoutingRule.objects.filter(replaces=rule).exists()
    assert not AuditEntry.objects.filter(action="rule.changed").exists()


def test_a_rule_that_is_to_end_changes_until_then_and_one_that_was_replaced_no_more(sgne):
    rule = current("vol")  # until 31 August 2025, then the same under another citation
    assert "prend fin le 1er septembre 2025" in opened(sgne, "desk_rule_change", rule.pk).text
    late = posted(sgne, rule, reason="Transmis {destinataire}.", starts_on="2025-09-01")
    assert "choisissez un jour d’avant" in late.text
    seal = posted(sgne, rule, reason="Transmis {destinataire}.").html.partition('name="vu" value="')[2][:32]
    assert posted(sgne, rule, reason="Transmis {destinataire}.", vu=seal).status == 302
    new = RoutingRule.objects.get(replaces=rule)
    assert (new.valid_from, new.valid_to) == (date(2024, 11, 16), date(2025, 9, 1))
    assert "a déjà été remplacée" in posted(sgne, rule, reason="Encore.", starts_on="2024-11-20").text
    page = opened(sgne, "desk_rule_change", rule.pk)
    assert "Une autre règle remplace celle-ci dès le 16 novembre 2024" in page.text
    assert reverse("desk_rule_change", args=[new.pk]) in page.links

    clock.set_for_every_process(brussels(date(2025, 8, 31), 12))
    page = posted(sgne, new, reason="Trop tard.", starts_on="2025-09-01")
    assert "a pris fin le 1er septembre 2025" in page.text
    assert "choisissez un jour d’avant" in page.text
    last = RoutingRule.objects.get(need="vol", valid_to=None)
    clock.set_for_every_process(NOW)
    page = posted(sgne, last, reason="Transmis {destinataire}.")
    assert "ne commence elle-même que le 1er septembre 2025" in page.text
    page = posted(sgne, last, reason="Transmis {destinataire}.", starts_on="2026-01-01")
    assert "Ce qui changerait dès le jeudi 1er janvier 2026" in page.text


def test_rules_whose_tickets_were_given_back_are_to_be_reviewed_until_they_change(sgne, etnic):
    vol, panne = current("vol"), current("panne")
    for rule, times in ((vol, 2), (panne, 1)):
        for _ in range(times):
            given_back(rule)
    page = opened(sgne, "desk_rules")
    assert "Règles à revoir" in page.text
    assert "2 demandes rendues, la dernière le 14 novembre 2024" in page.text
    assert [item.rule.pk for item in returned_by_rule(NOW.date())] == [vol.pk, panne.pk]
    assert "revoir la règle" not in opened(etnic, "desk_rules").text

    new = replacement(vol, {"starts_on": date(2024, 11, 16), "team": "sgne"}, by=UserFactory(), why="essai", at=NOW)
    change(vol, new, by=UserFactory(), cells=1, at=NOW)
    assert [item.rule.pk for item in returned_by_rule(NOW.date())] == [panne.pk]


def test_a_rule_that_was_right_is_read_again_and_stays(sgne):
    rule = current("panne")
    assert "la règle reste" not in opened(sgne, "desk_rule_change", rule.pk).text
    given_back(rule)
    assert "1 demande que cette règle avait confiée" in opened(sgne, "desk_rule_change", rule.pk).text
    page = posted(sgne, rule, relue="1", why="")
    assert "Dites pourquoi la règle change" in page.text
    page = posted(sgne, rule, relue="1", reason="Autre chose.")
    assert "Vous avez modifié la règle" in page.text
    assert returned_by_rule(NOW.date())

    page = posted(sgne, rule, relue="1", why="L’école s’était trompée de besoin.")
    assert page.status == 302
    assert returned_by_rule(NOW.date()) == []
    new = RoutingRule.objects.get(replaces=rule)
    assert {name: getattr(new, name) for name in EDITABLE} == {name: getattr(rule, name) for name in EDITABLE}
    assert new.change_reason == "L’école s’était trompée de besoin."
    assert AuditEntry.objects.get(action="rule.changed").details["cellules"] == 0
    assert "Règles à revoir" not in opened(sgne, "desk_rules").text
    given_back_since(new)
    assert [item.rule.pk for item in returned_by_rule(date(2024, 11, 20))] == [new.pk]


def test_a_rule_that_has_no_day_to_come_is_not_to_be_reviewed():
    rule = current("panne")
    given_back(rule)
    rule.end(date(2024, 11, 20))
    assert [item.rule.pk for item in returned_by_rule(date(2024, 11, 18))] == [rule.pk]
    assert returned_by_rule(date(2024, 11, 19)) == []


def given_back_since(rule):
    ticket = Ticket.objects.get()
    TicketChange.objects.create(ticket=ticket, at=NOW, by_name="essai", field="équipe", returned_rule=rule)


def given_back(rule):
    """A ticket that this rule sent to a team, which gave it back."""
    at = brussels(date(2024, 11, 14), 9)
    ticket = open_ticket(
        mailbox=MailboxFactory(),
        need=rule.need,
        subject="Essai",
        text="Essai",
        email="camille@exemple.test",
        at=at,
    )
    assert ticket.rule == rule
    TicketChange.objects.create(
        ticket=ticket, at=at, by_name="essai", field="équipe", old=rule.team, new="sgne", returned_rule=rule
    )


def test_two_who_change_the_same_rule_at_once_make_one_change(sgne):
    rule = RoutingRule.objects.get(need="ancien-mot-de-passe", position=50)
    person = UserFactory()
    both = [
        replacement(rule, {"starts_on": date(2024, 11, day), "team": team}, by=person, why="essai", at=NOW)
        for day, team in ((16, "etnic"), (17, "priminfo"))
    ]
    other = RoutingRule.objects.get(pk=rule.pk)
    change(rule, both[0], by=person, cells=1, at=NOW)
    with pytest.raises(Refusal, match="déjà été remplacée"):
        change(other, both[1], by=person, cells=1, at=NOW)
    assert RoutingRule.objects.filter(replaces=rule).count() == 1
    assert AuditEntry.objects.filter(action="rule.changed").count() == 1


def test_a_rule_that_others_hide_changes_no_cell_and_says_so(sgne):
    rule = RoutingRule.objects.get(need="internet", position=40, valid_to=None)
    clock.set_for_every_process(brussels(date(2026, 11, 22), 12))
    RoutingRule.objects.bulk_create(
        [RoutingRule(**{f.attname: getattr(rule, f.attname) for f in rule._meta.fields if f.attname != "id"} | {
            "position": 1, "answers": {}})]
    )  # fmt: skip
    page = posted(sgne, rule, reason="Autre chose.", starts_on="2026-12-01")
    assert "Aucune cellule de la matrice ne changerait" in page.text
