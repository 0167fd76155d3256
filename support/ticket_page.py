"""Everything that the page of a ticket shows, read in one statement; the phase of its mailbox takes two more (A8).

Beside the ticket come its thread, its files, and what the team may know of its mailbox: a team that has nothing to do
with passwords (Priminfo, a company) is told nothing that bears on one.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from types import SimpleNamespace
from typing import Any

from django.db.models import Case, F, Field, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import JSONObject

from accounts.models import Contact, Holder, ModePeriod, Organisation, User
from accounts.perimeter import Perimeter, Rules, judge, open_on
from bma_portal.clock import brussels_date
from bma_portal.mail.models import OutgoingMail
from bma_portal.prepared import Prepared
from bma_portal.templatetags.french import sans_semaine
from migration.models import Mailing
from support.desk import REFERENCE
from support.models import (
    Attachment,
    CannedAnswer,
    Draft,
    Incident,
    Message,
    PasswordReset,
    Ticket,
    TicketChange,
    TicketCheck,
    Watcher,
)
from support.needs import NEEDS, Check
from support.status import MailboxStatus, Progress, status_of
from support.ticket_history import delivery, moment

TEAMS = Contact.Team
KNOWS_OF_PASSWORDS = frozenset({TEAMS.SGNE, TEAMS.ETNIC, TEAMS.ENSEIGNEMENT_BE})
KNOWS_THE_HOLDER = frozenset({TEAMS.SGNE, TEAMS.ETNIC})
SHOWN = 10  # other tickets of the mailbox
LONG_THREAD = 9  # from that many messages on, those between the first and the last ones are folded
LAST_SHOWN = 5
STEPS = {1: "Mail 1, annonce", 2: "Mail 2, mot de passe", 3: "Mail 3, date confirmée", 4: "Mail 4, clôture"}
Sent = OutgoingMail.Status


@dataclass(frozen=True)
class MailLine:
    """One of the four mails of the migration, in words."""

    label: str
    word: str
    tone: str  # of the badge


@dataclass
class TicketPage:
    """One ticket at a moment, as the persons of these teams may see it."""

    ticket: Ticket
    thread: list[Any]
    last_change: int
    watchers: list[Any]
    watched: bool  # by whoever looks
    draft: Any | None
    checks: list[tuple[Check, Any | None]]
    canned: list[Any]
    duplicates: list[Any]  # live, of the same mailbox and need (F9)
    others: list[Any]
    merged: list[str]
    follows: str
    followed_by: list[str]
    incidents: list[Any]
    resets: list[Any]
    holder: str
    po_address: str
    status: MailboxStatus | None
    mails: list[MailLine]
    perimeter: Perimeter | None

    @property
    def seen(self) -> str:
        """What was there when the page was read: sent back with each deed, to say what is new since."""
        return f"{max((line.id for line in self.thread), default=0)}.{self.last_change}"

    @property
    def first(self) -> list[Any]:
        return self.thread if len(self.thread) < LONG_THREAD else self.thread[:1]

    @property
    def folded(self) -> list[Any]:
        return [] if len(self.thread) < LONG_THREAD else self.thread[1:-LAST_SHOWN]

    @property
    def folded_has_news(self) -> bool:
        return any(line.new for line in self.folded)

    @property
    def last(self) -> list[Any]:
        return [] if len(self.thread) < LONG_THREAD else self.thread[-LAST_SHOWN:]

    @property
    def open_checks(self) -> int:
        return sum(check.mandatory and done is None for check, done in self.checks)


def page_of(
    reference: str, *, teams: Collection[str], user: User, at: datetime, since: tuple[int, int] | None = None
) -> TicketPage | None:
    """The ticket that bears it, if it is of one of these teams; None otherwise, whether it exists or not (F1).

    `since`: the last message and change that were seen; later messages are marked as new.
    """
    if not REFERENCE.fullmatch(reference.upper()):
        return None
    row: Any = _asked.first(
        reference=reference.upper(), teams=sorted(teams), user=user.pk, at=at, day=brussels_date(at)
    )
    if row is None:
        return None
    _join(row)
    passwords = bool(KNOWS_OF_PASSWORDS & set(teams))
    mailings = _things(row.r_mailings)
    status = _status(row.mailbox, mailings, at) if passwords and row.merged_into_id is None else None
    thread = _things(row.r_thread)
    for line in thread:
        line.new = since is not None and line.id > since[0]
        sent = delivery(line.mail_status, line.mail_sent_at, line.mail_bounced_at, at) if line.mail_to else ("", "")
        line.delivery, line.tone = sent
        line.iso, line.when = line.written_at.isoformat(), moment(line.written_at)
        line.number = str(line.id)  # a template writes a text as it is, and takes its time over a number
    checks = {check.item: check for check in _things(row.r_checks)}
    others = _things(row.r_others)
    for other in others:
        other.same = other.need == row.need and other.status in Ticket.LIVE
    watchers = _things(row.r_watchers)
    linked = _things(row.r_linked)
    return TicketPage(
        ticket=row,
        thread=thread,
        last_change=next((change.id for change in _things(row.r_last_change)), 0),
        watchers=[person for person in watchers if person.user_id != row.assignee_id],
        watched=any(person.user_id == user.pk for person in watchers),
        draft=next(iter(_things(row.r_drafts)), None),
        checks=[(check, checks.get(check.slug)) for check in NEEDS[row.need].checklist] if row.need in NEEDS else [],
        canned=_things(row.r_canned),
        duplicates=[other for other in others if other.same],
        others=[other for other in others if not other.same],
        merged=[other.reference for other in linked if other.merged_into_id == row.pk],
        follows=next((other.reference for other in linked if other.id == row.follows_id), ""),
        followed_by=[other.reference for other in linked if other.follows_id == row.pk],
        incidents=_things(row.r_incidents),
        resets=_resets(_things(row.r_resets)) if passwords else [],
        holder=next((_name(held) for held in _things(row.r_holders)), "") if KNOWS_THE_HOLDER & set(teams) else "",
        po_address=next((po["box"] or "" for po in row.r_po), ""),
        status=status,
        mails=_mails(status, mailings, at) if status else [],
        perimeter=_perimeter(row, at) if status else None,
    )


def _join(row: Any) -> None:
    """Hang what was read beside the ticket where a join would have hung it; what was not read of it is asked for."""
    for name, model in (("assignee", User), ("incident", Incident), ("merged_into", Ticket)):
        for found in getattr(row, f"r_{name}"):
            setattr(row, name, _made(model, found, row._state.db))
    for found in row.r_po:
        row.mailbox.organisation.po = _made(Organisation, found, row._state.db)


def _made(model: Any, found: dict, using: str) -> Any:
    """A row of that model, from some of its columns: JSON does not keep them in the order of the model."""
    names = [field.attname for field in model._meta.concrete_fields if field.attname in found]
    return model.from_db(using, names, [found[name] for name in names])


# The statement


class _Row(JSONObject):
    """A row as JSON that nobody looks into: JSONB takes longer to make, and to write out."""

    def as_native(self, *args: Any, returning: str, **more: Any) -> Any:
        return super().as_native(*args, returning="JSON", **more)


class _Rows(Subquery):
    """The rows of a query about the ticket in one JSON list, which psycopg reads by itself."""

    template = "(SELECT coalesce(json_agg(found.row), '[]') FROM (%(subquery)s) found)"
    output_field = Field()


def _rows(query: QuerySet, *names: str, **named: Any) -> _Rows:
    return _Rows(query.values(row=_Row(**{name: F(name) for name in names}, **named)))


def _query(*, reference: str, teams: list[str], user: int, at: datetime, day: date) -> QuerySet[Ticket]:
    here = OuterRef("pk")
    person = {"first_name": "user__first_name", "last_name": "user__last_name", "username": "user__username"}
    unit, mailbox = OuterRef("mailbox__organisation"), OuterRef("mailbox")
    mine = Ticket.objects.filter(team__in=teams)
    files = Attachment.objects.filter(message=OuterRef("pk")).order_by("pk")
    live_first = Case(When(status__in=Ticket.LIVE, then=Value(0)), default=Value(1))
    return (
        Ticket.objects.filter(Q(team__in=teams) | Q(merged_into__team__in=teams), reference=reference)
        .select_related("mailbox__organisation")
        .defer("search")
        .annotate(
            r_thread=_rows(
                Message.objects.filter(ticket=here).order_by("written_at", "pk"),
                *("id", "kind", "author_id", "author_name", "written_at", "text", "quoted", "by_mail"),
                formatted=Case(When(html="", then=Value(False)), default=Value(True)),
                origin="origin__reference",
                mail_to="mail__to",
                mail_status="mail__status",
                mail_sent_at="mail__sent_at",
                mail_bounced_at="mail__bounced_at",
                files=_rows(files, "uuid", "label", "personal", "pages", "to_scan", "destroyed_at", "destroyed_why"),
            ),
            # Those that a join would read are read like the others: ten joins take PostgreSQL longer to plan than all
            # of this takes it to answer.
            r_assignee=_rows(
                User.objects.filter(pk=OuterRef("assignee")), "id", "first_name", "last_name", "username"
            ),
            r_merged_into=_rows(Ticket.objects.filter(pk=OuterRef("merged_into")), "id", "reference", "team"),
            r_incident=_rows(Incident.objects.filter(pk=OuterRef("incident")), "id", "title", "status"),
            r_po=_rows(
                Organisation.objects.filter(pk=OuterRef("mailbox__organisation__po")),
                *("id", "kind", "fase", "name", "phone"),
                box="mailbox__address",
            ),
            r_last_change=_rows(TicketChange.objects.filter(ticket=here).order_by("-pk")[:1], "id"),
            r_watchers=_rows(Watcher.objects.filter(ticket=here).order_by("pk"), "user_id", **person),
            r_drafts=_rows(Draft.objects.filter(ticket=here, user=user), "text", "saved_at"),
            r_checks=_rows(
                TicketCheck.objects.filter(ticket=here).order_by("pk"),
                *("item", "at"),
                first_name="by__first_name",
                last_name="by__last_name",
                username="by__username",
            ),
            r_canned=_rows(
                CannedAnswer.objects.filter(team=OuterRef("team"), active=True).order_by("title"),
                *("id", "title", "phases", "needs"),
            ),
            r_others=_rows(
                mine.filter(mailbox=mailbox)
                .exclude(pk=here)
                .exclude(status=Ticket.Status.MERGED)
                .order_by(live_first, "-pk")[:SHOWN],
                *("id", "reference", "need", "subject", "status", "opened_at"),
            ),
            r_linked=_rows(
                mine.filter(Q(merged_into=here) | Q(follows=here) | Q(pk=OuterRef("follows"))).order_by("pk"),
                *("id", "reference", "merged_into_id", "follows_id"),
            ),
            r_incidents=_rows(
                Incident.objects.filter(
                    Q(need=OuterRef("need")) | Q(need=""), team=OuterRef("team"), status=Incident.Status.OPEN
                ).order_by("-pk")[:3],
                *("id", "title"),
            ),
            r_resets=_rows(
                PasswordReset.objects.live().filter(mailbox=mailbox).order_by("pk"), "path", "status", "asked_at"
            ),
            r_holders=_rows(
                Holder.objects.in_force(at, day=day).filter(organisation=unit).order_by("-starts_on", "-pk")[:1],
                **person,
            ),
            r_mailings=_rows(
                Mailing.objects.filter(move__mailbox=mailbox).order_by("move", "step"),
                *("step", "due_at", "held_at"),
                move_status="move__status",
                status="mail__status",
                sent_at="mail__sent_at",
                bounced_at="mail__bounced_at",
                queued_at="mail__queued_at",
            ),
            r_periods=_rows(
                ModePeriod.objects.filter(Q(valid_to=None) | Q(valid_to__gt=day), valid_from__lte=day).order_by(
                    "valid_from", "pk"
                ),
                *("unit_types", "verdict", "source", "ours"),
            ),
            r_types=_rows(Organisation.objects.filter(open_on(day), po=unit).order_by("pk"), "unit_types"),
        )
    )[:1]


_asked = Prepared(_query)


def _things(rows: Iterable[dict]) -> list[Any]:
    return [SimpleNamespace(**{name: _value(name, value) for name, value in row.items()}) for row in rows]


def _value(name: str, value: Any) -> Any:
    if name in {"at"} or name.endswith("_at"):
        return datetime.fromisoformat(value) if value else None
    if name == "files":
        return _things(value)
    return value


def _name(person: Any) -> str:
    return f"{person.first_name} {person.last_name}".strip() or person.username


# In words


def _resets(rows: list[Any]) -> list[Any]:
    for row in rows:
        row.path = PasswordReset.Path(row.path).label
        row.state = PasswordReset.Status(row.status).label
    return rows


def _status(mailbox: Any, mailings: list[Any], at: datetime) -> MailboxStatus:
    """What `status_of` says, from mailings that are already read."""
    rows = [(mailbox.pk, m.step, m.due_at, m.move_status, m.sent_at, m.bounced_at) for m in mailings]
    return status_of(mailbox, at, mailings=rows)


def _perimeter(ticket: Any, at: datetime) -> Perimeter:
    """What `perimeter_of` says, from rows that are already read."""
    unit = ticket.mailbox.organisation
    rules = Rules(brussels_date(at), periods=_things(ticket.r_periods))
    if unit.kind == Organisation.Kind.PO:
        types = sorted({name for row in ticket.r_types for name in row["unit_types"]})
        return judge(types or unit.unit_types, rules, po=bool(types))
    return judge(unit.unit_types, rules)


def _mails(status: MailboxStatus, rows: list[Any], at: datetime) -> list[MailLine]:
    last = {row.step: row for row in rows}  # in the order of the moves: the latest one counts
    stages = {stage.number: stage for stage in status.stages}
    return [MailLine(label, *_delivery(last.get(step), stages[step], at)) for step, label in STEPS.items()]


def _delivery(row: Any | None, stage: Any, at: datetime) -> tuple[str, str]:
    if row is not None and row.sent_at and row.sent_at <= at:
        if row.bounced_at and row.bounced_at <= at:
            return f"revenu à l’expéditeur le {_day(row.bounced_at)}", "late"
        return f"remis le {_day(row.sent_at)}", "done"
    if row is not None and row.queued_at and row.queued_at <= at and row.status != Sent.CANCELLED:
        return ("en échec", "late") if row.status == Sent.FAILED else ("en cours d’envoi", "next")
    if row is not None and row.held_at and row.held_at <= at:
        return "attend une décision", "late"
    match stage.progress:
        case Progress.DONE:
            return f"remis le {sans_semaine(stage.on)}", "done"
        case Progress.SKIPPED:
            return "la boîte a migré sans lui", "later"
    if stage.on is None:
        return "pas encore de date", "later"
    return f"prévu le {sans_semaine(stage.on)}" + (", pas parti" if stage.progress == Progress.LATE else ""), (
        "late" if stage.progress == Progress.LATE else "later"
    )


def _day(moment: datetime) -> str:
    day: date = brussels_date(moment)
    return sans_semaine(day)
