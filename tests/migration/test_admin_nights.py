"""The files of a night as ETNIC brings them to the admin: checked, shown line by line, then confirmed."""

import time
from datetime import date, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bma_portal import clock
from bma_portal.clock import brussels
from bma_portal.models import AuditEntry
from migration.models import Batch, Mailing, Move
from tests.factories_migration import BatchFactory, MoveFactory, deliver, in_force, night_result

pytestmark = pytest.mark.django_db

RESULTS = "admin:migration_move_record_cutover"
NIGHT = brussels(date(2024, 11, 7), 22)
MORNING = brussels(date(2024, 11, 8), 3)


@pytest.fixture(autouse=True)
def morning(db):
    clock.set_for_every_process(MORNING)


@pytest.fixture
def night():
    """A batch in its night: one mailbox may migrate, of the other only mail 1 has arrived."""
    batch = BatchFactory()
    done, not_done = MoveFactory(batch=batch, confirmed=True), MoveFactory(batch=batch, announced=True)
    deliver(Mailing.objects.get(move=done, step=4), NIGHT)
    return done, not_done


def results(*lines: str) -> str:
    return "\n".join(["adresse;resultat;detail;ignores", *lines, ""])


def check(client: Client, batch: Batch, text: str | bytes, name: str = RESULTS, **fields: str):
    content = text.encode() if isinstance(text, str) else text
    args = [] if name == RESULTS else [batch.pk]
    return client.post(
        reverse(name, args=args), {"batch": batch.pk, "results": SimpleUploadedFile("nuit.csv", content), **fields}
    )


def confirm(client: Client, checked, **fields: str):
    return client.post(checked.wsgi_request.path, {"content": checked.context["token"], **fields})


def test_etnic_checks_a_night_line_by_line_then_confirms(signed_in, night):
    done, not_done = night
    client = signed_in("etnic")
    text = results(f"{done.mailbox.address};ok;;4", f"{not_done.mailbox.address};ok;;")
    checked = check(client, done.batch, text)
    page = checked.content.decode()
    assert "rien n’est encore enregistré" in page
    assert "mail 2 et mail 4" in page
    assert "4 éléments non repris, à admettre." in page
    assert set(Move.objects.values_list("status", flat=True)) == {Move.Status.PLANNED}
    recorded = confirm(client, checked)
    assert recorded.context["done"]
    done.refresh_from_db()
    not_done.refresh_from_db()
    assert (done.status, done.migrated_at, done.skipped_items) == (Move.Status.MIGRATED, MORNING, 4)
    assert not_done.status == Move.Status.PLANNED
    (line,) = AuditEntry.objects.filter(action="cutover.recorded")
    assert line.details == {"migrées": 1, "en échec": 0, "déjà": 0, "refusées": 1, "éléments non repris": 4}
    signed = confirm(client, check(client, done.batch, text), signed="boîte vide,  vue avec l’école")
    assert signed.context["checked"].changes == 1
    not_done.refresh_from_db()
    assert (not_done.status, not_done.signed_by) == (Move.Status.MIGRATED, "etnic : boîte vide, vue avec l’école")
    done.refresh_from_db()
    assert done.signed_by == ""


def test_of_two_who_confirm_the_same_night_one_does_it_and_the_other_is_told(signed_in, night):
    done, _ = night
    text = results(f"{done.mailbox.address};ok")
    first, second = signed_in("etnic"), signed_in("secours")
    looked, looked_too = check(first, done.batch, text), check(second, done.batch, text)
    confirm(first, looked)
    told = confirm(second, looked_too)
    assert "etnic a déjà enregistré cette nuit" in told.content.decode()
    assert told.context["checked"].changes == 0
    assert "etnic a déjà enregistré cette nuit" in confirm(first, looked).content.decode()  # a double click too
    assert Move.objects.filter(migrated_at__isnull=False).count() == 1


def test_what_is_confirmed_is_judged_again(signed_in, night):
    """Mail 2 comes back between the check and the confirmation: that mailbox is refused after all (B18)."""
    done, _ = night
    client = signed_in("etnic")
    checked = check(client, done.batch, results(f"{done.mailbox.address};ok"))
    assert checked.context["checked"].changes == 1
    mail = Mailing.objects.get(move=done, step=2).mail
    type(mail).objects.filter(pk=mail.pk).update(bounced_at=MORNING - timedelta(minutes=1))
    confirm(client, checked)
    done.refresh_from_db()
    assert done.status == Move.Status.PLANNED


