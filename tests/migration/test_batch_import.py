"""A batch from a list: judged line by line, confirmed, and never saved by half."""

import os
from datetime import date

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bma_portal import clock
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.models import AuditEntry
from migration import batch_import
from migration.models import Batch, Mailing, Move
from tests.factories import MailboxFactory, OrganisationFactory
from tests.factories_migration import CampaignFactory, MoveFactory
from tests.together import together

pytestmark = pytest.mark.django_db

AT = brussels(date(2024, 9, 30), 10)
FIRST = date(2024, 10, 7)


@pytest.fixture
def campaign():
    return CampaignFactory()


@pytest.fixture
def three():
    return [MailboxFactory() for _ in range(3)]


def listed(*lines, header="adresse") -> bytes:
    return "\n".join([header, *lines, ""]).encode()


def check(content, kind="ec", **options):
    return batch_import.check(kind, content, at=AT, **options)


def write(campaign, content, kind="ec", first_mail=FIRST):
    return batch_import.write(campaign, kind, content, first_mail=first_mail, by="sgne", at=AT)


# Reading


def test_a_list_is_read_whatever_its_separator_its_mark_and_its_line_ends(three):
    lines = [three[0].address.upper(), three[1].address[:8], f"  {three[2].address}  "]
    for content in (
        listed(*lines),
        b"\xef\xbb\xbf" + listed(*lines),
        listed(*lines).replace(b"\n", b"\r\n"),
        listed(*lines, header='"Adresse"'),
        listed(*[f"{line};{n}" for n, line in enumerate(lines)], header="adresse;note"),
        listed(*[f'{n},"{line}"' for n, line in enumerate(lines)], header="note,ADRESSE"),
    ):
        found = check(content, ignore_others=True)
        assert [box.pk for box in found.mailboxes] == [box.pk for box in three], content
        assert found.sound


def test_a_column_that_nobody_expects_is_refused_unless_one_leaves_it_aside(three):
    content = listed(f"{three[0].address};9", header="adresse;commentaire")
    with pytest.raises(Refusal, match="Colonne inconnue : « commentaire »"):
        check(content)
    assert check(content, ignore_others=True).ignored == ["commentaire"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "doit nommer la colonne « adresse »"),
        (b"fase\n1234\n", "doit nommer la colonne « adresse »"),
        (b"adresse;adresse\na;b\n", "une fois"),
        (b"adresse\n\n\n", "ne contient aucune adresse"),
        ("adresse\nécole\n".encode("latin-1"), "UTF-8"),
        (b'adresse\n"ec001234', "n’est pas un CSV lisible"),
        (b"adresse\n" + b"x" * 200_000, "n’est pas un CSV lisible"),
        (os.urandom(2_000_000), "dépasse 500 ko"),
        (os.urandom(400_000), "UTF-8"),
        (b"adresse\n" + b"ec1\n" * 30_000, "plus de 20000 lignes"),
    ],
)
def test_what_is_no_list_is_refused_whole(content, told):
    with pytest.raises(Refusal, match=told):
        check(content)


def test_each_line_at_fault_says_why(three):
    closed = MailboxFactory(organisation__closed_on=date(2024, 9, 1))
    merged = MailboxFactory(organisation__successor=OrganisationFactory())
    planned, migrated = MoveFactory(batch__establishments=True), MoveFactory(batch__establishments=True, migrated=True)
    po = MailboxFactory(po=True)
    content = listed(
        three[0].address, "ec999999@adm.cfwb.be", po.address, three[0].address, "", "1234", "école", "ec\x0012",
        closed.address, merged.address, planned.mailbox.address, migrated.mailbox.address, "ec000000", "=1+1",
    )  # fmt: skip
    found = check(content)
    assert [box.pk for box in found.mailboxes] == [three[0].pk]
    told = {fault.line: fault.why for fault in found.faults}
    for line, words in {
        3: "aucune boîte n’est connue",
        4: "genre « établissements »",
        5: "déjà à la ligne 2",
        7: "écrivez « ec » ou « po »",
        8: "pas un numéro FASE",
        9: "caractère invisible",
        10: "fermée depuis le 01/09/2024",
        11: "reprise par une autre",
        12: f"déjà dans le {planned.batch}",
        13: "a déjà migré",
        14: "ne peut pas être 0",
        15: "pas un numéro FASE",
    }.items():
        assert words in told[line], line
    assert list(told) == sorted(told)
    assert len(told) == 12


