"""What the tests of « Ma boîte » are made of."""

from datetime import date

from bma_portal.clock import brussels
from bma_portal.mail.compose import outgoing
from bma_portal.mail.models import OutgoingMail, Sender
from migration.models import Move
from support.models import PasswordReset
from tests.factories import UserFactory
from tests.factories_holders import HolderFactory, PasswordResetFactory, ResetGrantFactory

DAY = date(2024, 11, 6)
AT = brussels(DAY, 12)


def holds(person, mailbox, **kwargs):
    return HolderFactory(user=person, organisation=mailbox.organisation, **kwargs)


def may_reset(person, mailbox, **kwargs):
    return ResetGrantFactory(user=person, organisation=mailbox.organisation, **kwargs)


def notice(reset: PasswordReset, kind: str, to: str, *, sensitive: bool = True, text: str = "") -> OutgoingMail:
    mail = outgoing(
        key=f"{kind}:{reset.pk}:{to}", kind=kind, object_id=reset.pk, sender=Sender.ETNIC, to=[to],
        subject="Un nouveau mot de passe est demandé", queued_at=AT, status="sent", sent_at=AT, proof="answer",
        sensitive=sensitive, text=text,
    )  # fmt: skip
    mail.save()
    return mail


def as_it_left(move: Move, step: int, kind: str, *, sensitive: bool, text: str = "") -> OutgoingMail:
    mail = move.mailings.get(step=step).mail
    mail.kind, mail.sensitive, mail.text, mail.html = kind, sensitive, text, ""
    mail.save()
    return mail


def other_s_request(box, **kwargs) -> PasswordReset:
    other = UserFactory(first_name="Sacha", last_name="Ailleurs")
    return PasswordResetFactory(mode=True, mailbox=box, requester=other, grant=may_reset(other, box), **kwargs)
