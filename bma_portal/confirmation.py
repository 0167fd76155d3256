"""The question asked before an action of a list is done: a page that shows what is at stake, and one button."""

from django.contrib.admin import ModelAdmin, helpers
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

SHOWN = 50


def is_confirmed(request: HttpRequest) -> bool:
    return request.POST.get("confirmed") == "yes"


def ask(
    page: ModelAdmin,
    request: HttpRequest,
    queryset: QuerySet,
    *,
    action: str,
    title: str,
    question: str,
    button: str,
    why: str = "",
) -> TemplateResponse:
    """The page itself; it posts the same selection again, all pages of the list included if that was chosen.

    `why`: the label of a reason that must be given; it is posted as `why`.
    """
    total = queryset.count()
    across = request.POST.get("select_across") == "1"
    selected = request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)
    context = {
        **page.admin_site.each_context(request),
        "title": title,
        "subtitle": None,
        "opts": page.opts,
        "question": question,
        "button": button,
        "why": why,
        "action": action,
        "across": across,
        "checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        "selected": selected[:1] if across else selected,
        "shown": list(queryset[:SHOWN]),
        "total": total,
        "more": max(0, total - SHOWN),
    }
    return TemplateResponse(request, "admin/confirm_action.html", context)