def test_a_check_asks_a_fixed_number_of_questions(three):
    few, many = listed(three[0].address), listed(*[MailboxFactory().address for _ in range(30)])
    counts = []
    for content in (few, many):
        with CaptureQueriesContext(connection) as asked:
            check(content)
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 3


# Writing


def test_a_sound_list_becomes_a_draft_with_dates_by_the_rules_of_the_plan(campaign, three):
    batch = write(campaign, listed(*[box.address for box in reversed(three)]), first_mail=date(2024, 11, 4))
    assert (batch.status, batch.kind, batch.by_hand, batch.planned_by) == ("draft", "ec", True, "sgne")
    assert (batch.mail1_on, batch.mail2_on, batch.mail3_on) == (
        date(2024, 11, 4),
        date(2024, 11, 12),
        date(2024, 12, 3),
    )
    assert [move.mailbox for move in batch.moves.all()] == list(reversed(three))
    assert Mailing.objects.filter(move__batch=batch).count() == 12
    line = AuditEntry.objects.get(action="batch.imported")
    assert (line.actor, line.object_id, line.details) == ("sgne", str(batch.pk), {"boîtes": 3})


def test_a_list_with_one_fault_or_a_day_gone_by_writes_nothing(campaign, three):
    with pytest.raises(Refusal, match="rien n’est enregistré"):
        write(campaign, listed(three[0].address, "ec999999"))
    with pytest.raises(Refusal, match="est passé"):
        write(campaign, listed(three[0].address), first_mail=date(2024, 9, 27))
    assert not Batch.objects.exists()
    assert not AuditEntry.objects.filter(action="batch.imported").exists()


@pytest.mark.django_db(transaction=True)
def test_the_same_list_by_two_people_at_once_is_one_batch():
    campaign = CampaignFactory()
    content = listed(MailboxFactory().address)
    done = together(*[lambda: write(campaign, content)] * 2)
    assert sum(isinstance(one, Batch) for one in done) == 1
    assert Move.objects.count() == 1


# The page


@pytest.fixture
def page(campaign, signed_in):
    clock.set_for_every_process(AT)
    client, url = signed_in("sgne"), reverse("admin:migration_campaign_import", args=[campaign.pk])

    def post(content=None, **data):
        if content is not None:
            data |= {"kind": "ec", "first_mail": "2024-10-07", "addresses": SimpleUploadedFile("liste.csv", content)}
        return client.post(url, data)

    yield post
    clock.release()


def test_nothing_is_saved_until_it_is_confirmed(page, three):
    response = page(listed(*[box.address for box in three]))
    assert "rien n’est encore enregistré" in response.content.decode()
    assert not Batch.objects.exists()
    response = page(checked=response.context["sealed"])
    batch = Batch.objects.get()
    assert response.url == reverse("admin:migration_batch_change", args=[batch.pk])
    assert batch.moves.count() == 3


def test_a_list_with_faults_cannot_be_confirmed(page, three):
    response = page(listed(three[0].address, "ec999999"))
    text = response.content.decode().replace("\xa0", " ")
    assert "Ligne 3 (ec999999) : aucune boîte n’est connue" in text
    assert "Enregistrer ce lot" not in text
    assert response.context["sealed"] == ""


def test_what_changed_since_the_check_is_told_at_the_confirmation(page, three):
    sealed = page(listed(*[box.address for box in three])).context["sealed"]
    MoveFactory(mailbox=three[1], batch__establishments=True, batch__status="draft")
    response = page(checked=sealed)
    assert "déjà dans le" in response.content.decode()
    assert Batch.objects.count() == 1


@pytest.mark.parametrize("forged", ["", "n’importe quoi", "a:b:c", "\x00"])
def test_a_confirmation_that_is_not_ours_writes_nothing(forged, page):
    assert page(checked=forged).status_code == 302
    assert not Batch.objects.exists()


def test_a_confirmation_of_someone_else_is_not_taken(page, three, campaign, signed_in):
    sealed = page(listed(three[0].address)).context["sealed"]
    url = reverse("admin:migration_campaign_import", args=[campaign.pk])
    assert signed_in("secours").post(url, {"checked": sealed}).status_code == 302
    assert not Batch.objects.exists()


@pytest.mark.parametrize(
    "content", [os.urandom(2_000_000), b"", b"a,b\n1,2\n", b"adresse\n<script>alert(1)</script>\n"]
)
def test_nonsense_is_a_sentence_on_the_page(content, page):
    response = page(content)
    assert response.status_code == 200
    assert "<script>alert" not in response.content.decode()
    assert not Batch.objects.exists()
