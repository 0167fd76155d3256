"""`queue_due_mails --at ISO`: what beat does every half minute, done once by hand for any moment."""

from typing import Any

from bma_portal.commands import PortalCommand, not_ahead
from migration import sequence
from migration.models import Mailing


class Command(PortalCommand):
    help = "Met en file les mails de migration qui sont dus à ce moment. Deux fois ne fait rien de plus."

    def add_arguments(self, parser: Any) -> None:
        self.add_at(parser)
        self.add_json(parser)

    def handle(self, **options: Any) -> None:
        at = not_ahead(options["at"])
        queued = sequence.advance(at=at)
        held = Mailing.objects.filter(held_at__isnull=False, mail=None).count()
        if options["json"]:
            self.write_json({"at": at.isoformat(), "queued": queued, "held": held})
            return
        self.stdout.write(f"{queued} mails mis en file.")
        if held:
            self.stdout.write(f"{held} mails attendent une décision dans l’administration.")
