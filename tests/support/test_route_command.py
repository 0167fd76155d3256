"""The command `route`: what it says, to people and to machines, and how it refuses."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from support.models.routing import RoutingRule
from support.needs import NEEDS
from tests.factories import MailboxFactory, OrganisationFactory, SiteFactory, SitePlacementFactory
from tests.factories_migration import MoveFactory

pytestmark = pytest.mark.django_db


def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    call_command("route", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def as_json(*arguments):
    out, err = run(*arguments, "--json")
    assert err == ""
    return json.loads(out)


def refused(*arguments):
    out = io.StringIO()
    with pytest.raises(CommandError) as error:
        call_command("route", *arguments, stdout=out)
    assert out.getvalue() == ""
    return error.value.returncode, str(error.value)


@pytest.fixture
def address():
    return MoveFactory(
        migrated=True, batch__establishments=True, mailbox__organisation__unit_types=["Secondaire ordinaire"]
    ).mailbox.address


def test_for_a_mailbox_it_says_who_why_and_how_to_reach_them(address):
    MoveFactory(announced=True)  # someone still waits
    out, err = run("ancien-mot-de-passe", "--fase", address, "--at", "2024-12-07")
    assert err == ""
    assert "team      sgne (SGNE)\n" in out
    assert "outcome   ticket (une demande à l’équipe)\n" in out
    assert "reason    Transmis à l’équipe « Migration BMA » du SGNE parce que votre boîte a migré le 6 décembre" in out
    assert "source    FAQ d’octobre 2024, §3 et §7 (S1)\n" in out
    assert "migrationBMA@cfwb.be, +32 2 413 30 90" in out


@pytest.mark.parametrize(
    ("at", "team", "outcome"),
    [
        ("2024-11-12T09:04", "enseignement_be", "ticket"),
        ("2024-11-12T09:05", "sgne", "ticket"),
        ("2025-04-24T23:59", "etnic", "ticket"),
        ("2025-04-25", None, "form_mode"),
    ],
)
def test_the_moment_decides_to_the_minute(address, at, team, outcome):
    found = as_json("ancien-mot-de-passe", "--fase", address.partition("@")[0], "--at", at)
    assert (found["team"], found["outcome"]) == (team, outcome)
    assert found.keys() == {"need", "team", "outcome", "reason", "source", "contacts", "rule"}


def test_the_contacts_are_whole_in_json(address):
    found = as_json("technique", "--fase", address, "--at", "2025-01-15")
    assert (
        found["contacts"]
        == [
            {
                "team": "etnic",
                "name": "ETNIC, Service Desk",
                "email": "support@etnic.be",
                "phone": "+32 2 800 10 10",
                "hours": "Du lundi au vendredi de 8 h à 17 h, hors jours fériés",
            }
        ]
        or found["contacts"][0]["email"] == "support@etnic.be"
    )


@pytest.mark.parametrize(
    ("unit_type", "phase", "outcome"),
    [
        ("Secondaire ordinaire", "P4", "form_mode"),
        ("secondaire ORDINAIRE", "migrated", "form_mode"),
        ("CPMS", "credentials_sent", "form_hors_mode"),
        ("CTA", "p3", "form_hors_mode"),
        ("Type jamais vu", "P2", "form_hors_mode"),
        ("po", "P2", "form_hors_mode"),
        ("CPMS", "P1", "explain"),
        ("CPMS", "not_started", "explain"),
    ],
)
def test_for_an_imagined_unit_type_and_phase_decide(unit_type, phase, outcome):
    found = as_json("nouveau-mot-de-passe", "--type", unit_type, "--phase", phase, "--at", "2024-11-15")
    assert found["outcome"] == outcome


def test_the_window_is_that_of_the_kind_of_unit():
    for unit_type, team in (("po", "sgne"), ("CTA", None)):
        found = as_json("pas-de-mail-1", "--type", unit_type, "--phase", "P0", "--at", "2024-11-15")
        assert found["team"] == team


def test_a_phase_that_does_not_go_with_the_date_is_answered_with_a_remark():
    out, err = run("vol", "--type", "CTA", "--phase", "P4", "--at", "2026-01-01")
    assert "team      etnic" in out
    assert "ne vont pas ensemble" in err


@pytest.mark.parametrize(
    ("answers", "outcome", "team"),
    [
        ([], "ticket", "priminfo"),
        (["livraison=2023-11-22"], "ticket", "priminfo"),
        (["livraison=2023-11-21"], "own_funds", None),
    ],
)
def test_answers_decide_and_a_need_that_hangs_on_no_mailbox_needs_none(answers, outcome, team):
    given = [part for answer in answers for part in ("--answer", answer)]
    found = as_json("panne", *given, "--at", "2026-11-22")
    assert (found["outcome"], found["team"]) == (outcome, team)


def test_several_answers_may_be_given():
    given = ["--answer", "fournisseur=rien-trouve", "--answer", "boitier=oui", "--answer", "autre-appareil=oui"]
    assert as_json("internet", *given)["team"] == "etnic"
    given[-1] = "autre-appareil=non"
    assert as_json("internet", *given)["outcome"] == "explain"


def test_it_lists_the_needs_and_their_answers():
    out, _ = run("--needs")
    for need in NEEDS.values():
        assert need.slug in out
        assert need.label in out
    assert "fournisseur=pas-encore|ligne-en-panne|rien-trouve" in out
    assert "livraison=AAAA-MM-JJ" in out
    listed = {need["need"]: need for need in as_json("--needs")["needs"]}
    assert listed.keys() == NEEDS.keys()
    assert listed["panne"]["answers"][0]["key"] == "livraison"


BY_ARGPARSE = 1  # from Python; in a shell it leaves with status 2
REFUSALS = [
    ([], 2, "Indiquez un besoin"),
    (["inconnu", "--type", "CTA", "--phase", "P4"], 1, "n’est pas connu. Besoins connus : ancien-mot-de-passe"),
    (["vol", "--type", "CTA"], 2, "vont ensemble"),
    (["vol", "--phase", "P4"], 2, "vont ensemble"),
    (["vol", "--type", "CTA", "--phase", "P7"], 2, "n’est pas une phase (phases : P0, P1"),
    (["vol", "--type", "x" * 100_000, "--phase", "P1"], 2, "trop long"),
    (["vol", "--type", "a\0b", "--phase", "P1"], 2, "illisibles"),
    (["vol", "--fase", "247", "--type", "CTA", "--phase", "P1"], 2, "mais pas les deux"),
    (["vol", "--fase", "999999"], 1, "ne porte le numéro 999999"),
    (["vol", "--fase", "abc"], 1, "numéro FASE"),
    (["vol", "--fase", "1" * 100_000], 1, "trop longue"),
    (["vol", "--fase", "0"], 1, "ne peut pas être 0"),
    (["nouveau-mot-de-passe"], 2, "Cela dépend de la boîte"),
    (["ancien-mot-de-passe", "--at", "2024-11-15"], 2, "Cela dépend de la boîte"),
    (["panne", "--answer", "livraison"], 2, "CLÉ=VALEUR"),
    (["panne", "--answer", "=2024-01-01"], 2, "CLÉ=VALEUR"),
    (["panne", "--answer", "livraison=1", "--answer", "livraison=2"], 2, "deux fois"),
    (["panne", "--answer", "livraison=hier"], 1, "n’est pas une date"),
    (["panne", "--answer", "livraison=2999-01-01"], 1, "pas encore passé"),
    (["panne", "--answer", "couleur=rouge"], 1, "n’est pas une réponse de ce besoin (réponses connues : livraison)"),
    (["cerbere", "--answer", "essai=peut-être"], 1, "n’est pas un choix (choix : pas-encore, echec)"),
    (["vol", "--answer", "x=1"], 1, "réponses connues : aucune"),
    (["vol", "--at", "hier"], BY_ARGPARSE, "n’est pas un moment"),
    (["vol", "--at", "1066-10-14"], BY_ARGPARSE, "entre 2000 et 2100"),
]


@pytest.mark.parametrize(("arguments", "status", "words"), REFUSALS)
def test_a_slip_is_told_from_a_refusal_and_nothing_is_written_on_the_output(arguments, status, words):
    code, message = refused(*arguments)
    assert words in message
    assert code == status
    assert len(message) < 500


def test_a_number_without_a_mailbox_or_with_two_units_is_explained():
    bare = OrganisationFactory(fase=4001)
    assert "Aucune boîte" in refused("vol", "--fase", f"ec{bare.fase}")[1]
    MailboxFactory(organisation=OrganisationFactory(fase=4002))
    MailboxFactory(organisation=OrganisationFactory(fase=4002, po_unit=True))
    assert "précisez ec004002 ou po004002" in refused("vol", "--fase", "4002")[1]
    site = SiteFactory(fase=4003)
    SitePlacementFactory(site=site, establishment=bare)
    assert "implantation" in refused("vol", "--fase", "4003")[1]


def test_it_writes_nothing(address, django_assert_max_num_queries):
    before = RoutingRule.objects.count()
    with django_assert_max_num_queries(15) as found:
        run("ancien-mot-de-passe", "--fase", address, "--at", "2025-01-01")
    assert all(query["sql"].lstrip("(").startswith("SELECT") for query in found)
    assert RoutingRule.objects.count() == before
