"""The whole matrix, read in the documentation; the day before and the day of each boundary; what the rules refuse."""

from datetime import date, timedelta

import pytest

from accounts.models import Contact, ModePeriod
from accounts.perimeter import Perimeter
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from migration.campaigns import AUTUMN_2024
from migration.models import Campaign, Mailing
from support.conditions import last_covered_day
from support.contacts import contact_for
from support.door import Kind, door_for
from support.models.routing import RoutingRule
from support.needs import NEEDS
from support.routing import Outcome, Stage, facts_for, facts_of, route
from support.status import status_of
from tests.factories import MailboxFactory
from tests.factories_migration import BatchFactory, MoveFactory
from tests.support.routing_table import COLUMNS, DAYS, cited, initial_rules, rows

TEAM = Contact.Team
CAMPAIGN = Campaign(slug="2024", **AUTUMN_2024)
IN_MODE = Perimeter(
    ModePeriod.Verdict.MODE, "source", "Une unité de type « Secondaire ordinaire » est dans MODE.", False
)
ROWS = list(rows())
RULES = initial_rules()
NOON = brussels(date(2024, 11, 15), 12)


def imagined(stage, at=NOON, perimeter=IN_MODE, **facts):
    return facts_of(unit_type="essai", stage=stage, at=at, campaign=CAMPAIGN, perimeter=perimeter, **facts)


def asked(need, stage, at=NOON, answers=None, **facts):
    """A route without a database."""
    return route(need, imagined(stage, at, **facts), answers or {}, at=at, rules=RULES, contacts={})


def same(found, cell):
    assert (found.team or "", found.outcome, cited(found.source)) == (cell.team, cell.outcome, cell.cited)
    assert found.reason.endswith(".")
    assert "{" not in found.reason


# The documentation and the rules


def test_the_documentation_speaks_of_every_need_and_of_no_other():
    assert {row.need for row in ROWS} == set(NEEDS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.need}-{row.when}")
def test_every_cell_of_the_documentation_is_what_the_portal_answers(row):
    for column in COLUMNS:
        for day in DAYS[column]:
            if row.holds_on(column, day):
                for at in (brussels(day), brussels(day, 23, 59)):
                    found = asked(row.need, column[:2], at, row.answers(day), perimeter=row.perimeter())
                    same(found, row.cells[column])
                    rule = RULES[found.rule - 1]
                    assert tuple(rule.also) == row.cells[column].also


def test_every_rule_answers_at_least_one_cell_of_the_documentation():
    """A rule that nothing reaches is a rule that nobody checked."""
    reached = {
        asked(row.need, column[:2], brussels(day, 12), row.answers(day), perimeter=row.perimeter()).rule
        for row in ROWS
        for column in COLUMNS
        for day in DAYS[column]
    }
    assert {str(rule) for rule in RULES if rule.pk not in reached} == set()


def test_every_rule_of_the_documents_is_sound_and_cites_them():
    for rule in RULES:
        rule.clean_fields()
        rule.clean()
        assert "(S" in rule.source
        assert len(rule.source) <= 200
        assert not rule.unit_types  # the perimeter of MODE is data of its own


def test_enseignement_be_is_never_named_once_mail_2_is_there():
    for row in ROWS:
        for column in COLUMNS[2:]:
            assert TEAM.ENSEIGNEMENT_BE not in {row.cells[column].team, *row.cells[column].also}


# Boundaries: the facts of a mailbox, the minute before and the minute of each

MINUTE = timedelta(minutes=1)
BOUNDARIES = [
    (brussels(date(2024, 11, 4), 9, 5), "P0", "P1"),  # mail 1
    (brussels(date(2024, 11, 12), 9, 5), "P1", "P2"),  # mail 2
    (brussels(date(2024, 12, 3), 9, 5), "P2", "P3"),  # mail 3
    (brussels(date(2024, 12, 6), 2), "P3", "P4"),  # the result of the night that began with mail 4
    (brussels(date(2024, 12, 20), 2), "P4", "P5"),  # the last mailbox of the programme
    (brussels(date(2025, 4, 25)), "P5", "P6"),
    (brussels(date(2025, 9, 1)), "P6", "P6 dès le 01/09/2025"),
]


