"""How long each thing is kept, and what ends it (SEC-N2): one table, shown by the privacy notice and applied at night.

Each model of the portal has its rule, those of the libraries too; a test fails on one that has none. What a use case
already ends (a password, a proof) is left to it: the nightly run ends only what nothing else does. It may be run
twice, or after a week without: it looks at what is over, not at what changed.

The audit is kept: the database itself refuses that its lines be changed or deleted, and purging it is not built.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

log = logging.getLogger(__name__)

MAIL_TEXT_DAYS = 730
STAFF_LOG_DAYS = 1095
GRANT_MESSAGE_DAYS = 365
ARTICLE_WORDS_DAYS = 365
TICKET_DAYS = 730
QUARANTINE_DAYS = 30
INCOMING_DAYS = 365
ERASED = "adresse-effacee@exemple.invalid"  # a ticket keeps one address


@dataclass(frozen=True)
class Rule:
    """What a table holds, how long, and what ends it. `personal`: it says something of a person."""

    models: tuple[str, ...]
    what: str
    life: str
    ended_by: str
    personal: bool = True
    purge: Callable[[datetime], int] | None = None  # what the nightly run does; how many rows it ended


def _sessions(at: datetime) -> int:
    """By the real time, like the sessions themselves, whatever a replay says; then what says where they came from."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_session WHERE expire_date < clock_timestamp()")
        ended = cursor.rowcount
        cursor.execute(
            """DELETE FROM usersessions_usersession u
               WHERE last_seen_at < clock_timestamp() - interval '1 hour'
                 AND NOT EXISTS (SELECT FROM django_session s WHERE s.session_key = u.session_key)"""
        )
        return ended + cursor.rowcount


def _cache(at: datetime) -> int:
    """What libraries counted or remembered for a time. The table is not a model's."""
    table = connection.ops.quote_name(settings.CACHES["default"]["LOCATION"])
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE expires < clock_timestamp()")  # noqa: S608  the name of our settings
        return cursor.rowcount


