"""Tickets, as plain rows whose fields agree with each other: `TicketFactory(waiting=True)`, `MessageFactory`.

Nothing is mailed and no rule is asked; `opened_at` and what follows from it are counted from `NOON` (15 October 2026).
"""

from datetime import timedelta

import factory

from accounts.models import Contact
from migration.phases import Phase
from support.models import CannedAnswer, Incident, IncomingMail, Message, SavedView, Ticket
from support.tickets.common import identity_text, index
from tests.factories import MailboxFactory, OrganisationFactory, UserFactory
from tests.factories_holders import NOON

Status = Ticket.Status


def agent(team: str = "etnic", **named):
    """A person of that team, with the role that `migrate` installed."""
    from django.contrib.auth.models import Group

    user = UserFactory(staff=True, **named)
    user.groups.add(Group.objects.get(name=Contact.Team(team).label))
    return user


class IncidentFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Incident

    class Params:
        solved = factory.Trait(status=Incident.Status.SOLVED, solved_at=NOON)

    team = "etnic"
    title = factory.Sequence(lambda n: f"Panne fictive {n}")
    need = "technique"
    text = "L’interface web ne répond pas. Nous cherchons la cause."
    opened_at = NOON - timedelta(hours=1)
    opened_by = factory.SubFactory(UserFactory, staff=True)


class TicketFactory(factory.django.DjangoModelFactory):
    """One of ETNIC's, new, opened an hour ago and due in three hours.

    A state: `taken` (in progress, `assignee`), `waiting`, `solved`, `closed`, `merged` (into another of its mailbox).
    Also `urgent`, `overdue` (its deadline has passed), `searched` (found by its reference, person, unit; a text: by
    its words too), `message` (it has a first message; a text: that one).
    """

    class Meta:
        model = Ticket
        skip_postgeneration_save = True

    class Params:
        taken = factory.Trait(status=Status.OPEN, assignee=factory.SubFactory(UserFactory, staff=True), acted_at=NOON)
        waiting = factory.Trait(
            status=Status.WAITING, held_since=NOON, due_at=None, due_for="", asked_at=None, first_answered_at=NOON
        )
        solved = factory.Trait(
            status=Status.SOLVED, solved_at=NOON, due_at=None, due_for="", asked_at=None, first_answered_at=NOON
        )
        closed = factory.Trait(status=Status.CLOSED, closed_at=NOON, due_at=None, due_for="", asked_at=None)
        merged = factory.Trait(
            status=Status.MERGED,
            due_at=None,
            due_for="",
            asked_at=None,
            merged_into=factory.SubFactory(
                "tests.factories_tickets.TicketFactory",
                mailbox=factory.SelfAttribute("..mailbox"),
                team=factory.SelfAttribute("..team"),
            ),
        )
        urgent = factory.Trait(priority=Ticket.Priority.URGENT)
        overdue = factory.Trait(due_at=NOON - timedelta(hours=2), late=True, alerts=["late:first"])

    mailbox = factory.LazyFunction(lambda: MailboxFactory(organisation=OrganisationFactory()))
    need = "technique"
    subject = factory.Sequence(lambda n: f"L’interface web refuse de s’ouvrir ({n})")
    first_name = "Camille"
    last_name = factory.Sequence(lambda n: f"Fictive{n}")
    email = factory.Sequence(lambda n: f"camille{n}@exemple.test")
    team = "etnic"
    team_since = factory.SelfAttribute("opened_at")
    reason = "Transmis à l’ETNIC : donnée de test."
    phase = Phase.MIGRATED
    opened_at = NOON - timedelta(hours=1)
    asked_at = factory.SelfAttribute("opened_at")
    updated_at = factory.SelfAttribute("opened_at")
    due_at = NOON + timedelta(hours=3)
    due_for = "first"

    @factory.post_generation
    def searched(self, create, extracted, **kwargs):
        if create and extracted:
            index(self, f"{identity_text(self)} {extracted if isinstance(extracted, str) else ''}")

    @factory.post_generation
    def message(self, create, extracted, **kwargs):
        if create and extracted:
            text = {"text": extracted} if isinstance(extracted, str) else {}
            MessageFactory(ticket=self, written_at=self.opened_at, **text, **kwargs)


class MessageFactory(factory.django.DjangoModelFactory):
    """What the requester wrote; `answer=True`, `note=True` for the desk's."""

    class Meta:
        model = Message

    class Params:
        answer = factory.Trait(kind=Message.Kind.ANSWER, author=factory.SubFactory(UserFactory, staff=True))
        note = factory.Trait(kind=Message.Kind.NOTE, author=factory.SubFactory(UserFactory, staff=True))

    ticket = factory.SubFactory(TicketFactory)
    kind = Message.Kind.REQUEST
    author_name = factory.LazyAttribute(
        lambda row: row.author.get_full_name() if getattr(row, "author", None) else row.ticket.requester_name
    )
    written_at = factory.SelfAttribute("ticket.opened_at")
    text = "Bonjour, l’interface web affiche une page blanche depuis ce matin."


class SavedViewFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = SavedView

    team = "etnic"
    owner = factory.SubFactory(UserFactory, staff=True)
    name = factory.Sequence(lambda n: f"Vue fictive {n}")
    slug = factory.Sequence(lambda n: f"vue-fictive-{n}")
    query = "file=toutes"
    created_at = NOON


class CannedAnswerFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = CannedAnswer

    team = "etnic"
    title = factory.Sequence(lambda n: f"Réponse fictive {n}")
    text = "Bonjour {prénom},\n\nVotre demande {référence} est suivie."


class IncomingMailFactory(factory.django.DjangoModelFactory):
    """A mail from somebody unknown that waits for a person of ETNIC."""

    class Meta:
        model = IncomingMail

    sender = "etnic"
    item_key = factory.Sequence(lambda n: f"{n:064x}")
    internet_id = factory.Sequence(lambda n: f"inconnu{n}@exemple.test")
    from_address = "inconnue@exemple.test"
    from_name = "Inconnue Fictive"
    subject = factory.Sequence(lambda n: f"Une question ({n})")
    received_at = NOON
    read_at = NOON
    verdict = IncomingMail.Verdict.QUARANTINED
    why = "Cette adresse n’est pas connue : à quelle boîte ce message se rapporte-t-il ?"
    text = "Bonjour, à qui dois-je m’adresser ?"
