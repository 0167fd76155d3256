"""Is Exchange ready for us? Each thing that may be wrong, one French sentence; no secret is ever said."""

import ssl
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import requests
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from bma_portal.mail.compose import Letter
from bma_portal.mail.models import OutgoingMail, Sender
from bma_portal.mail.outbox import Gone, RemoteId, transport
from bma_portal.settings.base import is_loopback
from bma_portal.verdicts import Outcome, Verdict

EXCHANGE_ONLINE = {"outlook.office365.com", "outlook.office.com"}
EWS_ENDS_ONLINE = date(2027, 4, 1)  # Microsoft's announcement: exchange.md §11
ADDRESSES = {Sender.SGNE: "EXCHANGE_SGNE_ADDRESS", Sender.ETNIC: "EXCHANGE_ETNIC_ADDRESS"}


@dataclass
class Report:
    """What is well, what deserves attention, what prevents sending."""

    fine: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def check(*, send: bool = False) -> Report:
    """Configuration, then the server, then each sender. Stops where going on would teach nothing.

    With `send`, each sender writes one mail to itself: the right « Envoyer en tant que » shows in no other way.
    """
    report = Report()
    configuration(report)
    if report.wrong:
        return report
    server(report)
    if report.wrong:
        return report
    for sender in Sender:
        if report.wrong and _is_account_refused(report):  # another try brings the account nearer to its lock
            report.warnings.append(f"{sender.label} : pas essayé, le compte de service est le même.")
            break
        _sender(report, sender, send=send)
    return report


def configuration(report: Report) -> None:
    """What can be said without calling anyone."""
    url = urlsplit(settings.EXCHANGE_URL)
    if not settings.EXCHANGE_URL:
        report.wrong.append("EXCHANGE_URL n’est pas défini : donnez l’adresse complète d’Exchange.asmx.")
    elif url.scheme not in {"http", "https"} or not url.hostname:
        report.wrong.append("EXCHANGE_URL n’est pas une adresse : elle commence par https:// et nomme un serveur.")
    elif url.scheme == "http" and not is_loopback(settings.EXCHANGE_URL):
        report.wrong.append("EXCHANGE_URL doit être en https : le mot de passe de service y circule.")
    elif not url.path.lower().endswith("/exchange.asmx"):
        report.warnings.append("EXCHANGE_URL ne finit pas par /EWS/Exchange.asmx, l’adresse habituelle des EWS.")
    for name in ("EXCHANGE_USER", "EXCHANGE_PASSWORD"):
        if not getattr(settings, name):
            report.wrong.append(f"{name} n’est pas défini.")
    if settings.EXCHANGE_AUTH not in {"basic", "ntlm"}:
        report.wrong.append("EXCHANGE_AUTH vaut basic ou ntlm.")
    if settings.EXCHANGE_ACCESS not in {"delegate", "impersonation"}:
        report.wrong.append("EXCHANGE_ACCESS vaut delegate ou impersonation.")
    for name in ADDRESSES.values():
        try:
            validate_email(getattr(settings, name))
        except ValidationError:
            report.wrong.append(f"{name} n’est pas une adresse.")
    if settings.EXCHANGE_CA and not Path(settings.EXCHANGE_CA).is_file():
        report.wrong.append("EXCHANGE_CA ne désigne pas un fichier lisible.")
    host = (url.hostname or "").lower()
    if host in EXCHANGE_ONLINE:
        report.warnings.append(
            f"{host} est Exchange Online : Microsoft y arrête les EWS le {EWS_ENDS_ONLINE:%d/%m/%Y}. "
            "Le portail est fait pour un Exchange Server."
        )
    if not settings.PRODUCTION and host and not is_loopback(settings.EXCHANGE_URL):
        report.warnings.append(
            f"Hors production, {host} n’est pas cette machine : rien ne partira par lui vers adm.cfwb.be."
        )
    if settings.PRODUCTION and not settings.EXCHANGE_MAX_PER_MINUTE:
        report.warnings.append("EXCHANGE_MAX_PER_MINUTE vaut 0 : aucune limite d’allure ne protège Exchange.")


