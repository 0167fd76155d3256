"""The staff's side of the articles: what is to be read again, what readers say of each version, what changed.

Nothing is edited here. The files of `articles/` are the truth: publishing is a commit, « scheduled » is `valid_from`,
restoring a version is undoing a commit.
"""

import difflib
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, F, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from bma_portal.badges import BAD, GOOD, NEUTRAL, WAITING, badge
from bma_portal.clock import brussels_date
from bma_portal.mail.admin import KIND_LABELS
from bma_portal.readonly import ReadOnlyAdmin
from support.articles import opinions
from support.models import Article, ArticleVersion, ArticleVote

KIND_LABELS.update({"article.review": "aide : articles à relire"})
FEWEST = 5  # opinions under which a share says nothing
AROUND = 3  # lines shown around a change


@admin.register(Article)
class ArticleAdmin(ReadOnlyAdmin):
    list_display = ["title", "topic", "owner", "review", "opinions_of_readers", "version", "state"]
    list_filter = ["topic", "owner", "ends_with_old_server"]
    search_fields = ["title", "slug"]
    search_help_text = "Mot du titre ou de l’adresse."
    ordering = [F("withdrawn_at").asc(nulls_first=True), "review_on", "slug"]
    fields = [
        "title", "summary", "slug", "topic", "audience", "needs", "phases", "keywords", "valid_from", "valid_to",
        "ends_with_old_server", "source", "review_on", "owner", "withdrawn_at",
    ]  # fmt: skip
    view_on_site = False  # the sheet has its own link
    change_list_template = "admin/support/article/change_list.html"
    change_form_template = "admin/support/article/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Article]:
        """The opinions of the current version only: a new one starts at nought."""
        self.today = brussels_date(request.at)  # type: ignore[attr-defined]
        votes = Q(versions__number=F("version"))
        return (
            super()
            .get_queryset(request)
            .defer("search")
            .annotate(
                yes=Count("versions__votes", filter=votes & Q(versions__votes__helpful=True)),
                no=Count("versions__votes", filter=votes & Q(versions__votes__helpful=False)),
            )
        )

    @admin.display(description="à relire", ordering="review_on")
    def review(self, article: Article) -> SafeString:
        late = article.review_on <= self.today and article.withdrawn_at is None
        return badge(f"{article.review_on:%d/%m/%Y}{' : en retard' if late else ''}", BAD if late else NEUTRAL)

    @admin.display(description="avis sur cette version")
    def opinions_of_readers(self, article: Any) -> str:
        total = article.yes + article.no
        if not total:
            return "aucun"
        share = f" ({round(100 * article.yes / total)} %)" if total >= FEWEST else ""
        return f"{article.yes} oui, {article.no} non{share}"

    @admin.display(description="état")
    def state(self, article: Article) -> SafeString:
        if article.withdrawn_at:
            return badge("retiré", NEUTRAL)
        if article.valid_from and article.valid_from > self.today:
            return badge(f"dès le {article.valid_from:%d/%m/%Y}", WAITING)
        if article.valid_to and article.valid_to <= self.today:
            return badge("échu", NEUTRAL)
        return badge("publié", GOOD)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict | None = None
    ) -> HttpResponse:
        article = self.get_object(request, object_id)
        sheet = self.sheet(article) if article and self.has_view_permission(request, article) else {}
        return super().change_view(request, object_id, form_url, {**sheet, **(extra_context or {})})

    def sheet(self, article: Article) -> dict[str, Any]:
        versions = list(opinions.counts(article))
        said = ArticleVote.objects.filter(version__article=article, helpful=False).exclude(reason="")
        return {
            "article": article,
            "versions": versions,
            "reasons": said.select_related("version").defer("version__body")[:30],
            "public": article.get_absolute_url(),
        }

    def get_urls(self) -> list[URLPattern]:
        diff = self.admin_site.admin_view(self.diff)
        return [
            path("<int:pk>/version/<int:number>/", diff, name="support_article_diff"),
            *super().get_urls(),
        ]

    @method_decorator(require_safe)
    def diff(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        """What one version changed of the one before."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        versions = {v.number: v for v in ArticleVersion.objects.filter(article_id=pk, number__in=[number, number - 1])}
        version = versions.get(number)
        if version is None:
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            "title": f"Version {number} : ce qui a changé",
            "subtitle": None,
            "opts": self.opts,
            "version": version,
            "before": versions.get(number - 1),
            "lines": changed_lines(versions.get(number - 1), version),
            "article_url": reverse("admin:support_article_change", args=[pk]),
        }
        return TemplateResponse(request, "admin/support/article/diff.html", context)


def changed_lines(before: ArticleVersion | None, after: ArticleVersion) -> list[tuple[str, str]]:
    """(« ajouté », « retiré », « gardé » or « saut », line): what is unchanged is shown around the changes only."""
    old, new = (_lines(before) if before else []), _lines(after)
    found: list[tuple[str, str]] = []
    for group in difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(AROUND):
        if found or group[0][1] > 0:
            found.append(("saut", "…"))
        for kind, i1, i2, j1, j2 in group:
            if kind == "equal":
                found += [("gardé", line) for line in old[i1:i2]]
            else:
                found += [("retiré", line) for line in old[i1:i2]] + [("ajouté", line) for line in new[j1:j2]]
    return found


def _lines(version: ArticleVersion) -> list[str]:
    return [f"Titre : {version.title}", f"Résumé : {version.summary}", *version.body.split("\n")]
