"""What people decide about the campaign, in the admin or by a command: one line of audit each, or nothing done."""

from datetime import date
from io import StringIO
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import reverse

from accounts.models import Organisation
from bma_portal import audit, clock
from bma_portal.clock import brussels
from bma_portal.mail.models import OutgoingMail, Sender, SenderState
from bma_portal.models import AuditEntry
from migration.models import Batch, Mailing, Move
from tests.accounts.registers import many, table
from tests.factories_migration import BatchFactory, MoveFactory, deliver

pytestmark = pytest.mark.django_db

AT = brussels(date(2024, 10, 21), 10)
Status = Batch.Status


@pytest.fixture
def done():
    """The lines written since it was last asked, without the openings of pages."""
    last = 0

    def since() -> list[AuditEntry]:
        nonlocal last
        lines = list(AuditEntry.objects.filter(seq__gt=last).exclude(action__endswith=".viewed").order_by("seq"))
        last = lines[-1].seq if lines else last
        assert audit.verify().sound
        return lines

    return since


@pytest.fixture
def broken(db):
    """The journal takes no line any more."""

    def now() -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE bma_portal_auditentry ADD CONSTRAINT rien_ne_va CHECK (seq < 0) NOT VALID")

    return now


def act(client, page: str, action: str, *objects):
    data = {"action": action, "_selected_action": [o.pk for o in objects], "confirmed": "yes"}
    return client.post(reverse(f"admin:{page}_changelist"), data)


def decide(client, batch: Batch, name: str, **fields: str):
    return client.post(reverse("admin:migration_batch_decide", args=[batch.pk, name]), fields)


@pytest.mark.parametrize(
    ("status", "released", "name", "note"),
    [
        (Status.DRAFT, False, "approuver", ""),
        (Status.APPROVED, False, "ouvrir", ""),
        (Status.APPROVED, True, "suspendre", "Le Service Desk est débordé."),
        (Status.PAUSED, True, "annuler", "Dates à revoir."),
    ],
)
def test_each_decision_about_a_batch_is_one_line(status, released, name, note, signed_in, person, done):
    facts = {} if released else {"released_by": "", "released_at": None}
    batch = BatchFactory(status=status, **facts)
    client = signed_in("sgne")
    done()
    decide(client, batch, name, note=note)
    (line,) = done()
    assert (line.action, line.actor, line.actor_id) == ("batch.decided", "sgne", person("sgne").pk)
    assert (line.object_type, line.object_id) == ("migration.batch", str(batch.pk))
    assert (line.why, line.details, line.result) == (note, {"décision": name}, "ok")
    decide(client, batch, name, note=note)  # refused: nothing was decided
    assert done() == []


def test_a_decision_that_cannot_be_recorded_is_not_taken(signed_in, broken):
    batch = BatchFactory(status=Status.DRAFT)
    client = signed_in("sgne")
    broken()
    assert decide(client, batch, "approuver").status_code == 503
    batch.refresh_from_db()
    assert batch.status == Status.DRAFT


def test_letting_late_mails_leave_is_one_line_for_all_of_them(signed_in, done):
    batch = BatchFactory()
    held = [Mailing.objects.get(move=MoveFactory(batch=batch), step=1) for _ in range(3)]
    closing = Mailing.objects.get(move=MoveFactory(batch=batch), step=3)
    Mailing.objects.filter(pk__in=[m.pk for m in [*held, closing]]).update(held_at=AT, held_why="En retard.")
    client = signed_in("sgne")
    act(client, "migration_mailing", "send_despite_delay", *held)
    (line,) = done()
    assert (line.action, line.actor, line.result) == ("mailing.decided", "sgne", "ok")
    assert line.details == {
        "décision": "envoyer malgré le retard", "mails": sorted(m.pk for m in held), "faits": 3, "refusés": 0,
    }  # fmt: skip
    Batch.objects.update(status=Status.CANCELLED)
    act(client, "migration_mailing", "send_despite_delay", closing)
    (line,) = done()
    assert (line.result, line.details["faits"], line.details["refusés"]) == ("refused", 0, 1)
    act(client, "migration_mailing", "send_despite_delay", *held)  # they wait no more
    assert done() == []


def test_sending_a_mail_again_is_one_line(signed_in, failed_mail, done):
    mail = failed_mail()
    clock.set_for_every_process(AT)  # its night is to come
    client = signed_in("sgne")
    act(client, "mail_outgoingmail", "send_again", mail)
    (line,) = done()
    assert (line.action, line.actor, line.details["courriels"]) == ("mail.decided", "sgne", [mail.pk])
    act(client, "mail_outgoingmail", "send_again", mail)
    assert done() == []


def test_a_mail_is_not_sent_again_without_its_line(signed_in, failed_mail, broken):
    mail = failed_mail()
    clock.set_for_every_process(AT)
    client = signed_in("sgne")
    broken()
    assert act(client, "mail_outgoingmail", "send_again", mail).status_code == 503
    assert OutgoingMail.objects.get(pk=mail.pk).status == OutgoingMail.Status.FAILED


