from django.apps import AppConfig


class SupportConfig(AppConfig):
    name = "support"
    verbose_name = "Aide aux titulaires"

    def ready(self) -> None:
        from accounts import signals
        from bma_portal import rotation
        from support import proofs
        from support.resets import review, upkeep

        rotation.hold("support.prooffile", proofs.HOLDING)
        signals.grant_ended.connect(upkeep.grant_ended, dispatch_uid="support.resets")
        signals.holder_left.connect(upkeep.holder_left, dispatch_uid="support.resets")
        signals.password_by_hand.connect(review.password_by_hand, dispatch_uid="support.resets")
