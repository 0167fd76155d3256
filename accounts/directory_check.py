"""Is the directory of passwords ready for us? Each thing that may be wrong, one French sentence; no secret is said."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from accounts import by_hand, credentials, directory_ldap
from accounts import directory as door
from accounts.models import DirectoryPause, Mailbox
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from bma_portal.verdicts import Verdict

NAMES = ("DIRECTORY_URL", "DIRECTORY_USER", "DIRECTORY_PASSWORD", "DIRECTORY_BASE", "DIRECTORY_CA")
SOON = timedelta(days=30)
SAMPLE = 20


@dataclass
class Report:
    """What is well, what deserves attention, what prevents passwords from being set."""

    fine: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def check(*, at: datetime, address: str = "", set_it: bool = False) -> Report:
    """Settings, then TLS, then one sign-in, then the unit of the mailboxes; stops where going on would teach nothing.

    With `set_it`, a new password is set on `address`, a mailbox for tests, and tried: the delegated right shows in no
    other way. If all is well a pause ends. Raises Refusal for an address that the portal serves.
    """
    report = Report()
    if set_it and not address:
        raise Refusal("Pour essayer, nommez une boîte d’essai : --address.")
    if set_it and Mailbox.objects.filter(address__iexact=address).exists():
        raise Refusal("Cette adresse est celle d’une vraie boîte : l’essai changerait son mot de passe.")
    if door.by_hand():
        count = by_hand.waiting().count()
        report.fine.append(f"DIRECTORY=manual : des agents posent les mots de passe à la main ({count} en attente).")
        return report
    configuration(report)
    if report.wrong:
        return report
    try:
        _directory(report, at=at, address=address, set_it=set_it)
    except directory_ldap.Trouble as trouble:
        outcome = trouble.outcome
        report.wrong.append(f"{outcome.reason} [{outcome.code}]" if outcome.code else outcome.reason)
    if not report.wrong and credentials.resume():
        report.fine.append("La pause est levée : les mots de passe en attente seront posés.")
    return report


def configuration(report: Report) -> None:
    """What can be said without calling anyone."""
    if settings.DIRECTORY_BACKEND:
        report.wrong.append("DIRECTORY_BACKEND remplace l’annuaire du portail : il n’y a rien ici à vérifier.")
        return
    for name in NAMES:
        if not getattr(settings, name):
            report.wrong.append(f"{name} n’est pas défini.")
    url = urlsplit(settings.DIRECTORY_URL)
    if settings.DIRECTORY_URL and (url.scheme != "ldaps" or not url.hostname):
        report.wrong.append("DIRECTORY_URL commence par ldaps:// et nomme un serveur : rien ne passe en clair.")
    if settings.DIRECTORY_CA and not Path(settings.DIRECTORY_CA).is_file():
        report.wrong.append("DIRECTORY_CA ne désigne pas un fichier lisible.")
    for pause in DirectoryPause.objects.all():
        report.warnings.append(f"Le portail a cessé d’appeler l’annuaire : {pause.reason}")


def _directory(report: Report, *, at: datetime, address: str, set_it: bool) -> None:
    connection = directory_ldap.connect()
    try:
        host = urlsplit(settings.DIRECTORY_URL).netloc
        name = settings.DIRECTORY_SERVER_NAME or urlsplit(settings.DIRECTORY_URL).hostname
        report.fine.append(f"{host} répond, et son certificat est bien celui de {name}.")
        ends = directory_ldap.certificate_ends(connection)
        if ends < at + SOON:
            report.warnings.append(f"Le certificat de l’annuaire expire le {brussels_date(ends):%d/%m/%Y}.")
        directory_ldap.sign_in(connection)
        report.fine.append("Le compte de service se connecte.")
        _mailboxes(report, connection)
        if address:
            _one(report, connection, address, set_it=set_it)
    except directory_ldap.LDAPException as error:
        report.wrong.append(f"{directory_ldap.AWAY} [{type(error).__name__}]")
    finally:
        directory_ldap.close(connection)


def _mailboxes(report: Report, connection: directory_ldap.Connection) -> None:
    """A few of the portal's mailboxes, looked for: the base is readable, and they are there."""
    sample = list(Mailbox.objects.order_by("?").values_list("address", flat=True)[:SAMPLE])
    missing = [address for address in sample or [""] if not _is_there(connection, address)]
    if not sample:
        report.fine.append("L’unité DIRECTORY_BASE est lisible.")
    elif missing:
        report.warnings.append(
            f"{len(missing)} boîtes du portail sur {len(sample)} cherchées n’ont pas leur compte, ou en ont "
            f"plusieurs, sous DIRECTORY_BASE : {', '.join(missing[:3])}…"
        )
    else:
        report.fine.append(f"L’unité DIRECTORY_BASE est lisible, et les {len(sample)} boîtes cherchées s’y trouvent.")


def _is_there(connection: directory_ldap.Connection, address: str) -> bool:
    try:
        directory_ldap.find(connection, address)
    except directory_ldap.Trouble as trouble:
        if trouble.outcome.verdict is Verdict.PERMANENT:
            return False
        raise
    return True


def _one(report: Report, connection: directory_ldap.Connection, address: str, *, set_it: bool) -> None:
    found = directory_ldap.find(connection, address)
    report.fine.append(f"{address} a un compte dans l’annuaire, et un seul.")
    if found.disabled:
        report.warnings.append("Ce compte est désactivé : aucun mot de passe ne l’ouvre.")
    if not directory_ldap.may_unlock(connection, found):
        report.warnings.append(
            "Le compte de service ne peut pas déverrouiller cette boîte : déléguez-lui aussi l’écriture de "
            "lockoutTime."
        )
    if not set_it:
        return
    password = credentials.new_password(fase=0)
    done = directory_ldap.ActiveDirectory().set_password(address, password)
    if done.verdict is not Verdict.SENT:
        report.wrong.append(f"{done.reason} [{done.code}]")
        return
    report.fine.append("Un mot de passe, que personne ne connaît, a été posé sur cette boîte.")
    seen = directory_ldap.opens(found, password)
    if seen.verdict is Verdict.SENT:
        report.fine.append("Ce mot de passe ouvre la boîte : le droit est délégué.")
    else:
        report.warnings.append(f"Il a été accepté, mais n’ouvre pas ce compte, ou pas par LDAP [{seen.code}].")
