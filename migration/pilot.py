"""The pilot batch: a few mailboxes of each network and type go first; the others wait for what is learnt (B9; S3 §3).

The lesson of the first one, a new password for every mailbox, is now a rule of the four mails (S4).
"""

from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.models import Mailbox, Organisation
from bma_portal import audit
from bma_portal.errors import Refusal
from bma_portal.states import StateChange
from migration import by_hand, planning
from migration.locks import lock_plans
from migration.models import Batch, Campaign, Move

WORDS = 5  # an evaluation says something
OVER = [Batch.Status.FINISHED, Batch.Status.FINISHED_WITH_ERRORS]


@dataclass
class Stratum:
    """The mailboxes of one kind, network and type: how many there are, and those of the sample."""

    kind: str
    network: str
    type: str
    total: int = 0
    chosen: list[Mailbox] = field(default_factory=list)


def candidates(*, at: datetime) -> QuerySet[Mailbox]:
    """Open units' mailboxes, neither migrated nor announced, nor in a batch that a person approved or composed."""
    drafts = Batch.objects.filter(status=Batch.Status.DRAFT).exclude(pk__in=planning.settled(Batch.objects.all()))
    free = list(drafts.values_list("pk", flat=True))  # read apart: the database plans badly over tables just filled
    taken = Move.objects.filter(Q(status=Move.Status.MIGRATED) | Q(status=Move.Status.PLANNED) & ~Q(batch__in=free))
    return (
        Mailbox.objects.filter(organisation__in=Organisation.objects.plannable(at))
        .exclude(pk__in=taken.values("mailbox"))
        .select_related("organisation")
        .only("address", *(f"organisation__{name}" for name in ("kind", "name", "network", "levels", "unit_types")))
        .order_by("organisation__kind", "organisation__fase")
    )


def type_of(unit: Organisation) -> str:
    """« PO », else its levels as the register gives them, else its types as staff wrote them."""
    if unit.kind == Organisation.Kind.PO:
        return "PO"
    return " + ".join(sorted(unit.levels or unit.unit_types)) or "type inconnu"


def sample(campaign: Campaign, size: int, *, at: datetime) -> list[Stratum]:
    """`size` mailboxes, shared over networks × types in proportion, one of each at least; deterministic.

    Raises Refusal if so few cannot hold one of each, or if there are fewer mailboxes than that.
    """
    strata: dict[tuple[str, str, str], Stratum] = {}
    boxes: dict[tuple[str, str, str], list[Mailbox]] = {}
    for box in candidates(at=at):
        unit = box.organisation
        key = (unit.kind, unit.network or "réseau inconnu", type_of(unit))
        strata.setdefault(key, Stratum(*key)).total += 1
        boxes.setdefault(key, []).append(box)
    total = sum(stratum.total for stratum in strata.values())
    if not total:
        raise Refusal("Aucune boîte ne peut entrer dans un lot pilote : toutes sont déjà annoncées ou migrées.")
    if size > total:
        raise Refusal(f"Il n’y a que {total} boîtes à échantillonner : demandez-en {total} au plus.")
    if size < len(strata):
        raise Refusal(
            f"Il y a {len(strata)} groupes (réseau et type) et chacun a sa boîte : demandez-en au moins {len(strata)}."
        )
    for key, count in _shares({key: stratum.total for key, stratum in strata.items()}, size).items():
        every = strata[key].total / count  # spread over the register, not its first numbers alone
        strata[key].chosen = [boxes[key][int(n * every)] for n in range(count)]
    return [strata[key] for key in sorted(strata)]


def _shares(totals: dict[tuple[str, str, str], int], size: int) -> dict[tuple[str, str, str], int]:
    """One each, the rest in proportion to what remains (largest remainders; ties by name)."""
    rest, left = size - len(totals), sum(totals.values()) - len(totals)
    exact = {key: (total - 1) * rest / left if left else 0.0 for key, total in totals.items()}
    shares = {key: int(share) for key, share in exact.items()}
    missing = rest - sum(shares.values())
    for key in sorted(exact, key=lambda key: (shares[key] - exact[key], key))[:missing]:
        shares[key] += 1
    return {key: 1 + share for key, share in shares.items()}


