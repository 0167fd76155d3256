from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.db import models
from django.db.models import F, Q

from bma_portal.kept import keep


def refuse_ethnic(value: str) -> None:
    """`ethnic.be` is a slip of the circulars for `etnic.be`, and someone else's domain (K8)."""
    if value.rpartition("@")[2].lower().rstrip(".").endswith("ethnic.be"):
        raise ValidationError("« ethnic.be » n’est pas un domaine de l’ETNIC : écrivez « etnic.be ».", code="ethnic")


class ContactQuerySet(models.QuerySet):
    def valid_on(self, day: date):
        return self.filter(
            Q(valid_from=None) | Q(valid_from__lte=day),
            Q(valid_to=None) | Q(valid_to__gt=day),
        )


@keep
class Contact(models.Model):
    """How to reach a team, from a date to a date, with the source that says so. Staff keep it up to date."""

    class Team(models.TextChoices):
        SGNE = "sgne", "SGNE"
        ETNIC = "etnic", "ETNIC"
        PRIMINFO = "priminfo", "Priminfo"
        ENSEIGNEMENT_BE = "enseignement_be", "Enseignement.be"

    team = models.CharField("équipe", max_length=16, choices=Team)
    name = models.CharField("nom", max_length=120)
    email = models.EmailField(
        "courriel", validators=[EmailValidator("Cette adresse n’a pas la forme attendue."), refuse_ethnic]
    )
    phone = models.CharField("téléphone", max_length=40, blank=True, help_text="Vide : par courriel uniquement.")
    hours = models.CharField("heures d’ouverture", max_length=200, blank=True)
    opens_at = models.TimeField(
        "ouvre à", null=True, blank=True, help_text="Jours ouvrables, heure de Bruxelles ; vide : horaire inconnu."
    )
    closes_at = models.TimeField("ferme à", null=True, blank=True)
    valid_from = models.DateField("valable dès le", null=True, blank=True)
    valid_to = models.DateField("valable jusqu’au (exclu)", null=True, blank=True)
    source = models.CharField("source", max_length=200, blank=True)

    opening: Any = None  # `accounts.contacts.Opening`, when the contact was read for a page at a moment

    objects = ContactQuerySet.as_manager()

    class Meta:
        verbose_name = "contact"
        verbose_name_plural = "contacts"
        ordering = ["team", F("valid_from").asc(nulls_first=True)]
        constraints = [
            models.UniqueConstraint(
                name="contact_once_per_team_and_start",
                fields=["team", "valid_from"],
                nulls_distinct=False,
                violation_error_message="Cette équipe a déjà un contact valable depuis cette date.",
            ),
            models.CheckConstraint(
                name="contact_opens_then_closes",
                condition=Q(opens_at=None, closes_at=None) | Q(opens_at__isnull=False, closes_at__gt=F("opens_at")),
                violation_error_message="Donnez l’ouverture et la fermeture, dans cet ordre, ou aucune des deux.",
            ),
            models.CheckConstraint(
                name="contact_ends_after_it_begins",
                condition=Q(valid_from=None) | Q(valid_to=None) | Q(valid_to__gt=F("valid_from")),
                violation_error_message="La fin de validité suit le début.",
            ),
            models.CheckConstraint(
                name="contact_email_not_at_ethnic_be",
                condition=~Q(email__iregex=r"ethnic\.be\.?$"),
                violation_error_message="« ethnic.be » n’est pas un domaine de l’ETNIC : écrivez « etnic.be ».",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"

    def valid_on(self, day: date) -> bool:
        """What the queryset of that name looks for, of a row that is already read."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or self.valid_to > day)
