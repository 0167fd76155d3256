"""What is said at the head of the pages for some days: a night, an incident, a closing (G11). Staff write it."""

from datetime import datetime

from django.db import models
from django.db.models import F, Q

from support.models.routing import FORBIDDEN_DOMAIN, NOT_ETNIC, refuse_forbidden_domain

LONGEST = 300


class BannerQuerySet(models.QuerySet):
    def shown(self, at: datetime) -> "BannerQuerySet":
        """Begun and not ended at that moment."""
        return self.filter(starts_at__lte=at, ends_at__gt=at)


class Banner(models.Model):
    """One message, from a moment to a moment, to the people it is for. It always ends: nobody has to think of it."""

    class Kind(models.TextChoices):
        # The gravest first: that is also the order on the page.
        INCIDENT = "incident", "incident"
        NIGHT = "night", "nuit de migration"
        CLOSING = "closing", "fermeture"
        INFO = "info", "information"

    class Audience(models.TextChoices):
        EVERYONE = "everyone", "tout le monde"
        SIGNED_IN = "signed_in", "personnes connectées"
        STAFF = "staff", "équipes"

    kind = models.CharField("nature", max_length=8, choices=Kind, default=Kind.INFO)
    text = models.CharField(
        "texte",
        max_length=LONGEST,
        validators=[refuse_forbidden_domain],
        help_text="Une ou deux phrases : ce qui se passe, ce que la personne doit faire, jusqu’à quand.",
    )
    audience = models.CharField("pour", max_length=9, choices=Audience, default=Audience.EVERYONE)
    starts_at = models.DateTimeField("montré dès le")
    ends_at = models.DateTimeField(
        "jusqu’au", help_text="Un incident finit plus tôt, ou dure ? Changez cette heure : rien ne s’efface."
    )
    source = models.CharField("source", max_length=200, blank=True, help_text="Document ou décision, s’il y en a un.")
    by = models.CharField("écrit par", max_length=150, editable=False)

    objects = BannerQuerySet.as_manager()

    class Meta:
        verbose_name = "bandeau"
        verbose_name_plural = "bandeaux"
        ordering = ["-starts_at", "-pk"]
        indexes = [models.Index(fields=["ends_at"], name="banner_end")]
        constraints = [
            models.CheckConstraint(
                name="banner_ends_after_it_begins",
                condition=Q(ends_at__gt=F("starts_at")),
                violation_error_message="La fin d’un bandeau suit son début.",
            ),
            models.CheckConstraint(
                name="banner_says_something",
                condition=~Q(text=""),
                violation_error_message="Un bandeau dit quelque chose.",
            ),
            models.CheckConstraint(
                name="banner_not_at_ethnic_be",
                condition=~Q(text__iregex=FORBIDDEN_DOMAIN),
                violation_error_message=NOT_ETNIC,
            ),
        ]

    def __str__(self) -> str:
        return self.text[:60]
