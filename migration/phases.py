"""The phase of a mailbox: a function of recorded facts and of a moment. Nothing stores it.

The same rule is written twice, for one mailbox and for a queryset; a test holds the two together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from django.db.models import Case, CharField, Exists, OuterRef, Q, QuerySet, TextChoices, Value, When

from accounts.models import Mailbox
from bma_portal.clock import brussels_date
from bma_portal.mail.models import OutgoingMail
from bma_portal.prepared import Prepared
from migration.models import Campaign, Mailing, Move


class Phase(TextChoices):
    """Where a mailbox stands (domain: S1 §4–5). Each has one plain sentence, see `SENTENCES`."""

    NOT_STARTED = "not_started", "pas encore commencée"
    ANNOUNCED = "announced", "annoncée"
    CREDENTIALS_SENT = "credentials_sent", "mot de passe envoyé"
    CONFIRMED = "confirmed", "date confirmée"
    MIGRATED = "migrated", "migrée"


class Programme(TextChoices):
    """Where the campaign as a whole stands; it decides who helps once a mailbox is migrated."""

    RUNNING = "running", "en cours"
    OVER = "over", "toutes les boîtes ont migré"
    CLOSED = "closed", "l’ancien serveur est fermé"


SENTENCES = {
    Phase.NOT_STARTED: "La migration de cette boîte n’a pas encore commencé.",
    Phase.ANNOUNCED: "Le premier mail est parti : la migration de cette boîte est annoncée.",
    Phase.CREDENTIALS_SENT: "Le mot de passe de la nouvelle interface a été envoyé dans la boîte.",
    Phase.CONFIRMED: "La date de la migration est confirmée.",
    Phase.MIGRATED: "Cette boîte a migré : elle se consulte dans la nouvelle interface.",
}


@dataclass(frozen=True)
class Facts:
    """What happened to a mailbox by a moment: when each mail was delivered, when it moved, when its night is due."""

    delivered: dict[int, datetime]
    migrated_at: datetime | None
    due: dict[int, datetime]
    night_on: date | None


def facts_at(mailbox: Mailbox, at: datetime) -> Facts:
    """Delivered means accepted by Exchange by `at`, and not come back by then."""
    return facts_of([mailbox], at)[mailbox.pk]


def facts_of(
    mailboxes: Iterable[Mailbox],
    at: datetime,
    *,
    moves: Sequence[Move] | None = None,
    mailings: Iterable[tuple] | None = None,
) -> dict[int, Facts]:
    """The facts of each, by its pk, in two statements however many they are; `moves` and `mailings`, if already read.

    A mailing: its mailbox, its step, when it is due, its move’s status, when its mail was sent, and when it came back.
    """
    found = {mailbox.pk: Facts({}, None, {}, None) for mailbox in mailboxes}
    if moves is None:
        moves = list(Move.objects.filter(mailbox__in=found).select_related("batch"))
    if not moves:
        return found  # and no mailing either
    if mailings is None:
        mailings = _mailings_of_one(pk=next(iter(found))) if len(found) == 1 else _mailings(list(found))
    for pk, step, due_at, status, sent_at, bounced_at in mailings:
        facts = found[pk]
        if status == Move.Status.PLANNED:
            facts.due[step] = due_at
        if sent_at and sent_at <= at and not (bounced_at and bounced_at <= at):
            facts.delivered[step] = min(sent_at, facts.delivered.get(step, sent_at))
    for move in sorted(moves, key=lambda move: (move.batch.campaign_id, move.batch.number, move.position)):
        facts, moment = found[move.mailbox_id], move.migrated_at
        undone = move.rolled_back_at is not None and move.rolled_back_at <= at
        migrated_at = facts.migrated_at or (moment if moment and moment <= at and not undone else None)
        stands = move.status in {"planned", "migrated"} or (move.status == "rolled_back" and not undone)
        night_on = facts.night_on or (move.batch.night_on if stands else None)
        found[move.mailbox_id] = replace(facts, migrated_at=migrated_at, night_on=night_on)
    return found


def _mailings(mailboxes: Sequence[int]) -> QuerySet:
    return Mailing.objects.filter(move__mailbox__in=mailboxes).values_list(
        "move__mailbox", "step", "due_at", "move__status", "mail__sent_at", "mail__bounced_at"
    )


_mailings_of_one = Prepared(lambda pk: _mailings([pk]))


def phase(facts: Facts) -> Phase:
    """The later fact decides; « begun » means that mail 2 was delivered (our decision on K5)."""
    if facts.migrated_at:
        return Phase.MIGRATED
    if Mailing.Step.CREDENTIALS in facts.delivered:
        confirmed = Mailing.Step.CONFIRMATION in facts.delivered
        return Phase.CONFIRMED if confirmed else Phase.CREDENTIALS_SENT
    return Phase.ANNOUNCED if Mailing.Step.ANNOUNCEMENT in facts.delivered else Phase.NOT_STARTED


def phase_at(mailbox: Mailbox, at: datetime) -> Phase:
    return phase(facts_at(mailbox, at))


def with_phase(mailboxes: QuerySet[Mailbox], at: datetime) -> QuerySet[Mailbox]:
    """Annotate `phase`: the twin of `phase_at`, in one statement."""

    def delivered(step: int) -> Exists:
        return Exists(
            OutgoingMail.objects.filter(
                Q(bounced_at=None) | Q(bounced_at__gt=at),
                mailing__move__mailbox=OuterRef("pk"),
                mailing__step=step,
                sent_at__lte=at,
            )
        )

    return mailboxes.annotate(
        phase=Case(
            When(Exists(Move.objects.migrated(at).filter(mailbox=OuterRef("pk"))), then=Value(Phase.MIGRATED.value)),
            When(delivered(2) & delivered(3), then=Value(Phase.CONFIRMED.value)),
            When(delivered(2), then=Value(Phase.CREDENTIALS_SENT.value)),
            When(delivered(1), then=Value(Phase.ANNOUNCED.value)),
            default=Value(Phase.NOT_STARTED.value),
            output_field=CharField(),
        )
    )


def programme_at(campaign: Campaign, at: datetime) -> Programme:
    """Closed from the day the old server closes (S3 §3); over once no mailbox of the campaign waits (S1 §3)."""
    if brussels_date(at) >= campaign.old_server_closes_on:
        return Programme.CLOSED
    moves = Move.objects.filter(batch__campaign=campaign).exclude(status=Move.Status.CANCELLED)
    waiting = moves.filter(Q(migrated_at=None) | Q(migrated_at__gt=at) | Q(rolled_back_at__lte=at))
    still_waiting = waiting.exclude(Exists(Move.objects.migrated(at).filter(mailbox=OuterRef("mailbox"))))
    over = Campaign.objects.filter(Exists(moves), ~Exists(still_waiting), pk=campaign.pk)
    return Programme.OVER if over.exists() else Programme.RUNNING
