"""`plan_campaign`: lay out the weekly batches; shows them and what cannot hold, and writes them with `--wet-run`."""

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.models import Mailbox
from bma_portal import audit, clock
from bma_portal.commands import PortalCommand, Refus
from bma_portal.errors import Refusal
from migration import pilot, plan_settings, planning, sequence
from migration.campaigns import default_campaign, saved_campaign
from migration.models import AvoidedPeriod, Batch, Campaign, PlanDecision
from migration.plan_findings import label
from migration.plan_settings import Settings
from migration.planning import Plan, PlannedBatch

WHO = "plan_campaign"
KINDS = {"po": "PO", "ec": "établissements"}


class Command(PortalCommand):
    help = (
        "Répartit les boîtes en lots hebdomadaires, montre leurs dates et ce qui ne tient pas ; "
        "n’écrit qu’avec --wet-run."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """`--settings` is ours here, if it names a file; Django's own, a module, was read by `manage.py`."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "campaign", nargs="?", metavar="CAMPAGNE", help="son identifiant ; sinon la plus récente, ou celle de 2024"
        )
        parser.set_defaults(settings=None)
        parser.add_argument("--settings", dest="either", metavar="FICHIER.json", help="des réglages (docs/plan.md)")
        parser.add_argument("--settings-file", dest="file", metavar="FICHIER", help="de même, quel que soit son nom")
        parser.add_argument("--wet-run", action="store_true", help="écrire le plan (sinon : le montrer)")
        parser.add_argument(
            "--sign",
            metavar="« NOM : motif »",
            help="décider d’écrire un plan dont une règle annoncée ne tient pas : qui le décide, et pourquoi",
        )
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
        if options["sign"] is not None and not wet:
            raise Refus("--sign ne va qu’avec --wet-run.", returncode=2)
        signed = _signature(options["sign"])
        file = options["file"]
        if options["either"] and options["either"] != os.environ.get("DJANGO_SETTINGS_MODULE"):
            file = options["either"]
        at = options["at"] or clock.now()
        approved = 0
        with transaction.atomic():  # the plan's lock is held until the approvals are written
            campaign = _campaign(options["campaign"], saved=wet)
            rules = _settings(campaign, file)
            if wet:
                if file:
                    _keep(campaign, rules)
                plan = planning.apply(campaign, at=at, by=signed[0] or f"commande {WHO}", settings=rules)
                _decide(campaign, plan, signed, at=at)
            else:
                plan = planning.propose(campaign, at=at, settings=rules)
            if approve:
                for batch in campaign.batches.filter(status=Batch.Status.DRAFT, number__gte=plan.first_number):
                    _refuse_to_approve_alone(batch)
                    sequence.approve(batch, by=WHO, at=at)
                    approved += 1
            if wet:
                counts: dict[str, Any] = {"lots": len(plan.batches), "boîtes": plan.mailboxes, "approuvés": approved}
                if plan.findings:
                    counts |= {"décidé par": signed[0], "ne tient pas": [finding.rule for finding in plan.findings]}
                audit.record("plan.written", about=campaign, at=at, why=signed[1], details=counts)
        if options["json"]:
            self.write_json(_as_json(campaign, plan, written=wet, approved=approved))
        else:
            self._show(campaign, plan, wet=wet, approved=approved)

    def _show(self, campaign: Campaign, plan: Plan, *, wet: bool, approved: int) -> None:
        write = self.stdout.write
        write(f"{campaign} : {plan.mailboxes} boîtes en {len(plan.batches)} lots.")
        if plan.batches:
            write(f"\n{'lot':<5}{'':16}{'boîtes':>8}  {'mail 1':<12}{'mail 2':<12}{'mail 3':<12}nuit du")
        for number, batch in enumerate(plan.batches, start=plan.first_number):
            days = "".join(f"{day:%d/%m/%Y}  " for day in _days(batch))
            write(f"{number:<5}{KINDS[batch.kind]:<16}{len(batch.mailbox_ids):>8}  {days.rstrip()}")
        if plan.findings:
            write("\nCe qui ne tient pas :")
        for finding in plan.findings:
            write(f"- {label(finding.rule)} ({finding.source}). {finding.text}")
        if not plan.batches:
            write("Aucune boîte à planifier : importez le registre (import_fase), ou toutes ont déjà leur lot.")
        if not wet:
            sign = " en signant (--sign « NOM : motif »)" if plan.findings else ""
            write(f"\nEssai à blanc : rien n’est écrit. Relancez avec --wet-run{sign} pour écrire ce plan.")
        elif approved:
            write(f"\nC’est fait : le plan est écrit, {approved} lots sont approuvés.")
        else:
            write("\nC’est fait : le plan est écrit. Chaque lot attend d’être approuvé dans l’administration.")


def _campaign(slug: str | None, *, saved: bool) -> Campaign:
    if slug is None:
        return saved_campaign() if saved else default_campaign()
    campaign = Campaign.objects.filter(slug=slug).first() if slug.isprintable() else None
    if campaign is None:
        known = ", ".join(Campaign.objects.order_by("slug").values_list("slug", flat=True)[:20]) or "aucune"
        shown = "".join(char if char.isprintable() else "?" for char in slug[:50])
        raise Refusal(f"Aucune campagne n’a l’identifiant « {shown} ». Campagnes : {known}.")
    return campaign


def _settings(campaign: Campaign, file: str | None) -> Settings:
    """Those of the campaign (without one: by default), and what the file changes of them."""
    base = plan_settings.from_campaign(campaign) if campaign.pk else plan_settings.default()
    return plan_settings.read(Path(file), base=base) if file else base


def _keep(campaign: Campaign, rules: Settings) -> None:
    """What was read becomes the campaign's own: the mails that follow obey the same spacings as the plan."""
    changed = rules.fill(campaign)
    if changed:
        campaign.save(update_fields=changed)
    for period in rules.avoided:
        AvoidedPeriod.objects.get_or_create(
            reason=period.reason,
            kind=period.kind,
            first=period.first,
            last=period.last,
            defaults={"name": period.name or "Jours à éviter", "source": period.source},
        )


def _signature(text: str | None) -> tuple[str, str]:
    """The name and the reason, or both empty."""
    if text is None:
        return "", ""
    name, _, why = (part.strip() for part in text.partition(":"))
    if not name or not why or len(name) > 100 or len(why) > 1000 or not text.isprintable():
        raise Refus("--sign : écrivez « NOM : motif », sur une ligne (100 et 1000 caractères au plus).", returncode=2)
    return name, why


def _decide(campaign: Campaign, plan: Plan, signed: tuple[str, str], *, at: Any) -> None:
    """Keep the signed decision. Raises Refusal, and nothing is written, if a plan that cannot hold is not signed."""
    name, why = signed
    if not plan.findings:
        return
    if not name and campaign.decisions.filter(fingerprint=plan.fingerprint()).exists():
        return  # this very plan was signed before
    if not name:
        reasons = "\n".join(f"- {text}" for text in plan.warnings)
        raise Refusal(
            f"Ce plan ne tient pas tout ce qui est annoncé :\n{reasons}\n"
            "Rien n’est écrit. Pour l’écrire quand même, signez : --sign « NOM : motif »."
        )
    PlanDecision.objects.create(
        campaign=campaign,
        at=at,
        by=f"{name} (commande {WHO})",
        fingerprint=plan.fingerprint(),
        findings=[finding.as_dict() for finding in plan.findings],
        counts={"lots": len(plan.batches), "boîtes": plan.mailboxes},
        note=why,
    )


def _refuse_to_approve_alone(batch: Batch) -> None:
    """The pilot is evaluated first; in production a large batch is approved by a second person, in the admin."""
    pilot.wait_for_evaluation(batch)
    least = batch.campaign.second_person_from
    if not settings.CLOCK_CAN_BE_SET and batch.moves.count() >= least:
        raise Refusal(
            f"Le {batch} compte {least} boîtes ou plus : une seconde personne l’approuve, dans l’administration. "
            "Relancez sans --approve."
        )


def _days(batch: PlannedBatch) -> list[Any]:
    return [batch.mail1_on, batch.mail2_on, batch.mail3_on, batch.night_on]


def _as_json(campaign: Campaign, plan: Plan, *, written: bool, approved: int) -> dict[str, Any]:
    numbered = list(enumerate(plan.batches, start=plan.first_number))
    pks = [pk for batch in plan.batches for pk in batch.mailbox_ids]
    addresses = dict(Mailbox.objects.filter(pk__in=pks).values_list("pk", "address"))
    batches, mailboxes = [], []
    for number, batch in numbered:
        days = [day.isoformat() for day in _days(batch)]
        shown = dict(zip(("mail1_on", "mail2_on", "mail3_on", "night_on"), days, strict=True))
        batches.append({"number": number, "kind": batch.kind, **shown, "mailboxes": len(batch.mailbox_ids)})
        dates = dict(zip(("mail_1", "mail_2", "mail_3", "night"), days, strict=True))
        mailboxes += [
            {"address": addresses[pk], "kind": batch.kind, "batch": number, **dates} for pk in batch.mailbox_ids
        ]
    return {
        "campaign": campaign.slug,
        "written": written,
        "approved": approved,
        "mailboxes": mailboxes,
        "findings": [finding.as_dict() for finding in plan.findings],
        "batches": batches,
        "warnings": plan.warnings,
    }
