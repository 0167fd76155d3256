"""The routing rules (E2): dated rows with their source, never edited. `support/routing.py` reads them."""

import re
from datetime import date
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from accounts.models import Contact, ModePeriod
from accounts.models.organisations import LONGEST
from bma_portal.kept import keep
from support import conditions, reasons
from support.needs import NEEDS


class Stage(models.TextChoices):
    """Where a mailbox stands in the whole programme (requirements §1)."""

    P0 = "P0", "avant le mail 1"
    P1 = "P1", "mail 1 reçu"
    P2 = "P2", "mail 2 reçu"
    P3 = "P3", "mail 3 reçu"
    P4 = "P4", "migrée, d’autres boîtes attendent"
    P5 = "P5", "toutes les boîtes ont migré"
    P6 = "P6", "ancien serveur fermé"


class Outcome(models.TextChoices):
    """What a holder gets."""

    TICKET = "ticket", "une demande à l’équipe"
    FORM_MODE = "form_mode", "le formulaire MODE"
    FORM_HORS_MODE = "form_hors_mode", "le formulaire hors MODE"
    EXPLAIN = "explain", "une explication"
    PROVIDER = "provider", "le fournisseur d’accès d’abord"
    OWN_FUNDS = "own_funds", "sur fonds propres"
    RULE = "rule", "la règle d’usage"


# Someone else's domain, a slip of the circulars for ETNIC's (K8, E12); dressed up or not.
FORBIDDEN_DOMAIN = r"ethnic[[:space:]]*\.[[:space:]]*be"
NOT_ETNIC = "Ce nom de domaine n’est pas celui de l’ETNIC : écrivez « etnic.be »."
_FORBIDDEN = re.compile(FORBIDDEN_DOMAIN.replace("[[:space:]]", r"\s"), re.IGNORECASE)


def refuse_forbidden_domain(text: str) -> None:
    if _FORBIDDEN.search(text):
        raise ValidationError(NOT_ETNIC, code="ethnic")


class RoutingRuleQuerySet(models.QuerySet):
    def on(self, day: date) -> "RoutingRuleQuerySet":
        """In force that day; the day of `valid_to` no longer is."""
        return self.filter(Q(valid_from=None) | Q(valid_from__lte=day), Q(valid_to=None) | Q(valid_to__gt=day))


