from argparse import ArgumentParser
from typing import Any

from bma_portal import clock
from bma_portal.commands import PortalCommand
from demo import accounts


class Command(PortalCommand):
    help = "Montre les personnes de la démonstration, leurs rôles et comment chacune se connecte ; les crée au besoin."

    def add_arguments(self, parser: ArgumentParser) -> None:
        self.add_json(parser)

    def handle(self, **options: Any) -> None:
        now = clock.now()
        accounts.create_people()
        accounts.give_qualities(now)
        people = accounts.described(now)
        if options["json"]:
            self.write_json({"people": people})
            return
        self.stdout.write("Les personnes de la démonstration, toutes inventées :")
        for person in people:
            self.stdout.write(f"\n{person['name']} ({person['username']})\n  {person['what']}")
            if person["roles"]:
                self.stdout.write(f"  Rôles : {', '.join(person['roles'])}")
            for quality in person["qualities"]:
                self.stdout.write(f"  {quality[0].upper()}{quality[1:]}")
            self.stdout.write(f"  Se connecte à {person['path']} — {person['signs_in']}")
            if "password" in person:
                self.stdout.write(
                    f"  Mot de passe : {person['password']} · code du moment : {person['one_time_code']} "
                    f"(clé : {person['one_time_key']})"
                )
