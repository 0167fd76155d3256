"""What tests of tickets begin with: an agent, a mailbox, a ticket of a Thursday morning."""

import re
from datetime import date, datetime
from typing import Any

from django.contrib.auth.models import Group

from accounts.models import Mailbox, User
from bma_portal.clock import brussels
from bma_portal.mail.models import OutgoingMail
from support import tickets, tokens
from support.models import Ticket
from tests.factories import MailboxFactory, UserFactory

AT = brussels(date(2024, 11, 14), 9)  # a Thursday
GROUPS = {"sgne": "SGNE", "etnic": "ETNIC", "priminfo": "Priminfo", "enseignement_be": "Enseignement.be"}


def on(day: int, hour: int = 9, minute: int = 0, month: int = 11) -> datetime:
    return brussels(date(2024, month, day), hour, minute)


def agent(team: str = "etnic", **fields: Any) -> User:
    """A member of that team, as a session loads them: with their permissions not yet asked for."""
    user = UserFactory(staff=team in {"sgne", "etnic"}, email=fields.pop("email", ""), **fields)
    user.groups.add(Group.objects.get(name=GROUPS[team]))
    return User.objects.get(pk=user.pk)


def asked(mailbox: Mailbox | None = None, *, at: datetime = AT, **fields: Any) -> Ticket:
    given: dict[str, Any] = {
        "need": "technique",
        "subject": "Outlook n’envoie plus",
        "text": "Bonjour, Outlook affiche une fenêtre grise depuis ce matin.",
        "first_name": "Camille",
        "last_name": "Fictive",
        "email": "camille@exemple.test",
    }
    return tickets.open_ticket(mailbox=mailbox or MailboxFactory(), at=at, **(given | fields))


def again(ticket: Ticket) -> Ticket:
    return Ticket.objects.get(pk=ticket.pk)


def mails(kind: str = "") -> list[OutgoingMail]:
    return list(OutgoingMail.objects.filter(kind__startswith=kind or "ticket.").order_by("pk"))


def words(response) -> str:
    """What a page says, on one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def opened(client, ticket) -> str:
    """The address at which whoever reads the mailed code follows that ticket."""
    client.post("/demandes/suivi/", {"reference": ticket.reference})
    code = tokens.follow_code(again(ticket)).reveal()
    return client.post("/demandes/suivi/code/", {"code": code})["Location"]