@keep
class RoutingRule(models.Model):
    """Who answers one need, under conditions, from a day to a day.

    A change is a new row that replaces this one from a day to come; all that is ever written to an old row is that
    day. So the same facts and the same date give the same route for ever (E4).
    """

    need = models.CharField("besoin", max_length=40)
    position = models.PositiveSmallIntegerField("rang", help_text="La première règle qui convient l’emporte.")
    stages = ArrayField(
        models.CharField(max_length=2, choices=Stage), verbose_name="phases", default=list, blank=True,
        help_text="Aucune : toutes.",
    )  # fmt: skip
    unit_types = ArrayField(
        models.CharField(max_length=LONGEST), verbose_name="types d’unité", default=list, blank=True,
        help_text="Aucun : tous.",
    )  # fmt: skip
    verdicts = ArrayField(
        models.CharField(max_length=10, choices=ModePeriod.Verdict), verbose_name="réponses de MODE", default=list,
        blank=True, help_text="Aucune : toutes.",
    )  # fmt: skip
    kind = models.CharField("genre d’unité", max_length=2, blank=True, help_text="ec, po ; vide : les deux.")
    facts = models.JSONField("conditions sur la boîte", default=dict, blank=True)
    answers = models.JSONField("conditions sur les réponses", default=dict, blank=True)

    outcome = models.CharField("suite", max_length=16, choices=Outcome)
    team = models.CharField("équipe", max_length=16, choices=Contact.Team, blank=True)
    also = ArrayField(
        models.CharField(max_length=16, choices=Contact.Team), verbose_name="contacts nommés en plus", default=list,
        blank=True,
    )  # fmt: skip
    reason = models.CharField("raison", max_length=300, validators=[refuse_forbidden_domain, reasons.refuse_unknown])
    source = models.CharField("source", max_length=200, validators=[refuse_forbidden_domain])

    valid_from = models.DateField("valable dès le", null=True, blank=True)
    valid_to = models.DateField("valable jusqu’au (exclu)", null=True, blank=True)
    changed_by = models.CharField("écrite par", max_length=150)
    changed_at = models.DateTimeField("écrite le", null=True, blank=True, help_text="Vide : règle d’origine.")
    change_reason = models.CharField("motif", max_length=300, validators=[refuse_forbidden_domain])
    replaces = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="replaced_by", verbose_name="remplace"
    )

    objects = RoutingRuleQuerySet.as_manager()

    class Meta:
        verbose_name = "règle d’aiguillage"
        verbose_name_plural = "règles d’aiguillage"
        ordering = ["need", "position", F("valid_from").asc(nulls_first=True)]
        constraints = [
            models.UniqueConstraint(
                name="rule_place_once_at_a_time",
                fields=["need", "position"],
                condition=Q(valid_to=None),
                violation_error_message="Une autre règle tient déjà ce rang pour ce besoin.",
            ),
            models.UniqueConstraint(
                name="rule_place_once_per_start",
                fields=["need", "position", "valid_from"],
                nulls_distinct=False,
                violation_error_message="Une autre règle de ce rang commence déjà ce jour-là.",
            ),
            models.CheckConstraint(
                name="rule_ends_after_it_begins",
                condition=Q(valid_from=None) | Q(valid_to=None) | Q(valid_to__gt=F("valid_from")),
                violation_error_message="La fin de validité suit le début.",
            ),
            models.CheckConstraint(
                name="rule_outcome_known",
                condition=Q(outcome__in=Outcome.values),
                violation_error_message="Cette suite n’est pas connue.",
            ),
            models.CheckConstraint(
                name="rule_stages_known",
                condition=Q(stages__contained_by=Stage.values),
                violation_error_message="Cette phase n’est pas connue.",
            ),
            models.CheckConstraint(
                name="rule_ticket_has_a_team",
                condition=~Q(outcome="ticket") | Q(team__in=Contact.Team.values),
                violation_error_message="Une demande va toujours à une équipe : choisissez laquelle.",
            ),
            models.CheckConstraint(
                name="rule_team_known",
                condition=Q(team__in=["", *Contact.Team.values], also__contained_by=Contact.Team.values),
                violation_error_message="Cette équipe n’est pas connue.",
            ),
            models.CheckConstraint(
                name="rule_enseignement_be_before_mail_2",
                condition=(~Q(team="enseignement_be") & ~Q(also__contains=["enseignement_be"]))
                | (Q(stages__contained_by=["P0", "P1"]) & ~Q(stages=[])),
                violation_error_message="Enseignement.be ne répond que tant que le mail 2 n’est pas arrivé (P0, P1).",
            ),
            models.CheckConstraint(
                name="rule_reason_names_known_facts",
                condition=Q(reason__regex=reasons.ONLY_PLACEHOLDERS),
                violation_error_message="Entre accolades, la raison ne nomme que les faits de la liste.",
            ),
            models.CheckConstraint(
                name="rule_is_explained_and_cited",
                condition=~Q(reason="") & ~Q(source="") & ~Q(change_reason=""),
                violation_error_message="Une règle dit pourquoi, d’où elle vient et pourquoi on l’écrit.",
            ),
            models.CheckConstraint(
                name="rule_names_the_right_domain",
                condition=~Q(reason__iregex=FORBIDDEN_DOMAIN)
                & ~Q(source__iregex=FORBIDDEN_DOMAIN)
                & ~Q(change_reason__iregex=FORBIDDEN_DOMAIN),
                violation_error_message=NOT_ETNIC,
            ),
        ]

    def __str__(self) -> str:
        label = NEEDS[self.need].label if self.need in NEEDS else self.need
        return f"{label}, rang {self.position}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """A row that stands is never edited; `end` closes it."""
        if not self._state.adding:
            raise TypeError("a routing rule is never edited: it is replaced from a day to come")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("a routing rule is never deleted: it is replaced from a day to come")

    @property
    def is_for(self) -> list[str]:
        """Its conditions in French, one phrase each."""
        phrases = [f"{Stage(stage).value} ({Stage(stage).label})" for stage in self.stages]
        found = [", ".join(phrases)] if phrases else []
        if self.verdicts:
            found.append(" ou ".join(str(ModePeriod.Verdict(verdict).label) for verdict in self.verdicts))
        if self.unit_types:
            found.append("types : " + ", ".join(self.unit_types))
        if self.kind:
            found.append("établissements" if self.kind == "ec" else "pouvoirs organisateurs")
        return found + conditions.told(self.need, self.answers, self.facts)

    def clean(self) -> None:
        if self.need not in NEEDS:
            raise ValidationError({"need": "Ce besoin n’est pas connu."})
        conditions.refuse_unknown_answers(self.need, self.answers)
        conditions.refuse_unknown_facts(self.facts)
        if "{destinataire}" in self.reason and not self.team:
            raise ValidationError({"reason": "« {destinataire} » nomme l’équipe, et cette règle n’en a pas."})

    def in_force(self, day: date) -> bool:
        """The twin of the filter `on`."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day < self.valid_to)

    def end(self, day: date) -> bool:
        """Its last word: from that day on it is no longer in force. False if someone else ended it first."""
        ended = RoutingRule.objects.filter(pk=self.pk, valid_to=self.valid_to).update(valid_to=day)
        if ended:
            self.valid_to = day
        return bool(ended)