def test_a_file_at_fault_cannot_be_confirmed(signed_in, night):
    done, _ = night
    elsewhere = MoveFactory(confirmed=True)
    lines = [f"{done.mailbox.address};ok", "po999999@adm.cfwb.be;ok", f"{elsewhere.mailbox.address};ok"]
    client = signed_in("etnic")
    checked = check(client, done.batch, results(*lines))
    page = checked.content.decode()
    assert "Corrigez ces lignes" in page
    assert f"est dans le lot {elsewhere.batch.number}" in page
    assert checked.context["token"] == ""
    assert "Enregistrer ces résultats" not in page


@pytest.mark.parametrize("token", ["", "x", "WzEsMiwieCJd:1abc:xyz"])
def test_what_was_not_checked_here_is_not_recorded(signed_in, night, token):
    client = signed_in("etnic")
    response = client.post(reverse(RESULTS), {"content": token})
    assert "choisissez de nouveau le fichier" in response.content.decode()


def test_a_check_serves_the_person_who_made_it_and_for_an_hour(signed_in, night, monkeypatch):
    done, _ = night
    text = results(f"{done.mailbox.address};ok")
    checked = check(signed_in("etnic"), done.batch, text)
    assert "pas la vôtre" in confirm(signed_in("secours"), checked).content.decode()
    later = time.time() + 3601
    monkeypatch.setattr("time.time", lambda: later)
    assert "plus d’une heure" in confirm(signed_in("etnic"), checked).content.decode()
    done.refresh_from_db()
    assert done.status == Move.Status.PLANNED


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"n;importe;quoi\n",
        b"\xff\xfe\x00",
        b'adresse;resultat\n"' + b"x" * 200_000,
        b"adresse;resultat\n",
        b"x\n" * 1_000_000,
        b"adresse;resultat;autre\n",
    ],
)
def test_what_is_no_list_of_results_is_refused_in_words(content, signed_in, night):
    response = check(signed_in("etnic"), night[0].batch, content)
    assert response.status_code == 200
    assert response.context["form"].errors
    assert "Erreur" in response.content.decode()


def test_two_megabytes_of_nonsense_are_refused_at_once(signed_in, night):
    start = time.perf_counter()
    response = check(signed_in("etnic"), night[0].batch, b"\x07;\xe9" * 700_000)
    assert "dépasse" in response.content.decode()
    assert time.perf_counter() - start < 2


def test_a_batch_without_a_night_is_not_offered(signed_in):
    draft = MoveFactory(batch=BatchFactory(status=Batch.Status.DRAFT)).batch
    response = check(signed_in("etnic"), draft, results("po000001@adm.cfwb.be;ok"))
    assert "Ce lot n’a pas de nuit à enregistrer." in response.content.decode()


def test_the_file_page_opens_with_the_batch_that_one_comes_from(signed_in, night):
    batch = night[0].batch
    client = signed_in("etnic")
    page = client.get(reverse("admin:migration_batch_change", args=[batch.pk])).content.decode()
    url = f"{reverse(RESULTS)}?lot={batch.pk}"
    assert url in page
    assert f'<option value="{batch.pk}" selected>' in client.get(url).content.decode()


def test_only_etnic_records_nights_and_checks(signed_in, night):
    batch = night[0].batch
    for role in ("sgne", "auditeur", "personnel"):
        assert check(signed_in(role), batch, results()).status_code == 403
        assert check(signed_in(role), batch, "adresse", "admin:migration_batch_preflight_file").status_code == 403


# Before the night


def test_etnic_brings_what_its_tools_found_before_the_night(signed_in, night):
    done, not_done = night
    in_force(done)
    client, name = signed_in("etnic"), "admin:migration_batch_preflight_file"
    lines = [f"{done.mailbox.address};oui;non;12", f"{not_done.mailbox.address};oui;;1,5"]
    text = "\n".join(["adresse;ancien;nouveau;taille_mo", *lines])
    checked = check(client, done.batch, text, name)
    assert Move.objects.filter(checked_at__isnull=False).count() == 0
    for _ in range(2):
        confirm(client, checked)
        found = Move.objects.order_by("pk").values_list("on_old_server", "on_new_server", "size_mb", "checked_at")
        assert list(found) == [(True, False, 12, MORNING), (True, None, 2, MORNING)]
    page = client.get(reverse("admin:migration_batch_preflight", args=[done.batch.pk])).content.decode()
    assert "La boîte ne s’y trouve pas." in page
    wrong = check(client, done.batch, text + "\npo999999@adm.cfwb.be;peut-être;;\n", name)
    assert wrong.context["token"] == ""
    assert "« oui » ou « non »" in wrong.content.decode()