def server(report: Report) -> None:
    """Whether the server can be reached at all: without signing in, to tell a certificate from a password."""
    host = urlsplit(settings.EXCHANGE_URL).netloc
    try:
        answer = requests.get(
            settings.EXCHANGE_URL,
            timeout=settings.EXCHANGE_TIMEOUT,
            verify=settings.EXCHANGE_CA or True,
            allow_redirects=False,
        )
    except (requests.exceptions.SSLError, ssl.SSLError):
        report.wrong.append(
            f"Le certificat de {host} n’est pas reconnu : donnez dans EXCHANGE_CA l’autorité qui l’a signé, ou "
            "vérifiez le nom du serveur."
        )
    except requests.exceptions.ReadTimeout:
        report.wrong.append(f"{host} accepte la connexion mais ne répond pas : est-ce bien un serveur Exchange ?")
    except (requests.exceptions.InvalidURL, UnicodeError):
        report.wrong.append("EXCHANGE_URL n’est pas une adresse lisible.")
    except requests.RequestException:
        report.wrong.append(f"{host} est injoignable : vérifiez le nom, le port, le pare-feu et le réseau.")
    else:
        if answer.status_code == 404:
            report.wrong.append(f"{host} répond, mais il n’y a rien à l’adresse donnée par EXCHANGE_URL (404).")
        elif answer.status_code in {301, 302, 307, 308}:
            report.wrong.append(f"{host} renvoie vers une autre adresse : corrigez EXCHANGE_URL.")
        else:
            report.fine.append(f"{host} répond.")


def _letter(sender: Sender, address: str) -> Letter:
    key = uuid4()
    return Letter(
        uuid=key,
        message_id=f"<{key}@portail.bma.cfwb.be>",
        sender=sender,
        to=[address],
        subject="Portail BMA : essai d’envoi",
        text="Ce message vérifie que le portail BMA peut écrire au nom de cette boîte. Vous pouvez l’effacer.\n",
    )


def _sender(report: Report, sender: Sender, *, send: bool) -> None:
    """A draft in the sender's mailbox, to itself; it is sent if asked, else deleted, and seen to be gone."""
    address = getattr(settings, ADDRESSES[sender])
    label = f"{sender.label} ({address})"
    door = transport()
    letter = _letter(sender, address)
    draft = door.draft(sender, [letter])[0]
    if isinstance(draft, Outcome):
        report.wrong.append(f"{label} : {_said(draft)}")
        return
    if send:
        sent = door.send(sender, draft, keep_copy=False)
        if sent.verdict is Verdict.SENT:
            report.fine.append(f"{label} : un message à elle-même est parti.")
            return
        report.wrong.append(f"{label} : {_said(sent)}")
    door.discard(sender, [draft])
    if not _is_gone(sender, letter, draft):
        report.warnings.append(f"{label} : le brouillon d’essai n’a pas pu être effacé ; effacez-le à la main.")
    elif not send:
        report.fine.append(f"{label} : un brouillon a été fait puis effacé.")


def _is_gone(sender: Sender, letter: Letter, draft: RemoteId) -> bool:
    asked = OutgoingMail(pk=0, uuid=letter.uuid, ews_id=draft[0], ews_changekey=draft[1])
    return isinstance(transport().locate(sender, [asked]).get(0), Gone)


def _said(outcome: Outcome) -> str:
    """The reason, completed where an administrator needs one more word."""
    match outcome.code:
        case "ErrorNonExistentMailbox":
            return "cette boîte n’existe pas sur ce serveur."
        case "ErrorPasswordExpired":
            return "le mot de passe du compte de service est expiré : changez-le, puis EXCHANGE_PASSWORD."
        case _:
            reason = outcome.reason or "Exchange n’a pas répondu comme attendu."
            return f"{reason} [{outcome.code}]" if outcome.code else reason


def _is_account_refused(report: Report) -> bool:
    return any(code in report.wrong[-1] for code in ("HTTP 401", "HTTP 403", "UnauthorizedError", "ErrorPassword"))
