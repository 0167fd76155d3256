"""What staff decides from the admin: each decision by its role, each refusal in words, twice at once is once."""

import threading
from datetime import UTC, date, datetime

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts import credentials
from accounts.models import Credential
from bma_portal import clock
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.mail import requeue
from bma_portal.mail.models import OutgoingMail, Sender, SenderState
from bma_portal.states import StateChange
from migration import decisions
from migration.models import Batch, Mailing, Move
from tests.factories_migration import BatchFactory, CampaignFactory, MoveFactory, deliver, in_force

pytestmark = pytest.mark.django_db

AT = brussels(date(2024, 10, 21), 10)  # a Monday, the desk is open
Status = Batch.Status
Mail = OutgoingMail.Status


def decide(client: Client, batch: Batch, name: str, **fields: str):
    return client.post(reverse("admin:migration_batch_decide", args=[batch.pk, name]), fields, follow=True)


def told(response) -> str:
    return " ".join(str(message) for message in response.context["messages"])


def act(client: Client, page: str, action: str, *objects, confirmed: bool = True, **fields: str):
    data = {"action": action, "_selected_action": [o.pk for o in objects], **fields}
    if confirmed:
        data["confirmed"] = "yes"
    return client.post(reverse(f"admin:{page}_changelist"), data, follow=True)


# Batches


def test_sgne_approves_opens_pauses_approves_again_and_cancels_a_batch(signed_in):
    batch = BatchFactory(status=Status.DRAFT, approved_by="", approved_at=None, released_by="", released_at=None)
    MoveFactory(batch=batch)
    client = signed_in("sgne")
    for name, fields, status in [
        ("approuver", {}, Status.APPROVED),
        ("ouvrir", {}, Status.APPROVED),
        ("suspendre", {"note": "Le Service Desk est débordé."}, Status.PAUSED),
        ("reprendre", {}, Status.APPROVED),
        ("annuler", {"note": "Dates à revoir."}, Status.CANCELLED),
    ]:
        response = decide(client, batch, name, **fields)
        batch.refresh_from_db()
        assert batch.status == status, told(response)
    assert (batch.approved_by, batch.released_by) == ("sgne", "sgne")
    assert batch.released_at is not None
    assert set(batch.moves.values_list("status", flat=True)) == {Move.Status.CANCELLED}
    log = StateChange.objects.filter(object_type="migration.batch", object_id=batch.pk)
    assert list(log.values_list("new", flat=True)) == ["approved", "released", "paused", "approved", "cancelled"]
    assert set(log.values_list("by", flat=True)) == {"sgne"}
    assert log.get(new="cancelled").note == "Dates à revoir."
    page = client.get(reverse("admin:migration_batch_change", args=[batch.pk])).content.decode()
    for words in (f"lot {batch.number}", "cinq premières boîtes", "ouvert à toutes", "suspendu", "Dates à revoir."):
        assert words in page


@pytest.mark.parametrize(
    ("status", "name", "words"),
    [
        (Status.APPROVED, "approuver", "déjà « approuvé »"),
        (Status.RUNNING, "approuver", "déjà « en cours »"),
        (Status.RUNNING, "reprendre", "déjà « en cours »"),
        (Status.DRAFT, "reprendre", "rien à reprendre"),
        (Status.FINISHED, "approuver", "ne peut pas passer"),
        (Status.DRAFT, "suspendre", "ne peut pas passer"),
        (Status.PAUSED, "suspendre", "déjà « suspendu »"),
        (Status.CANCELLED, "annuler", "déjà « annulé »"),
        (Status.FINISHED, "annuler", "ne peut pas passer"),
        (Status.DRAFT, "ouvrir", "approuvez-le avant"),
        (Status.APPROVED, "ouvrir", "déjà ouvert"),
    ],
)
def test_a_decision_that_does_not_fit_the_batch_is_refused_in_words(status, name, words, signed_in):
    batch = BatchFactory(status=status)
    response = decide(signed_in("sgne"), batch, name, note="parce que")
    assert words in told(response)
    batch.refresh_from_db()
    assert batch.status == status
    assert not StateChange.objects.exists()


