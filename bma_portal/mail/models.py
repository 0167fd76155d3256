"""The outbox: a mail is a row, written in the transaction of the fact that it announces."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q


class Sender(models.TextChoices):
    """Who signs a mail (S4: mails 1 and 3 come from SGNE, 2 and 4 from ETNIC)."""

    SGNE = "sgne", "SGNE"
    ETNIC = "etnic", "ETNIC"


class OutgoingMail(models.Model):
    """One mail to send exactly once; `outbox.py` moves it, nothing else writes its status.

    `queued_at` and `sent_at` are business time; `not_before` and `claimed_at` are the database's clock: for a queued
    mail, when it may be tried again; for one being sent, when its claim is too old and Exchange must be asked.
    Without `claimed_at` no worker ever took it: Exchange cannot have heard of it.
    A sensitive mail has no body here: it is rendered in the sending process and stored nowhere.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", "en attente"
        SENDING = "sending", "en cours d’envoi"
        SENT = "sent", "envoyé"
        FAILED = "failed", "en échec"
        CANCELLED = "cancelled", "annulé"

    class Proof(models.TextChoices):
        ANSWER = "answer", "réponse d’Exchange"
        ABSENCE = "absence", "brouillon disparu : parti"
        SUBMITTED = "submitted", "Exchange l’a pris en charge"

    key = models.CharField("clé naturelle", max_length=120, unique=True)
    uuid = models.UUIDField("X-BMA-Key", default=uuid.uuid4, unique=True, editable=False)
    message_id = models.CharField("Message-ID", max_length=120, editable=False)
    # Printed in the mail, looked for on /authenticite/ (C16); made with the row, random
    code = models.CharField("code d’authenticité", max_length=16, unique=True, null=True, blank=True, editable=False)
    kind = models.CharField("genre", max_length=60)
    object_id = models.BigIntegerField("numéro de l’objet", null=True)
    stream = models.CharField("fil", max_length=80, blank=True)  # mails of one stream leave in the order of their ids
    sender = models.CharField("expéditeur", max_length=10, choices=Sender)
    to = ArrayField(models.EmailField(), verbose_name="à")
    cc = ArrayField(models.EmailField(), verbose_name="copie", default=list, blank=True)
    bcc = ArrayField(models.EmailField(), verbose_name="copie cachée", default=list, blank=True)
    reply_to = ArrayField(models.EmailField(), verbose_name="répondre à", default=list, blank=True)
    subject = models.CharField("objet", max_length=250)
    text = models.TextField("texte", blank=True)
    html = models.TextField("HTML", blank=True)
    headers = models.JSONField("en-têtes", default=dict, blank=True)
    sensitive = models.BooleanField("porte un secret", default=False)
    request_id = models.CharField("requête", max_length=64, blank=True, default="", db_default="", editable=False)

    status = models.CharField("état", max_length=10, choices=Status, default=Status.QUEUED)
    queued_at = models.DateTimeField("mis en file le")
    sent_at = models.DateTimeField("envoyé le", null=True, blank=True)
    proof = models.CharField("preuve", max_length=10, choices=Proof, blank=True)
    bounced_at = models.DateTimeField("revenu le", null=True, blank=True)
    delayed_at = models.DateTimeField("retardé, dit le", null=True, blank=True)
    delivered_at = models.DateTimeField("remis, dit le", null=True, blank=True)
    delivery_code = models.CharField("code du rapport", max_length=12, blank=True, default="", db_default="")
    delivery_text = models.CharField("dit par le serveur", max_length=300, blank=True, default="", db_default="")
    not_before = models.DateTimeField("pas avant", null=True, blank=True)
    claim = models.UUIDField("prise par", null=True, blank=True, editable=False)
    claimed_at = models.DateTimeField("prise le", null=True, blank=True)
    ews_id = models.TextField("identifiant Exchange", blank=True, editable=False)
    ews_changekey = models.TextField("version Exchange", blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField("essais manqués", default=0)
    last_error = models.CharField("dernière erreur", max_length=300, blank=True)
    last_code = models.CharField("code", max_length=80, blank=True)

    class Meta:
        verbose_name = "courriel sortant"
        verbose_name_plural = "courriels sortants"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["sender", "id"], name="mail_queued", condition=Q(status="queued")),
            models.Index(fields=["sender", "not_before"], name="mail_sending", condition=Q(status="sending")),
            models.Index(fields=["stream", "id"], name="mail_stream", condition=Q(status__in=["queued", "sending"])),
            models.Index(fields=["kind", "object_id"], name="mail_object"),
            models.Index(fields=["status", "-id"], name="mail_status"),
            # Which mails have left, without reading their bodies: what phases and figures ask
            models.Index(
                fields=["id"], include=["sent_at", "bounced_at"], name="mail_left", condition=Q(sent_at__isnull=False)
            ),
            models.Index(fields=["id"], name="mail_bounced", condition=Q(bounced_at__isnull=False)),
            GinIndex(fields=["to"], name="mail_to"),
        ]
        constraints = [
            models.CheckConstraint(
                name="mail_sent_at_iff_sent",
                condition=Q(status="sent", sent_at__isnull=False) | (~Q(status="sent") & Q(sent_at=None)),
                violation_error_message="Un message envoyé porte une date d’envoi, et lui seul.",
            ),
            models.CheckConstraint(
                name="mail_claim_iff_sending",
                condition=Q(status="sending", claim__isnull=False, not_before__isnull=False)
                | (~Q(status="sending") & Q(claim=None)),
                violation_error_message="Un message en cours d’envoi appartient à un ouvrier, et lui seul.",
            ),
            models.CheckConstraint(
                name="mail_sensitive_is_bare",
                condition=Q(sensitive=False) | Q(text="", html="", cc=[], bcc=[], reply_to=[], to__len=1),
                violation_error_message="Un message qui porte un secret a un seul destinataire et n’est pas conservé.",
            ),
        ]

    def __str__(self) -> str:
        return f"courriel {self.pk} ({self.kind})"


