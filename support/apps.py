from typing import Any

from django.apps import AppConfig


def publish_articles(**told: Any) -> None:
    """Each `migrate` publishes the articles that came with the code."""
    from support.articles import loading

    loading.after_migrate(**told)


class SupportConfig(AppConfig):
    name = "support"
    verbose_name = "Aide aux titulaires"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        from accounts import signals
        from bma_portal import rotation
        from support import attachments, proofs
        from support.resets import review, upkeep
        from support.tickets import following

        rotation.hold("support.prooffile", proofs.HOLDING)
        rotation.hold("support.attachment", attachments.HOLDING)
        signals.holder_left.connect(following.holder_left, dispatch_uid="support.tickets")
        signals.grant_ended.connect(upkeep.grant_ended, dispatch_uid="support.resets")
        signals.holder_left.connect(upkeep.holder_left, dispatch_uid="support.resets")
        signals.password_by_hand.connect(review.password_by_hand, dispatch_uid="support.resets")
        post_migrate.connect(publish_articles, sender=self, dispatch_uid="support.articles")
