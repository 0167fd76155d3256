"""What arrived by mail for the two senders, and what became of each one."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from bma_portal.mail.models import Sender
from support.models.messages import Message
from support.models.tickets import Ticket


class InboxState(models.Model):
    """How far one sender's inbox was read. `not_before` and `reading_until` are the database's clock.

    `since`: what arrived before it is left to the people who read that mailbox by hand.
    """

    sender = models.CharField("boîte", max_length=10, choices=Sender, primary_key=True)
    state = models.TextField("état de lecture", blank=True, editable=False)
    since = models.DateTimeField("lue depuis le")
    read_at = models.DateTimeField("dernière lecture le", null=True, blank=True)
    failures = models.PositiveSmallIntegerField("échecs de suite", default=0)
    not_before = models.DateTimeField("pas avant", null=True, blank=True)
    reading_until = models.DateTimeField("en cours jusqu’au", null=True, blank=True)
    last_error = models.CharField("dernière erreur", max_length=300, blank=True)
    last_code = models.CharField("code", max_length=80, blank=True)

    class Meta:
        verbose_name = "lecture d’une boîte"
        verbose_name_plural = "lectures des boîtes"

    def __str__(self) -> str:
        return self.get_sender_display()


class IncomingMailQuerySet(models.QuerySet):
    def waiting(self) -> "IncomingMailQuerySet":
        """Those that a person has to look at."""
        return self.filter(verdict__in=IncomingMail.FOR_A_PERSON, handled_at=None)


class IncomingMail(models.Model):
    """One mail, once: `item_key` is the digest of its place in the inbox.

    Text and HTML, cleaned and without the secrets that the portal knows, are here while a person has to decide, and
    no longer; the mail itself stays in the mailbox where it arrived.
    """

    class Verdict(models.TextChoices):
        TICKET = "ticket", "nouvelle demande"
        REPLY = "reply", "réponse du demandeur"
        NOTE = "note", "réponse d’une équipe"
        IGNORED = "ignored", "ignoré"
        QUARANTINED = "quarantined", "à examiner"
        REFUSED = "refused", "trop lourd"
        BOUNCE = "bounce", "avis de non-remise"

    class Decision(models.TextChoices):
        ACCEPTED = "accepted", "mis dans une demande"
        DISCARDED = "discarded", "écarté"
        EXPIRED = "expired", "effacé après trente jours"

    FOR_A_PERSON = (Verdict.QUARANTINED, Verdict.REFUSED)
    OF_A_PERSON = (Verdict.TICKET, Verdict.REPLY, Verdict.NOTE, Verdict.QUARANTINED)  # what somebody wrote to us

    sender = models.CharField("boîte", max_length=10, choices=Sender)
    item_key = models.CharField("empreinte", max_length=64, unique=True, editable=False)
    internet_id = models.CharField("Message-ID", max_length=250, blank=True)
    in_reply_to = models.CharField("en réponse à", max_length=250, blank=True)
    from_address = models.CharField("adresse de l’expéditeur", max_length=254, blank=True)
    from_name = models.CharField("nom de l’expéditeur", max_length=120, blank=True)
    subject = models.CharField("objet", max_length=250, blank=True)
    received_at = models.DateTimeField("arrivé le")
    read_at = models.DateTimeField("lu le")
    size = models.PositiveIntegerField("taille", default=0)
    verdict = models.CharField("suite", max_length=12, choices=Verdict)
    why = models.CharField("pourquoi", max_length=300, blank=True)
    ticket = models.ForeignKey(
        Ticket, models.PROTECT, null=True, blank=True, related_name="incoming", verbose_name="demande"
    )
    message = models.ForeignKey(
        Message, models.PROTECT, null=True, blank=True, related_name="incoming", verbose_name="message"
    )
    text = models.TextField("texte", blank=True)
    html = models.TextField("HTML nettoyé", blank=True)
    files = models.JSONField("noms des pièces jointes", default=list, blank=True)
    decision = models.CharField("décision", max_length=10, choices=Decision, blank=True)
    handled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="décidé par"
    )
    handled_at = models.DateTimeField("décidé le", null=True, blank=True)

    objects = IncomingMailQuerySet.as_manager()

    class Meta:
        verbose_name = "courriel reçu"
        verbose_name_plural = "courriels reçus"
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["sender", "-id"],
                name="incoming_waiting",
                condition=Q(verdict__in=["quarantined", "refused"], handled_at=None),
            ),
            models.Index(fields=["internet_id"], name="incoming_message_id", condition=~Q(internet_id="")),
            models.Index(fields=["from_address", "read_at"], name="incoming_author"),
        ]
        constraints = [
            models.CheckConstraint(
                name="incoming_text_only_while_waiting",
                condition=Q(text="", html="") | Q(verdict__in=["quarantined", "refused"], handled_at=None),
                violation_error_message="Le texte d’un courriel reçu n’est gardé que le temps d’une décision.",
            ),
            models.CheckConstraint(
                name="incoming_decided_once",
                condition=Q(decision="", handled_at=None) | (~Q(decision="") & Q(handled_at__isnull=False)),
                violation_error_message="Une décision porte sa date.",
            ),
        ]

    def __str__(self) -> str:
        return f"courriel reçu {self.pk}"
