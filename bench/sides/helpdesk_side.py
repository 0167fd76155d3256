"""The other side: `python -m bench.sides.helpdesk_side prepare | serve WORDS…`, in its own environment."""

import base64
import json
import os
import sys
from typing import Any
from urllib.parse import quote

os.environ["DJANGO_SETTINGS_MODULE"] = "bench.sides.helpdesk_settings"

QUEUE, AGENTS = "aide", 12


def prepare() -> None:
    """Tables, the texts of its mails, one queue, one member of staff; its tickets come from ours, by the database."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    call_command("loaddata", "emailtemplate", verbosity=0)

    from django.contrib.auth import get_user_model
    from helpdesk.models import Queue, SavedSearch
    from helpdesk.query import query_to_base64

    Queue.objects.create(title="Aide", slug=QUEUE, allow_public_submission=True, email_address="aide@exemple.test")
    users = get_user_model().objects
    users.create_user("agent", "agent@exemple.test", is_staff=True, is_superuser=True)
    asked = {
        "filtering": {"priority__in": [2]}, "filtering_null": {}, "sorting": "created", "sortreverse": True,
        "search_string": "",
    }  # fmt: skip
    SavedSearch.objects.create(user_id=1, title="Urgentes", shared=True, query=query_to_base64(asked))
    for n in range(1, AGENTS):
        users.create_user(
            f"agent{n}", f"agent{n}@exemple.test", first_name="Agent", last_name=f"Fictif {n}", is_staff=True
        )


def serve(numbers: str, words: str) -> None:
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.core.wsgi import get_wsgi_application
    from django.db import connection
    from django.test import Client
    from helpdesk.models import Queue, SavedSearch

    from bench.sides import calls

    visitor = calls.Caller(get_wsgi_application(), csrf_cookie=settings.CSRF_COOKIE_NAME)
    agent = calls.Caller(visitor.application, csrf_cookie=settings.CSRF_COOKIE_NAME)
    client = Client()
    client.force_login(get_user_model().objects.get(username="agent"))
    agent.cookies[settings.SESSION_COOKIE_NAME] = client.cookies[settings.SESSION_COOKIE_NAME].value
    queue = str(Queue.objects.get().pk)
    saved = SavedSearch.objects.get().pk
    turn = {"post": 0, "ticket": 0, "search": 0}
    pages, searched = numbers.split(","), words.split(",")

    def next_of(name: str) -> int:
        turn[name] += 1
        return turn[name]

    def post() -> None:
        n = next_of("post")
        fields = {
            "queue": queue, "title": "L’interface web refuse de s’ouvrir", "body": calls.TEXT, "priority": "3",
            "submitter_email": f"camille{n}@exemple.test", "due_date": "",
        }  # fmt: skip
        calls.expect(visitor.post("/tickets/submit/", fields), 302)

    def rows(search: str = "", **filtering: Any) -> None:
        asked = {"filtering": filtering, "filtering_null": {}, "sorting": "created", "sortreverse": True}
        query = base64.b64encode(json.dumps({**asked, "search_string": search}).encode()).decode()
        columns = "draw=1&start=0&length=25&order[0][column]=0&order[0][dir]=desc&search[value]="
        calls.expect(agent.get(f"/datatables_ticket_list/{query}?{columns}"), 200, b'"data"')

    def opened(asked: str, **rows_asked: Any) -> None:
        """A list is opened as a page, which then asks for its rows."""
        calls.expect(agent.get(f"/tickets/?{asked}"), 200, b"datatables_ticket_list")
        rows(**rows_asked)

    def search() -> None:
        word = searched[next_of("search") % len(searched)]
        opened(f"q={quote(word)}", search=word)

    def ticket() -> None:
        calls.expect(agent.get(f"/tickets/{pages[next_of('ticket') % len(pages)]}/"), 200, b"followup")

    calls.obey(
        {
            "post": post,
            "list": lambda: opened("sort=created&sortreverse=on"),
            "view": lambda: opened(f"saved_query={saved}", priority__in=[2]),
            "search": search,
            "ticket": ticket,
        },
        calls.counter(connection),
    )


if __name__ == "__main__":
    import django

    django.setup()
    {"prepare": prepare, "serve": serve}[sys.argv[1]](*sys.argv[2:])
