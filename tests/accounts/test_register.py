"""Difference, then application: what is created, kept, refused, and written not at all."""

import threading
from datetime import UTC, date, datetime

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from accounts import register
from accounts.models import Mailbox, Organisation, OrganisationChange, RegisterImport, Site, SitePlacement
from bma_portal.errors import Refusal
from tests.accounts.registers import many, read
from tests.factories import OrganisationFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.database]
AT = datetime(2024, 9, 30, 10, tzinfo=UTC)
LATER = datetime(2024, 10, 7, 10, tzinfo=UTC)


def apply(*rows, at=AT, **options):
    return register.apply(read(*rows), at=at, **options)


def unit(kind, fase):
    return Organisation.objects.get(kind=kind, fase=fase)


def history(organisation):
    return [(change.field, change.old, change.new) for change in organisation.changes.order_by("pk")]


FULL = {
    "fase": "7",
    "name": "École du Préau",
    "type": "Primaire ordinaire",
    "level": "Fondamental",
    "site_fase": "70",
    "site_address": "Rue A 1",
    "municipality": "Valfictive",
    "bce": "2169246335",
    "po_fase": "7",
    "po_name": "Commune de Valfictive",
}


def test_a_new_register_creates_units_mailboxes_sites_and_history():
    found = apply(FULL, FULL | {"type": "Maternel ordinaire", "site_fase": "71"}, file_name="registre.csv")
    school, authority = unit("ec", 7), unit("po", 7)
    assert school.po == authority
    assert school.unit_types == ["Maternel ordinaire", "Primaire ordinaire"]
    assert school.search_key == "ecole du preau valfictive"
    assert school.origin == authority.origin == "register"
    assert (school.mailbox.address, authority.mailbox.address) == ("ec000007@adm.cfwb.be", "po000007@adm.cfwb.be")
    assert school.mailbox.confirmed_on is None  # the register proves no mailbox
    assert sorted(school.sites.values_list("fase", flat=True)) == [70, 71]
    assert history(school) == [("created", "", "École du Préau")]
    done = RegisterImport.objects.get()
    assert (done.file_name, done.date, done.imported_at) == ("registre.csv", date(2024, 9, 30), AT)
    assert done.counts == found.counts()
    assert done.counts | {"created": 2, "establishments": 1, "pos": 1, "sites": 2} == done.counts


def test_the_difference_alone_writes_nothing():
    with CaptureQueriesContext(
        connection,
    ) as queries:
        found = register.difference(read(FULL), at=AT)
    assert found
    assert len(queries) == 3
    assert not Organisation.objects.exists()


def test_the_second_run_writes_nothing_at_all():
    apply(FULL)
    with CaptureQueriesContext(connection) as queries:
        found = apply(FULL, at=LATER)
    assert not found
    assert found.changes == []
    said = [query["sql"].split()[0] for query in queries]
    assert [word for word in said if word not in {"SELECT", "SAVEPOINT", "RELEASE"}] == []
    assert RegisterImport.objects.count() == 1


def test_the_number_of_statements_does_not_depend_on_the_number_of_rows():
    def statements(rows):
        with CaptureQueriesContext(connection) as queries:
            apply(*rows, accept_absences=True)
        return len(queries)

    few = statements(many(3, site_fase="5", type="a"))
    assert statements(many(300, site_fase="6", type="b")) == few <= 14


def test_a_rename_and_a_change_of_po_are_kept_with_their_date_and_register():
    apply(FULL)
    apply(FULL | {"name": "École Préau", "po_fase": "8", "po_name": "Autre PO"}, at=LATER, accept_absences=True)
    school = unit("ec", 7)
    assert (school.name, school.po.fase) == ("École Préau", 8)
    assert school.search_key == "ecole preau valfictive"
    assert history(school)[1:] == [("name", "École du Préau", "École Préau"), ("po", "7", "8")]
    change = school.changes.get(field="po")
    assert (change.at, change.register_import.date, change.by) == (LATER, date(2024, 10, 7), None)
    assert unit("po", 7).absent_since == date(2024, 10, 7)  # a PO without schools stays, its mailbox too
    assert Mailbox.objects.filter(address="po000007@adm.cfwb.be").exists()


