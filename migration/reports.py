"""The nightly report (B17): each morning, each organisation reads what its night gave and what waits for it.

SGNE and ETNIC each get their own. Its key is the sender and the Brussels date: beats, restarts and changes of clocks
queue it once; a morning that was missed is told by the next one's, never afterwards.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count

from bma_portal.clock import BRUSSELS, brussels, brussels_date
from bma_portal.mail import tasks as mail_tasks
from bma_portal.mail.compose import Mail
from bma_portal.mail.models import OutgoingMail, Sender
from migration import dashboard
from migration.dashboard import Counts, Dashboard, Todo
from migration.models import Batch, Campaign, Mailing, Move, Step

FROM = (6, 30)  # at Brussels: the night ends at 6 (`Campaign.night_to_hour`)
UNTIL_HOUR = 22  # a report queued later would tell of a night that begins
LIVE = [*Batch.MOVING, Batch.Status.PAUSED]


@dataclass(frozen=True)
class NightLine:
    """What the night that has just ended gave one batch."""

    batch: Batch
    done: int
    failed: int
    waiting: int


@dataclass(frozen=True)
class DueLine:
    """Mails of one step that leave today or in the coming night."""

    label: str
    count: int


@dataclass(frozen=True)
class Report:
    """One campaign, as its report tells it to one organisation."""

    facts: Dashboard
    night: date
    lines: list[NightLine]
    due: list[DueLine]
    todo: list[str]
    others: int  # what waits for the other organisation

    @property
    def campaign(self) -> Campaign:
        return self.facts.campaign

    @property
    def total(self) -> Counts:
        return self.facts.total

    @property
    def done(self) -> int:
        return sum(line.done for line in self.lines)

    @property
    def failed(self) -> int:
        return sum(line.failed for line in self.lines)

    @property
    def waiting(self) -> int:
        return sum(line.waiting for line in self.lines)


def is_time(at: datetime) -> bool:
    """From half past six to ten in the evening, at Brussels. An hour that the clocks repeat is before that."""
    local = at.astimezone(BRUSSELS)
    return (local.hour, local.minute) >= FROM and local.hour < UNTIL_HOUR


def live_campaigns() -> list[Campaign]:
    """Those with a batch on its way; the latest first."""
    return list(Campaign.objects.filter(batches__status__in=LIVE).distinct().order_by("-pk"))


def queue(*, at: datetime) -> int:
    """Queue today's reports if it is time and a campaign is live. Returns how many; asked again, none."""
    if not is_time(at):
        return 0
    keys = {key_of(sender, brussels_date(at)): sender for sender in Sender}
    there = set(OutgoingMail.objects.filter(key__in=keys).values_list("key", flat=True))
    missing = [sender for key, sender in keys.items() if key not in there]
    campaigns = live_campaigns() if missing else []
    if not campaigns:
        return 0
    found = [dashboard.dashboard(campaign, at=at) for campaign in campaigns]
    rows = [NightReport(sender, [report(facts, sender) for facts in found], at=at).row(at=at) for sender in missing]
    with transaction.atomic():
        OutgoingMail.objects.bulk_create(rows, ignore_conflicts=True)  # whoever rang at the same moment was first
        for sender in missing:
            mail_tasks.ring(sender, mails=1)
    return len(rows)


def key_of(sender: str, day: date) -> str:
    return f"report:{sender}:{day.isoformat()}"


def report(facts: Dashboard, sender: Sender) -> Report:
    """What `dashboard` counted, from that organisation's chair."""
    night = facts.today - timedelta(days=1)
    lines = [
        NightLine(of.batch, of.counts.done, of.ever_failed, of.counts.waiting)
        for of in facts.batches
        if of.batch.night_on == night and of.batch.status not in {Batch.Status.DRAFT, Batch.Status.CANCELLED}
    ]
    mine = [todo for todo in facts.todo if todo.team in {"", sender}]
    return Report(
        facts=facts,
        night=night,
        lines=lines,
        due=_due(facts),
        todo=[sentence(todo) for todo in mine],
        others=len(facts.todo) - len(mine),
    )


