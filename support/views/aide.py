"""The knowledge base, for anyone: searched, read for a day and a phase, judged useful or not (G1, G2, G5, G6)."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db.models import Count, F, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.auth import is_strong
from bma_portal.clock import brussels, brussels_date
from bma_portal.errors import Refusal
from bma_portal.limits import Limit, client_address, exceeded, exceeded_by, was_counted
from bma_portal.views import too_many
from migration.phases import Phase
from support.articles import opinions, search
from support.articles.markdown import pieces
from support.articles.showing import Moment, body_of, is_shown, moment, shown
from support.contacts import contacts_on
from support.forms import MailboxForm
from support.forms_articles import ReasonForm, VoteForm
from support.lookup import find, heir, is_gone
from support.models import Article, ArticleVersion
from support.needs import NEEDS
from support.status import MailboxStatus, status_of
from support.views.holder import LOOKUP_LIMITS

OPINIONS_PER_PLACE = Limit("avis-heure", 30, 3600)  # a school behind one address has several readers
OPINIONS_PER_VERSION = Limit("avis-article", 4, 86400)
SUGGESTIONS_PER_PLACE = Limit("suggestions-minute", 120, 60)  # asked for while one types
READ_BEFORE = Limit("aide-lue", 1, 3600)  # a number that this place was answered about; one hour
MOST_USEFUL = 5


@dataclass(frozen=True)
class Reading:
    """For whom a page is made: the moment, the form of the number, the mailbox that was named."""

    now: Moment
    form: MailboxForm
    status: MailboxStatus | None = None
    replayed: bool = False
    unread: str = ""  # why a number that was given led to no mailbox

    @property
    def number(self) -> str:
        return self.status.mailbox.address.partition("@")[0] if self.status else ""


def reading(request: HttpRequest) -> Reading | HttpResponse:
    """`?numero=` names a mailbox and is counted, once an hour: whoever reads on learns nothing more of it (A5).

    `?date=` is for the teams only, visitors read today's rules.
    """
    at, replayed = _moment_asked(request)
    form = MailboxForm.of(request.GET) if request.GET.get("numero", "").strip() else MailboxForm()
    if not form.is_bound:
        return Reading(moment(at), form, replayed=replayed)
    if not form.is_valid():
        return Reading(moment(at), form, replayed=replayed, unread="Le numéro de boîte n’a pas été reconnu.")
    asked = f"{client_address(request)}:{form.cleaned_data['numero']}"
    if not was_counted(asked, READ_BEFORE):
        if seconds := exceeded(request, *LOOKUP_LIMITS):
            return too_many(request, seconds)
        exceeded_by(asked, READ_BEFORE)  # only now: a number that was refused is not known to anybody
    try:
        status = _status(form, at)
    except Refusal as refusal:
        form.add_error("numero", str(refusal))
        return Reading(moment(at), form, replayed=replayed, unread=str(refusal))
    return Reading(moment(at, str(status.phase)), form, status, replayed)


def _status(form: MailboxForm, at: datetime) -> MailboxStatus:
    found = find(form.cleaned_data["numero"])
    if len(found.organisations) != 1:
        raise Refusal("Ce numéro désigne plusieurs unités : écrivez « ec » ou « po » devant, par exemple ec001234.")
    unit = found.organisations[0]
    if is_gone(unit, brussels_date(at)):
        after = heir(unit, at)
        if after is None:
            raise Refusal("Ce numéro n’est plus en service, et le registre n’indique pas qui l’a repris.")
        raise Refusal(f"Ce numéro n’est plus en service. Son successeur : {after.kind}{after.fase:06d}.")
    if not hasattr(unit, "mailbox"):
        raise Refusal("Aucune boîte n’est enregistrée pour ce numéro.")
    return status_of(unit.mailbox, at)


def _moment_asked(request: HttpRequest) -> tuple[datetime, bool]:
    at: datetime = request.at  # type: ignore[attr-defined]
    typed = request.GET.get("date", "")[:10]
    if not typed or not (request.user.is_authenticated and request.user.is_staff and is_strong(request)):
        return at, False
    try:
        day = date.fromisoformat(typed)
        return (brussels(day, 12), True) if 2000 <= day.year <= 2100 else (at, False)
    except ValueError:
        return at, False


def _need(sent: QueryDict) -> str:
    """What was about to be asked when the article was suggested, if it is a need."""
    need = sent.get("besoin", "")[:40]
    return need if need in NEEDS else ""


def _typed(request: HttpRequest) -> str:
    """What was typed, shown again: readable and not without end."""
    return request.GET.get("q", "").replace("\0", "\N{REPLACEMENT CHARACTER}")[: search.LONGEST].strip()


@login_not_required
@require_safe
@never_cache
def aide(request: HttpRequest) -> HttpResponse:
    """The topics; with `?q=`, what was found."""
    asked = reading(request)
    if isinstance(asked, HttpResponse):
        return asked
    query = _typed(request)
    context: dict[str, Any] = _common(request, asked) | {"query": query}
    if query:
        context["hits"] = search.search(query, asked.now)
        if not context["hits"]:
            context["topics"] = _topics(asked.now)
        return render(request, "support/aide/results.html", context)
    return render(request, "support/aide/index.html", context | {"topics": _topics(asked.now)})


def _topics(now: Moment) -> dict[str, Any]:
    """The articles by topic, in the order of the topics; those that served most readers."""
    votes = Q(versions__number=F("version"))
    found = list(
        shown(now)
        .defer("search")
        .annotate(
            yes=Count("versions__votes", filter=votes & Q(versions__votes__helpful=True)),
            no=Count("versions__votes", filter=votes & Q(versions__votes__helpful=False)),
        )
        .order_by("title")
    )
    topics = [
        (topic.label, topic.value, [article for article in found if article.topic == topic]) for topic in Article.Topic
    ]
    useful = sorted((a for a in found if a.yes > a.no), key=lambda a: (a.no - a.yes, a.title))  # type: ignore[attr-defined]
    return {"all": [each for each in topics if each[2]], "useful": useful[:MOST_USEFUL]}


def _common(request: HttpRequest, asked: Reading) -> dict[str, Any]:
    return {
        "asked": asked,
        "form": asked.form,
        "status": asked.status,
        "number": asked.number,
        "replayed_on": asked.now.day if asked.replayed else None,
        "contacts": contacts_on(asked.now.at),
    }


@login_not_required
@require_safe
@never_cache
def article(request: HttpRequest, slug: str) -> HttpResponse:
    asked = reading(request)
    if isinstance(asked, HttpResponse):
        return asked
    version = _version(slug, asked.now)
    if version is None:
        return _moved(slug, asked.now)
    return render(request, "support/aide/article.html", _article_page(request, version, asked))


def _version(slug: str, now: Moment) -> ArticleVersion | None:
    found = (
        ArticleVersion.objects.filter(article__slug=slug, number=F("article__version"))
        .select_related("article")
        .defer("article__search")
        .first()
    )
    return found if found and is_shown(found.article, now) else None


def _moved(slug: str, now: Moment) -> HttpResponse:
    """An older name leads to the article that took its place."""
    heir = shown(now).filter(replaces__contains=[slug]).values_list("slug", flat=True).first()
    if heir is None:
        raise Http404
    return HttpResponseRedirect(reverse("aide_article", args=[heir]))


def _article_page(request: HttpRequest, version: ArticleVersion, asked: Reading) -> dict[str, Any]:
    common = _common(request, asked)
    found = version.article
    return common | {
        "version": version,
        "article": found,
        "body": body_of(version, asked.now, common["contacts"], number=asked.number),
        "by_phase": any(piece.phases for piece in pieces(version.body)),
        "not_for": bool(found.phases and asked.now.named and asked.now.named not in found.phases),
        "old_server": found.ends_with_old_server,
        "need": _need(request.GET),
    }


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def vote(request: HttpRequest, slug: str) -> HttpResponse:
    """Counts an opinion, asks why it was not useful, says thank you. Works without a script, keeps nothing of whom."""
    asked = Reading(moment(request.at), MailboxForm())  # type: ignore[attr-defined]
    version = _version(slug, asked.now)
    if version is None:
        raise Http404
    context = _common(request, asked) | {"article": version.article, "version": version, "need": _need(request.GET)}
    context["need"] = context["need"] or _need(request.POST)
    if request.method != "POST":
        return _after(request, context)
    ticket = request.POST.get("avis", "")[:200]
    if ticket:
        return _reason(request, ticket, context)
    form = VoteForm(request.POST)
    if not form.is_valid():
        return render(request, "support/aide/vote.html", context | {"form": form})
    place = f"{client_address(request)}:{version.pk}"
    seconds = exceeded(request, OPINIONS_PER_PLACE) or exceeded_by(place, OPINIONS_PER_VERSION)
    if seconds:
        return too_many(request, seconds)
    said = form.cleaned_data
    given = opinions.give(
        version.article,
        helpful=said["utile"] != "non",
        number=said["version"],
        solved=said["utile"] == "resolu",
        need=_need(request.POST),
        at=request.at,  # type: ignore[attr-defined]
    )
    query = {"avis": opinions.ticket_of(given)} if not given.helpful else {"merci": said["utile"]}
    query |= {"besoin": given.need} if given.need else {}
    return HttpResponseRedirect(f"{reverse('aide_vote', args=[slug])}?{urlencode(query)}")


def _after(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The question; or, after « non », why; or thanks."""
    thanks = request.GET.get("merci", "")
    if thanks in {"oui", "resolu", "raison"}:
        return render(request, "support/aide/thanks.html", context | {"thanks": thanks})
    ticket = request.GET.get("avis", "")[:200]
    given = opinions.vote_of(ticket) if ticket else None
    if given is not None and not given.helpful and not given.reason:
        return render(request, "support/aide/reason.html", context | {"form": ReasonForm(), "ticket": ticket})
    return render(request, "support/aide/vote.html", context | {"form": VoteForm()})


