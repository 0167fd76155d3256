"""A campaign's dates and spacings, the days that it avoids, and what a person decided about a plan."""

from datetime import date, datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import F, Q

from bma_portal.clock import brussels


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
    po_moves_from = models.DateField("PO : nuits, du", null=True, blank=True, help_text="S4 : 1er octobre 2024")
    po_moves_until = models.DateField(
        "PO : nuits, au", null=True, blank=True, help_text="S4 : 25 octobre 2024 ; vide : pas de limite"
    )
    ec_moves_from = models.DateField(
        "établissements : nuits, du", null=True, blank=True, help_text="S4 : 4 novembre 2024"
    )
    ec_moves_until = models.DateField(
        "établissements : nuits, au", null=True, blank=True, help_text="S4 : 30 novembre 2024 ; vide : pas de limite"
    )
    old_server_closes_on = models.DateField("fermeture de l’ancien serveur", help_text="S3 §3 : 25 avril 2025")
    mail2_after_days = models.PositiveSmallIntegerField("mail 1 → mail 2 (jours)", default=7, help_text="S1 §5")
    mail3_after_days_min = models.PositiveSmallIntegerField("mail 2 → mail 3, minimum", default=21, help_text="S1 §5")
    mail3_after_days_max = models.PositiveSmallIntegerField("mail 2 → mail 3, maximum", default=84, help_text="S1 §5")
    night_after_days = models.PositiveSmallIntegerField(
        "mail 3 → nuit (jours)", default=2, help_text="notre choix : laisser lire la confirmation"
    )
    weekly_mailboxes = models.PositiveIntegerField(
        "boîtes par semaine, au plus", null=True, blank=True, help_text="vide : pas de limite (S1 §4)"
    )
    tickets_per_hundred = models.PositiveSmallIntegerField(
        "demandes d’aide pour cent boîtes",
        null=True,
        blank=True,
        help_text="ce que l’on attend, d’après les lots déjà passés",
    )
    weekly_tickets = models.PositiveIntegerField(
        "demandes par semaine, au plus", null=True, blank=True, help_text="ce que le Service Desk peut traiter (S1 §4)"
    )
    second_person_from = models.PositiveIntegerField(
        "seconde personne à partir de (boîtes)",
        default=50,
        help_text="un lot de cette taille est approuvé par quelqu’un d’autre que celui qui l’a planifié",
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
                & (Q(po_moves_from=None) | Q(po_moves_until=None) | Q(po_moves_from__lte=F("po_moves_until")))
                & (Q(ec_moves_from=None) | Q(ec_moves_until=None) | Q(ec_moves_from__lte=F("ec_moves_until")))
                & Q(mail3_after_days_min__lte=F("mail3_after_days_max")),
                violation_error_message="Une période commence avant de finir, un délai va du plus court au plus long.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def night(self, day: date) -> tuple[datetime, datetime]:
        """The night that begins on that Brussels day, in UTC; it crosses midnight, and perhaps a change of clocks."""
        return brussels(day, self.night_from_hour), brussels(day + timedelta(days=1), self.night_to_hour)


class AvoidedPeriod(models.Model):
    """Days on which no mail 1 leaves and no night begins (S4): school holidays, counts, what staff enter.

    Brussels days, both included. Public holidays are not here: the desk is closed on them whatever the plan.
    """

    class Reason(models.TextChoices):
        SCHOOL = "school", "congé scolaire"
        COUNT = "count", "comptage des élèves"
        ASSIGNMENTS = "assignments", "attributions"
        DACCE = "dacce", "DAccE"
        OTHER = "other", "autre"

    reason = models.CharField("motif", max_length=12, choices=Reason)
    name = models.CharField("nom", max_length=120)
    first = models.DateField("du")
    last = models.DateField("au")
    kind = models.CharField(
        "vaut pour",
        max_length=2,
        blank=True,
        choices=[("ec", "établissements"), ("po", "PO")],
        help_text="vide : les PO et les établissements",
    )
    source = models.CharField("source", max_length=200, help_text="le document, ou la personne qui le demande")

    class Meta:
        verbose_name = "période à éviter"
        verbose_name_plural = "périodes à éviter"
        ordering = ["first", "last", "kind"]
        constraints = [
            models.CheckConstraint(
                name="avoided_ends_after_it_begins",
                condition=Q(first__lte=F("last")),
                violation_error_message="La fin suit le début.",
            ),
            models.UniqueConstraint(
                name="avoided_once",
                fields=["reason", "kind", "first", "last"],
                violation_error_message="Cette période est déjà là.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.first:%d/%m/%Y} – {self.last:%d/%m/%Y})"


class PlanDecision(models.Model):
    """A plan that a person accepted: what it said could not hold, and why it was accepted all the same."""

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="decisions", verbose_name="campagne")
    at = models.DateTimeField("le")
    by = models.CharField("par", max_length=150)
    fingerprint = models.CharField("empreinte du plan", max_length=64)
    findings = models.JSONField("ce qui ne tient pas", default=list)
    counts = models.JSONField("ce que le plan a changé", default=dict)
    note = models.TextField("décision", blank=True)

    class Meta:
        verbose_name = "décision de planification"
        verbose_name_plural = "décisions de planification"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"plan du {self.at:%d/%m/%Y}"
