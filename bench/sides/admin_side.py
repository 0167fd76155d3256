"""The staff's lists: `python -m bench.sides.admin_side`, on a database that `seed_volume` filled.

Each act asks the next of several pages, so that no answer is that of the call before; and the same number of rows is
read raw, as psycopg gives them, for what the machine can do at that moment.
"""

import itertools
import os
from collections.abc import Callable

os.environ["DJANGO_SETTINGS_MODULE"] = "bench.sides.portal_settings"

MAILBOX, MAILING = "/admin/accounts/mailbox/", "/admin/migration/mailing/"
MOVE, OUTGOING = "/admin/migration/move/", "/admin/mail/outgoingmail/"
UNIT, BATCH, LOG = "/admin/accounts/organisation/", "/admin/migration/batch/", "/admin/bma_portal/statechange/"
RAW = """
    SELECT m.id, m.address, o.name, o.municipality, b.number, v.status FROM accounts_mailbox m
    JOIN accounts_organisation o ON o.id = m.organisation_id JOIN migration_move v ON v.mailbox_id = m.id
    JOIN migration_batch b ON b.id = v.batch_id ORDER BY m.address LIMIT 100"""
Pages = dict[str, list[str]]


def pages() -> Pages:
    """What is asked, by name: lists as they open, deep in, sorted, filtered; searches; sheets."""
    from django.db.models import Max

    from accounts.models import Mailbox
    from migration.models import Batch
    from migration.phases import Phase

    count = Mailbox.objects.count()
    last = max(1, min(count, 200_000) // 100)
    batches = list(Batch.objects.filter(moves__isnull=False).distinct().order_by("?").values_list("pk", flat=True)[:4])
    largest = Mailbox.objects.aggregate(most=Max("pk"))["most"]
    boxes = list(Mailbox.objects.filter(pk__lte=largest).order_by("?").select_related("organisation")[:8])
    words = ["Éperviers", "eperviers chimere", "forgerons", "montmirage", "académie œillets"]
    addresses = [box.address for box in boxes[:3]]
    numbers = [str(boxes[3].organisation.fase), f"ec {boxes[4].organisation.fase}", addresses[0][:8].upper()]
    found: Pages = {
        "list": [MAILBOX, MOVE, MAILING, OUTGOING, UNIT, LOG],
        "batches": [BATCH],
        "deep": [f"{MAILBOX}?p={last}", f"{MAILING}?p={last}", f"{MOVE}?p={last}", f"{OUTGOING}?p={last}",
                 f"{UNIT}?p={last}", f"{MAILBOX}?p={max(1, last // 2)}"],
        "sorted": [f"{MAILBOX}?o=2", f"{MAILBOX}?o=-3", f"{MAILING}?o=1", f"{MAILING}?o=-4", f"{MOVE}?o=-1",
                   f"{OUTGOING}?o=2"],
        "phase": [f"{MAILBOX}?phase={phase}" for phase in Phase.values],
        "filtered": [
            *(f"{MAILBOX}?lot={pk}" for pk in batches), *(f"{MAILING}?move__batch__id__exact={pk}" for pk in batches),
            f"{MAILBOX}?lot=none", f"{MAILING}?decision=attendue", f"{MAILING}?step__exact=2",
            f"{MOVE}?status__exact=failed", f"{OUTGOING}?status__exact=failed", f"{OUTGOING}?sender__exact=etnic",
            f"{UNIT}?activite=over", f"{UNIT}?kind__exact=po",
        ],
        "words": [f"{page}?q={word}" for word in words for page in (MAILBOX, MOVE, MAILING)],
        "numbers": [f"{page}?q={typed}" for typed in [*numbers, *addresses] for page in (MAILBOX, MOVE, MAILING)],
        "sheet": [f"{MAILBOX}{box.pk}/change/" for box in boxes],
    }  # fmt: skip
    return found


def serve() -> None:
    from django.conf import settings
    from django.contrib.auth.models import Group
    from django.core.wsgi import get_wsgi_application
    from django.db import connection
    from django.test import Client

    from accounts.models import Mailbox, User
    from accounts.roles import SGNE
    from bench.sides import calls
    from migration.models import Mailing, Move
    from tests.sign_in import sign_in

    agent, _ = User.objects.get_or_create(username="agent-de-la-mesure", defaults={"is_staff": True})
    agent.groups.add(Group.objects.get(name=SGNE))
    caller = calls.Caller(get_wsgi_application(), csrf_cookie=settings.CSRF_COOKIE_NAME)
    cookie = settings.SESSION_COOKIE_NAME
    caller.cookies[cookie] = sign_in(Client(), agent).cookies[cookie].value

    def asked(addresses: list[str]) -> Callable[[], None]:
        turn = itertools.cycle(addresses)

        def act() -> None:
            calls.expect(caller.get(_quoted(next(turn))), 200, b'id="content"')

        return act

    def raw() -> None:
        with connection.cursor() as cursor:
            cursor.execute(RAW)
            cursor.fetchall()

    def searched(model: type, path: str) -> None:
        """The rows of a first page of a search, without the page."""
        from accounts.admin_search import of_units

        word = next(sought)
        list(of_units(model.objects.all(), word, path).order_by("pk").values_list("pk", flat=True)[:100])  # type: ignore[attr-defined]

    sought = itertools.cycle(["éperviers", "eperviers chimere", "forgerons 12", "ec000123", "42"])
    lists = [(Mailbox, "organisation"), (Move, "mailbox__organisation"), (Mailing, "move__mailbox__organisation")]
    of_lists = itertools.cycle(lists)
    acts = {name: asked(addresses) for name, addresses in pages().items()}
    calls.obey({**acts, "raw": raw, "rows": lambda: searched(*next(of_lists))}, calls.counter(connection))


def _quoted(address: str) -> str:
    from urllib.parse import quote

    path, _, query = address.partition("?")
    return f"{path}?{quote(query, safe='=&-')}" if query else path


if __name__ == "__main__":
    import django

    django.setup()
    serve()
