from django.apps import AppConfig


class BmaPortalConfig(AppConfig):
    name = "bma_portal"
    verbose_name = "Portail BMA"

    def ready(self) -> None:
        from bma_portal import celery  # noqa: F401  every process rings bells through the same Celery app
