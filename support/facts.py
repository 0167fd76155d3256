"""The public facts by which a question is routed: where the mailbox stands, what unit it is, at a moment.

Read in at most five statements for one mailbox; nothing here looks at a person or a request (D7).
"""

from dataclasses import dataclass
from datetime import date, datetime

from accounts.addresses import EC, PO
from accounts.models import Mailbox
from accounts.perimeter import Perimeter, Rules, judge, perimeter_of
from bma_portal.clock import brussels_date
from migration.campaigns import default_campaign
from migration.models import Campaign, Mailing
from migration.phases import Phase, Programme, programme_at
from support.models.routing import Stage
from support.status import MailboxStatus, Progress, status_of

OF_PHASE = {
    Phase.NOT_STARTED: Stage.P0,
    Phase.ANNOUNCED: Stage.P1,
    Phase.CREDENTIALS_SENT: Stage.P2,
    Phase.CONFIRMED: Stage.P3,
    Phase.MIGRATED: Stage.P4,
}
AFTER_MAIL_2 = frozenset(Stage) - {Stage.P0, Stage.P1}
MIGRATED = frozenset({Stage.P4, Stage.P5, Stage.P6})


@dataclass(frozen=True)
class Facts:
    stage: Stage
    kind: str  # ec, po
    unit_types: tuple[str, ...]
    perimeter: Perimeter
    issued: bool  # mail 2 was delivered: there is a new password to lose (K5)
    migrated: bool
    window: tuple[date, date]  # first mails of this kind of unit (S1 §8)
    window_over: bool
    closes_on: date  # the first day without the old server
    mail_1_on: date | None = None
    mail_2_on: date | None = None
    expected_on: date | None = None  # the day foreseen for mail 2, if it may be told
    suspended: bool = False
    closing_sent: bool = False  # mail 4 was delivered
    migrated_on: date | None = None


def facts_for(mailbox: Mailbox, *, at: datetime) -> Facts:
    """What is on record for this mailbox at that moment."""
    return facts_from(status_of(mailbox, at), at=at)


def facts_from(status: MailboxStatus, *, at: datetime) -> Facts:
    """The same, for whoever has the status already."""
    organisation = status.mailbox.organisation
    done = {stage.number: stage.on for stage in status.stages if stage.progress == Progress.DONE}
    second = next(stage for stage in status.stages if stage.number == Mailing.Step.CREDENTIALS)
    return Facts(
        stage=_stage_of(status, at, closing_sent=Mailing.Step.CLOSING in done),
        kind=organisation.kind,
        unit_types=tuple(organisation.unit_types),
        perimeter=perimeter_of(organisation, at),
        issued=status.has_new_password,
        migrated=status.phase == Phase.MIGRATED,
        window=status.window,
        window_over=status.window_over,
        closes_on=status.campaign.old_server_closes_on,
        mail_1_on=done.get(Mailing.Step.ANNOUNCEMENT),
        mail_2_on=done.get(Mailing.Step.CREDENTIALS),
        expected_on=None if status.suspended or status.has_new_password else second.on,
        suspended=status.suspended,
        closing_sent=Mailing.Step.CLOSING in done,
        migrated_on=status.migrated_on,
    )


def _stage_of(status: MailboxStatus, at: datetime, *, closing_sent: bool) -> Stage:
    """« All have migrated » waits for each mailbox that has not; the closing holds for every one (S1 §3, S3 §3).

    Mail 4 ends what Enseignement.be does for a mailbox, even where mail 2 came back (E3).
    """
    if status.old_server_closed:
        return Stage.P6
    stage = OF_PHASE[status.phase]
    if stage == Stage.P4:
        over = status.campaign.pk and programme_at(status.campaign, at) == Programme.OVER
        return Stage.P5 if over else Stage.P4
    return Stage.P3 if closing_sent else stage


def facts_of(
    *,
    unit_type: str,
    stage: Stage | str,
    at: datetime,
    kind: str = EC,
    campaign: Campaign | None = None,
    perimeter: Perimeter | None = None,
    migrated_on: date | None = None,
    expected_on: date | None = None,
) -> Facts:
    """The facts of a mailbox that one imagines: a unit of that type, at that stage, at that moment.

    Asks the database for the campaign and the perimeter only where they are not given.
    """
    stage, day = Stage(stage), brussels_date(at)
    campaign = campaign or default_campaign()
    types = [unit_type] if unit_type else []
    starts, ends = (
        (campaign.po_first_mail_from, campaign.po_first_mail_to)
        if kind == PO
        else (campaign.ec_first_mail_from, campaign.ec_first_mail_to)
    )
    return Facts(
        stage=stage,
        kind=kind,
        unit_types=tuple(types),
        perimeter=perimeter or judge(types, Rules(day)),
        issued=stage in AFTER_MAIL_2,
        migrated=stage in MIGRATED,
        window=(starts, ends),
        window_over=day > ends,
        closes_on=campaign.old_server_closes_on,
        expected_on=expected_on,
        migrated_on=migrated_on,
    )
