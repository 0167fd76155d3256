"""A campaign, its weekly batches, the move of each mailbox and its four mails. Facts only: phases are computed."""

from datetime import date, datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import F, Q

from accounts.models import Mailbox
from bma_portal.clock import brussels
from bma_portal.mail.models import OutgoingMail
from bma_portal.states import Stateful


class PageAddressField(models.URLField):
    """A page's address; typed without a scheme, it is read as https (Django 6's rule, taken already)."""

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"assume_scheme": "https", **kwargs})

    def deconstruct(self) -> Any:
        name, _, arguments, options = super().deconstruct()
        return name, "django.db.models.URLField", arguments, options


class Campaign(models.Model):
    """Dates and spacings of one migration, as data: where the documents disagree, staff decides here.

    Days are Brussels days. The default values are those of the 2024 campaign (`campaigns.default_campaign`).
    """

    slug = models.SlugField("identifiant", unique=True)
    name = models.CharField("nom", max_length=120)
    po_first_mail_from = models.DateField("PO : premier mail, du", help_text="S1 §8 : 7 octobre 2024")
    po_first_mail_to = models.DateField("PO : premier mail, au", help_text="S1 §8 : 31 octobre 2024")
    ec_first_mail_from = models.DateField("établissements : premier mail, du", help_text="S1 §8 : 4 novembre 2024")
    ec_first_mail_to = models.DateField("établissements : premier mail, au", help_text="S1 §8 : 30 novembre 2024")
    announced_until = models.DateField("fin annoncée", help_text="S1, S4 : 30 novembre 2024 ; S3 §3 : fin décembre")
    po_moves_until = models.DateField("PO : migrés au plus tard", help_text="S4 : 25 octobre 2024")
    ec_moves_until = models.DateField("établissements : migrés au plus tard", help_text="S4 : 30 novembre 2024")
    old_server_closes_on = models.DateField("fermeture de l’ancien serveur", help_text="S3 §3 : 25 avril 2025")
    mail2_after_days = models.PositiveSmallIntegerField("mail 1 → mail 2 (jours)", default=7, help_text="S1 §5")
    mail3_after_days_min = models.PositiveSmallIntegerField("mail 2 → mail 3, minimum", default=21, help_text="S1 §5")
    mail3_after_days_max = models.PositiveSmallIntegerField("mail 2 → mail 3, maximum", default=84, help_text="S1 §5")
    night_after_days = models.PositiveSmallIntegerField(
        "mail 3 → nuit (jours)", default=2, help_text="notre choix : laisser lire la confirmation"
    )
    mails_hour = models.PositiveSmallIntegerField("heure des mails 1 à 3", default=9, help_text="S0 §7 : 8 h à 17 h")
    night_from_hour = models.PositiveSmallIntegerField("la nuit commence à", default=22)
    night_to_hour = models.PositiveSmallIntegerField("la nuit finit à", default=6)
    days_before_decision = models.PositiveSmallIntegerField(
        "retard avant décision (jours)", default=3, help_text="un mail plus en retard attend une décision"
    )
    secret_days_max = models.PositiveSmallIntegerField(
        "vie d’un mot de passe scellé (jours)", default=180, help_text="détruit au plus tard après ce délai"
    )
    new_webmail = PageAddressField("nouvelle interface", default="https://ec.cfwb.be/owa", help_text="S3 §1.1")
    old_webmail = PageAddressField("ancienne interface", default="http://webmail.adm.cfwb.be", help_text="S0 §6.2")
    help_page = PageAddressField("aide et tutoriels", default="http://www.enseignement.be/bma-faq", help_text="S3 §3")

    class Meta:
        verbose_name = "campagne"
        verbose_name_plural = "campagnes"
        constraints = [
            models.CheckConstraint(
                name="campaign_windows_in_order",
                condition=Q(po_first_mail_from__lte=F("po_first_mail_to"))
                & Q(ec_first_mail_from__lte=F("ec_first_mail_to"))
                & Q(mail3_after_days_min__lte=F("mail3_after_days_max")),
                violation_error_message="Une période commence avant de finir.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def night(self, day: date) -> tuple[datetime, datetime]:
        """The night that begins on that Brussels day, in UTC; it crosses midnight, and perhaps a change of clocks."""
        return brussels(day, self.night_from_hour), brussels(day + timedelta(days=1), self.night_to_hour)


class Batch(Stateful):
    """A weekly batch (lot): mailboxes of one kind that share the four dates (Brussels days)."""

    class Status(models.TextChoices):
        DRAFT = "draft", "à approuver"
        APPROVED = "approved", "approuvé"
        PAUSED = "paused", "suspendu"
        FINISHED = "finished", "terminé"
        CANCELLED = "cancelled", "annulé"

    TRANSITIONS = {
        Status.DRAFT: {Status.APPROVED, Status.CANCELLED},
        Status.APPROVED: {Status.PAUSED, Status.FINISHED, Status.CANCELLED},
        Status.PAUSED: {Status.APPROVED, Status.CANCELLED},
    }

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="batches", verbose_name="campagne")
    number = models.PositiveSmallIntegerField("lot n°")
    kind = models.CharField("genre", max_length=2, choices=[("po", "PO"), ("ec", "établissements")])
    status = models.CharField("état", max_length=10, choices=Status, default=Status.DRAFT)
    mail1_on = models.DateField("mail 1 le")
    mail2_on = models.DateField("mail 2 le")
    mail3_on = models.DateField("mail 3 le")
    night_on = models.DateField("nuit du")
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
        return self.filter(migrated_at__lte=at)


class Move(Stateful):
    """One mailbox in one batch, from its first mail to the result of its night, which ETNIC's tools give."""

    class Status(models.TextChoices):
        PLANNED = "planned", "prévue"
        MIGRATED = "migrated", "migrée"
        FAILED = "failed", "en échec"
        CANCELLED = "cancelled", "annulée"

    TRANSITIONS = {Status.PLANNED: {Status.MIGRATED, Status.FAILED, Status.CANCELLED}}

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="moves", verbose_name="lot")
    mailbox = models.ForeignKey(Mailbox, models.PROTECT, related_name="moves", verbose_name="boîte")
    position = models.PositiveIntegerField("rang dans le lot")
    status = models.CharField("état", max_length=10, choices=Status, default=Status.PLANNED)
    migrated_at = models.DateTimeField("migrée le", null=True, blank=True)
    failure = models.CharField("cause de l’échec", max_length=300, blank=True)
    signed_by = models.CharField("dérogation signée par", max_length=150, blank=True)

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
                condition=Q(status="migrated", migrated_at__isnull=False)
                | (~Q(status="migrated") & Q(migrated_at=None)),
                violation_error_message="Une boîte migrée porte la date de sa migration, et elle seule.",
            ),
        ]

    def __str__(self) -> str:
        return f"migration {self.pk}"


class Mailing(models.Model):
    """Mail 1, 2, 3 or 4 of one move: when it is due, the mail once it is queued, or why it waits for a decision."""

    class Step(models.IntegerChoices):
        ANNOUNCEMENT = 1, "mail 1 : annonce"
        CREDENTIALS = 2, "mail 2 : mot de passe"
        CONFIRMATION = 3, "mail 3 : confirmation"
        CLOSING = 4, "mail 4 : clôture"

    move = models.ForeignKey(Move, models.CASCADE, related_name="mailings", verbose_name="migration")
    step = models.PositiveSmallIntegerField("étape", choices=Step)
    due_at = models.DateTimeField("prévu le")
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
        ]

    def __str__(self) -> str:
        return f"{self.get_step_display()} ({self.move_id})"
