"""What the portal's commands share: exit status 0 done, 1 refused (nothing changed), 2 badly asked; moments typed."""

import json
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bma_portal import clock, origin
from bma_portal.errors import Refusal
from bma_portal.vault import VaultError


class Refus(CommandError):
    """Named in French because Django prints the name of the class before the message."""


class PortalCommand(BaseCommand):
    """A refusal is a sentence on the error output and exit status 1, never a traceback.

    What it does is done by « commande … » in the audit, under a number of its own.
    """

    def execute(self, *args: Any, **options: Any) -> Any:
        name = type(self).__module__.rpartition(".")[2]
        try:
            with origin.coming_from(origin.Origin(request_id=origin.new_id(), actor=f"commande {name}")):
                return super().execute(*args, **options)
        except (Refusal, VaultError) as refusal:
            raise Refus(str(refusal), returncode=1) from None

    def add_json(self, parser: Any) -> None:
        parser.add_argument("--json", action="store_true", help="un objet JSON sur la sortie standard, rien d’autre")

    def add_at(self, parser: Any) -> None:
        parser.add_argument(
            "--at",
            metavar="ISO",
            type=moment,
            help="par exemple 2024-10-07T09:00 (heure de Bruxelles), ou avec son décalage ; sinon maintenant",
        )

    def write_json(self, result: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(result, ensure_ascii=False))


def moment(text: str) -> datetime:
    """A moment as typed; without an offset it is Brussels time, a day alone is its first minute."""
    shown = "".join(char if char.isprintable() else "?" for char in text[:40])
    try:
        typed = datetime.fromisoformat(text)
        if not 2000 <= typed.year <= 2100:
            raise ArgumentTypeError(f"« {shown} » : l’année doit se trouver entre 2000 et 2100")
        return (typed if typed.tzinfo else typed.replace(tzinfo=clock.BRUSSELS)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"« {shown} » n’est pas un moment (exemple : 2024-10-07T09:00)") from None


def not_ahead(at: datetime | None) -> datetime:
    """That moment, or now. Where the clock cannot be set, mails and results are not dated ahead. Raises Refusal."""
    now = clock.now()
    if at is None:
        return now
    if not settings.CLOCK_CAN_BE_SET and at > now:
        raise Refusal("En production, --at ne peut pas être dans le futur : des mails partiraient trop tôt.")
    return at
