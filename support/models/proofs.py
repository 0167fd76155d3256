"""A copy of an identity document: remade, watermarked, sealed under a key of its own, destroyed soon (SEC-E)."""

import uuid

from django.db import models
from django.db.models import Q

from support.models.resets import PasswordReset


class ProofFile(models.Model):
    """The pages of one proof, as JPEG images that we made, in one sealed text. The row outlives its content and is
    the certificate of its destruction. `support/proofs.py` writes, opens and destroys it.
    """

    reset = models.OneToOneField(PasswordReset, models.PROTECT, related_name="proof", verbose_name="demande")
    uuid = models.UUIDField("identifiant", default=uuid.uuid4, unique=True, editable=False)
    received_at = models.DateTimeField("reçue le")
    pages = models.PositiveSmallIntegerField("pages")
    key = models.TextField(
        "clé scellée", blank=True, editable=False
    )  # random, of this file alone, sealed by the vault
    content = models.BinaryField("contenu scellé", blank=True, editable=False)
    to_scan = models.BooleanField("attend l’antivirus", default=False)
    scanned_at = models.DateTimeField("examinée par l’antivirus le", null=True, blank=True)
    destroyed_at = models.DateTimeField("détruite le", null=True, blank=True)
    destroyed_why = models.CharField("motif de la destruction", max_length=120, blank=True)

    class Meta:
        verbose_name = "preuve d’identité"
        verbose_name_plural = "preuves d’identité"
        constraints = [
            models.CheckConstraint(
                name="proof_sealed_until_destroyed",
                condition=Q(key="", content=b"", destroyed_at__isnull=False)
                | (~Q(key="") & ~Q(content=b"") & Q(destroyed_at=None)),
                violation_error_message="Une preuve est scellée jusqu’à sa destruction, et n’existe plus après.",
            )
        ]

    def __str__(self) -> str:
        return f"preuve {self.pk}"

    @property
    def bound_to(self) -> str:
        return f"proof:{self.uuid}"
