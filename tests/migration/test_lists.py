"""The staff's lists stay quick when they are long: few statements whatever the size, the right rows on each page."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Mailbox, Organisation
from bma_portal import large_lists
from bma_portal.mail.models import OutgoingMail
from migration.models import Batch, Mailing, Move
from migration.phases import Phase
from tests.factories import OrganisationFactory
from tests.factories_holders import HolderFactory
from tests.factories_migration import BatchFactory, MoveFactory

pytestmark = pytest.mark.django_db

LISTS = {
    "accounts_mailbox": 8,
    "accounts_organisation": 8,
    "migration_move": 7,
    "migration_mailing": 7,
    "mail_outgoingmail": 6,
    "migration_batch": 10,
    "bma_portal_statechange": 8,
}


def listed(client, name: str, **query: str) -> list:
    response = client.get(reverse(f"admin:{name}_changelist"), query)
    assert response.status_code == 200, response.headers
    return list(response.context["cl"].result_list)


QUERIES: list[dict[str, str]] = [{}, {"q": "fictif"}, {"q": "12"}, {"o": "1"}]


def test_a_list_asks_a_fixed_number_of_questions_at_two_sizes(signed_in):
    """Two databases of seed_volume, one four times the other; the lists of the second one have several pages."""
    client, counts = signed_in("sgne"), []
    for size in ("70", "280"):
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE accounts_organisation, mail_outgoingmail, migration_campaign CASCADE")
        call_command("seed_volume", size, stdout=StringIO())
        counts.append({(name, str(query)): questions(client, name, query) for name in LISTS for query in QUERIES})
    assert counts[0] == counts[1]
    assert {asked: count for asked, count in counts[1].items() if count > LISTS[asked[0]]} == {}


def questions(client, name: str, query: dict[str, str]) -> int:
    url = reverse(f"admin:{name}_changelist")
    client.get(url, query)
    with CaptureQueriesContext(connection) as asked:
        assert client.get(url, query).status_code == 200
    return len(asked)


@pytest.fixture
def many():
    call_command("seed_volume", "160", "--at", "2024-11-20T15:00", stdout=StringIO())


@pytest.mark.parametrize("few", [0, 20_000])
@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("accounts_mailbox", {"q": "fictif"}),
        ("accounts_mailbox", {"o": "2"}),
        ("migration_mailing", {}),
        ("migration_mailing", {"o": "-4.1", "q": "fictif"}),
    ],
)
def test_the_pages_together_are_the_whole_list_in_its_order(name, query, few, many, signed_in, monkeypatch):
    """However the page is cut: by the database, or here when few rows are found."""
    monkeypatch.setattr(large_lists, "FEW", few)
    client, whole, page = signed_in("sgne"), [], 1
    while True:
        cl = client.get(reverse(f"admin:{name}_changelist"), {**query, "p": page}).context["cl"]
        whole += [row.pk for row in cl.result_list]
        if page * 100 >= cl.result_count:
            break
        page += 1
    assert whole == list(cl.queryset.values_list("pk", flat=True))
    assert len(whole) == len(set(whole)) == cl.result_count == cl.model.objects.count()


def test_a_list_too_long_to_be_counted_says_so_and_offers_no_deed_on_all_of_it(many, signed_in, monkeypatch):
    client, url = signed_in("sgne"), reverse("admin:migration_mailing_changelist")
    page = client.get(url).content.decode()
    assert f"{Mailing.objects.count()} mails de migration" in page
    assert 'class="question' in page
    monkeypatch.setattr(large_lists, "MOST", 250)
    response = client.get(url)
    page = response.content.decode()
    assert "plus de 250 mails de migration" in page
    assert 'class="question' not in page
    assert response.context["cl"].paginator.num_pages == 3
    assert len(listed(client, "migration_mailing", p="3")) == 50
    assert client.get(url, {"p": "4"}).status_code == 302  # beyond what is counted there is no page


def test_the_filters_give_what_they_say(many, signed_in):
    client = signed_in("auditeur")
    batch = Batch.objects.filter(status="paused").get()
    in_batch = listed(client, "migration_mailing", move__batch__id__exact=str(batch.pk))
    assert {mailing.move.batch_id for mailing in in_batch} == {batch.pk}
    held = listed(client, "migration_mailing", decision="attendue")
    assert {m.pk for m in held} == set(Mailing.objects.filter(held_at__isnull=False).values_list("pk", flat=True))
    over = listed(client, "accounts_organisation", activite="over")
    assert over
    assert all(unit.closed_on or unit.successor_id for unit in over)
    plannable = Organisation.objects.count() - len(over)
    response = client.get(reverse("admin:accounts_organisation_changelist"), {"activite": "plannable"})
    assert response.context["cl"].result_count == plannable


def test_the_phase_filter_and_the_phase_column_agree(many, signed_in):
    client, seen = signed_in("sgne"), 0
    for phase in Phase:
        boxes = listed(client, "accounts_mailbox", phase=phase, all="")
        assert {box.phase for box in boxes} <= {phase.value}
        seen += len(boxes)
    assert seen == Mailbox.objects.count()


# Searching


@pytest.fixture
def box():
    unit = OrganisationFactory(
        fase=1234, name="École « L’Éperon » du Cœur", municipality="Châtelet", locality="CHATELINEAU", mailbox=True
    )
    MoveFactory(announced=True, batch=BatchFactory(establishments=True), mailbox=unit.mailbox)
    MoveFactory(announced=True, mailbox__organisation__fase=9876)
    HolderFactory(organisation=unit)
    return unit.mailbox


SPELLINGS = [
    "eperon", "ÉPERON coeur", "chatelet", "Châtelineau", "1234", "001234", "ec1234", "EC 001234", "ec001234@adm",
    "ec001234@adm.cfwb.be", " EC001234@ADM.CFWB.BE ",
]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["accounts_mailbox", "accounts_organisation", "migration_move", "migration_mailing", "accounts_holder"]
)
def test_every_list_finds_a_unit_however_it_is_named(name, box, signed_in):
    client = signed_in("sgne")
    for typed in SPELLINGS:
        rows = listed(client, name, q=typed)
        assert {unit_of(row) for row in rows} == {box.organisation_id}, typed


def unit_of(row) -> int:
    match row:
        case Organisation():
            return row.pk
        case Mailing():
            return row.move.mailbox.organisation_id
        case Move():
            return row.mailbox.organisation_id
    return row.organisation_id


NAMES_OF_NONE = [
    "%", "_", "'; DROP TABLE x; --", "\\", "é" * 5000, "zq " * 3000, "١٢٣٤", "9" * 300, "po001234", "(", "<b>",
    "1234@gmail.com",
]  # fmt: skip


@pytest.mark.parametrize("name", ["accounts_mailbox", "migration_move", "migration_mailing", "accounts_holder"])
def test_what_is_no_name_finds_nothing_and_breaks_nothing(name, box, signed_in):
    client = signed_in("sgne")
    for typed in NAMES_OF_NONE:
        assert listed(client, name, q=typed) == [], typed


def test_a_sign_that_no_database_keeps_is_refused_by_the_page(box, signed_in):
    assert listed(signed_in("sgne"), "accounts_mailbox", q="\x00")


def test_a_mail_is_found_by_its_recipient(box, signed_in):
    rows = listed(signed_in("sgne"), "mail_outgoingmail", q=box.address.upper())
    assert [row.to for row in rows] == [[box.address]]


@pytest.mark.database
def test_the_searches_have_their_indexes():
    """A migration that forgets one is seen here: no other way than the index is left to the planner.

    On tables that are nearly empty two indexes cost the same: what may serve beside the one looked for is named too.
    """
    inside_words = {
        "organisation_words": Organisation.objects.matching("eperon coeur"),
        "mail_to": OutgoingMail.objects.filter(to__contains=["ec001234@adm.cfwb.be"]),
    }
    in_order = {
        ("mailing_held", "mailing_order"): Mailing.objects.filter(held_at__isnull=False).order_by("due_at", "pk")[
            :100
        ],
        ("mailing_order",): Mailing.objects.order_by("due_at", "pk")[:100],
    }
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        for indexes, rows in in_order.items():
            plan = rows.explain()
            assert any(index in plan for index in indexes), plan
        cursor.execute("SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off")
        for index, rows in inside_words.items():
            plan = rows.order_by().explain()
            assert index in plan, plan
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE indexname IN ('mailing_held', 'mailing_order')")
        assert cursor.fetchone() == (2,)
