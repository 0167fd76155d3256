"""The four desks: how fast each answers, who leads it, and what it keeps for itself (views, canned answers)."""

from datetime import time

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from accounts.models import Contact
from bma_portal.kept import keep
from migration.phases import Phase


@keep
class Team(models.Model):
    """A desk. Its targets are counted in minutes of its opening hours; how it is reached is `accounts.Contact`."""

    code = models.CharField("équipe", max_length=16, choices=Contact.Team, primary_key=True)
    lead = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="leads",
        verbose_name="responsable",
        help_text="Reçoit les alertes d’échéance. Vide : l’adresse de l’équipe les reçoit.",
    )
    by_mail = models.BooleanField(
        "travaille par mail",
        default=False,
        help_text="Reçoit chaque demande par mail ; ses réponses reviennent dans le fil.",
    )
    first_minutes = models.PositiveIntegerField("première réponse en (minutes ouvrées)", default=4 * 60)
    next_minutes = models.PositiveIntegerField("réponse suivante en (minutes ouvrées)", default=8 * 60)
    solve_minutes = models.PositiveIntegerField("solution en (minutes ouvrées)", default=5 * 9 * 60)
    warn_minutes = models.PositiveIntegerField("avertir avant l’échéance (minutes ouvrées)", default=60)
    release_minutes = models.PositiveIntegerField(
        "rendre une demande laissée de côté (minutes ouvrées)", default=18 * 60
    )
    # For a team whose Contact says no hours (S0 §7 gives those of the Service Desk only): our decision.
    opens_at = models.TimeField("ouvre à, à défaut d’horaire connu", default=time(8))
    closes_at = models.TimeField("ferme à, à défaut d’horaire connu", default=time(17))

    class Meta:
        verbose_name = "équipe"
        verbose_name_plural = "équipes"
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(
                name="team_opens_then_closes",
                condition=Q(closes_at__gt=F("opens_at")),
                violation_error_message="Une équipe ouvre, puis ferme.",
            ),
            models.CheckConstraint(
                name="team_targets_are_positive",
                condition=Q(first_minutes__gt=0, next_minutes__gt=0, solve_minutes__gt=0, release_minutes__gt=0),
                violation_error_message="Un délai compte au moins une minute.",
            ),
        ]

    def __str__(self) -> str:
        return self.get_code_display()


class SavedView(models.Model):
    """A search of the desk under a name: of one person, or shared with their team. `query` is its address's query."""

    team = models.CharField("équipe", max_length=16, choices=Contact.Team)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_views", verbose_name="propriétaire"
    )
    name = models.CharField("nom", max_length=60)
    slug = models.SlugField("adresse", max_length=70)
    query = models.CharField("critères", max_length=500)
    shared = models.BooleanField("partagée avec l’équipe", default=False)
    created_at = models.DateTimeField("créée le")

    class Meta:
        verbose_name = "vue enregistrée"
        verbose_name_plural = "vues enregistrées"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["team", "slug"],
                name="saved_view_once_per_team",
                violation_error_message="Votre équipe a déjà une vue de ce nom.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class CannedAnswer(models.Model):
    """A text of a team, with `{variables}` of a closed list (`support/canned.py`); empty phases: for all."""

    team = models.CharField("équipe", max_length=16, choices=Contact.Team)
    title = models.CharField("titre", max_length=80)
    text = models.TextField("texte", max_length=5000)
    phases = ArrayField(
        models.CharField(max_length=20, choices=Phase), verbose_name="phases", default=list, blank=True
    )
    needs = ArrayField(models.CharField(max_length=40), verbose_name="besoins", default=list, blank=True)
    active = models.BooleanField("proposée", default=True)

    class Meta:
        verbose_name = "réponse type"
        verbose_name_plural = "réponses types"
        ordering = ["team", "title"]
        constraints = [
            models.UniqueConstraint(
                fields=["team", "title"],
                name="canned_answer_once_per_team",
                violation_error_message="Votre équipe a déjà une réponse type de ce titre.",
            )
        ]

    def __str__(self) -> str:
        return self.title
