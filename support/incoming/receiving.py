"""What becomes of one mail that arrived: a ticket, a message of a ticket, or something that a person looks at first.

Everything that takes time (parsing, remaking files) is done before the transaction; the row, unique by its place in
the inbox, is written in the transaction of what follows from it. Read again after a crash, it is found done.
"""

import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import Contact, Mailbox
from bma_portal.errors import Refusal
from bma_portal.mail.inbox import Received
from bma_portal.mail.models import OutgoingMail, Sender
from bma_portal.secret import leaving_no_trace
from support import tickets
from support.incoming import automatic, deliveries, masking, parsing, threading
from support.incoming.files import Ready, prepared
from support.incoming.parsing import Incoming
from support.incoming.reports import Fate
from support.incoming.threading import How, Thread, Who
from support.models import IncomingMail, Message, Ticket
from support.ticket_mail_kinds import FilesRefused

log = logging.getLogger(__name__)
Verdict = IncomingMail.Verdict

TICKETS_A_DAY = 5  # that one address opens by mail; a loop, or somebody in need of a telephone
REPLIES_A_DAY = 30  # of one address, over all its tickets
# What a mail without ticket asks, by the inbox where it lands: that team sorts it further (S1 §7).
NEEDS = {Sender.SGNE: "procedure", Sender.ETNIC: "technique"}
TEAMS = {Sender.SGNE: Contact.Team.SGNE, Sender.ETNIC: Contact.Team.ETNIC}
_NAME = re.compile(r"[^\W\d_]+(?:(?:[ '’\-]{1,2}|\.[ \-]|, ?)[^\W\d_]+){0,7}\.?")
NO_SUBJECT = "Courriel sans objet"


@dataclass(frozen=True)
class Decided:
    """What is to be done with a mail. `effect` is a verdict; `thread`: with which ticket, if any."""

    verdict: str
    why: str = ""
    thread: Thread | None = None
    mailbox: Mailbox | None = field(default=None, repr=False)


def item_key(sender: str, item_id: str) -> str:
    """The digest of a mail's place: ids of Exchange are longer than an index likes."""
    return hashlib.sha256(f"{sender}\n{item_id}".encode()).hexdigest()


def receive(sender: str, received: Received, *, at: datetime) -> IncomingMail | None:
    """Take one mail in; None if it was already. Raises VaultError, or what the database raises: nothing is kept then.

    No transaction may be open: files are remade here.
    """
    key = item_key(sender, received.item_id)
    if IncomingMail.objects.filter(item_key=key).exists():
        return None
    with leaving_no_trace():
        return _receive(sender, key, received, at=at)


def _receive(sender: str, key: str, received: Received, *, at: datetime) -> IncomingMail | None:
    raw = parsing.parse(received.mime)
    decided = _decide(sender, raw, received, at=at)
    also = [decided.thread.ticket.mailbox] if decided.thread else [decided.mailbox] if decided.mailbox else []
    mail = masking.mask_for(masking.mailboxes_named(raw), also=also).mail(raw)
    ready = prepared(mail) if decided.verdict in {Verdict.TICKET, Verdict.REPLY, Verdict.NOTE} else Ready()
    with transaction.atomic():
        row = _row(sender, key, received, mail, decided, at=at)
        if not _inserted(row):
            return None  # another reader was faster
        try:
            with transaction.atomic():
                _act(row, mail, decided, ready, at=at)
        except Refusal as refusal:
            _set_aside(row, mail, decided, f"{refusal}")
        row.save()
    log.info("courriel reçu", extra={"id": row.pk, "expediteur": sender, "verdict": str(row.verdict)})
    return row


def _inserted(row: IncomingMail) -> bool:
    """False if the same mail is there already; one that is being written by another reader is waited for."""
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        if IncomingMail.objects.filter(item_key=row.item_key).exists():
            return False
        raise
    return True


# What is decided


def _decide(sender: str, mail: Incoming, received: Received, *, at: datetime) -> Decided:
    """Pure but for what it looks up; nothing is written."""
    if not received.whole:
        return Decided(Verdict.REFUSED, received.why)
    if not mail.legible:
        return Decided(Verdict.QUARANTINED, "Ce message n’est pas lisible : ouvrez-le dans la boîte de l’équipe.")
    if mail.report is not None:
        named = OutgoingMail.objects.filter(uuid__in=mail.report.keys).exists()
        if mail.report.fate is Fate.FAILED and named:
            return Decided(Verdict.BOUNCE, "Un courriel du portail n’a pas pu être remis.")
        if mail.report.fate is Fate.UNKNOWN and named:
            return Decided(Verdict.QUARANTINED, "Avis de forme inconnue sur un courriel du portail.")
        return Decided(Verdict.IGNORED, _about_a_report(mail.report.fate))
    if "x-bma-key" in mail.headers:
        return Decided(Verdict.IGNORED, "Courriel du portail lui-même : il ne se répond pas.")
    if _is_a_copy(mail):
        return Decided(Verdict.IGNORED, "Ce message est déjà arrivé.")
    sort = automatic.sort_of(mail)
    if sort and sort[0] is automatic.Sort.IGNORED:
        return Decided(Verdict.IGNORED, sort[1])
    thread = threading.thread_of(mail, at=at)
    if not mail.from_address:
        why = "Ce message ne dit pas clairement qui l’a écrit."
        return Decided(Verdict.QUARANTINED, why, thread)
    if sort:
        return Decided(Verdict.QUARANTINED, sort[1], thread)
    if automatic.looks_forged(mail) and (thread is None or thread.how is not How.HEADER):
        why = "L’adresse de l’expéditeur est peut-être fausse : le serveur ne l’a pas reconnue."
        return Decided(Verdict.QUARANTINED, why, thread)
    if thread is not None:
        return _in_thread(mail, thread, at=at)
    return _without_thread(mail, at=at)


