import time
from argparse import ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from bma_portal import clock
from bma_portal.commands import PortalCommand
from bma_portal.errors import Refusal
from demo import seeding

MOST, MOST_MESSAGES = 1_000_000, 50


def between(least: int, most: int) -> Any:
    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else -1
        if not least <= number <= most:
            raise ArgumentTypeError(f"un nombre de {least} à {most}")
        return number

    return read


class Command(PortalCommand):
    help = (
        "Invente des demandes, avec leurs messages, pour essayer le bureau et pour les mesures. Jamais en production."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("count", type=between(1, MOST), metavar="N", help="combien de demandes")
        parser.add_argument(
            "--messages", type=between(1, MOST_MESSAGES), default=5, metavar="M", help="messages de chacune (5)"
        )
        self.add_json(parser)

    def handle(self, *, count: int, messages: int, json: bool, **options: Any) -> None:
        if settings.PRODUCTION:
            raise Refusal("Ces demandes sont inventées : elles n’ont rien à faire en production.")
        started = time.monotonic()
        made = seeding.seed(count, messages=messages, at=clock.now())
        seconds = time.monotonic() - started
        if json:
            self.write_json({**vars(made), "seconds": round(seconds, 1), "invented": True})
            return
        self.stdout.write(
            f"{made.tickets} demandes inventées et leurs {made.messages} messages, en {seconds:.0f} s. Personnes, "
            "textes et dates : rien de tout cela n’est réel."
        )
        if made.units:
            self.stdout.write(f"Le registre était vide : {made.units} écoles fictives, déjà migrées, les posent.")
        if made.agents:
            self.stdout.write(
                f"{made.agents} agents fictifs, sans mot de passe, dans les équipes qui n’avaient personne."
            )
