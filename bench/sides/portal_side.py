"""Our side: `python -m bench.sides.portal_side told | serve WORDS`, on a database that `seed_tickets` filled."""

import json
import os
import sys
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "bench.sides.portal_settings"

TEAM = "etnic"
VIEW = "vue-de-la-mesure"


def signed_in() -> str:
    """The session of an agent of that team."""
    from django.conf import settings
    from django.contrib.auth.models import Group
    from django.test import Client

    from accounts.models import Contact
    from tests.sign_in import sign_in

    agent = Group.objects.get(name=Contact.Team(TEAM).label).user_set.order_by("pk")[0]
    return sign_in(Client(), agent).cookies[settings.SESSION_COOKIE_NAME].value


def told() -> dict[str, Any]:
    """A session, a saved view's address, references: what a client of a real server needs."""
    from django.conf import settings
    from django.contrib.auth.models import Group

    from accounts.models import Contact
    from bma_portal import clock
    from support.models import SavedView, Ticket

    owner = Group.objects.get(name=Contact.Team(TEAM).label).user_set.order_by("pk")[0]
    SavedView.objects.get_or_create(
        team=TEAM, slug=VIEW,
        defaults={
            "owner": owner, "name": "Vue de la mesure", "query": "file=toutes&priorite=urgent", "shared": True,
            "created_at": clock.now(),
        },
    )  # fmt: skip
    references = Ticket.objects.filter(team=TEAM).order_by("public").values_list("reference", flat=True)
    return {"cookie": f"{settings.SESSION_COOKIE_NAME}={signed_in()}", "references": list(references[:200])}


def serve(words: str) -> None:
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.db import connection

    from accounts.models import Mailbox
    from bench.sides import calls
    from bma_portal.models import RateCount
    from support.forms_contact import SECONDS_TO_FILL, opened_now

    visitor = calls.Caller(get_wsgi_application(), csrf_cookie=settings.CSRF_COOKIE_NAME)
    agent = calls.Caller(visitor.application, csrf_cookie=settings.CSRF_COOKIE_NAME)
    known = told()
    name, _, value = known["cookie"].partition("=")
    agent.cookies[name] = value
    addresses = list(Mailbox.objects.order_by("pk").values_list("address", flat=True)[:2000])
    opened, searched, references = opened_now(), words.split(","), known["references"]
    turn = {"post": 0, "ticket": 0, "search": 0}

    def next_of(act: str) -> int:
        turn[act] += 1
        return turn[act]

    def post() -> None:
        n = next_of("post")
        fields = {
            "besoin": "technique", "sujet": "webmail", "numero": addresses[n % len(addresses)].partition("@")[0],
            "subject": "L’interface web refuse de s’ouvrir", "text": calls.TEXT, "first_name": "Camille",
            "last_name": "Fictive", "email": f"camille{n}-{os.getpid()}@exemple.test", "phone": "", "ouvert": opened,
            "site_web": "", "parcours": "", "envoyer": "1",
        }  # fmt: skip
        calls.expect(visitor.post("/demandes/nouvelle/", fields), 302)

    def clean() -> None:
        """What counts visitors would refuse so many of one hour."""
        RateCount.objects.all().delete()

    def page(address: str, *says: bytes) -> None:
        calls.expect(agent.get(address), 200, *says)

    def ticket() -> None:
        reference = references[next_of("ticket") % len(references)]
        page(f"/desk/demande/{reference}/", reference.encode())

    import time

    time.sleep(SECONDS_TO_FILL + 0.2)  # a form that comes back at once is a robot's
    calls.obey(
        {
            "clean": clean,
            "post": post,
            "list": lambda: page("/desk/?file=toutes", b'class="tickets"'),
            "view": lambda: page(f"/desk/vues/{VIEW}/", b'class="tickets"'),
            "search": lambda: page(f"/desk/?q={searched[next_of('search') % len(searched)]}", b'id="contenu"'),
            "ticket": ticket,
        },
        calls.counter(connection),
    )


if __name__ == "__main__":
    import django

    django.setup()
    if sys.argv[1] == "told":
        print(json.dumps(told()))
    else:
        serve(*sys.argv[2:])
