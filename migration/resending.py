"""A mail that came back, or that failed for good, leaves once more (B18).

One of the four is written anew, with the dates and the text of now, and leaves by the rules of its step: its place is
due again, and so is that of the mails after it that were held back. Order holds: never after a mail that follows it.
A correction is made again. The mail that is repeated stays as it was, and is repeated once.
"""

from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Greatest

from accounts import credentials
from accounts.models import Credential
from bma_portal import audit
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from bma_portal.journal import told
from bma_portal.mail.models import OutgoingMail
from bma_portal.states import StateChange
from migration import corrections, decisions, preflight, withdrawal
from migration.calendar import mail_day
from migration.locks import lock_move
from migration.mails import KINDS
from migration.models import Batch, Campaign, Mailing, Move, Step
from migration.withdrawal import ASIDE, CORRECTION

Status = OutgoingMail.Status
WAY_OUT = "Reportez la boîte : ce mail y repartira, et ceux qui le suivent."


def did_not_arrive() -> Q:
    """Of mails: it came back, or will not leave any more."""
    return Q(bounced_at__isnull=False) | Q(status__in=[Status.FAILED, Status.CANCELLED])


def stands(mail: OutgoingMail | None, move: Move) -> bool:
    """Whether a person is offered to repeat it; `resend` may still say why it makes no sense."""
    if mail is None or move.status != Move.Status.PLANNED or move.batch.status not in Batch.MOVING:
        return False
    return mail.bounced_at is not None or mail.status in {Status.FAILED, Status.CANCELLED}


def mails_of(move: Move) -> QuerySet[OutgoingMail]:
    """All the mails that were ever made for that passage, those that others replaced too."""
    of_steps = Q(kind__in=KINDS, object_id__in=move.mailings.values("pk"))
    return OutgoingMail.objects.filter(of_steps | Q(kind=CORRECTION, object_id=move.pk))


def step_of(mail: OutgoingMail) -> int | None:
    """Which of the four it is or was; none for a correction."""
    if mail.kind == CORRECTION:
        return None
    return Mailing.objects.filter(pk=mail.object_id or 0).values_list("step", flat=True).first()


@transaction.atomic
def resend(move: Move, mail: OutgoingMail, *, by: str, at: datetime, why: str) -> datetime:
    """That mail of that passage is due once more. Returns from when; a correction leaves at once.

    Twice, or by two people at once, is once: the second is told who was first. Raises Refusal if it arrived, is on
    its way, or could not arrive in its order and before its night any more.
    """
    if not why.strip():
        raise Refusal("Dites ce qui a changé depuis que ce mail n’est pas arrivé : le motif reste au journal.")
    lock_move(move)
    now = mails_of(move).select_for_update(of=("self",)).filter(pk=mail.pk).first()
    if now is None:
        raise Refusal("Ce mail n’existe plus : il a été repris avant de partir.")
    mail = now
    _refuse_if_done(mail)
    step = step_of(mail)
    if objection := decisions.why_not_now(move, step, at=at):
        raise Refusal(f"Ce mail ne se renvoie pas : {objection}")
    leaves_at = _correct_again(move, mail, at=at) if step is None else _send_step_again(move, step, mail, at=at)
    StateChange.objects.create(
        object_type=OutgoingMail._meta.label_lower,
        object_id=mail.pk,
        old="revenu" if mail.bounced_at else mail.status,
        new="due",
        by=by,
        at=at,
        note=f"Renvoi demandé. {why.strip()}",
    )
    details = {"décision": "renvoyer", "courriel": mail.pk, "mail": step or "correction"}
    audit.record("move.steered", about=move, by=by, at=at, why=why.strip(), details=details)
    return leaves_at


def _refuse_if_done(mail: OutgoingMail) -> None:
    """Of a locked mail."""
    done = StateChange.objects.filter(object_type=OutgoingMail._meta.label_lower, object_id=mail.pk, new="due").last()
    if done:
        raise Refusal(f"Ce mail est déjà renvoyé, {told(done.by, done.at)}. Rien n’a changé.")
    if ASIDE in mail.key:
        raise Refusal("Un autre mail a déjà pris la place de celui-ci : il n’est pas à renvoyer.")
    if mail.status in {Status.QUEUED, Status.SENDING}:
        raise Refusal("Ce mail est déjà en route : quelqu’un l’a remis en file. Rien n’a changé.")
    if mail.status == Status.SENT and mail.bounced_at is None:
        raise Refusal("Ce mail est parti et n’est pas revenu : il n’est pas à renvoyer.")