class Attachment(models.Model):
    """A file that goes with a mail which carries no secret."""

    mail = models.ForeignKey(OutgoingMail, models.CASCADE, related_name="attachments", verbose_name="courriel")
    name = models.CharField("nom", max_length=200)
    mimetype = models.CharField("type", max_length=100)
    content = models.BinaryField("contenu")

    class Meta:
        verbose_name = "pièce jointe"
        verbose_name_plural = "pièces jointes"

    def __str__(self) -> str:
        return self.name


class SenderState(models.Model):
    """Whether a sender may send. Three refusals in a row stop it until a person resumes it."""

    sender = models.CharField("expéditeur", max_length=10, choices=Sender, primary_key=True)
    refusals = models.PositiveSmallIntegerField("refus de suite", default=0)
    wait_until = models.DateTimeField("attend jusqu’à", null=True, blank=True)
    paused_at = models.DateTimeField("arrêté le", null=True, blank=True)
    reason = models.CharField("motif", max_length=300, blank=True)

    class Meta:
        verbose_name = "état d’un expéditeur"
        verbose_name_plural = "états des expéditeurs"

    def __str__(self) -> str:
        return self.get_sender_display()


class Throttle(models.Model):
    """The pace of one service account, held across workers: a bucket of tokens and « not before »."""

    account = models.CharField("compte", max_length=120, primary_key=True)
    tokens = models.FloatField("jetons", default=0)
    refilled_at = models.DateTimeField("rempli le", null=True)
    blocked_until = models.DateTimeField("rien avant", null=True, blank=True)
    streak = models.PositiveSmallIntegerField("échecs de suite", default=0)

    class Meta:
        verbose_name = "allure d’un compte"
        verbose_name_plural = "allures des comptes"

    def __str__(self) -> str:
        return self.account
