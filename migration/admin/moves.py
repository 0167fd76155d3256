import csv
import tempfile
from pathlib import Path

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from bma_portal.badges import BAD, GOOD, NEUTRAL, WAITING, badge
from bma_portal.errors import Refusal
from bma_portal.readonly import ReadOnlyAdmin
from migration import cutover
from migration.models import Move

TONES = {
    Move.Status.PLANNED: WAITING,
    Move.Status.MIGRATED: GOOD,
    Move.Status.FAILED: BAD,
    Move.Status.CANCELLED: NEUTRAL,
}
LARGEST = 1_000_000


class ResultsForm(forms.Form):
    results = forms.FileField(
        label="Fichier des résultats",
        help_text="CSV en UTF-8, colonnes : adresse;resultat;detail. Le résultat est « ok » ou « echec ».",
        error_messages={"required": "Choisissez le fichier des résultats.", "empty": "Ce fichier est vide."},
    )
    signed = forms.CharField(
        label="Dérogation",
        max_length=100,
        required=False,
        help_text="À remplir seulement pour enregistrer des boîtes dont un mail n’est pas parti : dites pourquoi.",
    )
    write = forms.BooleanField(
        label="Enregistrer ces résultats",
        required=False,
        help_text="Sans cette case, le fichier est vérifié seulement.",
    )

    def clean_results(self) -> UploadedFile:
        upload = self.cleaned_data["results"]
        if upload.size > LARGEST:
            raise forms.ValidationError("Ce fichier dépasse 1 Mo : ce n’est pas une liste de résultats.")
        return upload


def read_upload(upload: UploadedFile) -> list[cutover.Result]:
    """As from a file of the command; a refusal names the person's file, not ours. Raises Refusal."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "resultats.csv"
        copy.write_bytes(upload.read())
        try:
            return cutover.read_results(copy)
        except Refusal as refusal:
            raise Refusal(str(refusal).replace(str(copy), f"« {upload.name} »")) from None
        except csv.Error:
            raise Refusal(f"Le fichier « {upload.name} » n’est pas un CSV lisible.") from None


@admin.register(Move)
class MoveAdmin(ReadOnlyAdmin):
    """The passage of each mailbox in its batch; ETNIC records the results of a night from here."""

    change_list_template = "admin/migration/move/change_list.html"
    list_display = ["mailbox", "batch", "position", "status_shown", "migrated_at", "failure", "signed_by"]
    list_filter = ["status", "batch"]
    list_select_related = ["mailbox", "batch"]
    search_fields = ["mailbox__address"]
    search_help_text = "Début ou partie de l’adresse."
    fields = ["mailbox", "batch", "position", "status_shown", "migrated_at", "failure", "signed_by"]
    readonly_fields = fields

    @admin.display(description="état", ordering="status")
    def status_shown(self, move: Move) -> SafeString:
        return badge(move.get_status_display(), TONES[Move.Status(move.status)])

    def may_record(self, request: HttpRequest) -> bool:
        return request.user.has_perm("migration.record_cutover")

    def get_urls(self) -> list[URLPattern]:
        record = self.admin_site.admin_view(self.record_cutover)
        return [path("resultats/", record, name="migration_move_record_cutover"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "may_record": self.may_record(request)})

    def record_cutover(self, request: HttpRequest) -> HttpResponse:
        """Check the results of a night, or record them, and show what became of each line."""
        if not self.may_record(request):
            raise PermissionDenied
        form = ResultsForm(request.POST or None, request.FILES or None)
        report = None
        if request.method == "POST" and form.is_valid():
            by, why = request.user.get_username(), form.cleaned_data["signed"].strip()
            try:
                report = cutover.record(
                    read_upload(form.cleaned_data["results"]),
                    by=by,
                    at=request.at,  # type: ignore[attr-defined]
                    signed=f"{by} : {why}"[:150] if why else "",
                    write=form.cleaned_data["write"],
                )
            except Refusal as refusal:
                form.add_error("results", str(refusal))
        context = {
            **self.admin_site.each_context(request),
            "title": "Résultats d’une nuit",
            "subtitle": None,
            "opts": self.opts,
            "form": form,
            "report": report,
            "written": bool(report and form.cleaned_data["write"]),
        }
        return TemplateResponse(request, "admin/migration/move/record_cutover.html", context)