@transaction.atomic
def make(campaign: Campaign, size: int, *, first_mail: date, by: str, at: datetime) -> list[Batch]:
    """Draft pilot batches with that sample: one of POs, one of establishments, for a batch is of one kind.

    Their mailboxes leave the drafts where a plan had put them. Raises Refusal, as `sample` and `by_hand.dates` do.
    """
    lock_plans()
    chosen: dict[str, list[int]] = {}
    for stratum in sample(campaign, size, at=at):
        chosen.setdefault(stratum.kind, []).extend(box.pk for box in stratum.chosen)
    batches = []
    for kind in sorted(chosen, reverse=True):  # POs first
        planned = by_hand.dates(campaign, kind, first_mail, at=at)
        _leave_their_drafts(chosen[kind])
        batches.append(by_hand.compose(campaign, planned, chosen[kind], by=by, pilot=True))
    details = {f"lot {batch.number}": len(chosen[batch.kind]) for batch in batches}
    audit.record("pilot.composed", about=campaign, by=by, at=at, details=details)
    return batches


def _leave_their_drafts(mailboxes: list[int]) -> None:
    """Raises Refusal if someone has just approved a draft that holds one of them."""
    leaving = Move.objects.live().filter(mailbox__in=mailboxes)
    left = set(leaving.values_list("batch", flat=True))
    drafts = Batch.objects.select_for_update(of=("self",)).filter(pk__in=left, status=Batch.Status.DRAFT)
    if len(drafts.order_by("number")) < len(left):
        raise Refusal("Un lot de ces boîtes vient d’être approuvé : recommencez.")
    leaving.delete()
    Batch.objects.filter(pk__in=left, moves=None).delete()


def blocks(batch: Batch) -> str:
    """Why this batch may not be approved yet, in French, or « »: a pilot of its campaign is not evaluated."""
    if batch.pilot:
        return ""
    pilots = Batch.objects.filter(campaign=batch.campaign_id, pilot=True, evaluated_at=None)
    waiting = pilots.exclude(status=Batch.Status.CANCELLED).order_by("number").first()
    if waiting is None:
        return ""
    return f"Le {waiting} est un pilote dont l’évaluation n’est pas close : les autres lots s’approuvent après elle."


def wait_for_evaluation(batch: Batch) -> None:
    """Raises Refusal while `blocks` says so; stands in the approval of a batch."""
    if why := blocks(batch):
        raise Refusal(why)


@transaction.atomic
def close_evaluation(batch: Batch, *, by: str, at: datetime, text: str) -> None:
    """What the pilot taught, signed: the other batches may be approved from then on.

    Raises Refusal if it is no pilot, is not over, was evaluated already, or if the text says too little.
    """
    text = text.strip()
    locked = Batch.objects.select_for_update(of=("self",)).get(pk=batch.pk)
    if not locked.pilot:
        raise Refusal(f"Le {batch} n’est pas un lot pilote.")
    if locked.evaluated_at:
        raise Refusal(f"L’évaluation du {batch} est déjà close, par {locked.evaluated_by}.")
    if locked.status not in OVER:
        raise Refusal(f"Le {batch} n’est pas terminé : chaque boîte doit avoir le résultat de sa nuit.")
    if len(text.split()) < WORDS:
        raise Refusal("Dites en une phrase au moins ce que le pilote a appris : l’évaluation reste au dossier.")
    Batch.objects.filter(pk=batch.pk).update(evaluation=text, evaluated_by=by, evaluated_at=at)
    StateChange.objects.create(
        object_type=Batch._meta.label_lower,
        object_id=batch.pk,
        old="pilote",
        new="pilote évalué",
        by=by,
        at=at,
        note=text,
    )
    batch.refresh_from_db()
    audit.record("pilot.evaluated", about=batch, by=by, at=at, why=text)
