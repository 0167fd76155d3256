"""The four mails of a move, and the versions of their texts."""

from django.db import models
from django.db.models import F, Q

from bma_portal.mail.models import OutgoingMail
from bma_portal.states import Stateful
from migration.models.batches import Move


class Step(models.IntegerChoices):
    ANNOUNCEMENT = 1, "mail 1 : annonce"
    CREDENTIALS = 2, "mail 2 : mot de passe"
    CONFIRMATION = 3, "mail 3 : confirmation"
    CLOSING = 4, "mail 4 : clôture"


class MailText(Stateful):
    """One version of the text of mail 1, 2, 3 or 4. Once proposed it does not change; an approved one may be sent.

    Its language is not Django's: paragraphs, titles, lists, links and a closed list of placeholders (`texts.py`).
    """

    class Status(models.TextChoices):
        DRAFT = "draft", "brouillon"
        PROPOSED = "proposed", "à approuver"
        APPROVED = "approved", "approuvé"
        REFUSED = "refused", "refusé"

    TRANSITIONS = {
        Status.DRAFT: {Status.PROPOSED},
        Status.PROPOSED: {Status.APPROVED, Status.REFUSED, Status.DRAFT},
    }

    step = models.PositiveSmallIntegerField("mail", choices=Step)
    version = models.PositiveIntegerField("version")
    subject = models.CharField("objet", max_length=150)
    body = models.TextField("texte")
    status = models.CharField("état", max_length=10, choices=Status, default=Status.DRAFT)
    why = models.CharField("ce qui change", max_length=200, blank=True)
    written_by = models.CharField("écrit par", max_length=150)
    written_at = models.DateTimeField("écrit le")
    approved_by = models.CharField("approuvé par", max_length=150, blank=True)
    approved_at = models.DateTimeField("approuvé le", null=True, blank=True)

    class Meta:
        verbose_name = "texte d’un mail"
        verbose_name_plural = "textes des mails"
        ordering = ["step", "-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["step", "version"],
                name="text_version_once",
                violation_error_message="Cette version existe déjà : quelqu’un vient de l’écrire.",
            ),
            models.CheckConstraint(
                name="text_approved_iff_signed",
                condition=Q(status="approved", approved_at__isnull=False) & ~Q(approved_by="")
                | ~Q(status="approved") & Q(approved_at=None, approved_by=""),
                violation_error_message="Un texte approuvé dit par qui et quand, et lui seul.",
            ),
            models.CheckConstraint(
                name="text_two_people",
                condition=~Q(status="approved") | ~Q(approved_by=F("written_by")) | Q(version=1),
                violation_error_message="Un texte est approuvé par quelqu’un d’autre que celui qui l’a écrit.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_step_display()}, version {self.version}"


class Mailing(models.Model):
    """Mail 1, 2, 3 or 4 of one move: when it is due, the mail once it is queued, or why it waits for a decision."""

    Step = Step

    move = models.ForeignKey(Move, models.CASCADE, related_name="mailings", verbose_name="migration")
    step = models.PositiveSmallIntegerField("étape", choices=Step)
    due_at = models.DateTimeField("prévu le")
    text = models.ForeignKey(
        MailText, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="version du texte"
    )
    mail = models.OneToOneField(
        OutgoingMail, models.PROTECT, null=True, blank=True, related_name="mailing", verbose_name="courriel"
    )
    held_at = models.DateTimeField("en attente de décision depuis", null=True, blank=True)
    held_why = models.CharField("pourquoi", max_length=200, blank=True)

    class Meta:
        verbose_name = "mail de migration"
        verbose_name_plural = "mails de migration"
        ordering = ["move", "step"]
        constraints = [
            models.UniqueConstraint(fields=["move", "step"], name="one_mail_per_step"),
            models.CheckConstraint(name="step_1_to_4", condition=Q(step__gte=1, step__lte=4)),
            models.CheckConstraint(
                name="held_has_a_reason",
                condition=(Q(held_at=None) & Q(held_why="")) | (Q(held_at__isnull=False) & ~Q(held_why="")),
                violation_error_message="Un mail en attente de décision dit pourquoi.",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="mailing_due", condition=Q(mail=None, held_at=None)),
            models.Index(fields=["due_at", "id"], name="mailing_order"),
            models.Index(fields=["due_at", "id"], name="mailing_held", condition=Q(held_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.get_step_display()} ({self.move_id})"
