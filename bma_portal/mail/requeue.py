"""What a person may set going again: a mail that failed or was withdrawn, a sender that stopped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from bma_portal import audit
from bma_portal.errors import Refusal
from bma_portal.mail import claims, tasks
from bma_portal.mail.models import OutgoingMail, Sender, SenderState
from bma_portal.states import StateChange

Status = OutgoingMail.Status
# Exchange said that these did not leave, or nothing was ever asked of it: sending again cannot double them.
OVER = [Status.FAILED, Status.CANCELLED]
NAMED = 200  # ids that one line of audit names; the log of states has them all

# By mail id, why it must not leave any more. Whoever announces facts by mail adds a rule about them.
Objection = Callable[[Sequence[OutgoingMail], datetime], dict[int, str]]
_objections: list[Objection] = []


def objection(rule: Objection) -> Objection:
    """Register a rule that says which mails must stay where they are."""
    _objections.append(rule)
    return rule


@dataclass
class Requeued:
    """How many went back to the queue, and why the others did not."""

    done: int = 0
    refused: list[str] = field(default_factory=list)


@transaction.atomic
def requeue(mail_ids: Sequence[int], *, by: str, at: datetime) -> Requeued:
    """Put failed or cancelled mails back in the queue, under the same key and UUID; the others are not touched.

    What Exchange knew of the former attempt is forgotten: its draft is deleted by the sweep of drafts. Twice at once
    is once.
    """
    mails = list(
        OutgoingMail.objects.select_for_update(of=("self",)).filter(pk__in=mail_ids, status__in=OVER).order_by("pk")
    )
    why_not: dict[int, str] = {}
    for rule in _objections:
        why_not |= rule(mails, at)
    result = Requeued(refused=[f"{mail} : {why_not[mail.pk]}" for mail in mails if mail.pk in why_not])
    going = [mail for mail in mails if mail.pk not in why_not]
    OutgoingMail.objects.filter(pk__in=[mail.pk for mail in going]).update(
        status=Status.QUEUED,
        claim=None,
        not_before=None,
        attempts=0,
        ews_id="",
        ews_changekey="",
        last_error="",
        last_code="",
    )
    StateChange.objects.bulk_create(
        StateChange(
            object_type=OutgoingMail._meta.label_lower,
            object_id=mail.pk,
            old=mail.status,
            new=Status.QUEUED,
            by=by,
            at=at,
            note=f"Renvoi demandé. {mail.last_error}".strip(),
        )
        for mail in going
    )
    for sender in {mail.sender for mail in going}:
        tasks.ring(sender)
    result.done = len(going)
    if mails:
        details = {"décision": "renvoyer", "courriels": [mail.pk for mail in going[:NAMED]], "faits": result.done}
        audit.record(
            "mail.decided",
            by=by,
            at=at,
            result="ok" if going else audit.REFUSED,
            details={**details, "refusés": len(result.refused)},
        )
    return result


@transaction.atomic
def resume(sender: str, *, by: str, at: datetime) -> None:
    """A person says that the cause is gone: this sender sends again. Raises Refusal if nothing held it back."""
    state = SenderState.objects.select_for_update(of=("self",)).filter(sender=sender).first()
    if state is None or (state.paused_at is None and state.wait_until is None):
        raise Refusal(f"L’envoi de {Sender(sender).label} n’est pas arrêté.")
    claims.resume_sender(sender)
    StateChange.objects.create(
        object_type=f"{SenderState._meta.label_lower}:{sender}",
        object_id=0,  # a sender is known by its name
        old="paused" if state.paused_at else "waiting",
        new="sending",
        by=by,
        at=at,
        note=f"Reprise demandée. {state.reason}".strip(),
    )
    tasks.ring(sender)
    audit.record("sender.decided", about=state, by=by, at=at, why=state.reason, details={"décision": "reprendre"})
