"""The state of the assistant stands in its address: the way in the path, what was typed in the query.

No session, so an answer can be shared, printed, and left and found again; going back loses nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse

from accounts.addresses import parse
from accounts.models import Contact, Mailbox
from bma_portal.errors import Refusal
from migration.phases import Programme
from support.articles.search import Hit, for_need
from support.articles.showing import moment, shown
from support.forms import LONGEST_SHOWN
from support.models import Article
from support.questions import way_along
from support.questions.ways import Choice, Door, Given, Leaf, Question, Typed, Way
from support.routing import Outcome, Route, Stage, facts_from, facts_of, route
from support.rules import S3_FROM
from support.status import MailboxStatus, programme_on

MOST_ARTICLES = 3
NO_TICKET = {Outcome.EXPLAIN, Outcome.PROVIDER, Outcome.OWN_FUNDS, Outcome.RULE}
FORMS = {Outcome.FORM_MODE, Outcome.FORM_HORS_MODE}


@dataclass(frozen=True)
class Kept:
    """What was typed, as it was typed, cut to what a page may show again."""

    numero: str = ""
    livraison: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Kept":
        return cls(_shown(query.get("numero", "")), _shown(query.get("livraison", "")))

    def typed(self) -> dict[str, str]:
        return {name: value for name, value in vars(self).items() if value}

    @property
    def number(self) -> str:
        """« ec000247 » if that is what was typed, however it was; else nothing."""
        try:
            return str(parse(self.numero))
        except Refusal:
            return ""


def _shown(value: str) -> str:
    readable = value.replace("\0", "\N{REPLACEMENT CHARACTER}")[:LONGEST_SHOWN]
    return readable.encode(errors="replace").decode()


def address(path: str, kept: Kept, **more: str) -> str:
    """Of a step, with what was typed so far."""
    page = reverse("assistant_step", args=[path]) if path else reverse("assistant")
    query = kept.typed() | more
    return page + (f"?{urlencode(query)}" if query else "")


def door_address(door: Door, kept: Kept) -> str:
    query = {"lequel": door.which} if door.which else {}
    query |= {"numero": kept.number} if kept.number else {}
    return reverse("password_door") + (f"?{urlencode(query)}" if query else "")


# A question


@dataclass(frozen=True)
class Offered:
    """A choice as the page shows it: where it leads; whether it is the one that was made before."""

    choice: Choice
    url: str
    chosen: bool


def offered(way: Way, question: Question, kept: Kept, former: str, *, at: datetime) -> list[Offered]:
    """The choices of a question that day. `former`: the way that one comes back from; its choice leads there again."""
    before = f"{way.path}/" if way.path else ""
    back = former if former.startswith(before) and way_along(former) else ""
    made = back.removeprefix(before).partition("/")[0]
    found, choices = [], question.choices
    if any(choice.while_migrating for choice in choices) and programme_on(at) != Programme.RUNNING:
        choices = tuple(choice for choice in choices if not choice.while_migrating)
    for choice in choices:
        path = back if back and choice.slug == made else f"{before}{choice.slug}"
        url = door_address(choice.leads, kept) if isinstance(choice.leads, Door) else address(path, kept)
        found.append(Offered(choice, url, bool(back) and choice.slug == made))
    return found


@dataclass(frozen=True)
class Told:
    """One answer as the page lists it, with the way to change it."""

    question: str
    answer: str
    change: str
    lang: str = ""


def told(way: Way, kept: Kept) -> list[Told]:
    return [_told(given, way, kept) for given in way.given]


def _told(given: Given, way: Way, kept: Kept) -> Told:
    change = address(given.before, kept, depuis=way.path)
    return Told(given.question.short, given.choice.label, change, given.choice.lang)


def told_mailbox(way: Way, kept: Kept, mailbox: Mailbox) -> Told:
    unit = mailbox.organisation
    return Told("Boîte", f"{unit.name} (FASE {unit.fase:06d})", address(way.path, kept, modifier=Typed.MAILBOX.value))


def asked(leaf: Leaf, programme: Programme) -> Typed | None:
    """What must be typed before the answer, in that state of the campaign."""
    return None if leaf.while_migrating and programme != Programme.RUNNING else leaf.asks


# An answer


def routed(
    leaf: Leaf,
    status: MailboxStatus | None,
    typed: dict[str, str],
    *,
    programme: Programme,
    contacts: Mapping[str, Contact | None],
    at: datetime,
) -> Route | None:
    """Who helps next, and why; None where no rule answers.

    Without a mailbox the stage is that of the whole campaign; no such answer depends on it. Nothing was sent yet: what
    a reason says of a request done is said of one to come.
    """
    stage = {Programme.CLOSED: Stage.P6, Programme.OVER: Stage.P5}.get(programme, Stage.P0)
    facts = facts_from(status, at=at) if status else facts_of(unit_type="", stage=stage, at=at)
    try:
        found = route(leaf.need, facts, dict(leaf.answers) | typed, at=at, contacts=contacts)
    except Refusal:
        return None
    return replace(found, reason=re.sub(r"\ATransmis ", "Votre demande ira ", found.reason))


@dataclass(frozen=True)
class Next:
    """What « non, cela n’a rien résolu » leads to."""

    url: str
    label: str
    is_request: bool = False


def next_step(way: Way, leaf: Leaf, kept: Kept, found: Route | None) -> Next:
    """The form, the password's door or a request, with all that was answered; else the page that says why not."""
    if leaf.door or (found and found.outcome in FORMS):
        url = door_address(Door(leaf.door or "nouveau"), kept)
        return Next(url, "Non, demander un nouveau mot de passe" if not leaf.door else "Non, je ne l’ai plus")
    if found and found.outcome not in NO_TICKET:
        try:
            return Next(ticket_address(way, leaf, kept), "Non, écrire une demande", is_request=True)
        except NoReverseMatch:
            pass
    return Next(address(way.path, kept, resolu="non"), "Non")


