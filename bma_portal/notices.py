"""What the portal owes to be read by anyone: privacy (SEC-N1), accessibility (SEC-M2). Linked at every page’s foot."""

from datetime import date

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from bma_portal.retention import RULES

PRIVACY_ON = date(2026, 11, 22)
ACCESSIBILITY_ON = date(2026, 11, 22)  # the statement is reviewed within the year (EU 2018/1523)


@login_not_required
@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    context = {
        "updated_on": PRIVACY_ON,
        "rules": [rule for rule in RULES if rule.personal],
        "others": [rule for rule in RULES if not rule.personal],
    }
    return render(request, "notices/privacy.html", context)


@login_not_required
@require_safe
def accessibility(request: HttpRequest) -> HttpResponse:
    return render(request, "notices/accessibility.html", {"updated_on": ACCESSIBILITY_ON})
