"""« Ce mail vient-il bien de vous ? »: anybody may ask, with the code printed in the mail (C16)."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bma_portal.limits import exceeded
from bma_portal.mail import authenticity
from bma_portal.views import too_many
from support.forms import CodeOfMailForm
from support.views.holder import LOOKUP_LIMITS


@login_not_required
@require_safe
@never_cache
def genuine(request: HttpRequest) -> HttpResponse:
    """Sender and moment of a mail of ours, or « inconnu »: nothing of its recipient nor of what it says."""
    form = CodeOfMailForm.of(request.GET)
    if not form.is_valid():
        return render(request, "support/authenticity.html", {"form": form})
    if seconds := exceeded(request, *LOOKUP_LIMITS):
        return too_many(request, seconds)
    mail = authenticity.look_up(form.cleaned_data["code"], at=request.at)
    return render(request, "support/authenticity.html", {"form": form, "asked": True, "mail": mail})
