"""The table of rules: what it keeps, and what it refuses in French, in the form and in the database."""

from datetime import date

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from bma_portal.clock import brussels
from migration.campaigns import AUTUMN_2024
from migration.models import Campaign
from support.models.routing import RoutingRule
from support.routing import facts_of, route
from support.rules import initial, install, reword
from tests.support.routing_table import initial_rules, perimeter

NOON = brussels(date(2024, 11, 15), 12)


def rule(**values):
    base = next(values for values in initial() if values["need"] == "vol") | {"position": 900, "valid_to": None}
    return RoutingRule(**base | values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"reason": "Transmis {etnic.__class__}."}, "accolades"),
        ({"reason": "Transmis {0}."}, "accolades"),
        ({"reason": "Transmis {situation!r}."}, "accolades"),
        ({"reason": "Transmis {{situation}}."}, "accolades"),
        ({"reason": "Transmis }."}, "accolades"),
        ({"reason": "Écrivez à support@" + "ethn" + "ic.be."}, "etnic.be"),
        ({"source": "ETHN" + "IC . BE"}, "etnic.be"),
        ({"change_reason": "Voir ethn" + "ic.be/aide"}, "etnic.be"),
        ({"need": "inconnu"}, "n’est pas connu"),
        ({"team": ""}, "va toujours à une équipe"),
        ({"team": "enseignement_be"}, "Enseignement.be ne répond que"),
        ({"team": "enseignement_be", "stages": ["P1", "P2"]}, "Enseignement.be ne répond que"),
        ({"also": ["enseignement_be"], "stages": ["P4"]}, "Enseignement.be ne répond que"),
        ({"valid_from": date(2025, 1, 2), "valid_to": date(2025, 1, 2)}, "suit le début"),
        ({"facts": {"couleur": True}}, "mal écrites"),
        ({"facts": ["issued"]}, "mal écrites"),
        ({"facts": {"issued": "oui"}}, "mal écrites"),
        ({"answers": {"livraison": {"within_years": 3}}}, "n’est pas une réponse"),
        ({"need": "panne", "answers": {"livraison": {"eval": "1"}}}, "pas connue"),
        ({"need": "panne", "answers": {"livraison": {"within_years": 10**30}}}, "pas connue"),
        ({"need": "panne", "answers": {"livraison": {"within_years": True}}}, "pas connue"),
        ({"need": "panne", "answers": {"livraison": {}}}, "n’est pas une réponse"),
        ({"need": "internet", "answers": {"fournisseur": {"is": "personne"}}}, "pas connue"),
        ({"need": "internet", "answers": {"fournisseur": {"in": []}}}, "pas connue"),
        ({"need": "internet", "answers": "fournisseur"}, "mal écrites"),
    ],
)
def test_a_rule_outside_the_lists_is_refused_in_french(db, values, words):
    with pytest.raises(ValidationError) as refused:
        rule(**values).full_clean()
    assert any(words in message for message in refused.value.messages), refused.value.messages


@pytest.mark.parametrize(
    "values",
    [
        {"reason": "Transmis {autre}."},
        {"reason": "support@" + "ethn" + "ic.be"},
        {"reason": ""},
        {"team": ""},
        {"team": "nasa"},
        {"outcome": "magie"},
        {"stages": ["P9"]},
        {"team": "enseignement_be"},
        {"team": "enseignement_be", "stages": ["P0", "P4"]},
        {"valid_from": date(2025, 1, 2), "valid_to": date(2025, 1, 1)},
        {"position": 10, "valid_to": None},
    ],
)
def test_the_database_itself_refuses(db, values):
    with pytest.raises(IntegrityError), transaction.atomic():
        rule(**values).save()


def test_what_the_lists_allow_is_saved(db):
    kept = rule(need="internet", answers={"fournisseur": {"in": ["rien-trouve", "pas-encore"]}}, kind="po")
    kept.full_clean()
    kept.save()
    assert kept.is_for == [
        "pouvoirs organisateurs",
        "Que dit votre fournisseur d’accès à internet ? Il n’a rien trouvé : la ligne fonctionne ou "
        "Je ne l’ai pas encore contacté",
    ]


def test_a_rule_is_never_edited_nor_deleted(db):
    kept = RoutingRule.objects.first()
    with pytest.raises(TypeError):
        kept.save()
    with pytest.raises(TypeError):
        kept.delete()


def test_an_exception_for_one_type_or_kind_goes_first():
    exception = RoutingRule(
        pk=999, **next(v for v in initial() if v["need"] == "technique") | {"position": 5, "unit_types": ["ESSAI"]}
    )
    rules, campaign = [*initial_rules(), exception], Campaign(slug="2024", **AUTUMN_2024)
    facts = facts_of(unit_type="essai", stage="P4", at=NOON, campaign=campaign, perimeter=perimeter("MODE"))
    assert route("technique", facts, {}, at=NOON, rules=rules, contacts={}).rule == 999
    exception.unit_types, exception.kind = [], "po"
    assert route("technique", facts, {}, at=NOON, rules=rules, contacts={}).rule != 999


def test_installing_twice_adds_nothing_and_a_rule_changed_since_is_left_alone(db):
    count = RoutingRule.objects.count()
    assert count == len(initial())
    RoutingRule.objects.filter(need="vol").update(valid_to=date(2026, 1, 1))
    assert install(RoutingRule) == 0
    assert RoutingRule.objects.count() == count


def test_a_text_of_ours_changes_from_a_day_on_and_the_past_still_says_what_it_said(db):
    """The migration of 0.6.0, where the table was filled by an earlier version."""
    old = "Transmis {destinataire}, avec la copie du procès-verbal."
    RoutingRule.objects.filter(need="vol").update(reason=old)
    since = date(2026, 11, 23)
    campaign = Campaign(slug="2024", **AUTUMN_2024)
    facts = facts_of(unit_type="", stage="P6", at=NOON, campaign=campaign, perimeter=perimeter("MODE"))

    def said(day: date) -> str:
        return route("vol", facts, {}, at=brussels(day, 12)).reason

    before = {day: said(day) for day in (date(2024, 11, 14), date(2025, 9, 1), date(2026, 11, 22))}
    assert reword(RoutingRule, {old: "Transmis {destinataire}, qui l’attend."}, why="Essai", since=since) == 1
    assert {day: said(day) for day in before} == before
    assert said(since) == "Transmis à l’ETNIC, qui l’attend."
    former, new = RoutingRule.objects.get(need="vol", valid_to=since), RoutingRule.objects.get(replaces__need="vol")
    assert (new.replaces, new.valid_from, new.valid_to, new.source) == (former, since, None, former.source)
    assert reword(RoutingRule, {old: "Autre chose."}, why="Essai", since=date(2026, 12, 1)) == 0
    RoutingRule.objects.filter(pk=new.pk).update(reason=old, changed_at=NOON)  # what staff wrote is theirs
    assert reword(RoutingRule, {old: "Autre chose."}, why="Essai", since=date(2026, 12, 1)) == 0
