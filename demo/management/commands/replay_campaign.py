import json
from argparse import ArgumentTypeError
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from bma_portal import vault
from bma_portal.clock import brussels
from bma_portal.commands import PortalCommand
from bma_portal.errors import Refusal
from demo import processes, stage, story
from demo.progress import Bar
from migration.plan_findings import label


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError("une date s'écrit AAAA-MM-JJ") from None


ROWS = {
    "mailboxes": "boîtes de la campagne",
    "migrated": "boîtes migrées",
    "mails": "courriels mis en file",
    "delivered": "courriels remis",
    "lost": "perdus",
    "twice": "remis deux fois",
    "out_of_order": "dans le désordre",
    "plan_broken": "règles rompues par le plan",
    "spacing_broken": "délais non tenus",
    "rules_broken": "autres règles non tenues",
    "held": "en attente de décision",
    "days": "jours rejoués",
    "seconds": "durée (s)",
    "sending_seconds": "dont envoi (s)",
    "mails_per_second": "courriels par seconde d'envoi",
}


class Command(PortalCommand):
    help = "Rejoue une campagne jour par jour, avec les vrais ouvriers, vers Exchange ou son double de démonstration."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", dest="first", type=day, required=True, metavar="AAAA-MM-JJ")
        parser.add_argument("--to", dest="last", type=day, required=True, metavar="AAAA-MM-JJ")
        parser.add_argument("--register", type=Path, help="registre FASE à importer d'abord")
        parser.add_argument("--json", action="store_true", help="un objet JSON sur la sortie, et rien d'autre")

    def handle(self, *, first: date, last: date, register: Path | None, json: bool, **options: Any) -> None:
        if last < first:
            raise CommandError("La date de fin précède celle de début.", returncode=2)
        bar = Bar()
        try:
            vault.verify()
            with stage.exchange() as stand_in, processes.workers():
                stage.load_register(register, at=brussels(first))
                summary = story.replay(first, last, stand_in=stand_in, progress=bar)
        except OSError as error:
            raise Refusal(str(error)) from None
        finally:
            bar.close()
        self.show(summary, as_json=json)
        if not summary.kept:
            raise Refusal("Une promesse n'a pas été tenue : voyez le tableau.")

    def show(self, summary: story.Summary, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(summary.as_dict(), ensure_ascii=False))
            return
        for warning in summary.warnings:
            self.stderr.write(f"Attention : {warning}")
        for name, title in ROWS.items():
            self.stdout.write(f"  {title:<32} {getattr(summary, name):>10}")
        for line in summary.broken:
            self.stderr.write(f"Règle rompue : {line}")
        order = "oui" if summary.pos_before_establishments else "non"
        self.stdout.write(f"  {'PO avant les établissements':<32} {order:>10}")
        if summary.published:
            self.stdout.write("\nLe plan publié en 2024 (S1, S4), pour ces boîtes, ne tient pas :")
        for finding in summary.published:
            rule = label(finding["rule"])
            self.stdout.write(f"- {rule} ({finding['source']}). {finding['text']}")
