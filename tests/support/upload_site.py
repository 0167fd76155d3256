"""The portal, and a page of one form with a proof: served to the tests' client, and by a real server."""

from django import forms
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.urls import include, path

from support.proofs import ProofField


class Form(forms.Form):
    name = forms.CharField(max_length=80)
    proof = ProofField()

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["proof"].caption = "essai"


class PlainForm(forms.Form):
    name = forms.CharField()
    file = forms.FileField()


@login_not_required
def page(request: HttpRequest, form: type[forms.Form] = Form) -> JsonResponse:
    bound = form(request.POST, request.FILES)
    valid = bound.is_valid()
    names = [upload.name for _, uploads in request.FILES.lists() for upload in uploads]
    return JsonResponse({"valid": valid, "errors": bound.errors, "html": bound.as_p(), "names": names})


handler400 = "bma_portal.views.bad_request"
urlpatterns = [
    path("essai/", page),
    path("essai/simple/", page, {"form": PlainForm}),
    path("", include("bma_portal.urls")),
]
