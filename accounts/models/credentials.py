"""A mailbox's password while the portal must know it: sealed, for one mailbox, destroyed as soon as it can be."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models.mailboxes import Mailbox


class CredentialQuerySet(models.QuerySet):
    def live(self) -> "CredentialQuerySet":
        """Still sealed here, and not replaced by a newer one."""
        return self.filter(destroyed_at=None, superseded_at=None)

    def applied(self) -> "CredentialQuerySet":
        return self.filter(applied_at__isnull=False)


class Credential(models.Model):
    """One password, made once (`credentials.issue`). Its clear text exists nowhere in the database.

    The row outlives its secret and is the certificate of its destruction. `not_before` and `claimed_until` (a call to
    the directory may be under way) are the database's clock, the other times are business time.
    """

    class Purpose(models.TextChoices):
        MIGRATION = "migration", "nouvelle interface (mail 2)"
        RESET = "reset", "réinitialisation"
        LOCK = (
            "lock",
            "mise hors service (réinitialisation arrêtée)",
        )  # destroyed as soon as it is set: nobody knows it

    mailbox = models.ForeignKey(Mailbox, models.PROTECT, related_name="credentials", verbose_name="boîte")
    uuid = models.UUIDField("identifiant", default=uuid.uuid4, unique=True, editable=False)
    purpose = models.CharField("motif", max_length=10, choices=Purpose, default=Purpose.MIGRATION)
    sealed = models.TextField("secret scellé", blank=True, editable=False)
    issued_at = models.DateTimeField("créé le")
    applied_at = models.DateTimeField("placé dans l’annuaire le", null=True, blank=True)
    refused_at = models.DateTimeField("refusé par l’annuaire le", null=True, blank=True)
    superseded_at = models.DateTimeField("remplacé le", null=True, blank=True)
    destroyed_at = models.DateTimeField("détruit le", null=True, blank=True)
    destroyed_why = models.CharField("motif de la destruction", max_length=120, blank=True)
    not_before = models.DateTimeField("pas avant", null=True, blank=True, editable=False)
    claimed_until = models.DateTimeField("en cours jusqu’au", null=True, blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField("essais manqués", default=0)
    last_error = models.CharField("dernière erreur", max_length=300, blank=True)
    # Directory « by hand » (DIRECTORY=manual): which agent took it, saw it and certified that it is in force.
    taken_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="pris par"
    )
    taken_at = models.DateTimeField("pris le", null=True, blank=True)
    certified_at = models.DateTimeField("certifié le", null=True, blank=True)

    objects = CredentialQuerySet.as_manager()

    class Meta:
        verbose_name = "mot de passe"
        verbose_name_plural = "mots de passe"
        constraints = [
            models.UniqueConstraint(
                fields=["mailbox"],
                condition=Q(superseded_at=None),
                name="one_current_credential",
                violation_error_message="Cette boîte a déjà un mot de passe courant.",
            ),
            models.CheckConstraint(
                name="credential_sealed_until_destroyed",
                condition=Q(sealed="", destroyed_at__isnull=False) | (~Q(sealed="") & Q(destroyed_at=None)),
                violation_error_message="Un mot de passe est scellé jusqu’à sa destruction, et plus après.",
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                name="credential_to_apply",
                condition=Q(applied_at=None, refused_at=None, destroyed_at=None, superseded_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"mot de passe {self.pk}"

    @property
    def bound_to(self) -> str:
        """What the sealed text is bound to: this row, and no other."""
        return f"credential:{self.uuid}"


class DirectoryPause(models.Model):
    """One row at most: until then (the database's clock) nobody calls the directory: its account is refused."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    until = models.DateTimeField("pas avant")
    code = models.CharField("code", max_length=80)
    reason = models.CharField("motif", max_length=300)

    class Meta:
        verbose_name = "pause de l’annuaire"
        verbose_name_plural = "pauses de l’annuaire"
        constraints = [
            models.CheckConstraint(
                name="one_directory_pause", condition=Q(id=1), violation_error_message="Une seule pause à la fois."
            )
        ]

    def __str__(self) -> str:
        return self.reason