def _about_a_report(fate: Fate) -> str:
    if fate is Fate.DELAYED:
        return "Un courriel est retardé ; le serveur essaie encore."
    return "Avis d’un serveur qui ne concerne aucun courriel perdu du portail."


def _is_a_copy(mail: Incoming) -> bool:
    """The same mail in the other inbox, or twice in one."""
    known = IncomingMail.objects.filter(internet_id=mail.message_id[:250], from_address=mail.from_address)
    return bool(mail.message_id) and known.filter(verdict__in=IncomingMail.OF_A_PERSON).exists()


def _in_thread(mail: Incoming, thread: Thread, *, at: datetime) -> Decided:
    if thread.who is Who.STRANGER:
        why = f"Cette adresse n’est pas celle de la demande {thread.ticket.reference}."
        return Decided(Verdict.QUARANTINED, why, thread)
    if _too_many(mail.from_address, [Verdict.REPLY, Verdict.NOTE], REPLIES_A_DAY, at=at):
        return Decided(Verdict.QUARANTINED, "Trop de messages de cette adresse aujourd’hui : une boucle ?", thread)
    of_its_team = thread.who is Who.TEAM and thread.team == thread.ticket.team
    if of_its_team and thread.how is How.REFERENCE and not automatic.is_vouched_for(mail):
        # It would leave for the requester as an official answer, on the word of an address that anybody can write.
        why = "Cette réponse d’une équipe ne suit aucun de nos courriels : vérifiez qu’elle vient bien d’elle."
        return Decided(Verdict.QUARANTINED, why, thread)
    if thread.is_inside:
        return Decided(Verdict.NOTE, "Réponse à une alerte du portail : note interne.", thread)
    if thread.who is Who.TEAM:
        return Decided(Verdict.NOTE, f"Réponse de {Contact.Team(thread.team).label} par mail.", thread)
    return Decided(Verdict.REPLY, HOW[thread.how], thread)


HOW = {
    How.HEADER: "Réponse à un courriel du portail.",
    How.REFERENCE: "La référence est dans l’objet.",
    How.AUTHOR: "La seule demande en cours de cette adresse.",
}


def _without_thread(mail: Incoming, *, at: datetime) -> Decided:
    if mail.from_address in threading.teams_by_address(at=at):
        return Decided(Verdict.QUARANTINED, "Message d’une équipe, sans la référence d’une demande.")
    mailbox = threading.mailbox_of(mail.from_address)
    if mailbox is None:
        return Decided(
            Verdict.QUARANTINED, "Cette adresse n’est pas connue : à quelle boîte ce message se rapporte-t-il ?"
        )
    if _too_many(mail.from_address, [Verdict.TICKET], TICKETS_A_DAY, at=at):
        why = "Trop de nouvelles demandes de cette adresse aujourd’hui : une boucle ?"
        return Decided(Verdict.QUARANTINED, why, mailbox=mailbox)
    return Decided(Verdict.TICKET, f"Écrit par une adresse connue, pour {mailbox.address}.", mailbox=mailbox)


def _too_many(address: str, verdicts: Sequence[str], limit: int, *, at: datetime) -> bool:
    day = IncomingMail.objects.filter(from_address=address, read_at__gt=at - timedelta(days=1), verdict__in=verdicts)
    return day.count() >= limit


# What follows


def _row(sender: str, key: str, received: Received, mail: Incoming, decided: Decided, *, at: datetime) -> IncomingMail:
    row = IncomingMail(
        sender=sender,
        item_key=key,
        internet_id=mail.message_id[:250],
        in_reply_to=(mail.answers[0] if mail.answers else "")[:250],
        from_address=mail.from_address[:254],
        from_name=mail.from_name[:120],
        subject=mail.subject[:250],
        received_at=min(received.received_at, at),
        read_at=at,
        size=min(max(received.size, 0), 2_147_483_647),
        verdict=decided.verdict,
        why=decided.why[:300],
        ticket=decided.thread.ticket if decided.thread and decided.verdict in IncomingMail.FOR_A_PERSON else None,
    )
    if row.verdict in IncomingMail.FOR_A_PERSON:
        _keep(row, mail)
    return row


