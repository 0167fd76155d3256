"""« Renvoyer ce mail »: what came back or failed leaves once more, in its order, once (B18)."""

from datetime import date, datetime, timedelta

import pytest
from django.urls import reverse

from accounts import credentials
from accounts.models import Credential
from bma_portal import clock
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.mail import requeue
from bma_portal.mail.compose import letters
from bma_portal.mail.models import OutgoingMail
from bma_portal.models import AuditEntry
from migration import decisions, failures, resending, sequence, steering, waiting
from migration.models import Batch, Mailing, Move
from migration.sheet import sheet_of
from migration.timeline import story_of
from tests.factories_migration import BatchFactory, MoveFactory, in_force

pytestmark = pytest.mark.django_db

NIGHT = date(2024, 11, 7)  # mails 1, 2, 3 on 7, 14 October and 5 November
TUESDAY = brussels(date(2024, 10, 8), 10)
FRIDAY = brussels(date(2024, 10, 11), 14)  # four days after mail 1
WEDNESDAY = brussels(date(2024, 10, 16), 10)  # two days after mail 2: a mail 3 may follow on 6 November
WHY = "Le titulaire a fait de la place."


def lose(move: Move, step: int, at: datetime) -> OutgoingMail:
    """That mail came back."""
    mail = OutgoingMail.objects.get(mailing__move=move, mailing__step=step)
    OutgoingMail.objects.filter(pk=mail.pk).update(
        bounced_at=at, delivery_code="5.2.2", delivery_text="552 boite pleine"
    )
    return OutgoingMail.objects.get(pk=mail.pk)


def again(move: Move, mail: OutgoingMail, at: datetime, by: str = "camille") -> datetime:
    return resending.resend(Move.objects.get(pk=move.pk), mail, by=by, at=at, why=WHY)


def leaves(mail: OutgoingMail, at: datetime) -> None:
    """What the outbox records when Exchange took it."""
    OutgoingMail.objects.filter(pk=mail.pk).update(status="sent", sent_at=at, proof="answer")


def of_step(move: Move, step: int) -> Mailing:
    return move.mailings.select_related("mail").get(step=step)


@pytest.fixture
def move() -> Move:
    """Mail 2 came back two days later; the password that it said is in force."""
    batch = BatchFactory(number=3, status=Batch.Status.RUNNING)
    made = MoveFactory(batch=batch, credentials_sent=True, announced_night=NIGHT)
    in_force(made)
    MoveFactory(batch=batch, credentials_sent=True)
    lose(made, 2, WEDNESDAY - timedelta(hours=1))
    return made


# The four mails


def test_a_mail_2_that_came_back_leaves_once_more_with_the_same_password_and_all_agree(move):
    former = of_step(move, 2).mail
    password = credentials.reveal(Credential.objects.get()).reveal()
    assert [wait.move for wait in waiting.waits(at=WEDNESDAY)] == [move]
    assert again(move, former, WEDNESDAY) == WEDNESDAY, "le Service Desk est ouvert"
    assert waiting.waits(at=WEDNESDAY) == []
    assert not sequence.bad_moves(move.batch).exists()
    assert (sequence.advance(at=WEDNESDAY), sequence.advance(at=WEDNESDAY)) == (1, 0)
    mail = of_step(move, 2).mail
    assert (mail.status, mail.key) == ("queued", f"mailing:{of_step(move, 2).pk}")
    assert mail.uuid != former.uuid
    assert password in letters([mail], at=WEDNESDAY)[mail.pk].text
    former.refresh_from_db()
    assert (former.status, former.bounced_at, former.key) == (
        "sent", WEDNESDAY - timedelta(hours=1), f"{mail.key}:retiré:{former.pk}",
    )  # fmt: skip
    line = AuditEntry.objects.get(action="move.steered")
    assert (line.actor, line.why, line.details) == (
        "camille", WHY, {"décision": "renvoyer", "courriel": former.pk, "mail": 2},
    )  # fmt: skip


def test_mail_3_follows_it_at_its_spacing(move):
    again(move, of_step(move, 2).mail, WEDNESDAY)
    assert of_step(move, 3).due_at == brussels(date(2024, 11, 6), 9), "21 jours après, et non le 5"
    sequence.advance(at=WEDNESDAY)
    leaves(of_step(move, 2).mail, WEDNESDAY)
    assert sequence.ready(move.batch.campaign, 3, at=brussels(date(2024, 11, 5), 10)).filter(move=move).count() == 0
    assert sequence.ready(move.batch.campaign, 3, at=brussels(date(2024, 11, 6), 10)).filter(move=move).count() == 1


