from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Répertoire FASE et boîtes"

    def ready(self) -> None:
        from accounts import roles

        post_migrate.connect(roles.install, dispatch_uid="accounts.roles")
