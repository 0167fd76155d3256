from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management.base import CommandParser
from django.db import transaction

from accounts.models import User
from bma_portal import audit, clock
from bma_portal.commands import PortalCommand
from bma_portal.errors import Refusal


class Command(PortalCommand):
    help = "Oublie le second facteur perdu d’un compte de secours ; deux collègues en répondent."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NOM")
        parser.add_argument("--by", required=True, metavar="PERSONNE")
        parser.add_argument("--and-by", required=True, metavar="PERSONNE")
        parser.add_argument("--why", required=True, metavar="MOTIF", help="inscrit au journal d’audit")

    def handle(self, **options: Any) -> None:
        people = [options["by"].strip(), options["and_by"].strip()]
        if not all(people) or people[0].casefold() == people[1].casefold():
            raise Refusal("Il faut le nom de deux personnes différentes : rien n’a changé.")
        user = User.objects.filter(username=options["name"], break_glass=True).first()
        if user is None:
            raise Refusal(f"« {options['name']} » n’est pas un compte de secours : rien n’a changé.")
        with transaction.atomic():
            Authenticator.objects.filter(user=user).delete()
            audit.record("break_glass.reset", at=clock.now(), about=user, why=options["why"], details={"par": people})
        self.stdout.write(f"Le second facteur de « {user} » est oublié ; un autre sera demandé à l’entrée.")