@pytest.fixture
def mailbox(db):
    """A school that migrated on 6 December 2024; the last one of all did on the 20th."""
    types = {"mailbox__organisation__unit_types": ["Secondaire ordinaire"]}
    MoveFactory(
        migrated=True,
        batch=BatchFactory(
            kind="ec",
            mail1_on=date(2024, 11, 18),
            mail2_on=date(2024, 11, 25),
            mail3_on=date(2024, 12, 16),
            night_on=date(2024, 12, 19),
        ),
    )
    return MoveFactory(migrated=True, batch__establishments=True, **types).mailbox


def test_each_boundary_moves_a_mailbox_to_the_next_column_at_its_minute(mailbox):
    in_mode = [row for row in ROWS if row.when in {"MODE", "—"} or "=" in row.when]
    rules = list(RoutingRule.objects.all())
    for boundary, before, after in BOUNDARIES:
        for at, column in ((boundary - MINUTE, before), (boundary, after), (boundary + timedelta(days=1), after)):
            facts = facts_for(mailbox, at=at)
            assert facts.stage == column[:2], at
            for row in in_mode:
                found = route(row.need, facts, row.answers(at.date()), at=at, rules=rules, contacts={})
                same(found, row.cells[column])


@pytest.mark.parametrize("po", [True, False])
def test_sgne_is_turned_to_the_day_after_the_window_of_the_first_mails(db, po):
    mailbox = MailboxFactory(po=po)
    last = date(2024, 10, 31) if po else date(2024, 11, 30)
    expected = {last: (Outcome.EXPLAIN, None), last + timedelta(days=1): (Outcome.TICKET, TEAM.SGNE)}
    for day, (outcome, team) in expected.items():
        at = brussels(day, 23, 59)
        found = route("pas-de-mail-1", facts_for(mailbox, at=at), {}, at=at)
        assert (found.outcome, found.team) == (outcome, team)


def test_a_mail_2_that_came_back_was_not_issued_but_mail_4_still_ends_what_enseignement_be_does(db):
    move = MoveFactory(sent=4)
    mail = move.mailings.get(step=Mailing.Step.CREDENTIALS).mail
    mail.bounced_at = brussels(date(2024, 10, 15), 9)
    mail.save(update_fields=["bounced_at"])
    before, after = brussels(date(2024, 11, 7), 12), brussels(date(2024, 11, 8), 12)
    for at, stage, team in [(before, Stage.P1, TEAM.ENSEIGNEMENT_BE), (after, Stage.P3, TEAM.SGNE)]:
        facts = facts_for(move.mailbox, at=at)
        assert facts.stage == stage
        assert route("ancien-mot-de-passe", facts, {}, at=at).team == team
        assert route("nouveau-mot-de-passe", facts, {}, at=at).outcome == Outcome.EXPLAIN


FOUND_AT = [
    ({}, brussels(date(2024, 10, 6), 12)),
    ({"sent": 1}, brussels(date(2024, 10, 10), 12)),
    ({"sent": 2}, brussels(date(2024, 10, 14), 12)),
    ({"sent": 3}, brussels(date(2024, 11, 6), 12)),
    ({"sent": 4}, brussels(date(2024, 11, 7), 23)),
    ({"failed": True}, brussels(date(2024, 11, 9), 12)),
    ({"migrated": True}, brussels(date(2024, 11, 8), 12)),
    ({"migrated": True}, brussels(date(2025, 4, 24), 23)),
    ({"migrated": True}, brussels(date(2025, 4, 25))),
    ({"migrated": True}, brussels(date(2025, 9, 1))),
    ({}, brussels(date(2025, 9, 1))),
]
OF_KIND = {
    Kind.MODE: Outcome.FORM_MODE,
    Kind.HORS_MODE: Outcome.FORM_HORS_MODE,
    Kind.PERSON: Outcome.FORM_HORS_MODE,
    Kind.NOT_ISSUED: Outcome.EXPLAIN,
}


