"""`read_inboxes`: what the worker does every minute, once; without regard to its waits, for a person asks."""

from typing import Any

from django.conf import settings

from bma_portal import clock
from bma_portal.commands import PortalCommand, Refus
from bma_portal.mail.models import Sender
from support import incoming
from support.incoming.reading import Reading
from support.models import IncomingMail


class Command(PortalCommand):
    help = "Lit ce qui est arrivé dans les boîtes du SGNE et de l’ETNIC. Deux fois de suite ne change rien."

    def add_arguments(self, parser: Any) -> None:
        self.add_at(parser)
        self.add_json(parser)

    def handle(self, **options: Any) -> None:
        if not settings.EXCHANGE_URL:
            raise Refus("EXCHANGE_URL n’est pas défini : il n’y a pas de boîte à lire.")
        readings = incoming.tick(at=options["at"] or clock.now(), forced=True)
        if options["json"]:
            self.write_json(
                {one.sender: {"read": one.count, "verdicts": one.taken, "failure": one.failure} for one in readings}
            )
        else:
            for one in readings:
                self.stdout.write(_told(one))
        failed = [one for one in readings if one.failure]
        if failed:
            raise Refus(" ; ".join(f"{Sender(one.sender).label} : {one.failure}" for one in failed))


def _told(one: Reading) -> str:
    labels = dict(IncomingMail.Verdict.choices)
    what = ", ".join(f"{labels[verdict]} : {count}" for verdict, count in sorted(one.taken.items()))
    return f"{Sender(one.sender).label} : {one.count} message(s) lu(s)" + (f" ({what})." if what else ".")