def test_when_the_desk_is_closed_it_leaves_the_next_morning(move):
    evening = brussels(date(2024, 10, 16), 20)
    assert again(move, of_step(move, 2).mail, evening) == brussels(date(2024, 10, 17), 9)
    assert sequence.advance(at=evening) == 0
    assert sequence.advance(at=brussels(date(2024, 10, 17), 9)) == 1


def test_what_was_held_back_because_mail_1_came_back_follows_it_in_order():
    """Mail 2 was on its way, and its worker refused it; the days passed, and mail 3 waits for a decision."""
    move = MoveFactory(batch__status=Batch.Status.RUNNING, announced=True)
    first = lose(move, 1, FRIDAY)
    held = OutgoingMail.objects.create(
        key=f"mailing:{of_step(move, 2).pk}", kind="migration.new_password", object_id=of_step(move, 2).pk,
        sender="etnic", to=[move.mailbox.address], subject="Mail 2", sensitive=True, queued_at=FRIDAY,
        status="cancelled", last_error="Le mail 1 est revenu : la boîte attend son titulaire.",
    )  # fmt: skip
    move.mailings.filter(step=2).update(mail=held)
    [failure] = [one for one in failures.of_moves([move])[move.pk] if one.where == "mail 2"]
    assert "renvoyez le mail qui est revenu" in failure.known.deed
    move.batch.campaign.mail3_after_days_min = 14  # else the night would be too near
    move.batch.campaign.save()
    again(move, first, FRIDAY)
    assert [m.mail_id for m in move.mailings.order_by("step")] == [None, None, None, None]
    assert [m.due_at for m in move.mailings.order_by("step")][:3] == [
        FRIDAY, brussels(date(2024, 10, 18), 9), brussels(date(2024, 11, 5), 9),
    ]  # fmt: skip
    assert sequence.advance(at=FRIDAY) == 1
    leaves(of_step(move, 1).mail, FRIDAY)
    assert sequence.advance(at=brussels(date(2024, 10, 17), 10)) == 0, "sept jours après le mail 1"
    assert not Credential.objects.exists()
    sequence.advance(at=brussels(date(2024, 10, 18), 10))
    assert Credential.objects.filter(mailbox=move.mailbox).count() == 1


def test_what_failed_for_good_leaves_again_too_and_the_old_row_is_never_sent(failed_mail):
    mail = failed_mail(step=1)
    move = Move.objects.get(mailings__mail=mail)
    again(move, mail, TUESDAY)
    assert sequence.advance(at=TUESDAY) == 1
    assert "un autre courriel prend sa place" in requeue.requeue([mail.pk], by="sgne", at=TUESDAY).refused[0]
    assert OutgoingMail.objects.filter(status="queued").count() == 1


def test_a_password_that_the_directory_refused_is_replaced_by_another(move):
    Credential.objects.update(applied_at=None, refused_at=WEDNESDAY, last_error="Trop court.")
    former = Credential.objects.get()
    again(move, of_step(move, 2).mail, WEDNESDAY)
    assert sequence.advance(at=WEDNESDAY) == 0, "l’annuaire d’abord"
    assert Credential.objects.live().exclude(pk=former.pk).filter(mailbox=move.mailbox).count() == 1


def test_mail_4_leaves_again_in_its_night_only_and_if_nothing_is_red():
    move = MoveFactory(batch__status=Batch.Status.RUNNING, sent=4, announced_night=NIGHT)
    in_force(move)
    midnight = brussels(NIGHT, 23)
    mail = lose(move, 4, midnight)
    with pytest.raises(Refusal, match="le mail 4 ne part que pendant la nuit"):
        again(move, mail, brussels(NIGHT, 20))
    Move.objects.update(on_new_server=False)
    with pytest.raises(Refusal, match="pré-vol"):
        again(move, mail, midnight)
    Move.objects.update(on_new_server=True)
    again(move, mail, midnight)
    assert (sequence.advance(at=midnight), sequence.advance(at=midnight)) == (1, 0)


# Once