# One of the four


def _send_step_again(move: Move, step: int, mail: OutgoingMail, *, at: datetime) -> datetime:
    """From when it may leave. It, and what failed after it, are due again, each in its turn (`sequence.ready`)."""
    campaign = move.batch.campaign
    over = OutgoingMail.objects.filter(did_not_arrive(), mailing__move=move, mailing__step__gte=step)
    later = move.mailings.filter(step__gt=step, mail__isnull=False).exclude(mail__in=over)
    if followed_by := later.order_by("step").first():
        raise Refusal(_too_late_for(step, followed_by.step))
    if step == Step.CLOSING:
        if objection := preflight.not_clear([mail], at).get(mail.pk):
            raise Refusal(f"Ce mail ne se renvoie pas : {objection}")
        due = {step: at}
    else:
        due = _days(campaign, step, at=at)
        last, night = due[Step.CONFIRMATION], move.batch.night_on
        if last >= campaign.night(night)[0]:
            follows = "il ne partirait" if step == Step.CONFIRMATION else "le mail 3 ne le suivrait"
            when = f"{follows} que le {brussels_date(last):%d/%m/%Y}"
            raise Refusal(f"Renvoyé maintenant, {when} : trop tard pour la nuit du {night:%d/%m/%Y}. {WAY_OUT}")
    if step == Step.CREDENTIALS:
        _refuse_another_password(move)
        credentials.give_up_refused(move.mailbox, at=at)  # else it would wait for ever: another will be made
    withdrawal.replace(list(over.values_list("pk", flat=True)), [move.pk])
    for number, moment in due.items():
        unsent = move.mailings.filter(step=number, mail=None)
        later_one = Greatest(F("due_at"), moment) if number > step else moment
        unsent.update(due_at=later_one, held_at=None, held_why="")
    return due[step]


def _days(campaign: Campaign, step: int, *, at: datetime) -> dict[int, datetime]:
    """From when that mail, and those of mails 2 and 3 that follow it, may leave: the spacings of S1 §5."""
    due = {step: decisions.next_moment(campaign, at)}
    spacings = {Step.CREDENTIALS: campaign.mail2_after_days, Step.CONFIRMATION: campaign.mail3_after_days_min}
    for number, days in spacings.items():
        if number > step:
            day: date = mail_day(brussels_date(due[number - 1]) + timedelta(days=days))
            due[number] = corrections.due(campaign, number, day)
    return due


def _too_late_for(step: int, followed_by: int) -> str:
    said = f"Le mail {followed_by} est parti depuis, ou part : le mail {step} ne le suit pas."
    if step == Step.ANNOUNCEMENT:
        return f"{said} Prévenez le titulaire par un autre canal ; l’ETNIC enregistrera sa nuit avec une dérogation."
    return f"{said} {WAY_OUT}"


def _refuse_another_password(move: Move) -> None:
    """Mail 2 says the password that the portal made for it, and no other."""
    current = Credential.objects.filter(mailbox=move.mailbox_id, superseded_at=None).defer("sealed").first()
    if current and current.purpose != Credential.Purpose.MIGRATION:
        raise Refusal(
            "Le mot de passe de cette boîte a été changé depuis : le mail 2 ne l’annonce plus. Si son titulaire "
            "connaît le nouveau, l’ETNIC enregistrera sa nuit avec une dérogation."
        )


# A correction of the date


def _correct_again(move: Move, mail: OutgoingMail, *, at: datetime) -> datetime:
    if not corrections.unread().filter(pk=mail.pk).exists():
        raise Refusal("Un autre mail a dit la date depuis : cette correction n’a plus d’objet.")
    if corrections.night_told(mail) != move.batch.night_on:
        raise Refusal("La date a encore changé depuis : cette correction n’a plus d’objet.")
    if mail.bounced_at:
        corrections.was_not_read(mail)
    if not corrections.correct([move], at=at):
        raise Refusal(
            "Le titulaire n’a reçu aucun mail qui dise une date : il n’y a rien à corriger. Renvoyez plutôt ces mails."
        )
    return at
