"""What servers say of mails of ours, written on those mails: come back for good, delayed, delivered (C12, B18).

A report says it of one recipient: a mailbox may forward to another address, which fails; ours was delivered then.
Nobody proves that a report is a server's: it only names a mail by a key that nobody can guess.
"""

from collections.abc import Iterator
from datetime import datetime

from bma_portal.mail.models import OutgoingMail
from support.incoming.reports import Fate, Report

# What the codes of RFC 3463 mean to a person, by their last two numbers
_MEANINGS = {
    "1.1": "cette boîte n’existe pas",
    "1.2": "ce domaine n’existe pas",
    "1.10": "cette boîte n’existe pas",
    "2.1": "cette boîte est fermée",
    "2.2": "cette boîte est pleine",
    "2.3": "le message est trop lourd pour cette boîte",
    "4.1": "le serveur ne répond pas",
    "4.7": "le serveur n’a pas répondu à temps",
    "7.1": "le serveur de cette boîte refuse nos messages",
}


def meaning(code: str) -> str:
    """In plain words, what a code such as 5.2.2 says; empty if it says nothing that we know."""
    return _MEANINGS.get(code.partition(".")[2], "")


def came_back(report: Report, *, received_at: datetime) -> str:
    """Mark the mails that it names as come back, once; why, for the line of what arrived. Empty if none is ours."""
    why = ""
    for ours in _named(report):
        if ours.bounced_at is None:
            _write(ours, report, bounced_at=max(received_at, ours.sent_at or ours.queued_at))
        reason = meaning(report.code)
        why = f"Le courriel {ours.pk} ({ours.kind}) n’a pas pu être remis{f' : {reason}' if reason else ''}."
    return why


def told(report: Report, *, received_at: datetime) -> None:
    """A delay, or a delivery, is written once; neither undoes a return nor the other."""
    field = {Fate.DELAYED: "delayed_at", Fate.DELIVERED: "delivered_at"}.get(report.fate)
    for ours in _named(report) if field else ():
        if getattr(ours, field or "") is None and ours.bounced_at is None:
            _write(ours, report, **{field or "": max(received_at, ours.sent_at or ours.queued_at)})


def _named(report: Report) -> Iterator[OutgoingMail]:
    said = set(report.recipients)
    for ours in OutgoingMail.objects.filter(uuid__in=report.keys).defer("text", "html"):
        if not said or said & {address.lower() for address in ours.to}:
            yield ours


def _write(ours: OutgoingMail, report: Report, **moment: datetime) -> None:
    name = next(iter(moment))
    OutgoingMail.objects.filter(pk=ours.pk, **{f"{name}__isnull": True}).update(
        delivery_code=report.code[:12], delivery_text=report.words[:300], **moment
    )