def test_a_second_click_sends_nothing_and_says_who_was_first_and_when(move):
    former = of_step(move, 2).mail
    again(move, former, WEDNESDAY)
    words = "déjà renvoyé, par camille, le 16/10/2024 à 10:00"
    with pytest.raises(Refusal, match=words):
        again(move, former, WEDNESDAY, by="dominique")
    sequence.advance(at=WEDNESDAY)
    leaves(of_step(move, 2).mail, WEDNESDAY)
    with pytest.raises(Refusal, match=words):
        again(move, former, WEDNESDAY, by="dominique")
    second = lose(move, 2, WEDNESDAY)
    with pytest.raises(Refusal, match=words):
        again(move, former, WEDNESDAY, by="dominique")  # an old page: the mail that it is about has been repeated
    again(move, second, WEDNESDAY, by="dominique")
    assert sequence.advance(at=WEDNESDAY) == 1


def test_what_a_colleague_put_back_in_the_queue_is_on_its_way(failed_mail):
    mail = failed_mail(step=1)
    move = Move.objects.get(mailings__mail=mail)
    assert requeue.requeue([mail.pk], by="sgne", at=FRIDAY).done == 1
    with pytest.raises(Refusal, match="déjà en route"):
        again(move, mail, FRIDAY)


# Refused


def act(deed):
    return lambda move: deed(Move.objects.get(pk=move.pk))


