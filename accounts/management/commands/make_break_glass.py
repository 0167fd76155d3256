import secrets
from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from accounts.models import User
from bma_portal import audit, clock
from bma_portal.commands import PortalCommand
from bma_portal.errors import Refusal

SIGNS = "bcdfghjkmnpqrstvwxz23456789"  # 25 of them: 118 bits, copied from paper without mistake


class Command(PortalCommand):
    help = "Crée un compte de secours, pour les jours où Cerbère ne répond pas ; son mot de passe s’affiche une fois."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NOM")
        parser.add_argument("--why", required=True, metavar="MOTIF", help="inscrit au journal d’audit")

    def handle(self, **options: Any) -> None:
        name = options["name"]
        password = "-".join("".join(secrets.choice(SIGNS) for _ in range(5)) for _ in range(5))
        with transaction.atomic():
            if User.objects.filter(username=name).exists():
                raise Refusal(f"Une personne du nom de « {name} » existe déjà : rien n’a changé.")
            user = User(
                username=name, first_name="Compte", last_name=f"de secours {name}", break_glass=True,
                is_staff=True, is_superuser=True,
            )  # fmt: skip
            user.set_password(password)
            user.save()
            audit.record("break_glass.made", at=clock.now(), about=user, why=options["why"])
        self.stdout.write(
            f"Le compte de secours « {name} » est créé. Il entre à /connexion/secours/ et devra aussitôt enregistrer "
            f"un second facteur.\n\nMot de passe : {password}\n\nIl ne sera plus jamais affiché : notez-le sur "
            "papier, sous enveloppe fermée."
        )