def test_cancelling_asks_for_a_reason(signed_in):
    batch = BatchFactory()
    for note in ("", "   "):
        page = decide(signed_in("sgne"), batch, "annuler", note=note).content.decode()
        assert "Dites pourquoi" in page
        assert "<title>Erreur : " in page
    with pytest.raises(Refusal):
        decisions.cancel(batch, by="sgne", at=AT, note=" ")
    batch.refresh_from_db()
    assert batch.status == Status.APPROVED


def test_cancelling_destroys_the_passwords_and_withdraws_what_is_queued(signed_in):
    move = MoveFactory(announced=True)
    credentials.issue([move.mailbox], at=AT)
    mail = deliver(Mailing.objects.get(move=move, step=2), AT)
    OutgoingMail.objects.filter(pk=mail.pk).update(status=Mail.QUEUED, sent_at=None, proof="")
    decide(signed_in("sgne"), move.batch, "annuler", note="Dates à revoir.")
    mail.refresh_from_db()
    assert mail.status == Mail.CANCELLED
    assert Credential.objects.get().sealed == ""


def test_looking_at_a_decision_changes_nothing(signed_in):
    batch = BatchFactory()
    for name in ("approuver", "ouvrir", "suspendre", "annuler"):
        url = reverse("admin:migration_batch_decide", args=[batch.pk, name])
        assert signed_in("sgne").get(url).status_code == 200
    batch.refresh_from_db()
    assert batch.status == Status.APPROVED
    assert signed_in("sgne").get(f"/admin/migration/batch/{batch.pk}/decision/detruire/").status_code == 404
    assert signed_in("sgne").get("/admin/migration/batch/999999/decision/approuver/").status_code == 404


@pytest.mark.parametrize("role", ["etnic", "auditeur", "personnel"])
@pytest.mark.parametrize("name", ["approuver", "ouvrir", "suspendre", "annuler"])
def test_only_sgne_decides_about_batches(role, name, signed_in):
    batch = BatchFactory(status=Status.DRAFT)
    response = decide(signed_in(role), batch, name, note="parce que")
    assert response.status_code == 403
    batch.refresh_from_db()
    assert batch.status == Status.DRAFT


def test_the_page_of_a_batch_offers_what_may_be_decided(signed_in):
    batch = BatchFactory(status=Status.PAUSED)
    url = reverse("admin:migration_batch_change", args=[batch.pk])
    offered = {decision.label for _, decision in signed_in("sgne").get(url).context["decisions"]}
    assert offered == {"Reprendre", "Changer la nuit", "Annuler le lot"}
    assert signed_in("auditeur").get(url).context["decisions"] == []


@pytest.mark.django_db(transaction=True)
def test_twenty_people_approve_the_same_batch_at_once_and_one_wins(signed_in):
    batch = BatchFactory(status=Status.DRAFT)
    client = signed_in("sgne")
    clients = [Client() for _ in range(20)]
    for each in clients:
        each.cookies = client.cookies
    barrier, answers = threading.Barrier(20), []

    def approve(one: Client) -> None:
        try:
            barrier.wait(10)
            answers.append(one.post(reverse("admin:migration_batch_decide", args=[batch.pk, "approuver"])).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=approve, args=[one]) for one in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [302] * 20
    batch.refresh_from_db()
    assert batch.status == Status.APPROVED
    assert StateChange.objects.filter(object_type="migration.batch", object_id=batch.pk).count() == 1


# Mails that did not leave


def test_a_failed_mail_is_sent_again_under_the_same_key(signed_in, failed_mail):
    clock.set_for_every_process(AT)
    mail = failed_mail(1)
    before = (mail.uuid, mail.key, mail.message_id)
    response = act(signed_in("sgne"), "mail_outgoingmail", "send_again", mail, confirmed=False)
    mail.refresh_from_db()
    assert "Ces courriels ne sont pas partis" in response.content.decode()
    assert mail.status == Mail.FAILED
    assert "1 courriel(s) remis en file." in told(act(signed_in("sgne"), "mail_outgoingmail", "send_again", mail))
    mail.refresh_from_db()
    assert mail.status == Mail.QUEUED
    assert (mail.uuid, mail.key, mail.message_id) == before
    assert (mail.ews_id, mail.ews_changekey, mail.attempts, mail.not_before, mail.claim) == ("", "", 0, None, None)
    change = StateChange.objects.get(object_type="mail.outgoingmail")
    assert (change.old, change.new, change.by) == ("failed", "queued", "sgne")
    # The second click finds nothing to do.
    act(signed_in("sgne"), "mail_outgoingmail", "send_again", mail)
    assert StateChange.objects.count() == 1


