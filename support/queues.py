"""The lists of the desk: which tickets a person asked for, in which order, found by which words (F1, F15).

What an address asks is read into `Criteria`; whatever it says that means nothing is left out. A page of a list takes
three statements whatever its size: which tickets, their rows, and everything that stands around them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib.postgres.search import SearchQuery
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Concat, NullIf, Trim

from accounts.addresses import address_of, parse
from accounts.models import User
from accounts.words import fold
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.planned import Place, Plan
from bma_portal.prepared import Prepared
from migration.phases import Phase
from support.models import Incident, Ticket
from support.models.resets import REFERENCE_SIGNS
from support.needs import NEEDS
from support.tickets.common import CONFIG

PAGE = 25
LAST_PAGE = 40  # the list is walked from its start: further, one says more precisely what one looks for
COUNTED = 200  # « plus de 200 »: counting all that a common word is in takes longer than the page
BADGE = 99
LONGEST = 200
WORDS = 8

QUEUES = {
    "a-prendre": "À prendre",
    "miennes": "Les miennes",
    "retard": "En retard",
    "attente": "En attente",
    "resolues": "Résolues",
    "toutes": "Toutes",
}
LIVE_QUEUES = ("a-prendre", "miennes", "retard", "attente")
SORTS = {"echeance": "l’échéance", "recent": "la dernière activité"}
NOBODY = "personne"

_SIGNS = re.escape(REFERENCE_SIGNS)
_REFERENCE = re.compile(rf"\[?\s*D?[\s-]*([{_SIGNS}]{{4}})[\s-]*([{_SIGNS}]{{4}})\s*\]?", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True)
class Criteria:
    """What a list shows. The names of the fields are those of the address."""

    file: str = "a-prendre"
    q: str = ""
    besoin: str = ""
    phase: str = ""
    priorite: str = ""
    suivie: str = ""  # a person's number, or « personne »
    lot: str = ""
    incident: str = ""
    numero: str = ""  # of a mailbox, as its FASE number is typed
    du: str = ""  # opened from that day on, to that day included (ISO)
    au: str = ""
    tri: str = ""
    page: int = field(default=1, compare=False)

    def query(self, **other: Any) -> str:
        """The address's query; pages are not part of what a list is."""
        changed = replace(self, page=1, **other)
        said = {f.name: getattr(changed, f.name) for f in fields(changed) if f.name != "page"}
        return urlencode({name: value for name, value in said.items() if value or name == "file"})

    @property
    def sort(self) -> str:
        """By deadline among what is live; what has ended has none."""
        if self.file not in LIVE_QUEUES:
            return "recent"
        return self.tri or "echeance"

    @property
    def narrowed(self) -> bool:
        """Whether something else than the queue itself is asked."""
        return self.query(tri="") != Criteria(file=self.file).query()


def read(said: Mapping[str, str]) -> Criteria:
    """What the address of a list says, kept where it makes sense."""
    found: dict[str, Any] = {
        "file": _among(said, "file", QUEUES) or ("toutes" if said.get("q", "").strip() else "a-prendre"),
        "q": clean(said.get("q", "")),
        "besoin": _among(said, "besoin", NEEDS),
        "phase": _among(said, "phase", Phase.values),
        "priorite": _among(said, "priorite", Ticket.Priority.values),
        "suivie": NOBODY if said.get("suivie") == NOBODY else _number(said, "suivie"),
        "lot": _number(said, "lot"),
        "incident": _number(said, "incident"),
        "numero": _mailbox(said.get("numero", "")),
        "du": _day(said.get("du", "")),
        "au": _day(said.get("au", "")),
        "tri": _among(said, "tri", SORTS),
        "page": min(max(int(_number(said, "page") or 1), 1), LAST_PAGE),
    }
    return Criteria(**found)


def clean(text: str) -> str:
    """What is typed in a search, as it can be shown again and looked for."""
    printable = "".join(sign if sign.isprintable() else " " for sign in text[: LONGEST * 4])
    return " ".join(printable.split())[:LONGEST]


def _among(said: Mapping[str, str], name: str, allowed: Any) -> str:
    value = said.get(name, "")
    return value if value in allowed else ""


def _number(said: Mapping[str, str], name: str) -> str:
    value = said.get(name, "")
    return str(int(value)) if _NUMBER.fullmatch(value) and int(value) else ""


def _mailbox(text: str) -> str:
    try:
        return str(parse(text))
    except Refusal:
        return ""


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat() if len(text) == 10 and 2000 < int(text[:4]) < 3000 else ""
    except ValueError:
        return ""


def reference_in(text: str) -> str:
    """The reference that was typed, written as it is; nothing if it is none."""
    found = _REFERENCE.fullmatch(text.strip())
    return f"D-{found[1]}-{found[2]}".upper() if found else ""


