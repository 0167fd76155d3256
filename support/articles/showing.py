"""Which articles are for a moment and a phase, and what is read of one of them (G1, G2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from django.db.models import F, Q, QuerySet
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from accounts.models import Contact
from bma_portal.clock import brussels_date
from migration.campaigns import default_campaign
from migration.models import Campaign
from migration.phases import Phase, Programme, programme_at
from support.articles import markdown, synonyms
from support.models import Article, ArticleVersion

ORDER = list(Phase.values)
CASES = {
    frozenset(ORDER[:1]): "Si votre boîte n’a pas encore reçu le mail 1",
    frozenset(ORDER[:2]): "Si votre boîte n’a pas encore reçu le mail 2, celui du nouveau mot de passe",
    frozenset(ORDER[:3]): "Si la date de migration de votre boîte n’est pas encore confirmée",
    frozenset(ORDER[:4]): "Si votre boîte n’a pas encore migré",
    frozenset(ORDER[1:2]): "Si votre boîte a reçu le mail 1, et pas encore le mail 2",
    frozenset(ORDER[1:3]): "Si votre boîte a reçu le mail 1, et pas encore le mail 3",
    frozenset(ORDER[1:4]): "Si votre boîte a reçu le mail 1 et n’a pas encore migré",
    frozenset(ORDER[1:5]): "Si votre boîte a reçu le mail 1",
    frozenset(ORDER[2:3]): "Si votre boîte a reçu le mail 2, celui du nouveau mot de passe",
    frozenset(ORDER[2:4]): "Si votre boîte a reçu le mail 2 et n’a pas encore migré",
    frozenset(ORDER[2:5]): "Si votre boîte a reçu le mail 2, celui du nouveau mot de passe",
    frozenset(ORDER[3:4]): "Si la date de migration de votre boîte est confirmée",
    frozenset(ORDER[3:5]): "Si votre boîte a reçu le mail 3, ou a migré",
    frozenset(ORDER[4:5]): "Si votre boîte a migré",
}


@dataclass(frozen=True)
class Moment:
    """What decides on what is shown: the day, the phase of a mailbox if one was named, the old server's end.

    Once all have migrated nobody is before a migration: whoever names no mailbox reads as one that migrated.
    """

    at: datetime
    day: date
    campaign: Campaign
    named: str | None = None  # the phase of the mailbox that was named

    @property
    def closed(self) -> bool:
        return self.day >= self.campaign.old_server_closes_on

    @cached_property
    def phase(self) -> str | None:
        if self.named:
            return self.named
        running = not self.closed and (
            self.campaign.pk is None or programme_at(self.campaign, self.at) == Programme.RUNNING
        )
        return None if running else Phase.MIGRATED.value


def moment(at: datetime, phase: str | None = None) -> Moment:
    return Moment(at, brussels_date(at), default_campaign(), phase or None)


def shown(now: Moment) -> QuerySet[Article]:
    """The articles for that day and that phase."""
    found = Article.objects.filter(
        Q(valid_from=None) | Q(valid_from__lte=now.day),
        Q(valid_to=None) | Q(valid_to__gt=now.day),
        withdrawn_at=None,
    )
    if now.closed:
        found = found.filter(ends_with_old_server=False)
    if now.phase:
        found = found.filter(Q(phases=[]) | Q(phases__contains=[now.phase]))
    return found


def current(now: Moment) -> QuerySet[ArticleVersion]:
    """The versions that are read, with their articles."""
    return ArticleVersion.objects.filter(article__in=shown(now), number=F("article__version")).select_related(
        "article"
    )


def is_shown(article: Article, now: Moment) -> bool:
    """The same rule for one article, whatever its phases: whoever follows a link to it may read it."""
    if article.withdrawn_at or (article.ends_with_old_server and now.closed):
        return False
    began = article.valid_from is None or article.valid_from <= now.day
    return began and (article.valid_to is None or now.day < article.valid_to)


def case_of(phases: frozenset[str]) -> str:
    """« Si votre boîte n’a pas encore migré »: for whom a paragraph is, where no mailbox was named."""
    if phases in CASES:
        return CASES[phases]
    each = [CASES[frozenset([phase])] for phase in ORDER if phase in phases]
    return " ; ou ".join([*each[:1], *(words[0].lower() + words[1:] for words in each[1:])])


def body_of(
    version: ArticleVersion, now: Moment, contacts: Mapping[str, Contact | None], *, number: str = ""
) -> SafeString:
    """The text for that moment; each paragraph of some phases only says so, unless the phase is known.

    `number`: of the mailbox that was named, carried on by the links to what may be read or asked for it.
    """
    found = []
    for piece in markdown.pieces(version.body):
        if not piece.holds(now.day, now.phase):
            continue
        if piece.phases and now.phase is None:
            found.append(
                f'<div class="aide-case"><p class="aide-case-for">{case_of(piece.phases)}</p>{piece.html}</div>'
            )
        else:
            found.append(piece.html)
    html = synonyms.expand("".join(found))  # before the contacts: the name of a team on its card stays short
    for team, contact in contacts.items():
        alone = f"<p>{{{{ contact {team} }}}}</p>"
        if contact is not None and alone in html:  # a card, like those at the foot of the pages
            card = render_to_string("components/contact.html", {"contact": contact, "about": ""})
            html = html.replace(alone, f'<div class="aide-contact">{card}</div>')
    html = markdown.fill(markdown.for_number(html, number), _values(now, contacts))
    return mark_safe(html)  # noqa: S308  pieces were cleaned, what fills them is escaped


def _values(now: Moment, contacts: Mapping[str, Contact | None]) -> dict[str, tuple[str, str]]:
    """By placeholder, what is read in its place and, for an interface, its address."""
    new, old = now.campaign.new_webmail, now.campaign.old_webmail
    values: dict[str, tuple[str, str]] = {
        "webmail": (format_html('<a href="{}">{}</a>', new, _short(new)), new),
        "ancien-webmail": (format_html('<a href="{}">{}</a>', old, _short(old)), old),
    }
    for team, contact in contacts.items():
        if contact is None:
            words = format_html("{} (ce service n’est pas joignable à cette date)", Contact.Team(team).label)
        else:
            words = format_html('{}, <a href="mailto:{}">{}</a>', contact.name, contact.email, contact.email)
            if contact.phone:
                number = contact.phone.replace(" ", "")
                words += format_html(', <a href="tel:{}">{}</a>', number, contact.phone)
        values[f"contact {team}"] = (words, "")
    return values


def _short(address: str) -> str:
    return address.partition("//")[2].rstrip("/")