def test_an_absent_unit_is_marked_never_deleted_and_its_return_is_recorded():
    apply(*many(40))
    apply(*many(39), at=LATER)
    gone = unit("ec", 40)
    assert gone.absent_since == date(2024, 10, 7)
    assert gone.is_plannable(LATER)  # absent does not mean closed
    assert not apply(*many(39), at=LATER)  # still absent: nothing new, and the date stays
    found = apply(*many(40), at=LATER, on=date(2024, 11, 4))
    assert [(change.field, change.fase) for change in found.changes] == [("returned", 40)]
    assert unit("ec", 40).absent_since is None
    assert history(gone)[1:] == [("absent", "", "2024-10-07"), ("returned", "2024-10-07", "")]


def test_more_than_five_percent_of_a_kind_missing_is_refused_and_nothing_changes():
    apply(*many(100))
    renamed = [row | {"name": "Autre"} for row in many(94)]
    with pytest.raises(Refusal, match="6 des 100 établissements") as refusal:
        apply(*renamed)
    assert "--accept-absences" in str(refusal.value)
    assert not Organisation.objects.filter(name="Autre").exists()
    assert not Organisation.objects.absent().exists()
    apply(*many(95))  # five in a hundred pass
    assert Organisation.objects.absent().count() == 5


def test_a_mass_disappearance_passes_when_a_person_accepts_it():
    apply(*many(100))
    apply(*many(50), accept_absences=True)
    assert Organisation.objects.absent().count() == 50


def test_missing_pos_are_counted_apart_from_establishments():
    apply(*(row | {"po_fase": str(500 + n), "po_name": f"PO {n}"} for n, row in enumerate(many(20))))
    with pytest.raises(Refusal, match="20 des 20 pouvoirs organisateurs"):
        apply(*many(20))


def test_a_unit_added_by_staff_is_never_absent():
    cpms = register.add_by_hand(Organisation(kind="ec", fase=900, name="CPMS fictif", unit_types=["CPMS"]), at=AT)
    found = apply(*many(3))
    assert found.of("absent") == []
    cpms.refresh_from_db()
    assert (cpms.origin, cpms.absent_since) == ("staff", None)
    assert cpms.mailbox.address == "ec000900@adm.cfwb.be"


def test_a_unit_added_by_staff_that_the_register_then_knows_becomes_the_register_s():
    by_hand = register.add_by_hand(Organisation(kind="ec", fase=7, name="Provisoire"), at=AT)
    apply(FULL)
    by_hand.refresh_from_db()
    assert (by_hand.origin, by_hand.name) == ("register", "École du Préau")
    assert ("origin", "staff", "register") in history(by_hand)
    assert Mailbox.objects.filter(organisation=by_hand).count() == 1


def test_what_staff_alone_know_survives_an_import():
    apply(FULL)
    school = unit("ec", 7)
    successor = OrganisationFactory(by_hand=True)
    Organisation.objects.filter(pk=school.pk).update(closed_on=date(2024, 8, 31), successor=successor)
    Mailbox.objects.filter(organisation=school).update(confirmed_on=date(2024, 9, 1))
    apply(FULL | {"name": "Autre nom"})
    school = unit("ec", 7)
    assert (school.name, school.closed_on, school.successor) == ("Autre nom", date(2024, 8, 31), successor)
    assert school.mailbox.confirmed_on == date(2024, 9, 1)


def test_a_fact_in_dispute_keeps_its_stored_value_and_the_others_move():
    apply(FULL)
    found = apply(FULL | {"name": "A", "municipality": "Ailleurs"}, FULL | {"name": "B", "municipality": "Ailleurs"})
    school = unit("ec", 7)
    assert (school.name, school.municipality) == ("École du Préau", "Ailleurs")
    assert found.counts()["conflicts"] == 1
    assert found.of("absent") == []


def test_a_new_number_whose_name_is_in_dispute_is_not_created():
    apply(FULL | {"name": "A"}, FULL | {"name": "B"}, {"fase": "2"})
    assert not Organisation.objects.filter(kind="ec", fase=7).exists()
    assert Organisation.objects.filter(kind="ec", fase=2).exists()


