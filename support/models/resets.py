"""A request for a new password, from the form to its showing; `support/resets.py` moves it."""

import secrets
import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models import Credential, Mailbox, ResetGrant
from bma_portal.states import Stateful

# No vowel, no look-alike: said on the phone, read on a slip. Known to the person, opens nothing.
REFERENCE_SIGNS = "BCDFGHJKLMNPQRSTVWXZ23456789"


def new_reference() -> str:
    """`BMA-XXXX-XXXX`."""
    drawn = [secrets.choice(REFERENCE_SIGNS) for _ in range(8)]
    return f"BMA-{''.join(drawn[:4])}-{''.join(drawn[4:])}"


class PasswordResetQuerySet(models.QuerySet):
    def live(self) -> "PasswordResetQuerySet":
        """Known to the teams and not ended: at most one per mailbox (D9)."""
        return self.filter(status__in=PasswordReset.LIVE)


class PasswordReset(Stateful):
    """One request. Two paths: MODE (signed in, with a grant), hors MODE (a proof, two persons).

    `public` names it in addresses (128 random bits), `reference` in mails and on the phone. What identifies the
    requester is erased with the proof (`erased_at`); the rest is the trace.
    """

    class Path(models.TextChoices):
        MODE = "mode", "MODE"
        HORS_MODE = "hors_mode", "hors MODE"

    class Status(models.TextChoices):
        UNCONFIRMED = "unconfirmed", "adresse de contact à confirmer"
        RECEIVED = "received", "à vérifier"
        ACCEPTED = "accepted", "acceptée, à exécuter"
        SETTING = "setting", "mot de passe en cours de pose"
        READY = "ready", "prête : mot de passe à retirer"
        SHOWN = "shown", "mot de passe affiché"
        REFUSED = "refused", "refusée"
        STOPPED = "stopped", "arrêtée"
        CLOSED = "closed", "fermée"

    TRANSITIONS = {
        Status.UNCONFIRMED: {Status.RECEIVED, Status.CLOSED},
        Status.RECEIVED: {Status.ACCEPTED, Status.REFUSED, Status.STOPPED, Status.CLOSED},
        Status.ACCEPTED: {Status.SETTING, Status.REFUSED, Status.STOPPED, Status.CLOSED},
        Status.SETTING: {Status.READY, Status.ACCEPTED, Status.STOPPED, Status.CLOSED},
        Status.READY: {Status.SHOWN, Status.ACCEPTED, Status.STOPPED, Status.CLOSED},
        Status.SHOWN: {Status.STOPPED},
    }
    LIVE = (Status.RECEIVED, Status.ACCEPTED, Status.SETTING, Status.READY)

    public = models.UUIDField("identifiant public", default=uuid.uuid4, unique=True, editable=False)
    reference = models.CharField("référence", max_length=13, default=new_reference, unique=True, editable=False)
    mailbox = models.ForeignKey(Mailbox, models.PROTECT, related_name="resets", verbose_name="boîte")
    path = models.CharField("voie", max_length=10, choices=Path)
    status = models.CharField("état", max_length=12, choices=Status)
    asked_at = models.DateTimeField("demandée le")
    suspicion = models.CharField("à vérifier parce que", max_length=200, blank=True)

    # MODE
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="resets",
        verbose_name="demandeur",
    )
    grant = models.ForeignKey(
        ResetGrant, models.PROTECT, null=True, blank=True, related_name="resets", verbose_name="permission"
    )

    # Hors MODE: what the form carried
    first_name = models.CharField("prénom", max_length=80, blank=True)
    last_name = models.CharField("nom", max_length=80, blank=True)
    email = models.EmailField("adresse de contact", blank=True)
    phone = models.CharField("téléphone de contact", max_length=30, blank=True)
    code_serial = models.PositiveSmallIntegerField("codes envoyés", default=0)
    code_sent_at = models.DateTimeField("code envoyé le", null=True, blank=True)
    code_tries = models.PositiveSmallIntegerField("essais du code", default=0)
    confirmed_at = models.DateTimeField("adresse confirmée le", null=True, blank=True)

    # Two persons (D15): the one who verifies never executes. While it is examined one person is in charge of it, and
    # is the only one to open the proof (SEC-I3; `support/charge.py`).
    taken_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="examinée par"
    )
    taken_at = models.DateTimeField("prise en charge le", null=True, blank=True)
    verified_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="vérifiée par"
    )
    verified_at = models.DateTimeField("vérifiée le", null=True, blank=True)
    callback_number = models.CharField("numéro rappelé", max_length=40, blank=True)
    refusal = models.TextField("motif du refus", blank=True)
    executed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="exécutée par"
    )
    executed_at = models.DateTimeField("exécutée le", null=True, blank=True)

    # The password and its showing
    credential = models.OneToOneField(
        Credential, models.PROTECT, null=True, blank=True, related_name="reset", verbose_name="mot de passe"
    )
    ready_at = models.DateTimeField("prête le", null=True, blank=True)
    pickup_serial = models.PositiveSmallIntegerField("liens de retrait envoyés", default=0)
    pickup_expires_at = models.DateTimeField("lien valable jusqu’au", null=True, blank=True)
    pickup_code = models.CharField("empreinte du code de retrait", max_length=128, blank=True, editable=False)
    pickup_tries = models.PositiveSmallIntegerField("essais du code de retrait", default=0)
    shown_at = models.DateTimeField("affichée le", null=True, blank=True)

    reminded_at = models.DateTimeField("rappelée le", null=True, blank=True)
    ended_at = models.DateTimeField("terminée le", null=True, blank=True)
    ended_why = models.CharField("motif de la fin", max_length=200, blank=True)
    erased_at = models.DateTimeField("identité effacée le", null=True, blank=True)

    objects = PasswordResetQuerySet.as_manager()

    class Meta:
        verbose_name = "réinitialisation"
        verbose_name_plural = "réinitialisations"
        ordering = ["-id"]
        indexes = [models.Index(fields=["status", "asked_at"], name="reset_status")]
        constraints = [
            models.UniqueConstraint(
                fields=["mailbox"],
                condition=Q(status__in=["received", "accepted", "setting", "ready"]),
                name="one_live_reset",
                violation_error_message="Une demande est déjà en cours pour cette boîte.",
            ),
            models.CheckConstraint(
                name="reset_verifier_is_not_executor",
                condition=Q(verified_by=None) | Q(executed_by=None) | ~Q(verified_by=F("executed_by")),
                violation_error_message="La personne qui vérifie une demande ne l’exécute pas.",
            ),
            models.CheckConstraint(
                name="reset_mode_has_requester_and_grant",
                condition=Q(path="hors_mode", requester=None, grant=None)
                | Q(path="mode", requester__isnull=False, grant__isnull=False),
                violation_error_message="Une demande MODE a une personne et sa permission ; l’autre voie n’en a pas.",
            ),
            models.CheckConstraint(
                name="reset_hors_mode_executed_after_verified",
                condition=Q(path="mode") | Q(executed_by=None) | Q(verified_by__isnull=False),
                violation_error_message="Une demande hors MODE s’exécute après sa vérification par un autre.",
            ),
        ]

    def __str__(self) -> str:
        return f"réinitialisation {self.reference}"