def _due(facts: Dashboard) -> list[DueLine]:
    """Whoever sends them: both organisations answer the telephone the next day."""
    today = facts.today
    mailings = Mailing.objects.filter(
        move__batch__campaign=facts.campaign,
        move__batch__status__in=Batch.MOVING,
        move__status=Move.Status.PLANNED,
        mail=None,
        held_at=None,
        due_at__gte=brussels(today),
        due_at__lt=brussels(today + timedelta(days=1)),
    )
    rows = mailings.order_by("step").values("step").annotate(count=Count("pk"))
    return [DueLine(Step(row["step"]).label, row["count"]) for row in rows]


def sentence(todo: Todo) -> str:
    """One line of the mail; the dashboard has the link."""
    count, boxes = todo.count, f"{todo.count} boîte{'s' if todo.count > 1 else ''}"
    mails = f"{count} mail{'s' if count > 1 else ''} {todo.about}"
    return {
        "sender": f"L’envoi {dashboard.OF_TEAM[todo.team]} est arrêté : il attend que vous le repreniez.",
        "red": f"{boxes} en rouge au pré-vol de la prochaine nuit.",
        "paused": f"Le {todo.name} est suspendu.",
        "result": f"Le {todo.name} : {boxes} sans résultat, enregistrez celui de la nuit.",
        "release": f"Le {todo.name} attend d’être ouvert à toutes ses boîtes.",
        "approve": f"Le {todo.name} est à approuver, son mail 1 est proche.",
        "evaluate": f"Le {todo.name}, pilote, est à évaluer.",
        "held": f"{mails} en attente de décision.",
        "waiting": f"{boxes} dont un mail est revenu : le titulaire est à joindre.",
        "failed": f"{boxes} en échec dans le {todo.name}, à reprendre.",
        "failing": f"{boxes} en échec dans d’autres lots, à reprendre.",
        "skipped": f"{boxes} dont des éléments non repris sont à admettre.",
        "aside": f"{boxes} mise{'s' if count > 1 else ''} de côté.",
        "text": f"Le texte du mail {todo.about} est à approuver par une seconde personne.",
        "unplanned": f"{boxes} sans lot." if not todo.about else f"{boxes} sans lot, dont {todo.about} en échec.",
    }[todo.what]


class NightReport(Mail):
    """One organisation's report of one morning, sent to itself: each live campaign, its night, day and decisions."""

    kind = "migration.report"
    template = "migration/mails/report"

    def __init__(self, sender: Sender, reports: list[Report], *, at: datetime) -> None:
        self.sender = sender  # type: ignore[misc]
        self.reports, self.at = reports, at

    def key(self) -> str:
        return key_of(self.sender, brussels_date(self.at))

    def object_id(self) -> int:
        return self.reports[0].campaign.pk

    def to(self) -> str:
        return {Sender.SGNE: settings.EXCHANGE_SGNE_ADDRESS, Sender.ETNIC: settings.EXCHANGE_ETNIC_ADDRESS}[
            self.sender
        ]

    def subject(self) -> str:
        reports = self.reports
        done, failed = sum(one.done for one in reports), sum(one.failed for one in reports)
        todo = sum(len(one.todo) for one in reports)
        said = [f"{done} migrée{'s' if done > 1 else ''}, {failed} en échec"] if any(r.lines for r in reports) else []
        said.append(f"{todo} point{'s' if todo > 1 else ''} pour vous" if todo else "rien à décider")
        return f"Migration des BMA, {brussels_date(self.at):%d/%m/%Y} : {', '.join(said)}"

    def context(self, *, at: datetime) -> dict[str, Any]:
        return {
            "team": {Sender.SGNE: "le SGNE", Sender.ETNIC: "l’ETNIC"}[self.sender],
            "at": at,
            "reports": self.reports,
            "portal": settings.PORTAL_URL,
        }