def _reason(request: HttpRequest, ticket: str, context: dict[str, Any]) -> HttpResponse:
    form = ReasonForm(request.POST)
    if form.is_valid():
        try:
            opinions.explain(ticket, reason=form.cleaned_data["raison"], text=form.cleaned_data["texte"])
            where = reverse("aide_vote", args=[context["article"].slug])
            kept = {"besoin": context["need"]} if context["need"] else {}
            return HttpResponseRedirect(f"{where}?{urlencode({'merci': 'raison'} | kept)}")
        except Refusal as refusal:
            form.add_error(None, str(refusal))
    return render(request, "support/aide/reason.html", context | {"form": form, "ticket": ticket})


@login_not_required
@require_safe
@never_cache
@vary_on_headers("HX-Request")
def suggestions(request: HttpRequest) -> HttpResponse:
    """The three articles that may answer what is being written: a piece of page for htmx, a page without a script."""
    if seconds := exceeded(request, SUGGESTIONS_PER_PLACE):
        return too_many(request, seconds)
    query, need, phase = _typed(request), _need(request.GET), request.GET.get("phase", "")
    phase = phase if phase in Phase.values else ""  # of the form's mailbox: no number is looked up at each key
    hits = search.suggest(query, need=need or None, at=request.at, phase=phase)  # type: ignore[attr-defined]
    context = {"hits": hits, "query": query, "need": need, "phase": phase}
    if request.headers.get("HX-Request") == "true":
        return render(request, "support/aide/_suggestions.html", context)
    return render(request, "support/aide/suggestions.html", context)
