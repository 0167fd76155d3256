"""The page of a batch: each mailbox by state, errors in plain words, the deeds of one mailbox (B12 to B14)."""

from datetime import date

import pytest
from django.urls import reverse

from bma_portal import clock
from bma_portal.clock import brussels
from bma_portal.mail.models import OutgoingMail
from migration import failures, glance
from migration.models import Batch, Mailing, Move
from tests.factories_migration import BatchFactory, MoveFactory

pytestmark = pytest.mark.django_db

AT = brussels(date(2024, 10, 22), 10)
LATER = {
    "mail1_on": date(2024, 10, 14), "mail2_on": date(2024, 10, 21), "mail3_on": date(2024, 11, 12),
    "night_on": date(2024, 11, 14),
}  # fmt: skip


@pytest.fixture(autouse=True)
def on_that_day(db):
    clock.set_for_every_process(AT)


@pytest.fixture
def batch() -> Batch:
    """A mailbox in each state."""
    batch = BatchFactory(number=3, status=Batch.Status.RUNNING)
    MoveFactory(batch=batch)
    MoveFactory(batch=batch, announced=True)
    MoveFactory(batch=batch, credentials_sent=True, paused_at=AT, paused_by="camille", paused_why="congé")
    MoveFactory(batch=batch, failed=True)
    MoveFactory(batch=batch, migrated=True)
    MoveFactory(batch=batch, status=Move.Status.POSTPONED)
    wrong = MoveFactory(batch=batch, announced=True)
    OutgoingMail.objects.filter(mailing__move=wrong).update(
        status="failed",
        sent_at=None,
        proof="",
        last_error="Exchange refuse cette adresse.",
        last_code="ErrorInvalidRecipients",
    )
    held = MoveFactory(batch=batch, announced=True)
    Mailing.objects.filter(move=held, step=2).update(held_at=AT, held_why="En retard.")
    return batch


def page_of(client, batch: Batch) -> str:
    return client.get(reverse("admin:migration_batch_change", args=[batch.pk])).content.decode()


def steer(client, move: Move, name: str, **fields: object):
    url = reverse("admin:migration_batch_steer", args=[move.batch_id, move.pk, name])
    return client.post(url, fields, follow=True)


def told(response) -> str:
    return " ".join(str(message) for message in response.context["messages"])


def test_each_mailbox_is_under_its_state_and_what_needs_somebody_comes_first(
    batch, signed_in, django_assert_max_num_queries
):
    with django_assert_max_num_queries(6):
        found = glance.groups(batch)
    assert [(group.state, len(group.boxes)) for group in found] == [
        (state, 1) for state in ("failed", "wrong", "held", "suspended", "0", "1", "migrated", "postponed")
    ]  # fmt: skip
    page = page_of(signed_in("auditeur"), batch)
    assert "/reporter/" not in page
    paused = batch.moves.get(paused_at__isnull=False)
    assert f"/boite/{paused.pk}/reprendre/" in page_of(signed_in("sgne"), batch)
    for move in batch.moves.all():
        assert move.mailbox.address in page
    for words in (
        "Exchange ne connaît pas cette adresse", "SGNE : vérifiez le FASE", "/aide/adresse-de-la-bma/",
        "1 nuit sans succès", "Boîte verrouillée.", "par camille le 22 octobre 2024", "Mail 2 : En retard.",
    ):  # fmt: skip
        assert words in page, words


def test_the_page_of_a_batch_takes_as_many_statements_for_ten_mailboxes_as_for_two(
    signed_in, django_assert_max_num_queries
):
    batch = BatchFactory(status=Batch.Status.RUNNING)
    for _ in range(10):
        MoveFactory(batch=batch, failed=True)
    client = signed_in("sgne")
    page_of(client, batch)
    with django_assert_max_num_queries(35):
        page_of(client, batch)


def test_one_mailbox_is_suspended_and_resumed_from_its_page(batch, signed_in):
    client = signed_in("sgne")
    move = batch.moves.first()
    here = reverse("admin:migration_move_change", args=[move.pk])
    assert "Suspendre</a>" in client.get(here).content.decode()
    assert "Dites pourquoi" in steer(client, move, "suspendre", why="  ").content.decode()
    assert "est suspendue." in told(steer(client, move, "suspendre", why="La direction est absente."))
    assert "déjà suspendue, par sgne" in told(steer(client, move, "suspendre", why="moi aussi"))
    move.refresh_from_db()
    assert (move.paused_by, move.paused_why) == ("sgne", "La direction est absente.")
    assert "Reprendre</a>" in client.get(here).content.decode()
    assert (
        "Suspendue par sgne"
        in client.get(reverse("admin:migration_batch_steer", args=[batch.pk, move.pk, "reprendre"])).content.decode()
    )
    assert "2 mails en retard attendent votre décision" in told(steer(client, move, "reprendre"))


