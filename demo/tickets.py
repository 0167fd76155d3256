"""The demo's tickets: a dozen, in several states, made by the use cases that people use, over the last working days.

All of it is invented. Nothing is made twice, nor on a register that is not the demo's own.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any

from django.conf import settings

from accounts import register
from accounts.models import Holder, Mailbox, Organisation, User
from accounts.words import fold
from bma_portal import bells
from bma_portal.clock import brussels, brussels_date, is_working_day
from demo.exchange.control import StandIn
from support import tickets, tokens
from support.models import Ticket
from support.tasks import read_inboxes

__all__ = ["invent"]

SAMPLE = "Valfictive"  # a municipality of the invented register
NEW_SCHOOL = 98_950  # opened after the campaign: its mailbox has not migrated
STRANGER = "secretariat@ecole-inventee.exemple.test"


def invent(*, at: datetime, stand_in: StandIn) -> int:
    """Returns how many there are now."""
    boxes = list(Mailbox.objects.filter(organisation__kind="ec").order_by("organisation__fase")[:12])
    ours = Organisation.objects.filter(municipality=SAMPLE).exists()
    if ours and len(boxes) == 12 and not Ticket.objects.exists():
        desk = _Desk(at, boxes)
        desk.service_desk()
        desk.other_teams()
        desk.incident()
        desk.joined()
        _a_stranger_writes(stand_in, at=at)
    return Ticket.objects.count()


class _Desk:
    """Who asks and who answers, at which moments of the last days."""

    def __init__(self, at: datetime, boxes: Sequence[Mailbox]) -> None:
        self.at, self.boxes = at, list(boxes)
        people = {user.username: user for user in User.objects.filter(socialaccount__isnull=False)}
        self.eden, self.mae, self.sacha = people["etnic"], people["etnic2"], people["sgne"]
        held = Holder.objects.in_force(at).filter(user__username="directrice", organisation__mailbox__isnull=False)
        self.holder = held.select_related("organisation__mailbox", "user").first()

    def ago(self, days: int, hour: int, minute: int = 0) -> datetime:
        """That hour of the working day so many before today."""
        day = brussels_date(self.at)
        while days:
            day -= timedelta(days=1)
            days -= is_working_day(day)
        return brussels(day, hour, minute)

    def just(self, minutes: int) -> datetime:
        """So recently that no target has passed, whatever the hour of the visit."""
        return self.at - timedelta(minutes=minutes)

    def asks(self, box: Mailbox, name: str, need: str, subject: str, text: str, at: datetime, **more: Any) -> Ticket:
        first, _, last = name.partition(" ")
        known = {"email": f"{fold(first)}.{fold(last)}@exemple.test", "first_name": first, "last_name": last} | more
        return tickets.open_ticket(mailbox=box, need=need, subject=subject, text=text, at=at, **known)

    def answered(self, ticket: Ticket, text: str, *, by: User, at: datetime, then: str = "waiting") -> None:
        tickets.answer(ticket, text=text, by=by, version=None, then=then, at=at)

    def service_desk(self) -> None:
        """ETNIC: new, urgent, taken with a note, waiting for its requester, solved."""
        box = self.boxes
        self.asks(
            box[1], "Inès Fictive", "technique", "La page de connexion reste blanche",
            "Bonjour,\n\nDepuis ce matin, la nouvelle interface reste blanche dans Firefox. Avec Edge elle s’ouvre. "
            "Faut-il changer quelque chose ?",
            self.just(25), answers={"sujet": "webmail"},
        )  # fmt: skip
        urgent = self.asks(
            box[2], "Noah Fictif", "reception", "Plus aucun mail depuis deux jours",
            "Bonjour,\n\nNous attendons les documents du concours de recrutement et rien n’arrive plus, sans message "
            "d’erreur. Nos correspondants, eux, reçoivent nos mails.",
            self.ago(1, 9, 10), answers={"erreur": "aucune"},
        )  # fmt: skip
        tickets.set_priority(urgent, priority=Ticket.Priority.URGENT, by=self.eden, at=self.ago(1, 9, 30))
        taken = self.asks(
            box[3], "Zoé Fictive", "configuration", "Outlook redemande sans cesse le mot de passe",
            "Bonjour,\n\nJe viens de recréer le compte dans Outlook comme l’explique votre guide. La fenêtre du "
            "mot de passe revient toutes les deux minutes.",
            self.ago(2, 10, 5), answers={"appareil": "outlook"},
        )  # fmt: skip
        tickets.take(taken, by=self.mae, at=self.ago(2, 11))
        tickets.note(
            taken, by=self.mae, at=self.ago(2, 11, 5),
            text="Même souci que la semaine passée : l’ancien compte reste dans le gestionnaire d’identification.",
        )  # fmt: skip
        waiting = self._of_the_holder()
        self.answered(
            waiting,
            "Bonjour,\n\nVotre compte Cerbère était bloqué après plusieurs essais : il est débloqué. Pouvez-vous "
            "essayer de nouveau et nous dire ce qui s’affiche ?",
            by=self.eden, at=self.ago(2, 14, 20),
        )  # fmt: skip
        solved = self.asks(
            box[5], "Aya Fictive", "technique", "Reprendre les mails de l’ancien ordinateur",
            "Bonjour,\n\nL’ordinateur du secrétariat a été remplacé. Comment reprendre les mails qui étaient rangés "
            "dans Outlook sur l’ancien ?",
            self.ago(4, 8, 30), answers={"sujet": "transfert"},
        )  # fmt: skip
        self.answered(
            solved,
            "Bonjour,\n\nExportez d’abord vos dossiers dans un fichier, copiez-le sur le nouvel ordinateur, puis "
            "importez-le : l’article « Passer ses mails d’un ordinateur à l’autre » montre chaque fenêtre.",
            by=self.mae, at=self.ago(4, 11), then="solved",
        )  # fmt: skip
        token = tokens.opinion_token(Ticket.objects.get(pk=solved.pk)).reveal()
        tickets.give_opinion(token, satisfied=True, comment="Clair et rapide.", at=self.ago(3, 9))

    def _of_the_holder(self) -> Ticket:
        """Dominique's own, if the register gave them a school: it is then on their page « Ma boîte »."""
        subject, need, answers = "Cerbère refuse mon mot de passe", "cerbere", {"essai": "echec"}
        text = (
            "Bonjour,\n\nJ’ai suivi la procédure de récupération deux fois ; Cerbère me dit que le compte est bloqué."
        )
        if self.holder is None:
            return self.asks(self.boxes[4], "Élio Fictif", need, subject, text, self.ago(2, 9), answers=answers)
        user, box = self.holder.user, self.holder.organisation.mailbox
        named = {"first_name": user.first_name, "last_name": user.last_name, "email": f"{user.username}@exemple.test"}
        return self.asks(box, "", need, subject, text, self.ago(2, 9), answers=answers, user=user, **named)

    def other_teams(self) -> None:
        """SGNE, Priminfo by mail, Enseignement.be for a school whose mailbox has not migrated."""
        box, delivered = self.boxes, (self.at - timedelta(days=400)).date().isoformat()
        self.asks(
            box[6], "Liam Fictif", "procedure", "Qui doit lire la boîte pendant mon congé ?",
            "Bonjour,\n\nJe serai absente six semaines. Puis-je confier la boîte à mon adjointe, et comment ?",
            self.just(70),
        )  # fmt: skip
        self.asks(
            box[7], "Rose Fictive", "panne", "L’ordinateur ne démarre plus",
            "Bonjour,\n\nL’ordinateur portable de la direction s’arrête sur un écran noir, même branché. "
            "Le numéro de série se termine par 0427.",
            self.just(50), answers={"livraison": delivered},
        )  # fmt: skip
        repaired = self.asks(
            box[8], "Malo Fictif", "panne", "Trois touches du clavier ne répondent plus",
            "Bonjour,\n\nLes touches A, Q et W ne répondent plus depuis vendredi. Rien n’a été renversé dessus.",
            self.ago(3, 13, 5), answers={"livraison": delivered},
        )  # fmt: skip
        tickets.team_wrote_by_mail(
            repaired, team="priminfo", sender_name="Priminfo",
            text="Bonjour,\n\nUn technicien passe jeudi matin remplacer le clavier. Quelqu’un sera-t-il là dès 8 h ?",
            at=self.ago(2, 9, 45),
        )  # fmt: skip
        new = self.asks(
            _new_school(at=self.at), "Nina Fictive", "procedure", "Notre boîte n’existe pas encore",
            "Bonjour,\n\nNotre école a ouvert en septembre. Quand aurons-nous notre boîte administrative ?",
            self.ago(2, 16),
        )  # fmt: skip
        tickets.take(new, by=self.sacha, at=self.just(35))
        why = "cette boîte n’a pas migré, vous la gérez encore"
        tickets.transfer(new, to="enseignement_be", why=why, by=self.sacha, at=self.just(30))

    def incident(self) -> None:
        """One fault that three schools report."""
        found = tickets.declare(
            team="etnic", title="Pièces jointes refusées par l’interface web", need="technique", by=self.eden,
            text="Les pièces jointes de plus de 5 Mo sont refusées depuis hier. L’équipe du serveur cherche la cause.",
            at=self.ago(1, 13),
        )  # fmt: skip
        told = (
            ("Tom Fictif", "Impossible de joindre un PDF", "Le PDF du plan de pilotage (7 Mo) est refusé."),
            (
                "Lina Fictive",
                "Pièce jointe refusée",
                "« Fichier trop volumineux » s’affiche, même avec un petit scan.",
            ),
            (
                "Gaël Fictif",
                "Je n’arrive plus à envoyer de photos",
                "Les photos du chantier ne partent plus depuis hier.",
            ),
        )
        for n, (name, subject, text) in enumerate(told):
            at = self.ago(1, 13, 10 + 5 * n)
            child = self.asks(
                self.boxes[9 + n], name, "technique", subject, f"Bonjour,\n\n{text}", at, answers={"sujet": "webmail"}
            )
            tickets.join(child, found, by=self.eden, at=at + timedelta(minutes=3))
        text = "Bonjour {prénom} {nom},\n\nLa cause est trouvée ; les envois de la boîte {boîte} reprendront ce soir."
        tickets.update(found, text=text, by=self.eden, at=self.ago(1, 16))

    def joined(self) -> None:
        """Two persons of one school who wrote about the same thing."""
        box, subject = self.boxes[0], "Redirection vers l’adresse du secrétariat"
        kept = self.asks(
            box, "Jules Fictif", "technique", subject,
            "Bonjour,\n\nLa redirection posée l’an dernier ne fonctionne plus depuis la migration.",
            self.ago(3, 9, 20), answers={"sujet": "redirection"},
        )  # fmt: skip
        again = self.asks(
            box, "Anna Fictive", "technique", "Les mails n’arrivent plus au secrétariat",
            "Bonjour,\n\nLe secrétariat ne reçoit plus la copie des mails de la boîte.",
            self.ago(3, 11), answers={"sujet": "redirection"},
        )  # fmt: skip
        tickets.merge(again, into=kept, by=self.eden, at=self.ago(3, 11, 30))


