"""Following a ticket without an account: its reference, and a code sent to its address (F17); one opinion (F16)."""

import hmac
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from accounts.mode import holder_of
from accounts.models import User
from bma_portal import limits
from bma_portal.errors import Refusal
from bma_portal.mail.models import OutgoingMail
from support import ticket_mail_kinds, ticket_mails, tokens
from support.models import Message, Ticket
from support.tickets.common import PORTAL, Status, joined_by, locked, log
from support.tickets.splitting import Split

CODE_MINUTES = 30
CODE_TRIES = 5
CODES_PER_HOUR = limits.Limit("suivi-destination", 5, 3600)
_EACH_OF_A_MESSAGE = (ticket_mail_kinds.Answered, ticket_mail_kinds.Moved, Split, ticket_mail_kinds.Closed)
TOLD = [mail.kind for mail in _EACH_OF_A_MESSAGE]
WRONG = "Ce code n’est pas le bon, ou il n’est plus valable. Vérifiez-le, ou demandez-en un autre."


def by_reference(reference: str) -> Ticket | None:
    """The ticket that bears it, or the one that it was joined to; `D-BCDF-2345`, however it is typed."""
    found = _bearer(reference)
    return found.merged_into if found is not None and found.merged_into is not None else found


def _bearer(reference: str) -> Ticket | None:
    signs = "".join(sign for sign in reference.upper() if sign.isascii() and sign.isalnum())
    if len(signs) == 9:
        signs = signs.removeprefix("D")
    if len(signs) != 8:
        return None
    return Ticket.objects.filter(reference=f"D-{signs[:4]}-{signs[4:]}").select_related("merged_into").first()


def _whose_code(reference: str) -> Ticket | None:
    """The ticket whose address gets the code of that reference.

    One that was joined to another keeps its own address, as long as it is kept informed of the other; else it is that
    of the ticket that stays.
    """
    found = _bearer(reference)
    stays = found.merged_into if found is not None else None
    if found is None or stays is None:
        return found
    informed = found.email.lower() in {copy.lower() for copy in stays.copies}
    return found if informed and not stays.revoked_at and not stays.erased_at else stays


def send_follow_code(reference: str, *, at: datetime) -> None:
    """Mail a code to the address of that ticket. Whatever the reference, nothing tells whether it exists.

    Outside a transaction: the limit by destination is counted apart.
    """
    ticket = _whose_code(reference)
    if ticket is None or ticket.revoked_at or ticket.erased_at:
        limits.exceeded_by("aucune", CODES_PER_HOUR)
        return
    if limits.exceeded_by(ticket.email.lower(), CODES_PER_HOUR):
        return
    with transaction.atomic():
        row = locked(ticket)
        row.code_serial, row.code_sent_at, row.code_tries = row.code_serial + 1, at, 0
        row.save(update_fields=["code_serial", "code_sent_at", "code_tries"])
        ticket_mails.tell_requester(ticket_mail_kinds.FollowCode, row, at=at)


def ticket_by_code(reference: str, code: str, *, at: datetime) -> Ticket:
    """The ticket whose address is read by whoever typed this: the one that stays, or one that was joined to it.

    Five tries, half an hour. Raises Refusal, always the same.
    """
    ticket = _whose_code(reference)
    if ticket is None:
        raise Refusal(WRONG)
    with transaction.atomic():
        row = locked(ticket)
        usable = (
            row.code_sent_at is not None
            and at < row.code_sent_at + timedelta(minutes=CODE_MINUTES)
            and row.code_tries < CODE_TRIES
            and row.revoked_at is None
        )
        if usable:
            Ticket.objects.filter(pk=row.pk).update(code_tries=F("code_tries") + 1)
        good = usable and hmac.compare_digest(code.encode(), tokens.follow_code(row).reveal().encode())
        if good:
            facts = {"email_confirmed_at": row.email_confirmed_at or at, "code_sent_at": None}
            Ticket.objects.filter(pk=row.pk).update(**facts)
    if not good:
        raise Refusal(WRONG)
    return row


