"""What is said in a ticket, and the files that came with it."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from bma_portal.mail.models import OutgoingMail
from support.models.sealed import SealedPages, sealed_until_destroyed
from support.models.tickets import Ticket


class Message(models.Model):
    """One message of the thread.

    `origin`: the ticket it was written in, when that one was merged into this one, or this one split from it, or whose
    requester wrote it since.
    """

    class Kind(models.TextChoices):
        REQUEST = "request", "message du demandeur"
        ANSWER = "answer", "réponse"
        NOTE = "note", "note interne"  # never leaves the desk (F6)
        EVENT = "event", "étape"  # told to the requester: who has the ticket now, solved, closed

    PUBLIC = (Kind.REQUEST, Kind.ANSWER, Kind.EVENT)

    ticket = models.ForeignKey(Ticket, models.PROTECT, related_name="messages", verbose_name="demande")
    origin = models.ForeignKey(
        Ticket, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="écrit dans"
    )
    kind = models.CharField("nature", max_length=8, choices=Kind)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="auteur"
    )
    author_name = models.CharField("nom de l’auteur", max_length=160)
    written_at = models.DateTimeField("écrit le")
    text = models.TextField("texte")
    quoted = models.TextField("texte cité", blank=True)
    html = models.TextField("HTML nettoyé", blank=True)
    by_mail = models.BooleanField("arrivé par mail", default=False)
    mail = models.ForeignKey(
        OutgoingMail, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="courriel envoyé"
    )

    class Meta:
        verbose_name = "message"
        verbose_name_plural = "messages"
        ordering = ["written_at", "id"]
        indexes = [models.Index(fields=["ticket", "written_at", "id"], name="message_thread")]
        constraints = [
            models.CheckConstraint(
                name="note_is_never_mailed",
                condition=~Q(kind="note") | Q(mail=None),
                violation_error_message="Une note interne ne part jamais par mail.",
            )
        ]

    def __str__(self) -> str:
        return f"message {self.pk}"


class Attachment(SealedPages):
    """A file that came with a message. `support/attachments.py` writes, opens and destroys it.

    `personal`: a police report, a copy of an identity card; such a file is never mailed to anybody (SEC-F3).
    """

    message = models.ForeignKey(Message, models.PROTECT, related_name="attachments", verbose_name="message")
    label = models.CharField("libellé", max_length=120)
    personal = models.BooleanField("document personnel", default=False)

    class Meta:
        verbose_name = "pièce jointe d’une demande"
        verbose_name_plural = "pièces jointes des demandes"
        ordering = ["id"]
        constraints = [sealed_until_destroyed("attachment_sealed_until_destroyed")]

    def __str__(self) -> str:
        return self.label

    @property
    def bound_to(self) -> str:
        return f"attachment:{self.uuid}"
