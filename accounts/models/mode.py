"""MODE: which types of unit are in it, from when to when; who manages identities and access (GIA); who may reset."""

from datetime import date, datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from accounts.models.organisations import LONGEST, Organisation
from bma_portal.clock import brussels_date
from bma_portal.kept import keep
from bma_portal.states import Stateful


@keep
class ModePeriod(models.Model):
    """What the documents say of a category of units, from a day to a day (K7)."""

    class Verdict(models.TextChoices):
        MODE = "mode", "dans MODE"
        OUT = "hors_mode", "hors MODE"
        PERSON = "person", "une personne décide"

    category = models.CharField("catégorie", max_length=80)
    unit_types = ArrayField(
        models.CharField(max_length=LONGEST),
        verbose_name="types du registre",
        help_text="Les types d’unité, tels que le registre ou le SGNE les écrivent, accents à part.",
    )
    verdict = models.CharField("réponse", max_length=10, choices=Verdict)
    valid_from = models.DateField("valable dès le")
    valid_to = models.DateField("valable jusqu’au (exclu)", null=True, blank=True)
    source = models.CharField("source", max_length=200)
    ours = models.BooleanField("notre décision", default=False)

    class Meta:
        verbose_name = "période du périmètre MODE"
        verbose_name_plural = "périmètre MODE"
        ordering = ["category", "valid_from"]
        constraints = [
            models.UniqueConstraint(
                name="mode_category_once_per_start",
                fields=["category", "valid_from"],
                violation_error_message="Cette catégorie a déjà une période qui commence ce jour-là.",
            ),
            models.CheckConstraint(
                name="mode_period_ends_after_it_begins",
                condition=Q(valid_to=None) | Q(valid_to__gt=F("valid_from")),
                violation_error_message="La fin de validité suit le début.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.category} : {self.get_verdict_display()} dès le {self.valid_from:%d/%m/%Y}"


class DatedQuerySet(models.QuerySet):
    def in_force(self, at: datetime, *, day: date | None = None) -> "DatedQuerySet":
        """Begun, not over (the last day counts whole, in Brussels), not revoked by that moment."""
        day = day or brussels_date(at)
        return self.filter(
            Q(ends_on=None) | Q(ends_on__gte=day), Q(revoked_at=None) | Q(revoked_at__gt=at), starts_on__lte=day
        )


class Dated(models.Model):
    """A quality that a person has towards a unit, from a day to a day (both included), and that can be revoked."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="personne")
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+", verbose_name="unité")
    starts_on = models.DateField("dès le")
    ends_on = models.DateField("jusqu’au (inclus)", null=True, blank=True)
    recorded_at = models.DateTimeField("enregistré le")
    recorded_by = models.CharField("enregistré par", max_length=150)
    source = models.CharField("source", max_length=200, blank=True)
    revoked_at = models.DateTimeField("retiré le", null=True, blank=True)
    revoked_by = models.CharField("retiré par", max_length=150, blank=True)
    revoked_why = models.CharField("motif du retrait", max_length=300, blank=True)

    objects = DatedQuerySet.as_manager()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.user} – {self.organisation}"


class Holder(Dated):
    """The titulaire of a mailbox: the head of the establishment, or the PO's representative (S0 §7). One at a time."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="holdings", verbose_name="personne"
    )
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="holders", verbose_name="unité")

    class Meta:
        verbose_name = "titulaire"
        verbose_name_plural = "titulaires"
        ordering = ["organisation", "-starts_on"]
        constraints = [
            models.UniqueConstraint(
                name="one_holder_without_end",
                fields=["organisation"],
                condition=Q(ends_on=None, revoked_at=None),
                violation_error_message="Cette unité a déjà un ou une titulaire : mettez d’abord fin à sa période.",
            ),
            models.CheckConstraint(
                name="holder_ends_after_it_begins",
                condition=Q(ends_on=None) | Q(ends_on__gte=F("starts_on")),
                violation_error_message="La fin suit le début.",
            ),
        ]


class Gia(Dated):
    """A manager of identities and access: may grant for that unit; for a PO, for its establishments too (S3 §2.1)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="gias", verbose_name="personne")
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="gias", verbose_name="unité")

    class Meta:
        verbose_name = "GIA"
        verbose_name_plural = "GIA"
        ordering = ["organisation", "-starts_on"]
        constraints = [
            models.CheckConstraint(
                name="gia_ends_after_it_begins",
                condition=Q(ends_on=None) | Q(ends_on__gte=F("starts_on")),
                violation_error_message="La fin suit le début.",
            ),
        ]


class ResetGrant(Dated):
    """The permission « réinitialiser le mot de passe BMA » of one person for one unit (S3 §2.1). It always ends."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="grants", verbose_name="personne")
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="grants", verbose_name="unité")
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="grants_made",
        verbose_name="accordée par",
        null=True,
        blank=True,
        help_text="Vide : reprise d’un fichier de MODE.",
    )

    class Meta:
        verbose_name = "permission de réinitialiser"
        verbose_name_plural = "permissions de réinitialiser"
        ordering = ["organisation", "-starts_on"]
        indexes = [models.Index(fields=["user", "organisation"], name="grant_user_unit")]
        constraints = [
            models.CheckConstraint(
                name="grant_ends",
                condition=Q(ends_on__isnull=False, ends_on__gte=F("starts_on")),
                violation_error_message="Une permission a une fin, qui suit son début.",
            ),
            models.UniqueConstraint(
                name="one_grant_per_person_unit_and_start",
                fields=["user", "organisation", "starts_on"],
                condition=Q(revoked_at=None),
                violation_error_message="Cette personne a déjà cette permission depuis ce jour.",
            ),
        ]


class GrantRequest(Stateful):
    """A person asks the GIA of a unit for the permission, from the portal."""

    class Status(models.TextChoices):
        ASKED = "asked", "à traiter"
        GRANTED = "granted", "accordée"
        DECLINED = "declined", "refusée"
        WITHDRAWN = "withdrawn", "retirée"

    TRANSITIONS = {Status.ASKED: {Status.GRANTED, Status.DECLINED, Status.WITHDRAWN}}

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="grant_requests", verbose_name="personne"
    )
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="grant_requests", verbose_name="unité")
    status = models.CharField("état", max_length=10, choices=Status, default=Status.ASKED)
    message = models.CharField("message", max_length=300, blank=True)
    asked_at = models.DateTimeField("demandée le")
    decided_at = models.DateTimeField("décidée le", null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True, blank=True, verbose_name="décidée par"
    )
    decided_why = models.CharField("motif", max_length=300, blank=True)
    grant = models.OneToOneField(
        ResetGrant, models.PROTECT, null=True, blank=True, related_name="request", verbose_name="permission"
    )

    class Meta:
        verbose_name = "demande de permission"
        verbose_name_plural = "demandes de permission"
        ordering = ["-asked_at"]
        constraints = [
            models.UniqueConstraint(
                name="one_open_grant_request",
                fields=["user", "organisation"],
                condition=Q(status="asked"),
                violation_error_message="Cette personne a déjà une demande en cours pour cette unité.",
            )
        ]

    def __str__(self) -> str:
        return f"demande de permission {self.pk}"