def test_one_mailbox_is_postponed_into_the_batch_that_was_chosen(batch, signed_in):
    client = signed_in("sgne")
    move = MoveFactory(batch=batch, credentials_sent=True)
    later, other = (
        BatchFactory(number=4, **LATER),
        BatchFactory(number=5, **(LATER | {"night_on": date(2024, 11, 18)})),
    )
    full = BatchFactory(number=6, **(LATER | {"mail3_on": date(2024, 10, 22)}))  # its mail 3 is for today, earlier
    page = client.get(reverse("admin:migration_batch_steer", args=[batch.pk, move.pk, "reporter"])).content.decode()
    assert f"{later}, nuit du 14 novembre 2024" in page
    assert str(full) not in page
    assert "ne peut plus recevoir" in steer(client, move, "reporter", to=full.pk, why="congé").content.decode()
    said = told(steer(client, move, "reporter", to=other.pk, why="congé"))
    assert "est reportée dans le lot 5 (PO), nuit du 18 novembre 2024. Une correction de la date part." in said


def test_the_night_is_changed_from_the_page_and_a_refusal_stays_beside_the_date(batch, signed_in):
    client = signed_in("sgne")
    url = reverse("admin:migration_batch_decide", args=[batch.pk, "nuit"])
    asked = client.get(url).content.decode()
    assert "3 titulaires ont lu la nuit du 7 novembre 2024" in asked
    refused = client.post(url, {"night_on": "2024-11-09", "note": "congé"})
    assert "la première possible est le 12/11/2024" in refused.content.decode()
    done = client.post(url, {"night_on": "2024-11-14", "note": "congé"}, follow=True)
    assert "migre maintenant la nuit du 14 novembre 2024 ; 2 corrections partent." in told(done), "une est suspendue"


def test_the_failures_become_a_batch_by_one_click(batch, signed_in):
    client = signed_in("sgne")
    url = reverse("admin:migration_batch_decide", args=[batch.pk, "echecs"])
    assert "1 boîte en échec à reprendre." in client.get(url).content.decode().replace("\N{NO-BREAK SPACE}", " ")
    said = told(client.post(url, follow=True))
    assert "Les échecs du lot 3 (PO) (1 boîte) sont dans le lot 4 (PO), à approuver" in said
    assert "déjà repris dans le lot 4 (PO), créé par sgne" in told(client.post(url, follow=True))
    assert "Ses échecs : lot 4 (PO)" in page_of(client, batch)


@pytest.mark.parametrize("role", ["etnic", "auditeur", "personnel"])
def test_only_sgne_steers_a_mailbox(role, batch, signed_in):
    move = batch.moves.first()
    assert steer(signed_in(role), move, "suspendre", why="congé").status_code == 403
    move.refresh_from_db()
    assert move.paused_at is None


def test_what_does_not_exist_is_said_so(batch, signed_in):
    client, move = signed_in("sgne"), batch.moves.first()
    for where in ([batch.pk, 999999, "reporter"], [999999, move.pk, "reporter"], [batch.pk, move.pk, "detruire"]):
        assert client.get(reverse("admin:migration_batch_steer", args=where)).status_code == 404


@pytest.mark.parametrize("name", ["suspendre", "reporter"])
def test_looking_at_a_deed_changes_nothing(name, batch, signed_in):
    move = batch.moves.first()
    url = reverse("admin:migration_batch_steer", args=[batch.pk, move.pk, name])
    assert signed_in("sgne").get(url).status_code == 200
    move.refresh_from_db()
    assert (move.status, move.paused_at) == (Move.Status.PLANNED, None)


# Errors in plain words (B14)


@pytest.mark.parametrize(
    ("said", "code", "known"),
    [
        ("Exchange refuse cette adresse.", "ErrorInvalidRecipients", failures.ADDRESS),
        ("552 mailbox full", "5.2.2", failures.FULL),
        ("550 no such user", "5.1.1", failures.ADDRESS),
        ("554 refusé", "5.7.1", failures.REFUSED_BY_SERVER),
        ("Abandonné après 48 essais. Exchange est occupé.", "ErrorServerBusy", failures.GIVEN_UP),
        ("L'annuaire refuse ce mot de passe : trop faible.", "", failures.DIRECTORY_REFUSES),
        ("Aucun compte de l'annuaire ne porte cette adresse de boîte.", "", failures.DIRECTORY_UNKNOWN),
        ("Le mail de clôture ne part que pendant la nuit de la migration.", "Withdrawn", failures.NIGHT_OVER),
        ("Cette boîte n'est plus dans un lot en cours.", "Withdrawn", failures.OUT_OF_BATCH),
        ("Aucun mot de passe en vigueur dans l'annuaire pour cette boîte.", "Withdrawn", failures.SECRET),
        ("Boîte verrouillée.", "", failures.LOCKED),
        ("Quota dépassé sur la cible", "", failures.QUOTA),
        ("Mailbox not found", "", failures.ABSENT),
        ("Login failed", "", failures.SIGN_IN),
        ("Timed out after 3600 s", "", failures.SLOW),
        ("0x80040115", "", failures.UNKNOWN),
        ("", "", failures.UNKNOWN),
    ],
)  # fmt: skip
def test_an_error_says_what_it_means_who_acts_and_which_article(said, code, known):
    assert failures.explain(said, code) is known
    assert known.meaning
    assert known.who
    assert known.deed


def test_every_article_that_an_error_names_exists():
    from support.articles.loading import FOLDER

    known = [value for value in vars(failures).values() if isinstance(value, failures.Known)]
    slugs = {one.article.split("/")[2] for one in known if one.article}
    assert slugs
    assert {slug for slug in slugs if not (FOLDER / f"{slug}.md").exists()} == set()
