"""Which form gives a new password back, for this mailbox, on that day (D2): phase, unit type and date decide.

Public facts only: whether the unit exists, its type, its phase. Nothing here looks at a person, a permission or a
request, so nothing here can tell of one (D7).
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from accounts.addresses import EC
from accounts.mode import perimeter_of
from accounts.models import Mailbox, ModePeriod, Organisation
from bma_portal.clock import brussels_date
from bma_portal.templatetags.french import jour, sans_semaine
from migration.models import Mailing
from migration.phases import Phase
from support.lookup import heir, is_gone
from support.routing import Route, facts_from, route
from support.status import MailboxStatus, Progress, status_of


class Kind(StrEnum):
    NOT_ISSUED = "not_issued"  # mail 2 has not been delivered: there is nothing to lose yet
    MODE = "mode"
    HORS_MODE = "hors_mode"
    PERSON = "person"  # the hors-MODE form: whoever reads it decides
    CLOSED = "closed"


FORMS = {Kind.MODE: "reset_mode", Kind.HORS_MODE: "reset_hors_mode", Kind.PERSON: "reset_hors_mode"}
KINDS = {
    ModePeriod.Verdict.MODE: Kind.MODE,
    ModePeriod.Verdict.OUT: Kind.HORS_MODE,
    ModePeriod.Verdict.PERSON: Kind.PERSON,
}


@dataclass(frozen=True)
class Door:
    """What stands behind the question: the form, or why there is none yet or no longer."""

    kind: Kind
    sentence: str
    source: str
    expected_on: date | None = None  # the day of mail 2, if it may be told

    @property
    def form(self) -> str | None:
        """The name of the form's page; None where there is nothing to ask."""
        return FORMS.get(self.kind)


def door_for(mailbox: Mailbox, *, at: datetime) -> Door:
    """The one answer for that mailbox at that moment.

    A new password exists from the delivery of mail 2 on (K5). Once the old server is closed there is no other
    password, recorded migration or not, so the form answers for every mailbox (S3 §2.1, §3).
    """
    organisation = mailbox.organisation
    if is_gone(organisation, brussels_date(at)):
        return Door(Kind.CLOSED, _gone(organisation, at), "registre FASE")
    status = status_of(mailbox, at)
    if not (status.has_new_password or status.old_server_closed):
        return _not_issued(status)
    perimeter = perimeter_of(organisation, at)
    return Door(KINDS[ModePeriod.Verdict(perimeter.verdict)], perimeter.sentence, perimeter.source)


def _gone(organisation: Organisation, at: datetime) -> str:
    since = f" depuis le {sans_semaine(organisation.closed_on)}" if organisation.closed_on else ""
    if after := heir(organisation, at):
        what = f"est fermé{since}" if since else "a un successeur"
        return f"Ce numéro {what} : c’est la boîte de {after.name} qui sert désormais."
    return f"Ce numéro est fermé{since}, et le registre n’indique pas qui l’a repris."


def _not_issued(status: MailboxStatus) -> Door:
    """Explain, with the day of mail 2 where its batch may be told (S1 §5)."""
    second = next(stage for stage in status.stages if stage.number == Mailing.Step.CREDENTIALS)
    not_yet = "Le mot de passe de la nouvelle interface n’a pas encore été envoyé : "
    if status.suspended:
        sentence = not_yet + "le calendrier de cette boîte est suspendu pour l’instant."
    elif second.on is None:
        start, end = (sans_semaine(day) for day in status.window)
        units = "établissements" if status.mailbox.organisation.kind == EC else "pouvoirs organisateurs"
        sentence = (
            f"{not_yet}il arrive dans la boîte une semaine après le premier mail, que les {units} reçoivent entre le "
            f"{start} et le {end}."
        )
        if status.phase != Phase.NOT_STARTED:
            sentence = not_yet + "il arrive dans la boîte une semaine environ après le premier mail."
        elif status.window_over:
            sentence = not_yet + "le premier mail de cette boîte n’est pas encore parti."
    elif second.progress == Progress.LATE:
        sentence = f"{not_yet}il était prévu le {jour(second.on)} et va suivre."
    else:
        sentence = f"{not_yet}il est prévu le {jour(second.on)}, dans la boîte elle-même."
    told = None if status.suspended else second.on
    return Door(Kind.NOT_ISSUED, sentence, "FAQ d’octobre 2024, §5 (S1)", expected_on=told)


def old_door_for(status: MailboxStatus, *, at: datetime) -> Route:
    """Who gives a new password for the old interface: the first row of the routing matrix.

    Its `team` is None once the old server is closed for good.
    """
    return route("ancien-mot-de-passe", facts_from(status, at=at), {}, at=at)
