"""`check_directory`: says in French whether the portal can set passwords in the directory, and if not, why."""

from typing import Any

from accounts.directory_check import check
from bma_portal import clock
from bma_portal.commands import PortalCommand, Refus


class Command(PortalCommand):
    help = "Vérifie l’annuaire des mots de passe : TLS, compte, unité des boîtes. N’y change rien sans --wet-run."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--address", default="", metavar="ADRESSE", help="cherche aussi le compte de cette boîte")
        parser.add_argument(
            "--wet-run",
            action="store_true",
            help="pose un mot de passe inconnu de tous sur --address, une boîte d’essai : seule preuve du droit",
        )
        self.add_json(parser)

    def handle(self, **options: Any) -> None:
        report = check(at=clock.now(), address=options["address"], set_it=options["wet_run"])
        if options["json"]:
            self.write_json({"fine": report.fine, "warnings": report.warnings, "wrong": report.wrong})
        else:
            for line in report.fine:
                self.stdout.write(f"Bien      {line}")
            for line in report.warnings:
                self.stdout.write(f"Attention {line}")
            for line in report.wrong:
                self.stdout.write(f"À régler  {line}")
            if not report.wrong and not options["wet_run"]:
                self.stdout.write(
                    "\nLe droit « Réinitialiser le mot de passe » ne se voit qu’à l’essai : "
                    "check_directory --address BOÎTE-D’ESSAI --wet-run le vérifie."
                )
        if report.wrong:
            raise Refus("le portail ne peut pas poser de mots de passe dans cet annuaire.", returncode=1)
