"""`verify_audit`: reads the audit again from its first line to its head; exit 0 sound, 1 broken, 2 badly asked."""

import re
from argparse import ArgumentTypeError
from typing import Any

from bma_portal import audit
from bma_portal.commands import PortalCommand, Refus

MARK = re.compile(r"(\d{1,18}):([0-9a-f]{64})", re.ASCII)


def mark(text: str) -> audit.Mark:
    """A line as this command prints the head."""
    found = MARK.fullmatch(text.strip().lower())
    if found is None:
        raise ArgumentTypeError("attendu : le numéro de la ligne, « : », ses 64 signes, comme la commande les affiche")
    return audit.Mark(int(found[1]), found[2])


class Command(PortalCommand):
    help = "Relit le journal d’audit et dit la première ligne modifiée, manquante, ajoutée ou déplacée. N’écrit rien."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "--expect",
            metavar="LIGNE:EMPREINTE",
            type=mark,
            help="une tête notée ailleurs, qui doit encore s’y trouver : sinon la fin du journal a été coupée",
        )
        parser.add_argument(
            "--from",
            dest="since",
            metavar="LIGNE:EMPREINTE",
            type=mark,
            help="ne relire que ce qui suit cette ligne, notée ailleurs (après le retrait d’une ancienne clé)",
        )
        self.add_json(parser)

    def handle(self, **options: Any) -> None:
        expect, since = options["expect"], options["since"]
        if expect and since and expect.seq < since.seq:
            raise Refus("--expect désigne une ligne d’avant --from : elle ne serait pas relue.", returncode=2)
        checked = audit.verify(expect=expect, since=since)
        if options["json"]:
            self.write_json(
                {
                    "sound": checked.sound,
                    "lines": checked.lines,
                    "seq": checked.head.seq,
                    "hash": checked.head.hash,
                    "line": checked.line,
                    "fault": checked.fault,
                }
            )
        elif checked.sound:
            self.stdout.write(f"La chaîne est intacte : {checked.lines} lignes relues.")
            self.stdout.write(
                "Notez sa tête ailleurs que sur cette machine ; --expect la cherchera la prochaine fois :"
            )
            self.stdout.write(f"{checked.head.seq}:{checked.head.hash}")
        if not checked.sound:
            raise Refus(f"La chaîne est rompue. {checked.fault}", returncode=1)
