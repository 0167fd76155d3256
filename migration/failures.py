"""Errors in plain words: what each one means, who acts, which article of the help explains it (B14).

The sentences that are looked for are those that the portal itself writes, and those of ETNIC's tools. Articles are
named by their path: they belong to the holders' side of the portal.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from accounts.models import Credential
from bma_portal.mail.models import OutgoingMail
from migration import corrections, resending
from migration.models import Mailing, Move

SGNE, ETNIC, HOLDER = "SGNE", "ETNIC", "le titulaire"


@dataclass(frozen=True)
class Known:
    """One cause: what it means, who acts and how, and the article that says it to the holder (« » if none does)."""

    meaning: str
    who: str
    deed: str
    article: str = ""


@dataclass(frozen=True)
class Failure:
    """What went wrong with one mailbox: where (« mail 2 », « la nuit »…), as it was told, and what it means.

    With the number of the mail, where a person may send it again (`resending`).
    """

    where: str
    told: str
    known: Known = field(compare=False)
    mail: int | None = field(default=None, compare=False)


ADDRESS = Known(
    "Exchange ne connaît pas cette adresse : la boîte n’existe pas sous ce nom, ou plus.",
    SGNE,
    "vérifiez le FASE et l’adresse dans le registre, corrigez-les, puis renvoyez le mail.",
    "/aide/adresse-de-la-bma/",
)
FULL = Known(
    "La boîte est pleine sur l’ancien serveur (80 Mo) : elle ne reçoit plus rien.",
    HOLDER,
    "prévenez-le par un autre canal ; quand il a fait de la place, le SGNE renvoie le mail.",
    "/aide/boite-pleine/",
)
QUOTA = Known(
    "La boîte ne tient pas dans l’espace prévu sur le nouveau serveur.",
    ETNIC,
    "agrandissez l’espace, ou demandez au titulaire de trier ses mails, puis reprenez les échecs du lot.",
    "/aide/boite-pleine/",
)
TOO_HEAVY = Known(
    "Ce courriel est trop lourd pour Exchange.", ETNIC, "vérifiez la limite de taille, puis renvoyez-le."
)
NOT_UNDERSTOOD = Known(
    "Exchange ne comprend pas ce courriel : c’est un défaut du portail, pas de la boîte.",
    ETNIC,
    "signalez-le avec son code ; rien n’est à faire du côté du titulaire.",
)
SERVICE_ACCOUNT = Known(
    "Le compte qui envoie les courriels est refusé : aucune boîte n’est en cause.",
    ETNIC,
    "remettez le compte de service en ordre, puis reprenez l’envoi de cet expéditeur.",
)
BUSY = Known(
    "Exchange ou l’annuaire n’a pas répondu assez longtemps.",
    "personne",
    "attendez : le portail recommence de lui-même ; après de nombreux essais, renvoyez le mail.",
)
GIVEN_UP = Known(
    "Exchange n’a jamais accepté ce courriel, malgré de nombreux essais.",
    ETNIC,
    "regardez l’état d’Exchange et de l’expéditeur, puis renvoyez le mail.",
)
DIRECTORY_UNKNOWN = Known(
    "L’annuaire n’a pas de compte à cette adresse, ou en a plusieurs : le mot de passe n’a pas pu y être mis.",
    ETNIC,
    "créez ou désignez le compte de la boîte, puis laissez partir le mail 2.",
    "/aide/adresse-de-la-bma/",
)
DIRECTORY_REFUSES = Known(
    "L’annuaire refuse ce mot de passe ; le mail 2 n’est donc pas parti.",
    ETNIC,
    "vérifiez les règles de l’annuaire, puis décidez d’envoyer le mail 2 : un autre mot de passe est fait.",
    "/aide/mail-2-nouveau-mot-de-passe/",
)
SECRET = Known(
    "Le mot de passe scellé ne s’ouvre plus, ou a été détruit ou remplacé : ce mail ne peut plus le dire.",
    SGNE,
    "le titulaire demande un nouveau mot de passe ; rien n’est renvoyé.",
    "/aide/nouveau-mot-de-passe-perdu/",
)
NIGHT_OVER = Known(
    "La nuit prévue est passée avant que ce mail parte.",
    SGNE,
    "choisissez une autre nuit pour le lot, ou reportez la boîte.",
    "/aide/changer-la-date/",
)
OUT_OF_BATCH = Known(
    "La boîte a quitté son lot avant que ce mail parte : il ne devait plus partir.", "personne", "rien n’est à faire."
)
SUSPENDED = Known(
    "Le lot ou la boîte est suspendu : le mail repartira à la reprise.", SGNE, "reprenez-le quand la cause est levée."
)
LOCKED = Known(
    "La boîte était ouverte ou verrouillée pendant la nuit : les outils n’ont pas pu la copier.",
    ETNIC,
    "libérez-la, puis reprenez les échecs du lot ; le mot de passe du mail 2 reste le bon.",
    "/aide/changer-la-date/",
)
ABSENT = Known(
    "La boîte n’a pas été trouvée sur l’un des deux serveurs.",
    ETNIC,
    "vérifiez qu’elle existe des deux côtés, puis reprenez les échecs du lot.",
    "/aide/ecole-fermee-ou-fusionnee/",
)
SIGN_IN = Known(
    "Les outils n’ont pas pu ouvrir la boîte : mot de passe ou droits refusés.",
    ETNIC,
    "remettez les droits de l’outil sur cette boîte, puis reprenez les échecs du lot.",
)
SLOW = Known(
    "La copie a été trop lente ou coupée avant la fin de la nuit.",
    ETNIC,
    "reprenez les échecs du lot ; pour une grosse boîte, prévoyez une nuit à part.",
    "/aide/ce-qui-est-repris/",
)
REFUSED_BY_SERVER = Known(
    "Le serveur du destinataire a refusé ce mail pour de bon.",
    SGNE,
    "lisez sa réponse ci-contre, prévenez le titulaire par un autre canal, puis renvoyez le mail.",
    "/aide/plus-de-mails-sans-erreur/",
)
CAME_BACK_BEFORE = Known(
    "Un mail d’avant n’est pas arrivé dans cette boîte : celui-ci ne devait plus partir.",
    SGNE,
    "prévenez le titulaire par un autre canal, puis renvoyez le mail qui est revenu : celui-ci le suivra.",
)
UNKNOWN = Known(
    "Le portail ne connaît pas cette erreur.",
    ETNIC,
    "lisez-la telle quelle, et signalez-la à l’ETNIC avec l’adresse de la boîte.",
    "/aide/a-qui-s-adresser/",
)

# By code: Exchange's, the directory's, or that of a delivery report (RFC 3463)
CODES: dict[str, Known] = {
    "ErrorInvalidRecipients": ADDRESS,
    "ErrorMissingRecipients": ADDRESS,
    "ErrorMessageSizeExceeded": TOO_HEAVY,
    "ErrorDataSizeLimitExceeded": TOO_HEAVY,
    "ErrorAttachmentSizeLimitExceeded": TOO_HEAVY,
    "ErrorSchemaValidation": NOT_UNDERSTOOD,
    "ErrorInvalidPropertySet": NOT_UNDERSTOOD,
    "ErrorMimeContentInvalid": NOT_UNDERSTOOD,
    "ErrorMimeContentInvalidBase64String": NOT_UNDERSTOOD,
    "ErrorInvalidExtendedProperty": NOT_UNDERSTOOD,
    "ErrorInvalidExtendedPropertyValue": NOT_UNDERSTOOD,
    "Unsendable": NOT_UNDERSTOOD,
    "UnauthorizedError": SERVICE_ACCOUNT,
    "ErrorSendAsDenied": SERVICE_ACCOUNT,
    "ErrorAccessDenied": SERVICE_ACCOUNT,
    "ErrorImpersonateUserDenied": SERVICE_ACCOUNT,
    "ErrorImpersonationDenied": SERVICE_ACCOUNT,
    "ErrorNonExistentMailbox": SERVICE_ACCOUNT,
    "ErrorQuotaExceeded": SERVICE_ACCOUNT,
    "ErrorPasswordExpired": SERVICE_ACCOUNT,
    "ErrorPasswordChangeRequired": SERVICE_ACCOUNT,
    "ErrorAccountDisabled": SERVICE_ACCOUNT,
    "ErrorServerBusy": BUSY,
    "ErrorMailboxStoreUnavailable": BUSY,
    "ErrorMailboxMoveInProgress": BUSY,
    "5.1.1": ADDRESS,
    "5.1.10": ADDRESS,
    "5.2.1": ABSENT,
    "5.2.2": FULL,
    "4.2.2": FULL,
    "5.2.3": TOO_HEAVY,
    "5.3.4": TOO_HEAVY,
}
# By what is said, the first that fits; what the portal writes itself comes before the words of a tool
SENTENCES: list[tuple[str, Known]] = [
    (r"^envoi suspendu", SUSPENDED),
    (r"^le mail \d est revenu", CAME_BACK_BEFORE),
    (r"plus dans un lot|^lot annulé|^la date a encore changé", OUT_OF_BATCH),
    (r"^abandonné après", GIVEN_UP),
    (r"secret|mot de passe (a changé|a été changé|n.est plus annoncé)|aucun mot de passe en vigueur", SECRET),
    (r"nuit (prévue|de la migration)", NIGHT_OVER),
    (r"aucun compte de l.annuaire|plusieurs comptes de l.annuaire|disparaître de l.annuaire", DIRECTORY_UNKNOWN),
    (r"annuaire refuse ce mot de passe", DIRECTORY_REFUSES),
    (r"exchange refuse cette adresse|pas de destinataire", ADDRESS),
    (r"injoignable|occupé|coupée pendant l.échange", BUSY),
    (r"verrou|\block|ouverte? par|in use", LOCKED),
    (r"quota|trop (grosse|grande)|espace|plein|over.?size", QUOTA),
    (r"introuvable|inexistant|n.existe pas|absente?\b|not found|no such", ABSENT),
    (r"\bauth|login|log.?on|accès refusé|droits?\b|denied|permission", SIGN_IN),
    (r"délai|time.?out|timed out|lent|interromp|coup(é|ure)|connexion|connection", SLOW),
]


def explain(told: str, code: str = "") -> Known:
    """What that error means: by its code, else by its words."""
    if code in CODES and not told.startswith("Abandonné après"):
        return CODES[code]
    words = told.lower()
    found = next((known for pattern, known in SENTENCES if re.search(pattern, words)), None)
    if found is None and code.startswith("5."):
        return REFUSED_BY_SERVER
    return found or UNKNOWN


def of_moves(moves: Iterable[Move]) -> dict[int, list[Failure]]:
    """By move, what went wrong and is not settled: mails, the password in the directory, the night. Four statements.

    Only those that have something are there.
    """
    by_pk = {move.pk: move for move in moves}
    found: dict[int, list[Failure]] = {}
    mailings = Mailing.objects.filter(move__in=by_pk, mail__isnull=False).select_related("mail").order_by("step")
    over = [OutgoingMail.Status.FAILED, OutgoingMail.Status.CANCELLED]
    for mailing in mailings:
        mail = mailing.mail
        if mail is None or (mail.status not in over and mail.bounced_at is None):
            continue
        failure = _of_mail(mail, f"mail {mailing.step}", by_pk[mailing.move_id])
        found.setdefault(mailing.move_id, []).append(failure)
    for mail in corrections.unread().filter(object_id__in=by_pk).defer("text", "html").order_by("pk"):
        move = by_pk[mail.object_id or 0]
        found.setdefault(move.pk, []).append(_of_mail(mail, "correction de la date", move))
    of_mailbox = {move.mailbox_id: move.pk for move in by_pk.values() if move.status == Move.Status.PLANNED}
    refused = Credential.objects.filter(mailbox__in=of_mailbox, refused_at__isnull=False, superseded_at=None)
    for mailbox, told in refused.values_list("mailbox_id", "last_error"):
        found.setdefault(of_mailbox[mailbox], []).append(Failure("mot de passe", told, explain(told)))
    for move in by_pk.values():
        if move.status == Move.Status.FAILED:
            found.setdefault(move.pk, []).append(Failure("nuit", move.failure, explain(move.failure)))
    return found


def _of_mail(mail: OutgoingMail, where: str, move: Move) -> Failure:
    told = mail.delivery_text or mail.last_error or "Ce mail est revenu."
    known = explain(told, mail.delivery_code or mail.last_code)
    return Failure(where, told, known, mail.pk if resending.stands(mail, move) else None)
