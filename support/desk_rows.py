"""What a list of the desk shows of a ticket, in words.

Made here and not in the template, which shows twenty-five of them: there each date, address and look-up costs more.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from bma_portal.clock import BRUSSELS
from bma_portal.french_names import MONTHS
from support.models import Ticket
from support.templatetags.desk import besoin, delai, depuis, etat

ANY = "D-0000-0000"


def in_words(rows: Iterable[Mapping[str, Any]], at: datetime, *, query: str) -> list[dict[str, Any]]:
    """The rows of `queues.page_of`, as their template shows them. `query`: the list that they are in."""
    address = f"{reverse('desk_ticket', args=[ANY])}?{urlencode({'liste': query})}"
    return [_in_words(row, address, at) for row in rows]


def _in_words(row: Mapping[str, Any], address: str, at: datetime) -> dict[str, Any]:
    due, status = row["due_at"], row["status"]
    late = due is not None and due <= at
    return {
        "reference": row["reference"],
        "ticked": f"{row['reference']}:{row['version']}",
        "url": address.replace(ANY, row["reference"]),
        "subject": row["subject"],
        "need": besoin(row["need"]),
        "requester": f"{row['first_name']} {row['last_name']}".strip() or row["email"],
        "unit": row["unit"],
        "fase": str(row["fase"]),
        "status": status,
        "state": etat(status),
        "urgent": row["priority"] == Ticket.Priority.URGENT,
        "incident": row["incident_title"],
        "goes_to": row["goes_to"],
        "twin": row["twin"],
        "late": late,
        "due": f"{'Échéance' if late else 'À faire'} {delai(due, at)}" if due else "",
        "due_iso": due.astimezone(BRUSSELS).isoformat() if due else "",
        "due_at": _moment(due) if due else "",
        "since": "" if due else depuis(row["updated_at"], at),
        "who": row["who"],
        "to_take": status == Ticket.Status.NEW,
    }


def _moment(at: datetime) -> str:
    local = at.astimezone(BRUSSELS)
    return f"{local.day} {MONTHS[local.month]}, {local:%H:%M}"