def ticket_address(way: Way, leaf: Leaf, kept: Kept) -> str:
    """`parcours` is the way: `support.questions.way_along(…).told` gives it back in words (E6)."""
    query = {"besoin": leaf.need} | dict(leaf.answers)
    query |= {"numero": kept.number} if kept.number else {}
    query |= {"livraison": kept.livraison} if leaf.asks == Typed.DELIVERY and kept.livraison else {}
    return f"{reverse('ticket_new')}?{urlencode(query | {'parcours': way.path})}"


def suggested(leaf: Leaf, found: Route | None, *, at: datetime, phase: str | None) -> list[Article | Hit]:
    """The articles of this very answer; if none of them is shown that day, up to three that its need suggests."""
    closed = found is not None and found.outcome in NO_TICKET and leaf.without_request
    slugs = leaf.without_request if closed else leaf.articles
    own = {article.slug: article for article in shown(moment(at, phase)).filter(slug__in=slugs).defer("search")}
    return [own[slug] for slug in slugs if slug in own] or [
        *for_need(leaf.need, at=at, phase=phase, limit=MOST_ARTICLES)
    ]


def source_on(leaf: Leaf, day: date) -> str:
    """What the answer rests on, as cited that day: S3 from its first day on, when it repeals S4.

    What S3 alone says was our decision before.
    """
    parts, other = leaf.source.split(" ; "), "(S4)" if day >= S3_FROM else "(S3)"
    cited = [part for part in parts if other not in part]
    if not cited and day < S3_FROM:
        return f"Notre décision, d’après la {parts[0][0].lower()}{parts[0][1:]}"
    first, *others = cited or parts
    return " ; ".join([first[0].upper() + first[1:], *others])


def with_delivery(kept: Kept, day: date) -> Kept:
    return replace(kept, livraison=day.isoformat())