def test_resuming_a_sender_is_one_line(signed_in, done):
    state = SenderState.objects.create(sender=Sender.SGNE, refusals=3, paused_at=AT, reason="Compte verrouillé.")
    client = signed_in("sgne")
    for _ in range(2):
        act(client, "mail_senderstate", "resume", state)
    (line,) = done()
    assert (line.action, line.object_id, line.why) == ("sender.decided", "sgne", "Compte verrouillé.")


def a_night(*moves: Move) -> str:
    for move in moves:
        deliver(Mailing.objects.get(move=move, step=4), brussels(move.batch.night_on, 22))
    return "\n".join(["adresse;resultat;detail", *(f"{move.mailbox.address};ok;" for move in moves), ""])


def a_file(text: str, batch: Batch) -> dict:
    return {"batch": batch.pk, "results": SimpleUploadedFile("nuit.csv", text.encode())}


def test_the_results_of_a_night_are_one_line(signed_in, done):
    moves = [MoveFactory(confirmed=True, batch=batch) for batch in [BatchFactory()] for _ in range(3)]
    client, url = signed_in("etnic"), reverse("admin:migration_move_record_cutover")
    checked = client.post(url, a_file(a_night(*moves), moves[0].batch))
    assert done() == []  # looked at only
    client.post(url, {"content": checked.context["token"]})
    (line,) = done()
    assert (line.action, line.actor, line.result) == ("cutover.recorded", "etnic", "ok")
    assert line.details == {"migrées": 3, "en échec": 0, "déjà": 0, "refusées": 0}


def test_a_night_without_its_line_is_not_recorded(signed_in, broken):
    moves = [MoveFactory(confirmed=True, batch=batch) for batch in [BatchFactory()] for _ in range(2)]
    client, url = signed_in("etnic"), reverse("admin:migration_move_record_cutover")
    checked = client.post(url, a_file(a_night(*moves), moves[0].batch))
    broken()
    assert client.post(url, {"content": checked.context["token"]}).status_code == 503
    assert set(Move.objects.values_list("status", flat=True)) == {Move.Status.PLANNED}


def write(folder: Path, units: int = 30) -> Path:
    path = folder / "registre.csv"
    path.write_bytes(table(*many(units)))
    return path


def run(*arguments: str) -> None:
    call_command(*arguments, stdout=StringIO(), stderr=StringIO())


def test_each_command_that_writes_is_one_line_and_none_when_it_only_shows(tmp_path: Path, done):
    register, night = write(tmp_path), tmp_path / "nuit.csv"
    run("import_fase", str(register))
    assert done() == []
    run("import_fase", str(register), "--wet-run")
    (line,) = done()
    assert (line.action, line.actor, line.about) == ("register.imported", "commande import_fase", register.name)
    assert line.details["created"] == Organisation.objects.count()

    run("plan_campaign", "--at", "2024-09-30T09:00")
    assert done() == []
    run("plan_campaign", "--at", "2024-09-30T09:00", "--wet-run", "--approve")
    (line,) = done()
    assert (line.action, line.actor) == ("plan.written", "commande plan_campaign")
    assert line.details["approuvés"] == Batch.objects.filter(status=Status.APPROVED).count() > 0

    night.write_text("adresse;resultat;detail\nec999999@adm.cfwb.be;ok;\n", encoding="utf-8")
    arguments = ["record_cutover", "1", str(night), "--by", "Nadia"]
    for extra, lines in ([], 0), (["--wet-run"], 1):
        with pytest.raises(CommandError, match="rien n’est enregistré"):
            run(*arguments, *extra)
        assert AuditEntry.objects.filter(action="cutover.recorded").count() == lines
    (line,) = done()
    assert (line.action, line.actor, line.result) == ("cutover.recorded", "Nadia (commande record_cutover)", "refused")

    run("rotate_vault")
    (line,) = done()
    assert (line.action, line.actor, line.details) == ("vault.rotated", "commande rotate_vault", {"clé": "test"})


def test_a_register_that_is_refused_leaves_a_line_too(tmp_path: Path, done):
    run("import_fase", str(write(tmp_path)), "--wet-run")
    done()
    with pytest.raises(CommandError):  # most of it has disappeared
        run("import_fase", str(write(tmp_path, 3)), "--wet-run")
    (line,) = done()
    assert (line.action, line.result) == ("register.imported", "refused")
    assert line.why


def test_a_plan_that_cannot_be_recorded_is_not_written(tmp_path: Path, broken):
    run("import_fase", str(write(tmp_path)), "--wet-run")
    broken()
    with pytest.raises(audit.Unavailable):
        run("plan_campaign", "--at", "2024-09-30T09:00", "--wet-run")
    assert not Batch.objects.exists()
