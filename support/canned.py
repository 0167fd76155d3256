"""Canned answers: a text with `{variables}` of a closed list, filled for one ticket (F7, SEC-F5).

Nothing else than these names is ever replaced: no template language, so nothing of the portal can be asked for.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from accounts.contacts import contact_of
from accounts.models import Contact
from bma_portal.errors import Refusal
from bma_portal.templatetags.french import jour, sans_semaine
from support.models import CannedAnswer, Ticket
from support.status import MailboxStatus, status_of

VARIABLE = re.compile(r"\{([^\W\dA-Z]{2,40})\}")  # a name, accents and « _ » included
LEFT = re.compile(r"\{( *[^\W\d][\w ]{1,40})\}")  # what was meant as one, however it is spelt


@dataclass
class Filled:
    text: str
    unresolved: list[str] = field(default_factory=list)


def _contact(team: str) -> Callable[[Ticket, MailboxStatus, datetime], str]:
    def say(ticket: Ticket, status: MailboxStatus, at: datetime) -> str:
        contact = contact_of(team, at)
        return f"{contact.name}, {contact.email}" + (f", {contact.phone}" if contact.phone else "")

    return say


# name → its value for a ticket at a moment; empty where there is none: then the answer cannot leave
VARIABLES: dict[str, Callable[[Ticket, MailboxStatus, datetime], str]] = {
    "prénom": lambda ticket, status, at: ticket.first_name,
    "nom": lambda ticket, status, at: ticket.last_name,
    "référence": lambda ticket, status, at: ticket.reference,
    "boîte": lambda ticket, status, at: ticket.mailbox.address,
    "unité": lambda ticket, status, at: ticket.mailbox.organisation.name,
    "phase": lambda ticket, status, at: status.sentence,
    "date_migration": lambda ticket, status, at: sans_semaine(status.migrated_on) if status.migrated_on else "",
    "nuit_prévue": lambda ticket, status, at: jour(status.night_on) if status.night_on else "",
    "échéance": lambda ticket, status, at: jour(ticket.due_at) if ticket.due_at else "",
    "contact_etnic": _contact(Contact.Team.ETNIC),
    "contact_sgne": _contact(Contact.Team.SGNE),
    "contact_priminfo": _contact(Contact.Team.PRIMINFO),
}


def unknown(text: str) -> list[str]:
    """The names between braces that are no variable: refused when a canned answer is saved."""
    return sorted({name for name in LEFT.findall(text) if name.strip() not in VARIABLES})


def fill(text: str, ticket: Ticket, *, at: datetime) -> Filled:
    """The text for this ticket; what has no value stays between its braces, and is named."""
    names = set(LEFT.findall(text))
    if not names:
        return Filled(text)
    status = status_of(ticket.mailbox, at)
    values = {name: VARIABLES[name](ticket, status, at) for name in names if name in VARIABLES}
    missing = sorted(name for name in names if not values.get(name))
    return Filled(VARIABLE.sub(lambda found: values.get(found[1]) or found[0], text), missing)


def refuse_unresolved(text: str) -> None:
    """Raises Refusal if something between braces is left: nobody receives « Bonjour {prénom} »."""
    if left := sorted(set(LEFT.findall(text))):
        names = ", ".join(f"{{{name}}}" for name in left)
        raise Refusal(f"Remplacez ou retirez ce qui est encore entre accolades : {names}.")


def offered(team: str, *, phase: str, need: str) -> list[CannedAnswer]:
    """The canned answers of a team that suit a ticket: its need's first."""
    return suited(CannedAnswer.objects.filter(team=team, active=True), phase=phase, need=need)


def suited(rows: Iterable[Any], *, phase: str, need: str) -> list[Any]:
    """The same, of rows that are already read."""
    found = [row for row in rows if not row.phases or phase in row.phases]
    return sorted(
        (row for row in found if not row.needs or need in row.needs),
        key=lambda row: (need not in row.needs, row.title),
    )