@pytest.mark.parametrize(("role", "step", "goes"), [
    ("sgne", 1, True), ("sgne", 2, False), ("sgne", 3, True),
    ("etnic", 1, False), ("etnic", 2, True), ("etnic", 3, False), ("secours", 2, True),
])  # fmt: skip
def test_each_team_sends_again_its_own_mails_only(role, step, goes, signed_in, failed_mail):
    clock.set_for_every_process(AT)
    mail = failed_mail(step)
    OutgoingMail.objects.filter(pk=mail.pk).update(sender={1: "sgne", 2: "etnic", 3: "sgne"}[step])
    act(signed_in(role), "mail_outgoingmail", "send_again", mail)
    mail.refresh_from_db()
    assert mail.status == (Mail.QUEUED if goes else Mail.FAILED)


def test_an_auditor_has_no_action_at_all(signed_in, failed_mail):
    mail = failed_mail(1)
    act(signed_in("auditeur"), "mail_outgoingmail", "send_again", mail)
    mail.refresh_from_db()
    assert mail.status == Mail.FAILED
    assert (
        "send_again" not in signed_in("auditeur").get(reverse("admin:mail_outgoingmail_changelist")).content.decode()
    )


@pytest.mark.parametrize("status", [Mail.QUEUED, Mail.SENDING, Mail.SENT])
def test_a_mail_that_is_on_its_way_or_arrived_is_never_sent_again(status, failed_mail):
    mail = failed_mail(1)
    facts = {"status": status}
    if status == Mail.SENT:
        facts |= {"sent_at": AT}
    if status == Mail.SENDING:
        facts |= {"claim": mail.uuid, "not_before": AT}
    OutgoingMail.objects.filter(pk=mail.pk).update(**facts)
    assert requeue.requeue([mail.pk], by="sgne", at=AT).done == 0
    mail.refresh_from_db()
    assert (mail.status, mail.ews_id) == (status, "AAMk-ancien")


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("cancelled batch", "plus dans un lot en cours"),
        ("migrated", "plus dans un lot en cours"),
        ("night over", "sa nuit est passée"),
        ("mail 4 by day", "que pendant la nuit"),
    ],
)
def test_a_mail_whose_facts_changed_is_not_sent_again(case, words, failed_mail):
    move = MoveFactory(announced=True)
    step, at = 1, AT
    if case == "cancelled batch":
        Batch.objects.filter(pk=move.batch_id).update(status=Status.CANCELLED)
    elif case == "migrated":
        Move.objects.filter(pk=move.pk).update(status=Move.Status.MIGRATED, migrated_at=AT)
    elif case == "night over":
        at = brussels(date(2024, 11, 8), 10)
    else:
        step = 4
        deliver(Mailing.objects.get(move=move, step=4), AT)
    mail = failed_mail(step, move)
    result = requeue.requeue([mail.pk], by="secours", at=at)
    assert result.done == 0
    assert words in result.refused[0]
    mail.refresh_from_db()
    assert mail.status == Mail.FAILED


def test_mail_4_is_sent_again_in_its_night(failed_mail):
    move = MoveFactory(confirmed=True)
    in_force(move)
    deliver(Mailing.objects.get(move=move, step=4), brussels(date(2024, 11, 7), 22))
    mail = failed_mail(4, move)
    assert requeue.requeue([mail.pk], by="etnic", at=brussels(date(2024, 11, 8), 1)).done == 1


def test_all_the_mails_of_a_filtered_list_are_sent_again(signed_in, failed_mail):
    clock.set_for_every_process(AT)
    mails = [failed_mail(1) for _ in range(3)]
    url = reverse("admin:mail_outgoingmail_changelist") + "?status__exact=failed"
    data = {"action": "send_again", "_selected_action": [mails[0].pk], "select_across": "1", "index": "0"}
    page = signed_in("sgne").post(url, data)
    assert page.context["total"] == 3
    assert len(page.context["selected"]) == 1
    del data["index"]
    signed_in("sgne").post(url, {**data, "confirmed": "yes"})
    assert OutgoingMail.objects.filter(status=Mail.QUEUED).count() == 3


