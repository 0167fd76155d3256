"""What a sealed file is in the database, whatever it was sent for."""

import uuid

from django.db import models
from django.db.models import Q


class SealedPages(models.Model):
    """The pages of one file, as JPEG images that we made, in one sealed text. The row outlives its content and is the
    certificate of its destruction.
    """

    uuid = models.UUIDField("identifiant", default=uuid.uuid4, unique=True, editable=False)
    received_at = models.DateTimeField("reçue le")
    pages = models.PositiveSmallIntegerField("pages")
    # Random, of this file alone, sealed by the vault
    key = models.TextField("clé scellée", blank=True, editable=False)
    content = models.BinaryField("contenu scellé", blank=True, editable=False)
    to_scan = models.BooleanField("attend l’antivirus", default=False)
    scanned_at = models.DateTimeField("examinée par l’antivirus le", null=True, blank=True)
    destroyed_at = models.DateTimeField("détruite le", null=True, blank=True)
    destroyed_why = models.CharField("motif de la destruction", max_length=120, blank=True)

    class Meta:
        abstract = True

    @property
    def bound_to(self) -> str:
        """What its seal is bound to: moved to another row, it does not open."""
        raise NotImplementedError


def sealed_until_destroyed(name: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        name=name,
        condition=Q(key="", content=b"", destroyed_at__isnull=False)
        | (~Q(key="") & ~Q(content=b"") & Q(destroyed_at=None)),
        violation_error_message="Un document est scellé jusqu’à sa destruction, et n’existe plus après.",
    )