def test_an_establishment_whose_new_po_has_no_sure_name_is_created_without_it_and_the_next_run_is_quiet():
    rows = [{"po_name": "A"}, {"fase": "2", "po_name": "B"}]
    apply(*rows)
    assert unit("ec", 1).po is None
    assert not Organisation.objects.pos().exists()
    assert not apply(*rows)
    apply({}, {"fase": "2"})  # the register agrees with itself again
    assert unit("ec", 1).po == unit("po", 9)


def test_two_pos_for_one_establishment_leave_the_stored_one():
    apply(FULL)
    apply(FULL, FULL | {"po_fase": "8", "po_name": "Autre"})
    assert unit("ec", 7).po.fase == 7


def test_a_column_that_is_missing_changes_nothing_of_what_it_would_say():
    apply(FULL)
    bare = {name: FULL[name] for name in ("fase", "name", "po_fase", "po_name")}
    assert not apply(bare)
    assert unit("ec", 7).unit_types == ["Primaire ordinaire"]


def test_an_empty_cell_does_change_what_was_known():
    apply(FULL)
    apply(FULL | {"bce": ""})
    assert unit("ec", 7).bce == ""


def test_a_unit_named_by_a_rejected_row_is_not_absent():
    apply(*many(30), {"fase": "31", "po_fase": "60", "po_name": "Autre"})
    found = apply(*many(30), {"fase": "31", "po_fase": "zéro", "po_name": "Autre"})
    assert found.of("absent") == []
    assert found.counts()["rejected"] == 1


def test_a_rejected_row_takes_nothing_away_from_its_establishment():
    rows = [FULL, FULL | {"type": "Maternel ordinaire", "site_fase": "71"}]
    apply(*rows)
    found = apply(FULL, FULL | {"type": "Maternel ordinaire", "site_fase": "soixante-et-onze"})
    assert not found
    assert unit("ec", 7).unit_types == ["Maternel ordinaire", "Primaire ordinaire"]


def test_sites_follow_the_register_and_their_history_stays():
    apply(FULL)
    apply(FULL | {"site_fase": "72", "site_address": "Rue B 2"})
    school = unit("ec", 7)
    assert list(school.sites.values_list("fase", flat=True)) == [72]
    assert ("sites", "70", "72") in history(school)
    assert Site.objects.count() == 2


def test_a_site_may_belong_to_several_establishments():
    apply(FULL, FULL | {"fase": "8"})
    assert SitePlacement.objects.filter(site__fase=70).count() == 2


def test_a_failure_in_the_middle_leaves_nothing():
    broken = read(FULL)
    broken.establishments[7] = broken.establishments[7]._replace(bce="pas un BCE")
    with pytest.raises(IntegrityError), transaction.atomic():
        register.apply(broken, at=AT)
    assert not Organisation.objects.exists()
    assert not RegisterImport.objects.exists()


def test_what_a_person_changes_is_kept_with_their_name():
    school = OrganisationFactory(by_hand=True, name="Ancien")
    person = UserFactory()
    school.name, school.closed_on = "Nouveau", date(2024, 8, 31)
    register.change_by_hand(school, ["name", "closed_on"], at=AT, by=person)
    assert history(school) == [("name", "Ancien", "Nouveau"), ("closed_on", "", "2024-08-31")]
    assert set(school.changes.values_list("by", flat=True)) == {person.pk}


@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once_give_what_one_gives():
    rows = many(200, site_fase="5", type="Primaire ordinaire")
    ready, faults, found = threading.Barrier(2), [], []

    def run():
        try:
            ready.wait(timeout=10)
            found.append(bool(register.apply(read(*rows), at=AT)))
        except Exception as fault:
            faults.append(fault)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert faults == []
    assert sorted(found) == [False, True]  # the second waited, and found nothing to do
    assert Organisation.objects.count() == Mailbox.objects.count() == 201
    assert OrganisationChange.objects.count() == 201
    assert RegisterImport.objects.count() == 1
