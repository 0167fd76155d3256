"""Weekly batches, and the passage of each mailbox in one. Facts only: phases are computed."""

from datetime import datetime

from django.db import models
from django.db.models import F, Q

from accounts.models import Mailbox
from bma_portal.states import Stateful
from migration.models.campaigns import Campaign


class Batch(Stateful):
    """A weekly batch (lot): mailboxes of one kind that share the four dates (Brussels days)."""

    class Status(models.TextChoices):
        DRAFT = "draft", "à approuver"
        APPROVED = "approved", "approuvé"
        RUNNING = "running", "en cours"
        PAUSED = "paused", "suspendu"
        FINISHED = "finished", "terminé"
        FINISHED_WITH_ERRORS = "finished_errors", "terminé avec des erreurs"
        CANCELLED = "cancelled", "annulé"

    TRANSITIONS = {
        Status.DRAFT: {Status.APPROVED, Status.CANCELLED},
        Status.APPROVED: {
            Status.RUNNING,
            Status.PAUSED,
            Status.FINISHED,
            Status.FINISHED_WITH_ERRORS,
            Status.CANCELLED,
        },
        Status.RUNNING: {Status.PAUSED, Status.FINISHED, Status.FINISHED_WITH_ERRORS, Status.CANCELLED},
        Status.PAUSED: {Status.APPROVED, Status.RUNNING, Status.CANCELLED},
        Status.FINISHED: {Status.FINISHED_WITH_ERRORS},  # a mailbox of it was put back on the old server
    }
    MOVING = [Status.APPROVED, Status.RUNNING]  # mails of these leave when they are due

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="batches", verbose_name="campagne")
    number = models.PositiveSmallIntegerField("lot n°")
    kind = models.CharField("genre", max_length=2, choices=[("po", "PO"), ("ec", "établissements")])
    status = models.CharField("état", max_length=16, choices=Status, default=Status.DRAFT)
    mail1_on = models.DateField("mail 1 le")
    mail2_on = models.DateField("mail 2 le")
    mail3_on = models.DateField("mail 3 le")
    night_on = models.DateField("nuit du")
    by_hand = models.BooleanField(
        "composé à la main", default=False, help_text="une nouvelle planification le laisse tel quel"
    )
    pilot = models.BooleanField("lot pilote", default=False)
    evaluation = models.TextField("évaluation du pilote", blank=True)
    evaluated_by = models.CharField("évalué par", max_length=150, blank=True)
    evaluated_at = models.DateTimeField("évalué le", null=True, blank=True)
    again = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="retries", verbose_name="reprend les échecs du lot"
    )
    planned_by = models.CharField("planifié par", max_length=150, blank=True)
    approved_by = models.CharField("approuvé par", max_length=150, blank=True)
    approved_at = models.DateTimeField("approuvé le", null=True, blank=True)
    released_by = models.CharField("ouvert à tous par", max_length=150, blank=True)
    released_at = models.DateTimeField(
        "ouvert à tous le", null=True, blank=True, help_text="avant cela, les cinq premières boîtes seulement"
    )

    excused = models.PositiveIntegerField("échecs admis lors de l’approbation", default=0, editable=False)

    class Meta:
        verbose_name = "lot"
        verbose_name_plural = "lots"
        ordering = ["campaign", "number"]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "number"], name="batch_number_once"),
            models.CheckConstraint(
                name="batch_dates_in_order",
                condition=Q(mail1_on__lt=F("mail2_on"), mail2_on__lt=F("mail3_on"), mail3_on__lte=F("night_on")),
                violation_error_message="Les quatre dates d’un lot se suivent.",
            ),
        ]

    def __str__(self) -> str:
        return f"lot {self.number} ({self.get_kind_display()})"


class MoveQuerySet(models.QuerySet):
    def live(self) -> "MoveQuerySet":
        return self.filter(status=Move.Status.PLANNED)

    def migrated(self, at: datetime) -> "MoveQuerySet":
        return self.filter(Q(rolled_back_at=None) | Q(rolled_back_at__gt=at), migrated_at__lte=at)