@pytest.mark.parametrize("types", [["Secondaire ordinaire"], ["CPMS"], ["CTA"], ["Jamais vu"], []])
def test_the_route_of_a_new_password_is_the_door_that_its_page_opens(db, types):
    for facts, at in FOUND_AT:
        organisation = {"mailbox__organisation__unit_types": types, "batch__establishments": True}
        if "batch" not in facts:
            organisation["batch__mail1_on"], organisation["batch__mail2_on"] = date(2024, 10, 7), date(2024, 10, 14)
            organisation["batch__mail3_on"], organisation["batch__night_on"] = date(2024, 11, 5), date(2024, 11, 7)
        mailbox = MoveFactory(**facts, **organisation).mailbox
        door, known = door_for(mailbox, at=at), facts_for(mailbox, at=at)
        found = route("nouveau-mot-de-passe", known, {}, at=at)
        assert found.outcome == OF_KIND[door.kind]
        if door.kind == Kind.NOT_ISSUED:
            assert known.expected_on == door.expected_on


NEED_OF_TURN = {
    "Le mot de passe ou un souci technique": "technique",
    "Le nouveau mot de passe ou un souci technique": "technique",
    "La date de la migration": "procedure",
    "Le mot de passe actuel de cette boîte": "ancien-mot-de-passe",
}


@pytest.mark.parametrize(("traits", "at"), FOUND_AT)
def test_the_team_that_a_mailbox_s_page_names_is_the_one_that_its_question_reaches(db, traits, at):
    mailbox = MoveFactory(**traits).mailbox
    turn = contact_for(status_of(mailbox, at), at)
    assert route(NEED_OF_TURN[turn.about], facts_for(mailbox, at=at), {}, at=at).team == turn.team


def test_routing_costs_few_statements_and_writes_nothing(mailbox, django_assert_max_num_queries):
    po = MoveFactory(migrated=True).mailbox
    alone = MailboxFactory(po=True)
    for box in (mailbox, po, alone):
        at = brussels(date(2025, 2, 1), 12)
        with django_assert_max_num_queries(7) as found:  # six, and the contacts of the day
            route("ancien-mot-de-passe", facts_for(box, at=at), {}, at=at)
        assert all(query["sql"].startswith("SELECT") for query in found)


# Why


@pytest.mark.parametrize(
    ("need", "stage", "facts", "reason"),
    [
        (
            "ancien-mot-de-passe", "P4", {"migrated_on": date(2024, 11, 14)},
            "Transmis à l’équipe « Migration BMA » du SGNE parce que votre boîte a migré le 14 novembre 2024 et que "
            "d’autres boîtes attendent encore leur migration.",
        ),
        (
            "technique", "P6", {"migrated_on": date(2024, 11, 14)},
            "Transmis à l’ETNIC, qui répond des soucis techniques.",
        ),
        (
            "nouveau-mot-de-passe", "P1", {"expected_on": date(2024, 11, 18)},
            "Le mot de passe de la nouvelle interface n’a pas encore été envoyé à votre boîte : il est prévu le "
            "18 novembre 2024, dans la boîte elle-même.",
        ),
        (
            "nouveau-mot-de-passe", "P1", {"expected_on": date(2024, 11, 14)},
            "Le mot de passe de la nouvelle interface n’a pas encore été envoyé à votre boîte : il était prévu le "
            "14 novembre 2024 et va suivre.",
        ),
        (
            "nouveau-mot-de-passe", "P2", {},
            "Le formulaire MODE est le bon : une unité de type « Secondaire ordinaire » est dans MODE, et votre boîte "
            "a reçu le mail 2.",
        ),
        (
            "reception", "P3", {},
            "Transmis à l’ETNIC : sans message d’erreur, votre boîte (80 Mo au plus) est sans doute pleine.",
        ),
        (
            "reception", "P4", {},
            "Transmis à l’ETNIC : sans message d’erreur, votre boîte (2 Go au plus) est sans doute pleine.",
        ),
    ],
)  # fmt: skip
def test_the_reason_is_a_sentence_with_the_facts(need, stage, facts, reason):
    assert asked(need, stage, **facts).reason == reason


