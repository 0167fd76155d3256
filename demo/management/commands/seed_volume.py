import time
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from bma_portal import clock
from bma_portal.commands import PortalCommand
from bma_portal.errors import Refusal
from demo import volume
from demo.management.commands.seed_tickets import between

MOST = 1_000_000


class Command(PortalCommand):
    help = (
        "Invente une campagne entière, avec autant de boîtes que demandé, dans une base vide : pour les mesures, et "
        "pour voir les listes quand elles sont pleines. Jamais en production."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("mailboxes", type=between(1, MOST), metavar="BOÎTES", help="combien de boîtes")
        self.add_at(parser)
        self.add_json(parser)

    def handle(self, *, mailboxes: int, at: Any, json: bool, **options: Any) -> None:
        if settings.PRODUCTION:
            raise Refusal("Cette campagne est inventée : elle n’a rien à faire en production.")
        started = time.monotonic()
        made = volume.seed(mailboxes, at=at or clock.now())
        seconds = time.monotonic() - started
        if json:
            self.write_json({**vars(made), "seconds": round(seconds, 1), "invented": True})
            return
        self.stdout.write(
            f"{made.mailboxes} boîtes inventées, {made.batches} lots, {made.moves} passages et {made.mailings} mails "
            f"(dont {made.mails} en file, partis ou refusés), en {seconds:.0f} s. Écoles, communes et dates : rien de "
            "tout cela n’est réel."
        )
