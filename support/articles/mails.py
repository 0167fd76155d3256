"""The mail that asks a team to read its articles again (G3): once per article and per date of review."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.urls import reverse

from accounts.contacts import contact_of
from accounts.models import Contact
from bma_portal.clock import brussels_date
from bma_portal.mail import tasks
from bma_portal.mail.compose import Mail
from bma_portal.mail.models import OutgoingMail, Sender
from support.models import Article

SENDERS = {Contact.Team.SGNE: Sender.SGNE, Contact.Team.ETNIC: Sender.ETNIC}


class ReviewDue(Mail):
    """To the team that owns them, from itself: the articles whose day of review has come."""

    kind = "article.review"
    sender = Sender.ETNIC
    template = "support/mails/article_review"

    def __init__(self, articles: list[Article], *, at: datetime) -> None:
        self.articles = sorted(articles, key=lambda article: (article.review_on, article.slug))
        self.team = self.articles[0].owner
        self.contact = contact_of(self.team, at)
        self.sender = SENDERS.get(Contact.Team(self.team), Sender.ETNIC)  # type: ignore[misc]

    def key(self) -> str:
        last = max(article.review_on for article in self.articles)
        first = min(article.pk for article in self.articles)
        return f"article:{self.team}:{last.isoformat()}:{first}:{len(self.articles)}"

    def object_id(self) -> int:
        return self.articles[0].pk

    def to(self) -> str:
        return self.contact.email

    def subject(self) -> str:
        count = len(self.articles)
        return f"{count} article{'s' if count > 1 else ''} d’aide à relire"

    def context(self, *, at: datetime) -> dict[str, Any]:
        return {
            "articles": [(article, settings.PORTAL_URL + article.get_absolute_url()) for article in self.articles],
            "list": settings.PORTAL_URL + reverse("admin:support_article_changelist"),
            "team": self.contact.name,
        }


def remind(*, at: datetime) -> int:
    """Called at each tick: one mail per team for the articles that nobody was told of yet. How many mails."""
    due = Article.objects.filter(
        ~Q(reminded_for=F("review_on")) | Q(reminded_for=None), withdrawn_at=None, review_on__lte=brussels_date(at)
    )
    if not due.exists():
        return 0
    with transaction.atomic():
        found = list(due.select_for_update(of=("self",), skip_locked=True).defer("search"))
        by_owner: dict[str, list[Article]] = {}
        for article in found:
            by_owner.setdefault(article.owner, []).append(article)
        mails = [ReviewDue(articles, at=at) for articles in by_owner.values()]
        OutgoingMail.objects.bulk_create([mail.row(at=at) for mail in mails], ignore_conflicts=True)
        Article.objects.filter(pk__in=[article.pk for article in found]).update(reminded_for=F("review_on"))
        for mail in mails:
            tasks.ring(mail.sender)
    return len(mails)