def may_follow(ticket: Ticket, user: User, *, at: datetime) -> bool:
    """A signed-in person follows their own tickets; the titulaire those of the mailbox, as long as they are (A6)."""
    holder = holder_of(ticket.mailbox.organisation, at)
    if holder is not None and holder.user_id == user.pk:
        return True
    return ticket.user_id == user.pk and ticket.revoked_at is None


def thread_as_told(ticket: Ticket, address: str) -> list[Message]:
    """What the requester of a joined ticket reads of the one that stays: their own words, and what they were mailed.

    Their address may be anybody's: no code sent there shows what another person wrote.
    """
    thread = Message.objects.filter(ticket=ticket, kind__in=Message.PUBLIC)
    mails = OutgoingMail.objects.filter(kind__in=TOLD, object_id__in=thread.order_by().values("pk"), to=[address])
    told = mails.exclude(status=OutgoingMail.Status.CANCELLED).order_by().values("object_id")
    own = Ticket.objects.filter(merged_into=ticket, email__iexact=address).order_by().values("pk")
    return list(thread.filter(Q(origin__in=own) | Q(pk__in=told)).prefetch_related("attachments"))


def as_writer(ticket: Ticket, address: str) -> dict[str, Any]:
    """That requester of a joined ticket, as `requester_wrote` is told who writes: by the name that they gave."""
    own = joined_by(ticket, address)
    if own is None:
        return {"author_name": address, "writer": {"email": address}}
    fields = {name: getattr(own, name) for name in ("first_name", "last_name", "phone", "user")}
    return {"author_name": own.requester_name, "writer": fields | {"email": address}}


def holder_left(sender: Any, holder: Any, by: str, at: datetime, **_: Any) -> None:
    """Receiver of `accounts.signals.holder_left`."""
    revoke(holder.user, holder.organisation_id, at=at)


def revoke(user: User, organisation_id: int, *, at: datetime) -> int:
    """The former head follows none of the unit's tickets any more, signed in or by code (A6).

    In the deed's transaction. Theirs are those that they opened signed in, or with the address of their account.
    """
    mine = Q(user=user) | Q(email__iexact=user.email) if user.email else Q(user=user)
    found = Ticket.objects.filter(mine, mailbox__organisation=organisation_id, revoked_at=None)
    for ticket in found.defer("search"):
        log(ticket, "accès du demandeur", "oui", "non", by=PORTAL, at=at, why="n’est plus titulaire")
        ticket_mails.cancel_waiting(ticket, ticket.email, why="Le demandeur n’est plus titulaire.")
    for ticket in Ticket.objects.filter(mailbox__organisation=organisation_id, copies__len__gt=0).defer("search"):
        _forget_copy(ticket, user.email)
    return found.update(revoked_at=at, code_sent_at=None)


def _forget_copy(ticket: Ticket, address: str) -> None:
    left = [copy for copy in ticket.copies if copy.lower() == address.lower()]
    if left:
        Ticket.objects.filter(pk=ticket.pk).update(copies=[copy for copy in ticket.copies if copy not in left])
        for copy in left:
            ticket_mails.cancel_waiting(ticket, copy, why="Cette personne n’est plus titulaire.")


def opinion_is_open(token: str) -> bool:
    """Whether this link is one of ours: used already or not, it has a page."""
    return tokens.find_ticket("opinion", token) is not None


def give_opinion(token: str, *, satisfied: bool, comment: str, at: datetime) -> Ticket:
    """The one answer to « êtes-vous satisfait ? »; a second one changes nothing (F16). Raises Refusal."""
    ticket = tokens.find_ticket("opinion", token)
    if ticket is None or ticket.status not in {Status.SOLVED, Status.CLOSED}:
        raise Refusal("Ce lien n’est plus valable.")
    given = Ticket.objects.filter(pk=ticket.pk, opinion_at=None).update(
        satisfied=satisfied, opinion=comment.replace("\0", "")[:500], opinion_at=at
    )
    if not given:
        raise Refusal("Vous avez déjà donné votre avis : merci.")
    return ticket
