"""A ticket: what a holder asks, which team has it, how far it is and when it is due. `support/tickets/` moves it."""

import secrets
import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Q

from accounts.models import Contact, Mailbox
from bma_portal.states import Stateful
from migration.models import Batch
from migration.phases import Phase
from support.models.resets import REFERENCE_SIGNS


def new_ticket_reference() -> str:
    """`D-XXXX-XXXX`: said on the phone, written in the subject of each mail; it opens nothing by itself."""
    drawn = [secrets.choice(REFERENCE_SIGNS) for _ in range(8)]
    return f"D-{''.join(drawn[:4])}-{''.join(drawn[4:])}"


class Incident(Stateful):
    """One fault that many mailboxes report: an update reaches all its tickets, and they are solved together (F14)."""

    class Status(models.TextChoices):
        OPEN = "open", "en cours"
        SOLVED = "solved", "résolu"

    TRANSITIONS = {Status.OPEN: {Status.SOLVED}}

    team = models.CharField("équipe", max_length=16, choices=Contact.Team)
    title = models.CharField("titre", max_length=120)
    need = models.CharField("besoin", max_length=40, blank=True)
    text = models.TextField("ce qui se passe", max_length=3000)
    status = models.CharField("état", max_length=8, choices=Status, default=Status.OPEN)
    opened_at = models.DateTimeField("ouvert le")
    opened_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="ouvert par"
    )
    solved_at = models.DateTimeField("résolu le", null=True, blank=True)

    class Meta:
        verbose_name = "incident"
        verbose_name_plural = "incidents"
        ordering = ["-id"]
        indexes = [models.Index(fields=["team", "-id"], name="incident_open", condition=Q(status="open"))]

    def __str__(self) -> str:
        return self.title


class TicketQuerySet(models.QuerySet):
    def of_team(self, team: str) -> "TicketQuerySet":
        """What that team may see, and no other (F1)."""
        return self.filter(team=team)

    def live(self) -> "TicketQuerySet":
        return self.filter(status__in=Ticket.LIVE)

    def late(self, at: datetime) -> "TicketQuerySet":
        return self.live().filter(due_at__lte=at)


