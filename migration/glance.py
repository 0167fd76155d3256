"""A batch at a glance: each of its mailboxes under its state, those that need somebody first."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Count, Max, Q

from bma_portal.badges import BAD, GOOD, NEUTRAL, WAITING
from bma_portal.mail.models import OutgoingMail
from migration import failures, steering
from migration.failures import Failure
from migration.models import Batch, Mailing, Move
from migration.sequence import went_wrong

Status = Move.Status
# In the order of the page: what needs somebody, then the way of a mailbox, then what left the batch
STATES: dict[str, tuple[str, str]] = {
    "failed": ("nuit en échec", BAD),
    "wrong": ("mail ou mot de passe en échec", BAD),
    "held": ("mail en attente de décision", BAD),
    "suspended": ("suspendues", BAD),
    "rolled_back": ("remises sur l’ancien serveur", BAD),
    "0": ("pas encore commencées", NEUTRAL),
    "1": ("mail 1 parti", WAITING),
    "2": ("mail 2 parti", WAITING),
    "3": ("mail 3 parti", WAITING),
    "4": ("mail 4 parti, résultat attendu", WAITING),
    "migrated": ("migrées", GOOD),
    "postponed": ("reportées dans un autre lot", NEUTRAL),
    "cancelled": ("annulées", NEUTRAL),
}


@dataclass
class Box:
    """One mailbox of the batch: what went wrong or waits, how many nights failed before or now."""

    move: Move
    failures: list[Failure] = field(default_factory=list)
    held: list[Mailing] = field(default_factory=list)  # its mails that wait for a decision
    attempts: int = 0


@dataclass
class Group:
    state: str
    label: str
    tone: str
    boxes: list[Box] = field(default_factory=list)

    @property
    def is_urgent(self) -> bool:
        return self.tone == BAD


def groups(batch: Batch) -> list[Group]:
    """The states that have mailboxes, in five statements however many they are."""
    sent = Q(mailings__mail__status=OutgoingMail.Status.SENT, mailings__mail__bounced_at=None)
    moves = (
        batch.moves.select_related("mailbox")
        .annotate(
            step=Max("mailings__step", filter=sent),
            held=Count("mailings", filter=Q(mailings__held_at__isnull=False)),
            is_wrong=went_wrong(),
        )
        .order_by("position")
    )
    by_state: dict[str, list[Box]] = {state: [] for state in STATES}
    boxes = [Box(move) for move in moves]
    for box in boxes:
        by_state[_state(box.move)].append(box)
    _explain([box for box in boxes if _state(box.move) in {"failed", "wrong"}])
    _say_what_waits([box for box in boxes if _state(box.move) == "held"])
    tried = steering.attempts([box.move.mailbox_id for box in boxes])
    for box in boxes:
        box.attempts = tried.get(box.move.mailbox_id, 0)
    return [Group(state, *STATES[state], found) for state, found in by_state.items() if found]


def _explain(boxes: Sequence[Box]) -> None:
    if boxes:
        found = failures.of_moves([box.move for box in boxes])
        for box in boxes:
            box.failures = found.get(box.move.pk, [])


def _say_what_waits(boxes: Sequence[Box]) -> None:
    by_move = {box.move.pk: box for box in boxes}
    if boxes:
        for mailing in Mailing.objects.filter(move__in=by_move, held_at__isnull=False).order_by("step"):
            by_move[mailing.move_id].held.append(mailing)


def _state(move: Move) -> str:
    if move.status != Status.PLANNED:
        return str(move.status)
    if move.is_wrong:  # type: ignore[attr-defined]
        return "wrong"
    if move.held:  # type: ignore[attr-defined]
        return "held"
    return "suspended" if move.paused_at else str(move.step or 0)  # type: ignore[attr-defined]