class Move(Stateful):
    """One mailbox in one batch, from its first mail to the result of its night, which ETNIC's tools give."""

    class Status(models.TextChoices):
        PLANNED = "planned", "prévue"
        MIGRATED = "migrated", "migrée"
        FAILED = "failed", "en échec"
        CANCELLED = "cancelled", "annulée"
        POSTPONED = "postponed", "reportée"
        ROLLED_BACK = "rolled_back", "remise sur l’ancien serveur"

    TRANSITIONS = {
        Status.PLANNED: {Status.MIGRATED, Status.FAILED, Status.CANCELLED, Status.POSTPONED},
        Status.MIGRATED: {Status.ROLLED_BACK},
    }

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="moves", verbose_name="lot")
    mailbox = models.ForeignKey(Mailbox, models.PROTECT, related_name="moves", verbose_name="boîte")
    position = models.PositiveIntegerField("rang dans le lot")
    status = models.CharField("état", max_length=12, choices=Status, default=Status.PLANNED)
    migrated_at = models.DateTimeField("migrée le", null=True, blank=True)
    failure = models.CharField("cause de l’échec", max_length=300, blank=True)
    signed_by = models.CharField("dérogation signée par", max_length=150, blank=True)
    rolled_back_at = models.DateTimeField("remise sur l’ancien serveur le", null=True, blank=True)
    announced_night = models.DateField(
        "nuit annoncée", null=True, blank=True, help_text="celle que le titulaire a lue en dernier lieu"
    )
    paused_at = models.DateTimeField("suspendue le", null=True, blank=True)
    paused_by = models.CharField("suspendue par", max_length=150, blank=True)
    paused_why = models.CharField("suspendue parce que", max_length=200, blank=True)
    # What ETNIC's tools said before the night (B10); nothing said is not « no »
    on_old_server = models.BooleanField("présente sur l’ancien serveur", null=True, blank=True)
    on_new_server = models.BooleanField("présente sur le nouveau serveur", null=True, blank=True)
    size_mb = models.PositiveIntegerField("taille (Mo)", null=True, blank=True)
    checked_at = models.DateTimeField("contrôlée le", null=True, blank=True)
    # Items that the tools could not carry over (B15): a person says that it is known and accepted
    skipped_items = models.PositiveIntegerField("éléments non repris", default=0)
    skipped_note = models.CharField("éléments non repris : pourquoi c’est admis", max_length=300, blank=True)
    skipped_by = models.CharField("éléments non repris : admis par", max_length=150, blank=True)
    skipped_at = models.DateTimeField("éléments non repris : admis le", null=True, blank=True)

    objects = MoveQuerySet.as_manager()

    class Meta:
        verbose_name = "migration d’une boîte"
        verbose_name_plural = "migrations des boîtes"
        ordering = ["batch", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["mailbox"],
                condition=Q(status="planned"),
                name="one_live_move",
                violation_error_message="Cette boîte est déjà dans un lot.",
            ),
            models.UniqueConstraint(
                fields=["mailbox"],
                condition=Q(status="migrated"),
                name="migrated_once",
                violation_error_message="Cette boîte a déjà migré.",
            ),
            models.UniqueConstraint(fields=["batch", "position"], name="one_position"),
            models.CheckConstraint(
                name="migrated_at_iff_migrated",
                condition=Q(status__in=["migrated", "rolled_back"], migrated_at__isnull=False)
                | (~Q(status__in=["migrated", "rolled_back"]) & Q(migrated_at=None)),
                violation_error_message="Une boîte migrée porte la date de sa migration, et elle seule.",
            ),
            models.CheckConstraint(
                name="rolled_back_at_iff_rolled_back",
                condition=Q(status="rolled_back", rolled_back_at__isnull=False, rolled_back_at__gte=F("migrated_at"))
                | (~Q(status="rolled_back") & Q(rolled_back_at=None)),
                violation_error_message="Une boîte remise sur l’ancien serveur dit depuis quand, et elle seule.",
            ),
            models.CheckConstraint(
                name="paused_has_a_reason",
                condition=(Q(paused_at=None) & Q(paused_why="")) | (Q(paused_at__isnull=False) & ~Q(paused_why="")),
                violation_error_message="Une boîte suspendue dit pourquoi.",
            ),
        ]

    def __str__(self) -> str:
        return f"migration {self.pk}"


class MailboxNote(models.Model):
    """What a colleague should know of a mailbox. Only staff read it; never a secret."""

    mailbox = models.ForeignKey(Mailbox, models.PROTECT, related_name="notes", verbose_name="boîte")
    text = models.TextField("note", max_length=2000)
    by = models.CharField("par", max_length=150)
    at = models.DateTimeField("le")

    class Meta:
        verbose_name = "note sur une boîte"
        verbose_name_plural = "notes sur les boîtes"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"note {self.pk}"
