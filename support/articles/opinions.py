"""« Utile ? »: counted per version, by nobody in particular."""

from datetime import datetime

from django.core import signing
from django.db.models import Count, Q, QuerySet

from bma_portal.errors import Refusal
from support.models import Article, ArticleVersion, ArticleVote

_SALT = "support.articles.opinions"
_HOURS = 24


def give(
    article: Article, *, helpful: bool, number: int | None, at: datetime, solved: bool = False, need: str = ""
) -> ArticleVote:
    """About the version that was read; a number that the article does not have means the current one."""
    versions = {version.number: version for version in ArticleVersion.objects.filter(article=article).defer("body")}
    version = versions.get(number or article.version) or versions[article.version]
    reason = ArticleVote.Reason.SOLVED if solved else ""
    return ArticleVote.objects.create(version=version, helpful=helpful, reason=reason, need=need, at=at)


def ticket_of(vote: ArticleVote) -> str:
    """What lets the one who gave this opinion say why, that day, and nobody else."""
    return signing.dumps(vote.pk, salt=_SALT)


def explain(ticket: str, *, reason: str, text: str) -> ArticleVote:
    """Why it was not useful; said once. Raises Refusal if it is too late, or said already."""
    vote = vote_of(ticket)
    if vote is None or vote.helpful:
        raise Refusal("Cette page n’est plus valable : rouvrez l’article.")
    if ArticleVote.objects.filter(pk=vote.pk, reason="").update(reason=reason, text=text) == 0:
        raise Refusal("Vous avez déjà dit pourquoi. Merci !")
    return vote


def vote_of(ticket: str) -> ArticleVote | None:
    try:
        pk = signing.loads(ticket, salt=_SALT, max_age=_HOURS * 3600)
    except signing.BadSignature:
        return None
    return ArticleVote.objects.filter(pk=pk).first()


def counts(article: Article) -> QuerySet[ArticleVersion]:
    """The versions, the last one first, each with its opinions."""
    votes = ArticleVersion.objects.filter(article=article).defer("body").order_by("-number")
    return votes.annotate(
        yes=Count("votes", filter=Q(votes__helpful=True)),
        no=Count("votes", filter=Q(votes__helpful=False)),
        solved=Count("votes", filter=Q(votes__reason=ArticleVote.Reason.SOLVED)),
    )