# Senders


@pytest.mark.parametrize(
    ("role", "resumes"), [("etnic", True), ("sgne", False), ("auditeur", False), ("secours", True)]
)
def test_a_sender_is_resumed_by_its_own_team(role, resumes, signed_in):
    SenderState.objects.create(sender=Sender.ETNIC, refusals=3, paused_at=AT, reason="Mot de passe expiré.")
    state = SenderState.objects.get()
    response = act(signed_in(role), "mail_senderstate", "resume", state)
    state.refresh_from_db()
    assert (state.paused_at is None) is resumes
    if resumes:
        assert "L’envoi de ETNIC reprend." in told(response)
        change = StateChange.objects.get()
        assert (change.object_type, change.by) == ("mail.senderstate:etnic", role)
        assert "Mot de passe expiré." in change.note
        assert "n’est pas arrêté" in told(act(signed_in(role), "mail_senderstate", "resume", state))


# Mails that wait for a decision


def held(move: Move, step: int) -> Mailing:
    Mailing.objects.filter(move=move, step=step).update(held_at=AT, held_why="En retard.")
    return Mailing.objects.get(move=move, step=step)


def test_a_held_mail_leaves_at_the_next_allowed_moment(signed_in):
    clock.set_for_every_process(brussels(date(2024, 10, 19), 15))  # a Saturday
    mailing = held(MoveFactory(announced=True), 2)
    page = act(signed_in("etnic"), "migration_mailing", "send_despite_delay", mailing, confirmed=False)
    assert "bien après la date annoncée" in page.content.decode()
    act(signed_in("etnic"), "migration_mailing", "send_despite_delay", mailing)
    mailing.refresh_from_db()
    assert (mailing.held_at, mailing.held_why) == (None, "")
    assert mailing.due_at == brussels(date(2024, 10, 21), 9)
    change = StateChange.objects.get()
    assert (change.object_type, change.object_id, change.by) == ("migration.mailing", mailing.pk, "etnic")


@pytest.mark.parametrize(
    ("day", "hour", "due"),
    [
        (date(2024, 10, 21), 10, (date(2024, 10, 21), 10)),  # the desk is open: now
        (date(2024, 10, 21), 7, (date(2024, 10, 21), 9)),
        (date(2024, 10, 21), 18, (date(2024, 10, 22), 9)),
        (date(2024, 10, 31), 18, (date(2024, 11, 4), 9)),  # a bridge over 1 November and a week-end
    ],
)
def test_the_next_allowed_moment_is_when_the_desk_can_answer(day, hour, due):
    assert decisions.next_moment(CampaignFactory.build(), brussels(day, hour)) == brussels(*due)


def test_mail_4_never_leaves_late(signed_in):
    mailing = held(MoveFactory(confirmed=True), 4)
    response = act(signed_in("etnic"), "migration_mailing", "send_despite_delay", mailing)
    assert "replanifiez cette boîte" in told(response)
    mailing.refresh_from_db()
    assert mailing.held_at == AT


@pytest.mark.parametrize(("role", "step"), [("sgne", 2), ("etnic", 1), ("etnic", 3), ("auditeur", 1)])
def test_the_other_teams_held_mails_are_left_alone(role, step, signed_in):
    mailing = held(MoveFactory(), step)
    act(signed_in(role), "migration_mailing", "send_despite_delay", mailing)
    mailing.refresh_from_db()
    assert mailing.held_at == AT


def test_a_held_mail_of_a_cancelled_batch_stays(signed_in):
    move = MoveFactory()
    mailing = held(move, 1)
    Batch.objects.filter(pk=move.batch_id).update(status=Status.CANCELLED)
    assert "plus dans un lot" in told(act(signed_in("sgne"), "migration_mailing", "send_despite_delay", mailing))
    mailing.refresh_from_db()
    assert mailing.held_at == AT


def test_the_moment_of_a_decision_is_the_requests(signed_in):
    at = datetime(2024, 10, 1, 8, tzinfo=UTC)
    clock.set_for_every_process(at)
    batch = BatchFactory(status=Status.DRAFT)
    decide(signed_in("sgne"), batch, "approuver")
    batch.refresh_from_db()
    assert batch.approved_at == at