# The rows


def wanted(criteria: Criteria, *, team: str, user: User, at: datetime) -> QuerySet[Ticket]:
    """Every ticket that the criteria ask for, of that team and no other (F1), in no order."""
    found = _queue(Ticket.objects.of_team(team), criteria.file, user=user, at=at)
    if criteria.besoin:
        found = found.filter(need=criteria.besoin)
    if criteria.phase:
        found = found.filter(phase=criteria.phase)
    if criteria.priorite:
        found = found.filter(priority=criteria.priorite)
    if criteria.suivie:
        found = found.filter(assignee=None if criteria.suivie == NOBODY else int(criteria.suivie))
    if criteria.lot:
        found = found.filter(batch=int(criteria.lot))
    if criteria.incident:
        found = found.filter(incident=int(criteria.incident))
    if criteria.numero:
        found = found.filter(_of_mailbox(criteria.numero))
    if criteria.du:
        found = found.filter(opened_at__gte=brussels(date.fromisoformat(criteria.du)))
    if criteria.au:
        found = found.filter(opened_at__lt=brussels(date.fromordinal(date.fromisoformat(criteria.au).toordinal() + 1)))
    return _said(found, criteria.q) if criteria.q else found


def _queue(tickets: Any, queue: str, *, user: User, at: datetime) -> QuerySet[Ticket]:
    if queue == "a-prendre":
        return tickets.filter(status=Ticket.Status.NEW)
    if queue == "miennes":
        return tickets.live().filter(assignee=user)
    if queue == "retard":
        return tickets.late(at)
    if queue == "attente":
        return tickets.filter(status=Ticket.Status.WAITING)
    if queue == "resolues":
        return tickets.filter(status__in=[Ticket.Status.SOLVED, Ticket.Status.CLOSED])
    return tickets


def _of_mailbox(numero: str) -> Q:
    typed = parse(numero)
    kinds = [typed.kind] if typed.kind else ["ec", "po"]
    return Q(mailbox__address__in=[address_of(kind, typed.fase) for kind in kinds])


def _said(tickets: QuerySet[Ticket], text: str) -> QuerySet[Ticket]:
    """A FASE number or an address is a mailbox, a reference a ticket; anything else is words, the last one begun."""
    if reference := reference_in(text):
        return tickets.filter(reference=reference)
    if numero := _mailbox(text):
        return tickets.filter(_of_mailbox(numero))
    words = fold(text).split()[:WORDS]
    if not words:
        return tickets.none()
    asked = " & ".join([*words[:-1], f"{words[-1]}:*"])
    return tickets.filter(search=SearchQuery(asked, config=CONFIG, search_type="raw"))


def ordered(tickets: QuerySet[Ticket], criteria: Criteria) -> QuerySet[Ticket]:
    if criteria.sort == "echeance":
        return tickets.order_by(F("due_at").asc(nulls_last=True), "id")
    return tickets.order_by("-updated_at", "-id")


@dataclass(frozen=True)
class Page:
    """The rows of one page, whether others follow, and how many there are in all (at most `COUNTED` + 1)."""

    rows: list[dict[str, Any]]
    following: bool
    total: int

    @property
    def many(self) -> bool:
        return self.total > COUNTED


def page_of(tickets: QuerySet[Ticket], criteria: Criteria) -> Page:
    """Which ones first, then what is shown of those alone: the second statement is the same for every list."""
    start = (criteria.page - 1) * PAGE
    keys = list(ordered(tickets, criteria).values_list("pk", flat=True)[: max(COUNTED, start + PAGE) + 1])
    shown = keys[start : start + PAGE]
    always_as_many = shown + [0] * (PAGE - len(shown))  # one statement to plan, and not one for each length
    found = {row["pk"]: row for row in _shown(keys=always_as_many)} if shown else {}
    return Page(
        rows=[found[key] for key in shown if key in found],
        following=len(keys) > start + PAGE and criteria.page < LAST_PAGE,
        total=min(len(keys), COUNTED + 1),
    )


def neighbour(criteria: Criteria, reference: str, step: int, *, team: str, user: User, at: datetime) -> str:
    """The ticket after (1) or before (-1) that one in its list; its first if that one has left it; "" at an end."""
    found = ordered(wanted(criteria, team=team, user=user, at=at), criteria)
    references = list(found.values_list("reference", flat=True)[: COUNTED + 1])
    if reference not in references:
        return references[0] if references else ""
    place = references.index(reference) + step
    return references[place] if 0 <= place < len(references) else ""


