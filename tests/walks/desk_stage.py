"""The desk's walk before it begins, and what Éden does there, inside the portal: `python -m tests.walks.desk_stage`.

Says in one line of JSON which mailboxes there are. With a reference: Éden answers that ticket, and solves it.
"""

import json
import sys

import django

NOTE = "Note du bureau : à voir avec l’inventaire."
THEFT_ANSWER = "Bonjour, la perte est notée. Le matériel volé n’est pas remplacé."


def prepare() -> dict[str, str]:
    """Two schools; the first has a password of its own, told by mail 2 and not yet forgotten."""
    from accounts import credentials
    from bma_portal import clock
    from demo.accounts import create_people
    from tests.support.resets_stage import box

    create_people()
    mine, other = box(), box()
    credentials.issue([mine], at=clock.now())
    return {"broken": mine.address, "stolen": other.address}


def solve(reference: str) -> None:
    from accounts.models import User
    from bma_portal import clock
    from support import tickets

    at, eden = clock.now(), User.objects.get(username="etnic")
    ticket = tickets.by_reference(reference)
    tickets.note(ticket, text=NOTE, by=eden, at=at)
    for check in tickets.checklist(ticket):
        tickets.check_item(ticket, item=check.slug, done=True, by=eden, at=at)
    tickets.answer(ticket, text=THEFT_ANSWER, by=eden, version=None, then="solved", at=at)


if __name__ == "__main__":
    django.setup()
    if sys.argv[1:]:
        solve(sys.argv[1])
    else:
        json.dump(prepare(), sys.stdout)
