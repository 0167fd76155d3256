from django.apps import AppConfig


class MailConfig(AppConfig):
    name = "bma_portal.mail"
    label = "mail"
    verbose_name = "Courrier sortant"