class Ticket(Stateful):
    """One question of one mailbox.

    `due_at` is the nearest of the targets that run; None while the holder is waited for, and once solved. Targets are
    computed (`support/sla.py`) from the moments stored here. `version` grows with each deed of the desk: a page that
    was read before another's deed is refused, and keeps what was typed.
    """

    class Status(models.TextChoices):
        NEW = "new", "nouvelle"
        OPEN = "open", "en cours"
        WAITING = "waiting", "en attente de votre réponse"
        SOLVED = "solved", "résolue"
        CLOSED = "closed", "close"
        MERGED = "merged", "jointe à une autre"

    TRANSITIONS = {
        Status.NEW: {Status.OPEN, Status.WAITING, Status.SOLVED, Status.CLOSED, Status.MERGED},
        Status.OPEN: {Status.NEW, Status.WAITING, Status.SOLVED, Status.CLOSED, Status.MERGED},
        Status.WAITING: {Status.OPEN, Status.NEW, Status.SOLVED, Status.CLOSED, Status.MERGED},
        # Waiting again: only when the answer that solved it is recalled
        Status.SOLVED: {Status.OPEN, Status.NEW, Status.WAITING, Status.CLOSED, Status.MERGED},
        Status.CLOSED: set(),
        Status.MERGED: set(),
    }
    LIVE = (Status.NEW, Status.OPEN, Status.WAITING)

    class Priority(models.TextChoices):
        NORMAL = "normal", "normale"
        URGENT = "urgent", "urgente"

    class Channel(models.TextChoices):
        FORM = "form", "formulaire"
        MAIL = "mail", "mail"
        DESK = "desk", "saisie par une équipe"

    reference = models.CharField("référence", max_length=11, default=new_ticket_reference, unique=True, editable=False)
    public = models.UUIDField("identifiant public", default=uuid.uuid4, unique=True, editable=False)
    mailbox = models.ForeignKey(Mailbox, models.PROTECT, related_name="tickets", verbose_name="boîte")
    need = models.CharField("besoin", max_length=40)
    subject = models.CharField("objet", max_length=150)
    status = models.CharField("état", max_length=8, choices=Status, default=Status.NEW)
    priority = models.CharField("priorité", max_length=6, choices=Priority, default=Priority.NORMAL)
    channel = models.CharField("arrivée par", max_length=4, choices=Channel, default=Channel.FORM)

    # Who asks
    first_name = models.CharField("prénom", max_length=80, blank=True)
    last_name = models.CharField("nom", max_length=80, blank=True)
    email = models.EmailField("adresse de contact")
    phone = models.CharField("téléphone", max_length=30, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="tickets",
        verbose_name="personne connectée",
    )
    revoked_at = models.DateTimeField(
        "le demandeur n’y a plus accès depuis", null=True, blank=True, help_text="Il n’est plus titulaire (A6)."
    )
    copies = ArrayField(
        models.EmailField(),
        verbose_name="aussi tenus au courant",
        default=list,
        blank=True,
        help_text="Adresses des personnes dont la demande a été jointe à celle-ci.",
    )

    # Which team, and why (E4): what the rule said on that day, kept as it was said
    team = models.CharField("équipe", max_length=16, choices=Contact.Team)
    team_since = models.DateTimeField("confiée le")
    answers = models.JSONField("réponses aux questions", default=dict, blank=True)
    way = models.JSONField("chemin suivi dans l’assistant", default=list, blank=True)
    rule = models.ForeignKey(
        "support.RoutingRule", models.PROTECT, null=True, blank=True, related_name="tickets", verbose_name="règle"
    )
    reason = models.CharField("parce que", max_length=400, blank=True)
    source = models.CharField("source", max_length=200, blank=True)
    phase = models.CharField("phase à l’ouverture", max_length=20, choices=Phase)
    batch = models.ForeignKey(
        Batch, models.PROTECT, null=True, blank=True, related_name="tickets", verbose_name="lot à l’ouverture"
    )

    # Who works on it
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="assigned_tickets",
        verbose_name="suivie par",
    )
    acted_at = models.DateTimeField("dernier geste de la personne qui suit", null=True, blank=True)
    incident = models.ForeignKey(
        Incident, models.PROTECT, null=True, blank=True, related_name="tickets", verbose_name="incident"
    )
    merged_into = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="merged", verbose_name="jointe à"
    )
    follows = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="followed_by", verbose_name="fait suite à"
    )
    version = models.PositiveIntegerField("version", default=0)
    # How to take back the answer that was the last deed (`support/tickets/recalling.py`): until when, by whom, numbers
    # of messages and mails, what the ticket was before; no text
    recall = models.JSONField("réponse à rappeler", null=True, blank=True, editable=False)

    # The clock (F3, F4): moments, and the working minutes during which it stood still
    opened_at = models.DateTimeField("ouverte le")
    first_answered_at = models.DateTimeField("première réponse le", null=True, blank=True)
    asked_at = models.DateTimeField("le demandeur attend depuis", null=True, blank=True)
    held_since = models.DateTimeField("horloge arrêtée depuis", null=True, blank=True)
    held_minutes = models.PositiveIntegerField("minutes ouvrées d’attente", default=0)
    held_minutes_team = models.PositiveIntegerField("dont depuis la dernière remise", default=0)
    held_minutes_asked = models.PositiveIntegerField("dont depuis la dernière question", default=0)
    due_at = models.DateTimeField("échéance", null=True, blank=True)
    due_for = models.CharField("échéance de", max_length=8, blank=True)  # first, next, solve, team
    warn_at = models.DateTimeField("avertir le", null=True, blank=True)
    alerts = ArrayField(models.CharField(max_length=20), default=list, blank=True, editable=False)  # said once each
    late = models.BooleanField("une échéance a été dépassée", default=False)

    updated_at = models.DateTimeField("modifiée le")
    solved_at = models.DateTimeField("résolue le", null=True, blank=True)
    closed_at = models.DateTimeField("close le", null=True, blank=True)
    reopened = models.PositiveSmallIntegerField("réouvertures", default=0)
    reminders = models.PositiveSmallIntegerField("rappels envoyés", default=0)
    reminded_at = models.DateTimeField("dernier rappel le", null=True, blank=True)
    erased_at = models.DateTimeField("identité effacée le", null=True, blank=True)

    # Following without an account (F17), and the one answer of F16
    code_serial = models.PositiveSmallIntegerField("codes envoyés", default=0)
    code_sent_at = models.DateTimeField("code envoyé le", null=True, blank=True)
    code_tries = models.PositiveSmallIntegerField("essais du code", default=0)
    email_confirmed_at = models.DateTimeField("adresse confirmée le", null=True, blank=True)
    satisfied = models.BooleanField("satisfait", null=True, blank=True)
    opinion = models.CharField("avis", max_length=500, blank=True)
    opinion_at = models.DateTimeField("avis donné le", null=True, blank=True)

    # What a search of the desk looks into: reference, person, unit and messages, folded (`accounts.words.fold`)
    search = SearchVectorField(null=True, editable=False)

    objects = TicketQuerySet.as_manager()

    class Meta:
        verbose_name = "demande"
        verbose_name_plural = "demandes"
        ordering = ["-id"]
        indexes = [
            # The queues of a team: what is live, by deadline; those without one last
            models.Index(
                "team",
                F("due_at").asc(nulls_last=True),
                "id",
                name="ticket_queue",
                condition=Q(status__in=["new", "open", "waiting"]),
            ),
            # With what lists are narrowed by: those that match few tickets are found without reading the others
            models.Index(
                fields=["team", "-updated_at", "-id"],
                include=("status", "need", "priority", "phase"),
                name="ticket_recent",
            ),
            models.Index(
                fields=["assignee", "due_at"], name="ticket_mine", condition=Q(status__in=["new", "open", "waiting"])
            ),
            models.Index(fields=["mailbox", "need", "-id"], name="ticket_of_mailbox"),
            models.Index(fields=["email", "-id"], name="ticket_of_requester"),
            models.Index(fields=["due_at"], name="ticket_due", condition=Q(due_at__isnull=False)),
            models.Index(fields=["warn_at"], name="ticket_warn", condition=Q(warn_at__isnull=False)),
            models.Index(
                fields=["status", "updated_at"], name="ticket_waiting", condition=Q(status__in=["waiting", "solved"])
            ),
            # The words of some hundred tickets wait to be sorted in: whoever writes one does not pay for its sixty
            # words, and a search reads them one by one in less than it takes to ask.
            GinIndex(fields=["search"], name="ticket_search", fastupdate=True, gin_pending_list_limit=128),
        ]
        constraints = [
            models.CheckConstraint(
                name="ticket_merged_iff_into",
                condition=Q(status="merged", merged_into__isnull=False) | (~Q(status="merged") & Q(merged_into=None)),
                violation_error_message="Une demande jointe l’est à une autre, et elle seule.",
            ),
            models.CheckConstraint(
                name="ticket_clock_stops_while_waiting",
                condition=Q(status="waiting", held_since__isnull=False, due_at=None)
                | (~Q(status="waiting") & Q(held_since=None)),
                violation_error_message="L’horloge est arrêtée tant que la réponse du demandeur est attendue.",
            ),
            models.CheckConstraint(  # else it would be in no queue: not to take, and nobody's
                name="ticket_open_is_taken",
                condition=~Q(status="open") | Q(assignee__isnull=False),
                violation_error_message="Une demande en cours est suivie par quelqu’un.",
            ),
            models.CheckConstraint(
                name="ticket_not_merged_into_itself",
                condition=Q(merged_into=None) | ~Q(merged_into=F("id")),
                violation_error_message="Une demande ne se joint pas à elle-même.",
            ),
        ]

    def __str__(self) -> str:
        return f"demande {self.reference}"

    @property
    def requester_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.email

    @property
    def is_live(self) -> bool:
        return self.status in self.LIVE