def _new_school(*, at: datetime) -> Mailbox:
    unit = Organisation(
        kind=Organisation.Kind.EC,
        fase=NEW_SCHOOL,
        name="École fictive du Nouveau Songe",
        network="Subventionné communal",
        unit_types=["Maternel ordinaire"],
        postal_code="0100",
        locality="VALFICTIVE",
        municipality=SAMPLE,
    )
    register.add_by_hand(unit, at=at)
    return Mailbox.objects.get(organisation__kind=Organisation.Kind.EC, organisation__fase=NEW_SCHOOL)


def _a_stranger_writes(stand_in: StandIn, *, at: datetime) -> None:
    """A mail from an address that nobody knows: a person at ETNIC's desk decides what becomes of it."""
    mail = EmailMessage()
    mail["From"] = f"Secrétariat inventé <{STRANGER}>"
    mail["To"] = settings.EXCHANGE_ETNIC_ADDRESS
    mail["Subject"] = "Notre ancienne adresse"
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = make_msgid(domain="exemple.test")
    mail.set_content(
        "Bonjour,\n\nNous écrivons d’une adresse privée parce que celle de l’école ne s’ouvre plus. "
        "Pouvez-vous nous aider ?\n\nLe secrétariat\n"
    )
    stand_in.arrive(settings.EXCHANGE_ETNIC_ADDRESS.lower(), mail.as_bytes())
    bells.ring(read_inboxes)  # now, and not within the minute
