"""`check_exchange`: says in French whether the portal can write through Exchange, and if not, why."""

from typing import Any

from bma_portal.commands import PortalCommand, Refus
from bma_portal.mail.check import check


class Command(PortalCommand):
    help = "Vérifie la configuration d’Exchange et les deux expéditeurs. N’envoie rien sans --send."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "--send",
            action="store_true",
            help="chaque expéditeur s’envoie un message : seul moyen de prouver le droit « Envoyer en tant que »",
        )
        self.add_json(parser)

    def handle(self, **options: Any) -> None:
        report = check(send=options["send"])
        if options["json"]:
            self.write_json({"fine": report.fine, "warnings": report.warnings, "wrong": report.wrong})
        else:
            for line in report.fine:
                self.stdout.write(f"Bien      {line}")
            for line in report.warnings:
                self.stdout.write(f"Attention {line}")
            for line in report.wrong:
                self.stdout.write(f"À régler  {line}")
            if not report.wrong and not options["send"]:
                self.stdout.write(
                    "\nLe droit « Envoyer en tant que » ne se voit qu’à l’envoi : check_exchange --send le vérifie."
                )
        if report.wrong:
            raise Refus("le portail ne peut pas envoyer de courriels par cet Exchange.", returncode=1)