def _keep(row: IncomingMail, mail: Incoming) -> None:
    row.text, row.html = mail.text, mail.html
    row.files = [name[:200] for name in (*(file.name for file in mail.files), *mail.lost)][:30]


def _set_aside(row: IncomingMail, mail: Incoming, decided: Decided, why: str) -> None:
    """The use case refused it: a person decides."""
    row.verdict, row.why = Verdict.QUARANTINED, why[:300]
    row.message, row.ticket = None, decided.thread.ticket if decided.thread else None
    _keep(row, mail)


def _act(row: IncomingMail, mail: Incoming, decided: Decided, ready: Ready, *, at: datetime) -> None:
    match decided.verdict:
        case Verdict.BOUNCE:
            assert mail.report
            if not (why := deliveries.came_back(mail.report, received_at=row.received_at)):
                why, row.verdict = "Avis de non-remise pour un autre destinataire que le nôtre.", Verdict.IGNORED
            row.why = why[:300]
        case Verdict.IGNORED if mail.report is not None:
            deliveries.told(mail.report, received_at=row.received_at)
        case Verdict.REPLY:
            assert decided.thread
            row.message = _reply(decided.thread, mail, ready, at=at)
            row.ticket = row.message.ticket
        case Verdict.NOTE:
            assert decided.thread
            row.message = _of_a_team(decided.thread, mail, ready, at=at)
            row.ticket = row.message.ticket
        case Verdict.TICKET:
            assert decided.mailbox
            row.ticket = new_ticket(
                decided.mailbox, sender=row.sender, mail=mail, ready=ready, need=NEEDS[Sender(row.sender)], at=at
            )
            row.message = row.ticket.messages.order_by("pk").first()


def _reply(thread: Thread, mail: Incoming, ready: Ready, *, at: datetime) -> Message:
    own_words = thread.who is Who.REQUESTER
    first, last = names_of(mail.from_name)
    writer = None if own_words else {"first_name": first, "last_name": last, "email": mail.from_address}
    return tickets.requester_wrote(
        thread.ticket,
        text=ready.text_with_refusals(mail),
        quoted=mail.quoted,
        html=ready.html(mail),
        files=ready.files,
        author_name="" if own_words else (mail.from_name or mail.from_address),
        by_mail=True,
        writer=writer,
        at=at,
    )


def _of_a_team(thread: Thread, mail: Incoming, ready: Ready, *, at: datetime) -> Message:
    said: dict[str, Any] = {
        "sender_name": mail.from_name or Contact.Team(thread.team).label,
        "quoted": mail.quoted,
        "html": ready.html(mail),
        "files": ready.files,
        "at": at,
    }
    if thread.is_inside:
        return tickets.note_by_mail(thread.ticket, text=ready.text_with_refusals(mail), **said)
    return tickets.team_wrote_by_mail(
        thread.ticket,
        team=thread.team,
        text=ready.text(mail),
        refused=ready.refused,
        tell_refused=thread.answers != FilesRefused.kind,  # who is told why, and sends the like again, is told no more
        **said,
    )


def new_ticket(mailbox: Mailbox, *, sender: str, mail: Incoming, ready: Ready, need: str, at: datetime) -> Ticket:
    """A ticket for the team that reads that inbox. Raises Refusal."""
    first, last = names_of(mail.from_name)
    return tickets.open_ticket(
        mailbox=mailbox,
        need=need,
        subject=mail.subject or NO_SUBJECT,
        text=ready.text_with_refusals(mail),
        quoted=mail.quoted,
        html=ready.html(mail),
        first_name=first,
        last_name=last,
        email=mail.from_address,
        channel=Ticket.Channel.MAIL,
        files=ready.files,
        team=TEAMS[Sender(sender)],
        at=at,
    )


def names_of(name: str) -> tuple[str, str]:
    """« Dupont, Anne » and « Anne Dupont » → Anne, Dupont. A name in one piece is a family name.

    What is no name is left out: our acknowledgement must not carry an advertisement to whom its author imitates.
    """
    if not _NAME.fullmatch(name.strip()):
        return "", ""
    last, comma, first = name.partition(",")
    if not comma:
        first, _, last = name.strip().rpartition(" ")
    return first.strip()[:80], last.strip()[:80]


def set_aside(sender: str, received: Received, *, at: datetime) -> IncomingMail | None:
    """Of a mail that makes our own code fail, the line that says so: it must stop nobody else's."""
    row = IncomingMail(
        sender=sender,
        item_key=item_key(sender, received.item_id),
        received_at=min(received.received_at, at),
        read_at=at,
        size=min(max(received.size, 0), 2_147_483_647),
        verdict=Verdict.QUARANTINED,
        why="Le portail n’a pas pu lire ce message : ouvrez-le dans la boîte de l’équipe.",
    )
    with transaction.atomic():
        return row if _inserted(row) else None
