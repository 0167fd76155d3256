"""`plan_campaign`: lay out the weekly batches; shows them, and writes them with `--wet-run`."""

from typing import Any

from django.db import transaction

from bma_portal import audit, clock
from bma_portal.commands import PortalCommand, Refus
from migration import planning, sequence
from migration.campaigns import default_campaign, saved_campaign
from migration.models import Batch
from migration.planning import PlannedBatch

WHO = "plan_campaign"
KINDS = {"po": "PO", "ec": "établissements"}


class Command(PortalCommand):
    help = "Répartit les boîtes en lots hebdomadaires et montre leurs dates ; n’écrit qu’avec --wet-run."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--wet-run", action="store_true", help="écrire le plan (sinon : le montrer)")
        parser.add_argument(
            "--approve",
            action="store_true",
            help="approuver les nouveaux lots (leurs cinq premières boîtes partiront)",
        )
        self.add_at(parser)
        self.add_json(parser)

    def handle(self, **options: Any) -> None:
        wet, approve = options["wet_run"], options["approve"]
        if approve and not wet:
            raise Refus("--approve ne va qu’avec --wet-run.", returncode=2)
        at = options["at"] or clock.now()
        approved = 0
        with transaction.atomic():  # the plan's lock is held until the approvals are written
            campaign = saved_campaign() if wet else default_campaign()
            plan = planning.apply(campaign, at=at) if wet else planning.propose(campaign, at=at)
            if approve:
                for batch in campaign.batches.filter(status=Batch.Status.DRAFT):
                    sequence.approve(batch, by=WHO, at=at)
                    approved += 1
            if wet:
                counts = {"lots": len(plan.batches), "boîtes": plan.mailboxes, "approuvés": approved}
                audit.record("plan.written", about=campaign, at=at, details=counts)
        if options["json"]:
            self.write_json(
                {
                    "campaign": campaign.slug,
                    "written": wet,
                    "approved": approved,
                    "mailboxes": plan.mailboxes,
                    "batches": [_as_json(batch) for batch in plan.batches],
                    "warnings": plan.warnings,
                }
            )
            return
        write = self.stdout.write
        write(f"{campaign} : {plan.mailboxes} boîtes en {len(plan.batches)} lots.")
        if plan.batches:
            write(f"\n{'':16}{'boîtes':>8}  {'mail 1':<12}{'mail 2':<12}{'mail 3':<12}nuit du")
        for batch in plan.batches:
            days = "".join(
                f"{day:%d/%m/%Y}  " for day in (batch.mail1_on, batch.mail2_on, batch.mail3_on, batch.night_on)
            )
            write(f"{KINDS[batch.kind]:<16}{len(batch.mailbox_ids):>8}  {days.rstrip()}")
        for warning in plan.warnings:
            write(f"\nÀ savoir : {warning}")
        if not plan.batches:
            write("Aucune boîte à planifier : importez le registre (import_fase), ou toutes ont déjà leur lot.")
        if not wet:
            write("\nEssai à blanc : rien n’est écrit. Relancez avec --wet-run pour écrire ce plan.")
        elif approved:
            write(f"\nC’est fait : le plan est écrit, {approved} lots sont approuvés.")
        else:
            write("\nC’est fait : le plan est écrit. Chaque lot attend d’être approuvé dans l’administration.")


def _as_json(batch: PlannedBatch) -> dict[str, Any]:
    return {
        "kind": batch.kind,
        "mail1_on": batch.mail1_on.isoformat(),
        "mail2_on": batch.mail2_on.isoformat(),
        "mail3_on": batch.mail3_on.isoformat(),
        "night_on": batch.night_on.isoformat(),
        "mailboxes": len(batch.mailbox_ids),
    }
