"""The pages of a night: the « pré-vol » of a batch, and the files that ETNIC brings before the night and after it.

A file is checked first and shown line by line; nothing is written until a person confirms. The page keeps what was
read, signed, so that nobody chooses the file twice; the confirmation judges it again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from bma_portal.badges import BAD, GOOD, NEUTRAL, WAITING, badge
from bma_portal.errors import Refusal
from bma_portal.states import StateChange
from bma_portal.templatetags.french import nuit
from migration import cutover, preflight, results_file
from migration.models import Batch, Move

KEPT_SECONDS = 3600
SHOWN = 500
WORDS = {BAD: "bloquée", WAITING: "à voir", GOOD: "prête"}
COUNTED = {BAD: "boîtes bloquées", WAITING: "boîtes à voir", GOOD: "boîtes prêtes"}
FATES = {
    cutover.Fate.FAULT: (BAD, "à corriger"),
    cutover.Fate.REFUSED: (BAD, "refusée"),
    cutover.Fate.FAILED: (WAITING, "en échec"),
    cutover.Fate.MIGRATED: (GOOD, "migrée"),
    cutover.Fate.ALREADY: (NEUTRAL, "déjà enregistrée"),
}


def file_field(label: str, columns: str) -> forms.FileField:
    return forms.FileField(
        label=label,
        help_text=f"CSV en UTF-8, séparé par des points-virgules ou des virgules. Colonnes : {columns}",
        error_messages={"required": "Choisissez le fichier.", "empty": "Ce fichier est vide."},
    )


def small_enough(upload: UploadedFile) -> UploadedFile:
    if upload.size is not None and upload.size > results_file.LARGEST:
        raise forms.ValidationError(results_file.too_large())
    return upload


class BatchChoice(forms.ModelChoiceField):
    def label_from_instance(self, batch: Any) -> str:
        return f"{batch}, {nuit(batch.night_on)} (campagne {batch.campaign.slug})"


class ResultsForm(forms.Form):
    batch = BatchChoice(
        Batch.objects.none(),
        label="Lot",
        empty_label="Choisissez un lot",
        error_messages={"required": "Choisissez le lot.", "invalid_choice": "Ce lot n’a pas de nuit à enregistrer."},
    )
    results = file_field(
        "Fichier des résultats",
        "adresse;resultat;detail;ignores. Le résultat est « ok » ou « echec » ; « ignores » compte les éléments que "
        "les outils n’ont pas repris (facultatif).",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        batches = Batch.objects.filter(status__in=cutover.OF_A_NIGHT).select_related("campaign")
        self.fields["batch"].queryset = batches.order_by("-night_on", "number")  # type: ignore[attr-defined]

    def clean_results(self) -> UploadedFile:
        return small_enough(self.cleaned_data["results"])


class FindingsForm(forms.Form):
    results = file_field(
        "Fichier du contrôle",
        "adresse;ancien;nouveau;taille_mo. « ancien » et « nouveau » disent « oui » ou « non » ; une case vide ne "
        "change rien.",
    )

    def clean_results(self) -> UploadedFile:
        return small_enough(self.cleaned_data["results"])


@dataclass
class Checked:
    """What a file does, or would do, as its page shows it."""

    figures: list[tuple[str, int]]
    rows: list[tuple[int, str, SafeString, str]]  # line, address, badge, words
    faults: int = 0
    changes: int = 0
    already: int = 0
    signable: bool = False
    more: int = field(init=False)

    def __post_init__(self) -> None:
        self.more = max(0, len(self.rows) - SHOWN)
        self.rows = self.rows[:SHOWN]


@dataclass(frozen=True)
class NightFile:
    """One kind of file: how it is read and judged, and the words of its page."""

    title: str
    button: str
    salt: str
    form: type[forms.Form]
    act: Callable[..., Checked]  # (content, batch, by, at, signed, write)


def _results(content: bytes, batch: Batch, *, by: str, at: datetime, signed: str, write: bool) -> Checked:
    read = results_file.results(content)
    report = cutover.record(read.rows, batch=batch, by=by, at=at, signed=signed, faults=read.faults, write=write)
    order = list(FATES)
    lines = sorted(report.lines, key=lambda line: order.index(line.fate))
    return Checked(
        figures=[
            ("boîtes migrées", report.migrated),
            ("en échec", report.failed),
            ("déjà enregistrées", report.already),
            ("lignes refusées", len(report.refused)),
            ("lignes à corriger", len(report.faults)),
        ],
        rows=[
            (line.number, line.address, badge(FATES[line.fate][1], FATES[line.fate][0]), line.words) for line in lines
        ],
        faults=len(report.faults),
        changes=report.changes,
        already=report.already,
        signable=report.may_be_signed,
    )


def _fate(fate: cutover.Fate) -> SafeString:
    tone, word = FATES[fate]
    return badge(word, tone)


def _findings(content: bytes, batch: Batch, *, by: str, at: datetime, signed: str, write: bool) -> Checked:
    read = results_file.findings(content)
    noted = preflight.note_findings(read.rows, batch, by=by, at=at, faults=read.faults, write=write)
    faults = [line for line in noted if line.is_fault]
    found = [line for line in noted if not line.is_fault]
    return Checked(
        figures=[("boîtes contrôlées", len(found)), ("lignes à corriger", len(faults))],
        rows=[(line.number, line.address, badge("à corriger", BAD), line.words) for line in faults]
        + [(line.number, line.address, badge("contrôlée", GOOD), line.words) for line in found],
        faults=len(faults),
        changes=len(found),
    )


RESULTS = NightFile("Résultats d’une nuit", "Enregistrer ces résultats", "night.results", ResultsForm, _results)
FINDINGS = NightFile("Contrôle avant la nuit", "Enregistrer ce contrôle", "night.findings", FindingsForm, _findings)


def keep(kind: NightFile, content: bytes, batch: Batch, request: HttpRequest) -> str:
    """For the page that asks to confirm: this file, for this batch, by this person."""
    return signing.dumps([batch.pk, request.user.pk, content.decode("utf-8-sig")], salt=kind.salt, compress=True)


def kept(kind: NightFile, request: HttpRequest) -> tuple[Batch, bytes]:
    """Raises Refusal."""
    try:
        pk, person, text = signing.loads(request.POST["content"], salt=kind.salt, max_age=KEPT_SECONDS)
    except signing.BadSignature:  # an old one too
        raise Refusal("Cette vérification date de plus d’une heure : choisissez de nouveau le fichier.") from None
    batch = Batch.objects.select_related("campaign").filter(pk=pk).first()
    if batch is None or person != request.user.pk:
        raise Refusal("Cette vérification n’est pas la vôtre : choisissez de nouveau le fichier.")
    return batch, text.encode()


def file_page(
    page: ModelAdmin, request: HttpRequest, kind: NightFile, *, of: Batch | None, back: list[tuple[str, str]]
) -> HttpResponse:
    """Choose the file, see what it would change, confirm. `of`: the batch, where the address names it."""
    at, by = request.at, request.user.get_username()  # type: ignore[attr-defined]
    context: dict[str, Any] = {"batch": of, "checked": None, "token": "", "done": False, "signed": ""}
    form = kind.form(initial={"batch": request.GET.get("lot")})
    if request.method == "POST" and "content" in request.POST:
        signed = " ".join(request.POST.get("signed", "").split())
        signature = f"{by} : {signed}"[:150] if signed else ""
        try:
            batch, content = kept(kind, request)
            checked = kind.act(content, batch, by=by, at=at, signed=signature, write=True)
            context |= {"batch": batch, "checked": checked, "done": True}
            if checked.already and not checked.changes:
                messages.warning(request, _nothing_more(batch))
        except Refusal as refusal:
            messages.error(request, str(refusal))
    elif request.method == "POST":
        form = kind.form(request.POST, request.FILES)
        if form.is_valid():
            batch, content = of or form.cleaned_data["batch"], form.cleaned_data["results"].read()
            try:
                checked = kind.act(content, batch, by=by, at=at, signed="", write=False)
                token = "" if checked.faults else keep(kind, content, batch, request)
                context |= {"batch": batch, "checked": checked, "token": token}
            except Refusal as refusal:
                form.add_error("results", str(refusal))
    context |= {
        **page.admin_site.each_context(request),
        "title": kind.title if context["batch"] is None else f"{kind.title} : {context['batch']}",
        "subtitle": None,
        "opts": page.opts,
        "form": form,
        "button": kind.button,
        "back": back,
    }
    return TemplateResponse(request, "admin/migration/move/night_file.html", context)


def _nothing_more(batch: Batch) -> str:
    """Two people bring the same file: the second is told who did it."""
    moves = batch.moves.values("pk")
    last = (
        StateChange.objects.filter(
            object_type=Move._meta.label_lower,
            object_id__in=moves,
            new__in=[Move.Status.MIGRATED, Move.Status.FAILED],
        )
        .order_by("-id")
        .first()
    )
    return f"Rien n’a changé : {last.by} a déjà enregistré cette nuit." if last else "Rien n’a changé."


def urls(page: ModelAdmin) -> list[URLPattern]:
    """The pages of a batch that prepare its night; `BatchAdmin` has them."""
    view = page.admin_site.admin_view
    return [
        path(
            "<path:object_id>/prevol/",
            view(lambda request, object_id: preflight_page(page, request, object_id)),
            name="migration_batch_preflight",
        ),
        path(
            "<path:object_id>/prevol/fichier/",
            view(lambda request, object_id: preflight_file(page, request, object_id)),
            name="migration_batch_preflight_file",
        ),
    ]


def preflight_page(page: ModelAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
    """What would keep a mailbox of this batch from its night, red first."""
    if not page.has_view_permission(request):
        raise PermissionDenied
    batch = _batch(page, request, object_id)
    lines = preflight.lines(batch, at=request.at)  # type: ignore[attr-defined]
    tones = [line.tone for line in lines]
    context = {
        **page.admin_site.each_context(request),
        "title": f"Pré-vol : {batch}",
        "subtitle": None,
        "opts": page.opts,
        "batch": batch,
        "figures": [(word, tones.count(tone)) for tone, word in COUNTED.items()],
        "lines": [(line, badge(WORDS[line.tone], line.tone), _items(line.to_see)) for line in lines],
        "may_record": request.user.has_perm("migration.record_cutover"),  # type: ignore[union-attr]
    }
    return TemplateResponse(request, "admin/migration/batch/preflight.html", context)


def preflight_file(page: ModelAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
    """What ETNIC's tools found before the night."""
    if not request.user.has_perm("migration.record_cutover"):  # type: ignore[union-attr]
        raise PermissionDenied
    batch = _batch(page, request, object_id)
    back = [
        ("Lots", reverse("admin:migration_batch_changelist")),
        (str(batch), reverse("admin:migration_batch_change", args=[batch.pk])),
        ("Pré-vol", reverse("admin:migration_batch_preflight", args=[batch.pk])),
    ]
    return file_page(page, request, FINDINGS, of=batch, back=back)


def _batch(page: ModelAdmin, request: HttpRequest, object_id: str) -> Batch:
    batch = page.get_object(request, object_id)
    if batch is None:
        raise Http404
    return batch


def _items(items: Iterable[preflight.Item]) -> list[tuple[SafeString, preflight.Item]]:
    return [(badge(item.name, item.tone), item) for item in items]
