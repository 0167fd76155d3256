"""A copy of an identity document: remade, watermarked, sealed under a key of its own, destroyed soon (SEC-E)."""

from django.db import models

from support.models.resets import PasswordReset
from support.models.sealed import SealedPages, sealed_until_destroyed


class ProofFile(SealedPages):
    """The one proof of a request. `support/proofs.py` writes, opens and destroys it."""

    reset = models.OneToOneField(PasswordReset, models.PROTECT, related_name="proof", verbose_name="demande")

    class Meta:
        verbose_name = "preuve d’identité"
        verbose_name_plural = "preuves d’identité"
        constraints = [sealed_until_destroyed("proof_sealed_until_destroyed")]

    def __str__(self) -> str:
        return f"preuve {self.pk}"

    @property
    def bound_to(self) -> str:
        return f"proof:{self.uuid}"