class TicketChange(models.Model):
    """One change of one field of a ticket: old, new, who, when, why (F13). Written with the change."""

    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="changes", verbose_name="demande")
    at = models.DateTimeField("le")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="par"
    )
    by_name = models.CharField("nom", max_length=150)  # « portail », « Priminfo (par mail) »
    field = models.CharField("champ", max_length=30)
    old = models.CharField("avant", max_length=300, blank=True)
    new = models.CharField("après", max_length=300, blank=True)
    why = models.CharField("motif", max_length=500, blank=True)
    returned_rule = models.ForeignKey(
        "support.RoutingRule",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="returns",
        verbose_name="règle en cause",
        help_text="La règle qui avait envoyé la demande à la mauvaise équipe (E10).",
    )

    class Meta:
        verbose_name = "changement d’une demande"
        verbose_name_plural = "changements d’une demande"
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.field} : {self.old} → {self.new}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.old, self.new, self.why = self.old[:300], self.new[:300], self.why[:500]
        super().save(*args, **kwargs)


class TicketCheck(models.Model):
    """One item of a need's checklist, ticked (F20)."""

    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="checks", verbose_name="demande")
    item = models.CharField("point", max_length=40)
    at = models.DateTimeField("le")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="par")

    class Meta:
        verbose_name = "point vérifié"
        verbose_name_plural = "points vérifiés"
        constraints = [
            models.UniqueConstraint(
                fields=["ticket", "item"], name="check_once", violation_error_message="Ce point est déjà coché."
            )
        ]

    def __str__(self) -> str:
        return self.item


class Watcher(models.Model):
    """A member of the team who is told of what happens to a ticket that another follows."""

    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="watchers", verbose_name="demande")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="watched", verbose_name="personne")

    class Meta:
        verbose_name = "personne attentive"
        verbose_name_plural = "personnes attentives"
        constraints = [models.UniqueConstraint(fields=["ticket", "user"], name="watcher_once")]

    def __str__(self) -> str:
        return str(self.user)


class Draft(models.Model):
    """What an agent was writing and did not send; kept when tickets are merged."""

    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="drafts", verbose_name="demande")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name="personne")
    text = models.TextField("texte", max_length=20_000)
    saved_at = models.DateTimeField("gardé le")

    class Meta:
        verbose_name = "brouillon"
        verbose_name_plural = "brouillons"
        constraints = [models.UniqueConstraint(fields=["ticket", "user"], name="draft_once")]

    def __str__(self) -> str:
        return f"brouillon de {self.user}"