def _rows(keys: list[int]) -> QuerySet[Ticket, Any]:
    """Each knows if its mailbox asks the same thing elsewhere."""
    same = {name: OuterRef(name) for name in ("mailbox", "need", "team")}
    twin = Ticket.objects.live().filter(**same).exclude(pk=OuterRef("pk"))
    return Ticket.objects.filter(pk__in=keys).values(
        "pk", "reference", "version", "subject", "need", "status", "priority", "due_at", "updated_at",
        "first_name", "last_name", "email",
        twin=Exists(twin),
        unit=F("mailbox__organisation__name"),
        fase=F("mailbox__organisation__fase"),
        # Fewer joins: PostgreSQL takes longer to plan them than to answer
        incident_title=Subquery(Incident.objects.filter(pk=OuterRef("incident")).values("title")),
        goes_to=Subquery(Ticket.objects.filter(pk=OuterRef("merged_into")).values("reference")),
        who=Subquery(User.objects.filter(pk=OuterRef("assignee")).values(
            name=Coalesce(NullIf(Trim(Concat("first_name", Value(" "), "last_name")), Value("")), "username"))),
    )  # fmt: skip


_shown = Prepared(_rows)


# What stands around the rows


@dataclass
class Around:
    """How many wait in each queue, and what the filters offer."""

    badges: dict[str, str] = field(default_factory=dict)
    batches: list[tuple[str, str]] = field(default_factory=list)
    incidents: list[tuple[str, str]] = field(default_factory=list)
    people: list[tuple[str, str]] = field(default_factory=list)
    views: list[tuple[str, str]] = field(default_factory=list)


# Those who hold the team's permission by one of their groups: the very people whom a ticket may be given to
_PEOPLE = """
    SELECT DISTINCT u.id, u.first_name, u.last_name, u.username
    FROM accounts_user u
    JOIN accounts_user_groups ug ON ug.user_id = u.id
    JOIN auth_group_permissions gp ON gp.group_id = ug.group_id
    JOIN auth_permission p ON p.id = gp.permission_id
    WHERE u.is_active AND p.codename = %(permission)s"""

_AROUND = f"""
    SELECT 'file', 'a-prendre', count(*)::text FROM (
        SELECT 1 FROM support_ticket WHERE team = %(team)s AND status = 'new' LIMIT %(most)s) AS x
    UNION ALL SELECT 'file', 'miennes', count(*)::text FROM (
        SELECT 1 FROM support_ticket
        WHERE team = %(team)s AND assignee_id = %(user)s AND status IN ('new', 'open', 'waiting') LIMIT %(most)s) AS x
    UNION ALL SELECT 'file', 'retard', count(*)::text FROM (
        SELECT 1 FROM support_ticket
        WHERE team = %(team)s AND due_at <= %(at)s AND status IN ('new', 'open', 'waiting') LIMIT %(most)s) AS x
    UNION ALL (SELECT 'lot', b.id::text, c.name || ', lot ' || b.number || ' (' || upper(b.kind) || ')'
        FROM migration_batch b JOIN migration_campaign c ON c.id = b.campaign_id
        WHERE b.status <> 'cancelled' ORDER BY c.id DESC, b.number LIMIT 200)
    UNION ALL (SELECT 'incident', id::text, title FROM support_incident
        WHERE team = %(team)s AND status = 'open' ORDER BY id DESC LIMIT 50)
    UNION ALL (SELECT 'personne', id::text, coalesce(nullif(trim(first_name || ' ' || last_name), ''), username)
        FROM ({_PEOPLE}) AS p ORDER BY last_name, first_name LIMIT 200)
    UNION ALL (SELECT 'vue', slug, name FROM support_savedview
        WHERE team = %(team)s AND (shared OR owner_id = %(user)s) ORDER BY name LIMIT 50)
"""  # noqa: S608 - nothing in it comes from a person
_around = Plan(
    _AROUND,
    {name: Place(number) for number, name in enumerate(("team", "user", "at", "most", "permission"))},
    ["str", "int", "datetime", "int", "str"],
)


def around(*, team: str, user: User, at: datetime) -> Around:
    """All of it in one statement; nothing counts further than what is shown of it."""
    found = Around()
    lists = {"lot": found.batches, "incident": found.incidents, "personne": found.people, "vue": found.views}
    for kind, key, value in _around.fetch([team, user.pk, at, BADGE + 1, f"work_{team}"]):
        if kind == "file":
            found.badges[key] = "" if value == "0" else f"{BADGE}+" if int(value) > BADGE else value
        else:
            lists[kind].append((key, value))
    return found


def members(team: str) -> list[User]:
    """The people of a team, whom its tickets may be given to."""
    group = Q(groups__permissions__codename=f"work_{team}", groups__permissions__content_type__app_label="support")
    return list(User.objects.filter(group, is_active=True).distinct().order_by("last_name", "first_name", "pk"))