def test_the_contacts_are_those_of_the_moment_the_team_first(db):
    at = brussels(date(2024, 11, 15), 12)
    found = route("nouveau-mot-de-passe", imagined("P2", at), {}, at=at)
    assert [contact.team for contact in found.contacts] == ["etnic", "sgne"]
    assert found.contacts[0].email == "support@etnic.be"
    Contact.objects.filter(team="etnic").delete()
    assert [c.team for c in route("technique", imagined("P2", at), {}, at=at).contacts] == []


def test_the_same_facts_and_date_give_the_same_route(mailbox):
    at = brussels(date(2024, 12, 7), 12)
    once = route("ancien-mot-de-passe", facts_for(mailbox, at=at), {}, at=at)
    assert route("ancien-mot-de-passe", facts_for(mailbox, at=at), {}, at=at) == once


# The warranty


@pytest.mark.parametrize(
    ("delivered", "last"),
    [
        (date(2023, 11, 7), date(2026, 11, 7)),
        (date(2021, 12, 31), date(2024, 12, 31)),
        (date(2024, 2, 29), date(2027, 2, 28)),
        (date(2021, 2, 28), date(2024, 2, 28)),
    ],
)
def test_three_years_to_the_day(delivered, last):
    assert last_covered_day(delivered) == last
    answers = {"livraison": delivered.isoformat()}
    on_the_last = asked("panne", "P6", brussels(last, 23, 59), answers)
    assert (on_the_last.outcome, on_the_last.team) == (Outcome.TICKET, TEAM.PRIMINFO)
    day_after = asked("panne", "P6", brussels(last + timedelta(days=1)), answers)
    assert (day_after.outcome, day_after.team) == (Outcome.OWN_FUNDS, None)


@pytest.mark.parametrize("blank", [{}, {"livraison": ""}, {"livraison": "   "}])
def test_an_unknown_day_of_delivery_goes_to_priminfo_with_a_sentence(blank):
    found = asked("panne", "P6", answers=blank)
    assert (found.outcome, found.team) == (Outcome.TICKET, TEAM.PRIMINFO)
    assert "vérifiera la date de livraison" in found.reason


# Refusals


@pytest.mark.parametrize("need", ["", "inconnu", "PANNE", "panne\0", "x" * 100_000, "\ud800"])
def test_an_unknown_need_is_refused_and_the_known_ones_are_told(need):
    with pytest.raises(Refusal, match="n’est pas connu") as refusal:
        asked(need, "P4")
    assert len(str(refusal.value)) < 400
    assert "ancien-mot-de-passe" in str(refusal.value)


@pytest.mark.parametrize(
    ("need", "answers", "words"),
    [
        ("panne", {"livraison": "hier"}, "n’est pas une date"),
        ("panne", {"livraison": "2024-02-30"}, "n’est pas une date"),
        ("panne", {"livraison": "2024-11-16"}, "n’est pas encore passé"),
        ("panne", {"livraison": "0001-01-01"}, "trop ancien"),
        ("panne", {"livraison": "9999-12-31"}, "n’est pas encore passé"),
        ("panne", {"livraison": "2024\0"}, "signes illisibles"),
        ("panne", {"livraison": "1" * 100_000}, "trop longue"),
        ("panne", {"livraison": "\ud800"}, "signes illisibles"),
        ("panne", {"couleur": "rouge"}, "n’est pas une réponse de ce besoin"),
        ("vol", {"x" * 1000: "1"}, "n’est pas une réponse de ce besoin"),
        ("internet", {"fournisseur": "peut-être"}, "n’est pas un choix"),
        ("cerbere", {"essai": "10" * 30}, "n’est pas un choix"),
    ],
)
def test_an_answer_that_is_not_known_is_refused(need, answers, words):
    with pytest.raises(Refusal, match=words) as refusal:
        asked(need, "P6", answers=answers)
    assert len(str(refusal.value)) < 400


def test_without_a_rule_nothing_is_guessed():
    with pytest.raises(Refusal, match="Aucune règle"):
        route("vol", imagined("P4"), {}, at=NOON, rules=[], contacts={})