def _replay(at: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM bma_portal_replayclock WHERE expires_at < clock_timestamp()")
        return cursor.rowcount


def _old_mail_texts(at: datetime) -> int:
    """The line stays as the trace of the sending; its text and what was attached go."""
    mails = apps.get_model("mail", "OutgoingMail").objects
    before = at - timedelta(days=MAIL_TEXT_DAYS)
    over = Q(status="sent", sent_at__lt=before) | Q(status__in=["failed", "cancelled"], queued_at__lt=before)
    old = mails.filter(over)
    apps.get_model("mail", "Attachment").objects.filter(mail__in=old.values("pk")).delete()
    return old.exclude(text="", html="").update(text="", html="")


def _old_staff_log(at: datetime) -> int:
    entries = apps.get_model("admin", "LogEntry").objects.filter(action_time__lt=at - timedelta(days=STAFF_LOG_DAYS))
    return entries.delete()[0]


def _old_tickets(at: datetime) -> int:
    """Two years after its end: who asked, what was said and the files go; the line stays for the figures."""
    before = at - timedelta(days=TICKET_DAYS)
    tickets = apps.get_model("support", "Ticket").objects
    old = tickets.filter(Q(closed_at__lt=before) | Q(status="merged", updated_at__lt=before), erased_at=None)
    pks = list(old.values_list("pk", flat=True)[:1000])
    with transaction.atomic():
        messages = apps.get_model("support", "Message").objects.filter(ticket__in=pks)
        files = apps.get_model("support", "Attachment").objects.filter(message__ticket__in=pks, destroyed_at=None)
        files.update(key="", content=b"", to_scan=False, destroyed_at=at, destroyed_why="deux ans après la fin")
        apps.get_model("support", "Attachment").objects.filter(message__ticket__in=pks).update(label="")
        messages.filter(kind="request").update(author=None)
        messages.update(text="", quoted="", html="", author_name="")
        apps.get_model("support", "Draft").objects.filter(ticket__in=pks).delete()
        apps.get_model("bma_portal", "StateChange").objects.filter(
            object_type="support.ticket", object_id__in=pks
        ).update(note="")
        gone = {"first_name": "", "last_name": "", "email": ERASED, "phone": "", "copies": [], "opinion": ""}
        apps.get_model("support", "TicketChange").objects.filter(ticket__in=pks).update(old="", new="", why="")
        return tickets.filter(pk__in=pks).update(
            **gone, subject="", answers={}, way=[], reason="", user=None, search=None, erased_at=at
        )


def _old_incoming(at: datetime) -> int:
    """What nobody decided loses its text after thirty days; after a year, who wrote and about what."""
    incoming = apps.get_model("support", "IncomingMail").objects
    waiting = incoming.filter(verdict__in=["quarantined", "refused"], handled_at=None)
    over = waiting.filter(read_at__lt=at - timedelta(days=QUARANTINE_DAYS))
    ended = over.update(text="", html="", files=[], decision="expired", handled_at=at)
    old = incoming.filter(read_at__lt=at - timedelta(days=INCOMING_DAYS)).exclude(from_address="", from_name="")
    return ended + old.update(from_address="", from_name="", subject="")


def _old_grant_messages(at: datetime) -> int:
    decided = apps.get_model("accounts", "GrantRequest").objects.exclude(message="")
    return decided.filter(decided_at__lt=at - timedelta(days=GRANT_MESSAGE_DAYS)).update(message="")


def _old_article_words(at: datetime) -> int:
    votes = apps.get_model("support", "ArticleVote").objects.exclude(text="")
    return votes.filter(at__lt=at - timedelta(days=ARTICLE_WORDS_DAYS)).update(text="")


NIGHTLY = "la tâche de nuit"
KEPT = "conservé : la fin de vie se décide avec le DPO"

RULES: tuple[Rule, ...] = (
    # Persons
    Rule(
        ("accounts.user", "accounts.user_groups", "accounts.user_user_permissions"),
        "Votre compte : nom, identifiant et adresse donnés par Cerbère, fin de validité du mot de passe Cerbère",
        "tant que vous avez une boîte, une permission ou une fonction",
        KEPT,
    ),
    Rule(
        ("socialaccount.socialaccount", "account.emailaddress", "account.emailconfirmation"),
        "Le lien entre votre compte et Cerbère",
        "comme le compte",
        "avec le compte",
    ),
    Rule(
        ("mfa.authenticator",),
        "Le second facteur des comptes de secours des équipes",
        "tant que le compte de secours existe",
        "avec le compte",
    ),
    Rule(
        ("sessions.session", "usersessions.usersession"),
        "Votre session : adresse IP et navigateur, le temps d’être connecté",
        "8 heures au plus, 15 minutes sans activité",
        f"la déconnexion, puis {NIGHTLY}",
        purge=_sessions,
    ),
    # Qualities
    Rule(
        ("accounts.holder", "accounts.gia", "accounts.resetgrant"),
        "Les titulaires, les gestionnaires des accès et les permissions, avec leurs dates",
        "la durée de la qualité, puis comme trace",
        KEPT,
    ),
    Rule(
        ("accounts.grantrequest",),
        "Une demande de permission et son message",
        "le message : un an après la décision ; la ligne : comme trace",
        NIGHTLY,
        purge=_old_grant_messages,
    ),
    # Requests for a password
    Rule(
        ("support.passwordreset",),
        "Une demande de mot de passe : nom, prénom, adresse et téléphone de contact",
        "effacés quelques semaines après la fin de la demande ; la ligne reste, sans eux, comme trace",
        "le suivi des demandes",
    ),
    Rule(
        ("support.prooffile",),
        "La copie de la carte d’identité, chiffrée",
        "30 jours au plus après la décision, avec un certificat de destruction",
        "le suivi des demandes",
    ),
    # Tickets
    Rule(
        (
            "support.ticket",
            "support.message",
            "support.ticketchange",
            "support.ticketcheck",
            "support.watcher",
            "support.draft",
        ),
        "Une demande aux équipes : nom, adresse et téléphone de contact, messages échangés",
        "effacés deux ans après la fin de la demande ; la ligne reste, sans eux, pour les chiffres",
        NIGHTLY,
        purge=_old_tickets,
    ),
    Rule(
        ("support.attachment",),
        "Les pièces jointes d’une demande, chiffrées",
        "un document qui identifie une personne : 30 jours après la fin ; les autres : deux ans",
        "le suivi des demandes, avec un certificat de destruction",
    ),
    Rule(
        ("support.team", "support.savedview", "support.cannedanswer", "support.incident", "support.routingrule"),
        "Les réglages des équipes : délais, vues, réponses types, incidents, règles d’aiguillage",
        "la vie du portail",
        "rien",
        personal=False,
    ),
    Rule(
        ("support.incomingmail",),
        "Un courriel reçu par les équipes : adresse, nom, objet ; son texte tant qu’une personne doit décider",
        "le texte : jusqu’à la décision, 30 jours au plus ; l’adresse et l’objet : un an ; la ligne : comme trace",
        NIGHTLY,
        purge=_old_incoming,
    ),
    Rule(
        ("accounts.credential",),
        "Un mot de passe, chiffré, le temps de le transmettre",
        "détruit dès qu’il a été transmis ou remplacé, 180 jours au plus",
        "la transmission elle-même",
    ),
    # The articles
    Rule(
        ("support.article", "support.articleversion", "support.articleword"),
        "Les articles d’aide, leurs versions, les mots qui servent à les chercher",
        "la vie du portail",
        "rien",
        personal=False,
    ),
    Rule(
        ("support.articlevote",),
        "Votre avis sur un article, sans rien de vous : oui ou non, la raison, le mot que vous y ajoutez",
        "le mot ajouté : un an ; l’avis : comme statistique",
        NIGHTLY,
        purge=_old_article_words,
    ),
    # Mails
    Rule(
        ("mail.outgoingmail", "mail.attachment"),
        "Les courriels du portail : destinataire, objet, texte (jamais celui d’un mot de passe)",
        "le texte : deux ans après l’envoi ; la ligne : comme trace",
        NIGHTLY,
        purge=_old_mail_texts,
    ),
    # Traces
    Rule(
        ("bma_portal.auditentry", "bma_portal.audithead"),
        "Le journal d’audit : qui a vu ou fait quoi, quand, d’où",
        "conservé ; aucune purge n’existe, aucune ligne ne peut être modifiée",
        "rien : sa durée se décide avec le DPO",
    ),
    Rule(
        ("bma_portal.statechange", "accounts.organisationchange", "accounts.registerimport"),
        "L’historique des décisions et des changements, avec le nom de l’agent",
        "conservé comme trace",
        KEPT,
    ),
    Rule(
        ("admin.logentry",),
        "L’historique de l’espace des équipes",
        "trois ans",
        NIGHTLY,
        purge=_old_staff_log,
    ),
    Rule(
        ("bma_portal.ratecount",),
        "Les compteurs qui freinent les abus : une empreinte de l’adresse IP, jamais l’adresse",
        "un jour",
        "la tâche « compteurs », toutes les six heures",
    ),
    # The register and the campaign: no private person
    Rule(
        ("accounts.organisation", "accounts.site", "accounts.siteplacement", "accounts.mailbox", "accounts.contact"),
        "Le registre des établissements et des PO, leurs boîtes, les contacts des équipes",
        "tant que le registre les connaît ou que leur boîte a existé",
        "rien : données publiques",
        personal=False,
    ),
    Rule(
        (
            "migration.campaign",
            "migration.batch",
            "migration.move",
            "migration.mailing",
            "migration.avoidedperiod",
            "accounts.modeperiod",
        ),
        "Les dates de la migration, les jours qu’elle évite et le périmètre de MODE",
        "la vie du portail",
        "rien",
        personal=False,
    ),
    Rule(
        ("migration.mailtext", "migration.plandecision", "migration.mailboxnote"),
        "Les textes des mails, les plans acceptés et les notes sur une boîte, avec le nom de l’agent",
        "conservés comme trace",
        KEPT,
    ),
    Rule(
        ("support.banner",),
        "Les annonces affichées en haut des pages, avec le nom de l’agent qui les a écrites",
        "conservées comme trace",
        KEPT,
    ),
    # The portal's own
    Rule(
        ("bma_portal.replayclock",),
        "L’horloge d’un rejeu, hors production",
        "deux minutes",
        NIGHTLY,
        personal=False,
        purge=_replay,
    ),
    Rule(
        ("support.inboxstate", "mail.senderstate", "mail.throttle", "accounts.directorypause", "bma_portal.vaultkey"),
        "L’état des expéditeurs, de l’annuaire et des clés du coffre",
        "la vie du portail",
        "rien",
        personal=False,
    ),
    Rule(
        (
            "auth.group",
            "auth.group_permissions",
            "auth.permission",
            "contenttypes.contenttype",
            "socialaccount.socialapp",
            "socialaccount.socialtoken",
        ),
        "Les rôles et les réglages techniques ; aucun jeton de Cerbère n’est conservé",
        "la vie du portail",
        "rien",
        personal=False,
    ),
    Rule(
        (),
        "La mémoire technique partagée (jetons déjà utilisés, compteurs des bibliothèques)",
        "quelques minutes à quelques heures",
        NIGHTLY,
        purge=_cache,
    ),
)

BY_MODEL: dict[str, Rule] = {label: rule for rule in RULES for label in rule.models}


def apply(*, at: datetime) -> dict[str, int]:
    """End what is over. By rule, how many rows; doing it twice ends nothing more."""
    done = {}
    for rule in RULES:
        if rule.purge is not None:
            name = rule.models[0] if rule.models else "cache"
            done[name] = rule.purge(at)
            log.info("conservation", extra={"objet": name, "nombre": done[name]})
    return done
