from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Répertoire FASE et boîtes"

    def ready(self) -> None:
        from accounts import credentials, roles, second_factors
        from bma_portal import rotation

        rotation.hold("accounts.credential", credentials.HOLDING)
        rotation.hold("mfa.authenticator", second_factors.SecondFactors())
        post_migrate.connect(roles.install, dispatch_uid="accounts.roles")