REFUSALS = {
    "le lot est suspendu": (
        lambda move: decisions.pause(move.batch, by="x", at=WEDNESDAY, note=""),
        "suspendu : reprenez-le d’abord",
    ),
    "la boîte est suspendue": (
        act(lambda move: steering.pause_move(move, by="x", at=WEDNESDAY, why="congé")),
        "suspendu : reprenez-le d’abord",
    ),
    "le lot est annulé": (
        lambda move: decisions.cancel(move.batch, by="x", at=WEDNESDAY, note="non"),
        "plus dans un lot en cours",
    ),
    "la boîte est reportée": (
        act(lambda move: steering.postpone(move, by="x", at=WEDNESDAY, why="congé")),
        "plus dans un lot en cours",
    ),
    "le mot de passe a changé": (
        lambda move: credentials.renew(move.mailbox, at=WEDNESDAY),
        "le mail 2 ne l’annonce plus",
    ),
    "il est arrivé": (lambda move: OutgoingMail.objects.update(bounced_at=None), "n’est pas revenu"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_makes_no_sense_is_refused_in_words_and_nothing_changes(move, case):
    deed, words = REFUSALS[case]
    former = of_step(move, 2).mail
    deed(move)
    with pytest.raises(Refusal, match=words):
        again(move, former, WEDNESDAY)
    assert OutgoingMail.objects.get(pk=former.pk).key == f"mailing:{of_step(move, 2).pk}"
    assert not AuditEntry.objects.filter(details__décision="renvoyer").exists()


@pytest.mark.parametrize(("step", "words"), [(1, "dérogation"), (2, "Reportez la boîte")])
def test_a_mail_never_leaves_after_one_that_follows_it(step, words):
    move = MoveFactory(batch__status=Batch.Status.RUNNING, sent=step + 1)
    mail = lose(move, step, WEDNESDAY)
    with pytest.raises(Refusal, match=f"Le mail {step + 1} est parti depuis.*{words}"):
        again(move, mail, WEDNESDAY)


def test_one_that_would_come_too_late_for_its_night_is_postponed_instead(move):
    friday = brussels(date(2024, 10, 18), 10)
    words = "le mail 3 ne le suivrait que le 08/11/2024 : trop tard pour la nuit du 07/11/2024. Reportez"
    with pytest.raises(Refusal, match=words):
        again(move, of_step(move, 2).mail, friday)
    done = steering.postpone(Move.objects.get(pk=move.pk), by="camille", at=friday, why=WHY)
    assert set(done.move.mailings.values_list("step", flat=True)) == {2, 3, 4}, "c’est là qu’il repart"


def test_nothing_leaves_again_once_the_night_is_over(move):
    with pytest.raises(Refusal, match="sa nuit est passée"):
        again(move, of_step(move, 2).mail, brussels(date(2024, 11, 8), 10))


def test_mail_3_does_not_leave_once_the_night_has_begun():
    move = MoveFactory(batch__status=Batch.Status.RUNNING, confirmed=True)
    mail = lose(move, 3, brussels(NIGHT, 18))
    with pytest.raises(Refusal, match="il ne partirait que le 08/11/2024 : trop tard"):
        again(move, mail, brussels(NIGHT, 18))
    again(move, mail, brussels(NIGHT, 16))


def test_a_reason_is_asked(move):
    with pytest.raises(Refusal, match="Dites ce qui a changé"):
        resending.resend(move, of_step(move, 2).mail, by="camille", at=WEDNESDAY, why="  ")


# Told


def test_the_story_keeps_the_mail_that_came_back_and_says_who_sent_it_again(move):
    former = of_step(move, 2).mail
    again(move, former, WEDNESDAY)
    sequence.advance(at=WEDNESDAY)
    leaves(of_step(move, 2).mail, WEDNESDAY)
    name = f"mail 2 du {move.batch}"
    told = [fact for fact in story_of(move.mailbox).facts(at=WEDNESDAY) if fact.what == name]
    assert [fact.new.split()[0] for fact in told] == ["mis", "envoyé", "revenu", "mis", "envoyé", "à"]
    [by] = [fact for fact in told if fact.new == "à envoyer"]
    assert (by.by, by.old, by.why) == ("camille", "revenu", f"Renvoi demandé. {WHY}")
    assert sheet_of(move.mailbox, at=WEDNESDAY).timeline == story_of(move.mailbox).facts(at=WEDNESDAY)[::-1]


# The page


def address_of(move: Move, mail: OutgoingMail) -> str:
    return reverse("admin:migration_batch_resend", args=[move.batch_id, move.pk, mail.pk])


def test_it_is_asked_from_the_sheet_and_from_the_batch_with_a_reason_and_done_once(move, signed_in):
    clock.set_for_every_process(WEDNESDAY)
    former, client = of_step(move, 2).mail, signed_in("sgne")
    address = address_of(move, former)
    for page in ("migration_batch_change", "accounts_mailbox_change"):
        pk = move.batch_id if "batch" in page else move.mailbox_id
        assert address in client.get(reverse(f"admin:{page}", args=[pk])).content.decode()
    page = client.get(address).content.decode()
    assert f"Renvoyer le mail 2 : {move.mailbox}" in page
    assert "revenu le 16 octobre 2024 à 09:00" in page
    assert "Dites pourquoi" in client.post(address, {"why": ""}).content.decode()
    assert of_step(move, 2).mail == former, "regarder, ou se tromper, ne renvoie rien"
    said = [client.post(address, {"why": WHY}, follow=True).content.decode() for _ in range(2)]
    assert f"Le mail 2 de {move.mailbox} repart dès maintenant." in said[0]
    assert "Ce mail est déjà renvoyé, par sgne, le 16/10/2024 à 10:00" in said[1]
    assert sequence.advance(at=WEDNESDAY) == 1
    assert AuditEntry.objects.filter(action="move.steered").count() == 1
    assert address not in client.get(reverse("admin:accounts_mailbox_change", args=[move.mailbox_id])).content.decode()


def test_whoever_steers_mailboxes_and_the_team_that_signs_it(move, signed_in):
    clock.set_for_every_process(WEDNESDAY)
    second, first = address_of(move, of_step(move, 2).mail), address_of(move, lose(move, 1, WEDNESDAY))
    allowed = {role: [signed_in(role).get(url).status_code for url in (first, second)] for role in ("sgne", "etnic")}
    assert allowed == {"sgne": [200, 200], "etnic": [403, 200]}
    for role in ("auditeur", "personnel"):
        assert signed_in(role).post(second, {"why": WHY}).status_code == 403
    sheets = {
        role: signed_in(role).get(reverse("admin:accounts_mailbox_change", args=[move.mailbox_id])).content.decode()
        for role in ("etnic", "auditeur")
    }
    assert second in sheets["etnic"]
    assert first not in sheets["etnic"]
    assert second not in sheets["auditeur"]


def test_a_mail_is_known_from_its_own_mailbox_only(move, signed_in):
    other = MoveFactory(batch=move.batch, announced=True)
    client, mail = signed_in("sgne"), of_step(move, 2).mail
    assert client.get(address_of(other, mail)).status_code == 404
    assert client.get(reverse("admin:migration_batch_resend", args=[0, move.pk, mail.pk])).status_code == 404
    assert client.get(reverse("admin:migration_batch_resend", args=[move.batch_id, move.pk, 0])).status_code == 404