def test_the_preflight_page_shows_red_first_in_a_fixed_number_of_queries(signed_in):
    batch = BatchFactory()
    counts = []
    client = signed_in("auditeur")
    url = reverse("admin:migration_batch_preflight", args=[batch.pk])
    for size in (2, 8):
        for _ in range(size):
            in_force(MoveFactory(batch=batch, confirmed=True))
        bad = MoveFactory(batch=batch, announced=True)
        with CaptureQueriesContext(connection) as asked:
            page = client.get(url)
        counts.append(len(asked))
    assert counts[0] == counts[1]
    assert page.context["lines"][0][0].is_red
    assert page.content.decode().index(bad.mailbox.address) < page.content.decode().index("à voir</span>")
    assert "Importer" not in page.content.decode()
    assert "Importer" in signed_in("etnic").get(url).content.decode()


# After the night


def test_sgne_accepts_what_was_not_carried_over_with_a_note(signed_in):
    move = MoveFactory(migrated=True, skipped_items=3, batch__status=Batch.Status.RUNNING)
    listed = reverse("admin:migration_move_changelist") + "?non-repris=a-admettre"
    assert list(signed_in("auditeur").get(listed).context["cl"].result_list) == [move]
    url = reverse("admin:migration_move_deed", args=[move.pk, "elements"])
    assert signed_in("etnic").post(url, {"why": "x"}).status_code == 403
    client = signed_in("sgne")
    assert url in client.get(reverse("admin:migration_move_change", args=[move.pk])).content.decode()
    assert "Dites pourquoi" in client.post(url, {"why": " "}).content.decode()
    client.post(url, {"why": "Trois rendez-vous abîmés, vus avec la direction."})
    move.refresh_from_db()
    assert (move.skipped_by, move.skipped_note[:5], move.skipped_at) == ("sgne", "Trois", MORNING)
    again = client.post(url, {"why": "encore"}, follow=True)
    assert "sgne vient de l’admettre" in again.content.decode()
    assert list(client.get(listed).context["cl"].result_list) == []


def test_what_several_mailboxes_left_behind_is_accepted_in_one_go(signed_in):
    moves = [MoveFactory(migrated=True, skipped_items=n) for n in (2, 0, 5)]
    url = reverse("admin:migration_move_changelist")
    data = {"action": "accept_skipped", "_selected_action": [move.pk for move in moves]}
    asked = signed_in("sgne").post(url, data).content.decode()
    assert "2 sélectionnés" in asked
    assert moves[0].mailbox.address in asked
    assert moves[1].mailbox.address not in asked
    told = signed_in("sgne").post(url, data | {"confirmed": "yes", "why": " "}, follow=True).content.decode()
    assert "Dites pourquoi" in told
    signed_in("etnic").post(url, data | {"confirmed": "yes", "why": "Moi."})
    assert not Move.objects.filter(skipped_at__isnull=False).exists()
    signed_in("sgne").post(url, data | {"confirmed": "yes", "why": "Doublons."})
    assert set(Move.objects.filter(skipped_note="Doublons.").values_list("pk", flat=True)) == {
        moves[0].pk,
        moves[2].pk,
    }


@pytest.mark.parametrize(("role", "status"), [("etnic", 302), ("sgne", 302), ("auditeur", 403), ("personnel", 403)])
def test_a_mailbox_is_put_back_by_etnic_or_sgne_with_a_reason(signed_in, role, status):
    move = MoveFactory(migrated=True)
    clock.set_for_every_process(night_result(move.batch) + timedelta(hours=5))
    url = reverse("admin:migration_move_deed", args=[move.pk, "remise"])
    client = signed_in(role)
    assert client.post(url, {"why": "Agenda perdu."}).status_code == status
    move.refresh_from_db()
    assert move.status == (Move.Status.ROLLED_BACK if status == 302 else Move.Status.MIGRATED)
    assert client.get(reverse("admin:migration_move_deed", args=[move.pk, "rien"])).status_code in {404, 403}
