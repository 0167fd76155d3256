"""The texts of the four mails: read by whoever follows the campaign, written and approved by those who send them.

SGNE answers for mails 1 and 3, ETNIC for 2 and 4 (C1); whoever approves is not who wrote (C8).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp, csp_update
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from bma_portal import audit, journal
from bma_portal.badges import BAD, GOOD, NEUTRAL, WAITING, badge
from bma_portal.errors import Refusal
from bma_portal.mail.admin import senders_of
from bma_portal.readonly import ReadOnlyAdmin
from bma_portal.states import StateChange
from migration import text_preview
from migration.models import MailText, Step
from migration.texts import contents, differences, language, versions

Status = MailText.Status
TONES = {Status.DRAFT: NEUTRAL, Status.PROPOSED: WAITING, Status.APPROVED: GOOD, Status.REFUSED: BAD}
SHOWN = 12  # faults of one field
# The page in the frame is the mail as it leaves: its styles are inside, and nothing else may happen there, not even
# a form nor a link (sandbox).
MAIL_POLICY = {
    "default-src": [NONE],
    "style-src": [UNSAFE_INLINE],
    "base-uri": [NONE],
    "frame-ancestors": [SELF],
    "sandbox": [True],
}


@dataclass(frozen=True)
class Deed:
    """A button of a version's page and the question behind it. `of_author`: for who wrote it, else for any other."""

    label: str
    question: str
    done: str
    action: str
    status: str
    of_author: bool
    act: Callable[..., None]
    asks_why: bool = False
    grave: bool = False


DEEDS = {
    "proposer": Deed(
        label="Proposer",
        question="Une autre personne de votre équipe relira ce texte et l’approuvera. D’ici là il ne se modifie plus, "
        "mais vous pouvez le reprendre.",
        done="{text} : proposé. Une autre personne de votre équipe doit l’approuver.",
        action="text.proposed",
        status=Status.DRAFT,
        of_author=True,
        act=versions.propose,
    ),
    "reprendre": Deed(
        label="Reprendre pour corriger",
        question="Ce texte redevient un brouillon que vous pouvez corriger.",
        done="{text} : repris, c’est de nouveau un brouillon.",
        action="text.taken_back",
        status=Status.PROPOSED,
        of_author=True,
        act=versions.take_back,
    ),
    "approuver": Deed(
        label="Approuver",
        question="Les mails qui seront mis en file à partir de maintenant auront ce texte. Ceux qui attendent déjà "
        "gardent le leur. Une approbation ne se défait pas : pour changer encore, écrivez une autre version.",
        done="{text} : approuvé, il sert dès maintenant.",
        action="text.approved",
        status=Status.PROPOSED,
        of_author=False,
        act=versions.approve,
    ),
    "refuser": Deed(
        label="Refuser",
        question="Ce texte ne partira pas. La personne qui l’a écrit lira votre motif.",
        done="{text} : refusé.",
        action="text.refused",
        status=Status.PROPOSED,
        of_author=False,
        act=versions.refuse,
        asks_why=True,
        grave=True,
    ),
}


class TextForm(forms.Form):
    """What is written of a version; its faults are told beside the field, each with its line."""

    subject = forms.CharField(label="Objet", widget=forms.TextInput(attrs={"size": 80, "class": "vLargeTextField"}))
    body = forms.CharField(
        label="Texte",
        strip=False,
        widget=forms.Textarea(attrs={"rows": 32, "cols": 90, "class": "vLargeTextField", "spellcheck": "true"}),
    )
    why = forms.CharField(
        label="Ce qui change",
        max_length=200,
        help_text="Une phrase, que lira la personne qui approuve.",
        widget=forms.TextInput(attrs={"size": 80, "class": "vLargeTextField"}),
    )

    def __init__(self, step: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.step = step

    def clean(self) -> dict[str, Any]:
        found = super().clean() or self.cleaned_data
        if "subject" in found and "body" in found:
            for fault in contents.faults(self.step, found["subject"], language.clean(found["body"])):
                self.add_error("subject" if fault.startswith("Objet") else "body", fault)
        for name in self.errors:
            more = len(self.errors[name]) - SHOWN
            if more > 0:
                del self.errors[name].data[SHOWN:]
                self.add_error(name, f"Et {more} autre{'s' if more > 1 else ''}.")
        return found


class DecisionForm(forms.Form):
    seen = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    why = forms.CharField(
        label="Motif",
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60}),
        error_messages={"required": "Dites pourquoi : l’auteur doit pouvoir corriger."},
    )

    def __init__(self, deed: Deed, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["seen" if deed.asks_why else "why"]


@admin.register(MailText)
class MailTextAdmin(ReadOnlyAdmin):
    change_list_template = "admin/migration/mailtext/change_list.html"
    change_form_template = "admin/migration/mailtext/change_form.html"
    list_display = ["step", "version", "status_shown", "why", "written", "approved"]
    list_display_links = ["step", "version"]
    list_filter = ["step", "status"]
    ordering = ["step", "-version"]
    fields = [
        "step", "version", "status_shown", "why", "written_by", "written_at", "approved_by", "approved_at",
    ]  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[MailText]:
        newer = MailText.objects.filter(step=OuterRef("step"), status=Status.APPROVED, version__gt=OuterRef("version"))
        return super().get_queryset(request).annotate(replaced=Exists(newer))

    @admin.display(description="état", ordering="status")
    def status_shown(self, text: MailText) -> SafeString:
        if text.status == Status.APPROVED:
            return badge("remplacé", NEUTRAL) if text.replaced else badge("en vigueur", GOOD)  # type: ignore[attr-defined]
        return badge(text.get_status_display(), TONES[Status(text.status)])

    @admin.display(description="écrit", ordering="written_at")
    def written(self, text: MailText) -> str:
        return f"{date_format(localtime(text.written_at), 'd/m/Y')}, {text.written_by}"

    @admin.display(description="approuvé", ordering="approved_at")
    def approved(self, text: MailText) -> str:
        return f"{date_format(localtime(text.approved_at), 'd/m/Y')}, {text.approved_by}" if text.approved_at else ""

    def get_urls(self) -> list[URLPattern]:
        def view(page: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
            return self.admin_site.admin_view(page)

        return [
            path("nouveau/<int:step>/", view(self.write), name="migration_mailtext_write"),
            path("<int:pk>/corriger/", view(self.rewrite), name="migration_mailtext_rewrite"),
            path("<int:pk>/decision/<slug:name>/", view(self.decide), name="migration_mailtext_decide"),
            path("<int:pk>/apercu/", view(self.frame), name="migration_mailtext_frame"),
            *super().get_urls(),
        ]

    # Who may

    def may_write(self, request: HttpRequest, step: int) -> bool:
        return step in Step.values and versions.SENDERS[Step(step)] in senders_of(request.user)

    def open_deeds(self, request: HttpRequest, text: MailText) -> dict[str, Deed]:
        """By name, what this person may decide of this version as it stands."""
        if not self.may_write(request, text.step):
            return {}
        author = text.written_by == request.user.get_username()
        return {name: deed for name, deed in DEEDS.items() if text.status == deed.status and deed.of_author is author}

    # Pages

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        steps = [step for step in Step.values if self.may_write(request, step)]
        return super().changelist_view(request, {**(extra_context or {}), "steps": steps})

    @method_decorator(csp_update({"frame-src": [SELF]}))
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict | None = None
    ) -> HttpResponse:
        text = self.get_object(request, object_id)
        context = {}
        if text and self.has_view_permission(request, text):
            context = self.facts(request, text) | {"title": str(text).capitalize(), "subtitle": None}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def facts(self, request: HttpRequest, text: MailText) -> dict[str, Any]:
        words = request.GET.get("boite", "")[:100]
        shown, problem = None, ""
        try:
            if mailbox := text_preview.mailbox_named(words):
                shown = text_preview.preview(text, mailbox, at=request.at)  # type: ignore[attr-defined]
        except Refusal as refusal:
            problem = str(refusal)
        before = versions.before(text)
        author = text.written_by == request.user.get_username()
        frame = reverse("admin:migration_mailtext_frame", args=[text.pk])
        return {
            "text": text,
            "deeds": [
                (reverse("admin:migration_mailtext_decide", args=[text.pk, name]), deed)
                for name, deed in self.open_deeds(request, text).items()
            ],
            "may_write": self.may_write(request, text.step),
            "may_rewrite": author and text.status == Status.DRAFT and self.may_write(request, text.step),
            "waits_for_another": author and text.status == Status.PROPOSED,
            "sender": versions.SENDERS[Step(text.step)].label,
            "before": before,
            "lines": differences.changed_lines(before, text),
            "words": words,
            "problem": problem,
            "preview": shown,
            "secret": text_preview.carries_secret(text),
            "frame": f"{frame}?{urlencode({'boite': shown.mailbox.address})}" if shown else "",
            "changes": [
                journal.line(change)
                for change in StateChange.objects.filter(
                    object_type=MailText._meta.label_lower, object_id=text.pk
                ).order_by("-id")[:50]
            ],
        }

    @method_decorator([require_safe, csp(MAIL_POLICY), xframe_options_sameorigin])
    def frame(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The HTML of the mail, to be shown in a frame without script, link nor form."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        text = MailText.objects.filter(pk=pk).first()
        try:
            mailbox = text_preview.mailbox_named(request.GET.get("boite", "")[:100])
        except Refusal as refusal:
            raise Http404(str(refusal)) from None
        if text is None or mailbox is None:
            raise Http404
        return HttpResponse(text_preview.preview(text, mailbox, at=request.at).html)  # type: ignore[attr-defined]

    def write(self, request: HttpRequest, step: int) -> HttpResponse:
        """A new version, begun from the one in force or from another."""
        if not self.may_write(request, step):
            raise PermissionDenied
        base = self._base(request, step)
        start = {"subject": base.subject, "body": base.body} if base else {}

        def keep(fields: dict[str, str]) -> MailText:
            by, at = request.user.get_username(), request.at  # type: ignore[attr-defined]
            return versions.write(step, **fields, by=by, at=at)

        return self._form(request, step, f"Nouvelle version du mail {step}", start, keep, base)

    def _base(self, request: HttpRequest, step: int) -> MailText | None:
        wanted = request.GET.get("depuis", "")
        of_step = MailText.objects.filter(step=step)
        if wanted.isdecimal() and len(wanted) < 10:
            return of_step.filter(pk=int(wanted)).first()
        return of_step.filter(status=Status.APPROVED).order_by("-version").first()

    def rewrite(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A draft, by who wrote it."""
        text = self._theirs(request, pk)
        start = {"subject": text.subject, "body": text.body, "why": text.why}

        def keep(fields: dict[str, str]) -> MailText:
            by, at = request.user.get_username(), request.at  # type: ignore[attr-defined]
            return versions.rewrite(text, **fields, by=by, at=at)

        return self._form(request, text.step, f"Corriger : {text}", start, keep, text)

    def _theirs(self, request: HttpRequest, pk: int) -> MailText:
        """That version, if this person answers for its mail; nobody learns more than that."""
        text = MailText.objects.filter(pk=pk).first()
        if text is None:
            raise Http404
        if not self.may_write(request, text.step):
            raise PermissionDenied
        return text

    def _form(
        self,
        request: HttpRequest,
        step: int,
        title: str,
        start: dict[str, str],
        keep: Callable[[dict[str, str]], MailText],
        base: MailText | None,
    ) -> HttpResponse:
        form = TextForm(step, request.POST if request.method == "POST" else None, initial=start)
        if request.method == "POST" and form.is_valid():
            try:
                text = keep({name: form.cleaned_data[name] for name in ("subject", "body", "why")})
            except Refusal as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, f"{text} : brouillon enregistré. Relisez l’aperçu, puis proposez-le.")
                return redirect("admin:migration_mailtext_change", text.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "subtitle": None,
            "opts": self.opts,
            "form": form,
            "base": base,
            "placeholders": [(f"{{{name}}}", what) for name, what in contents.allowed(step).items()],
        }
        return TemplateResponse(request, "admin/migration/mailtext/write.html", context)

    def decide(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """Ask, then do. What is refused is said on the version's page, and leaves a line of audit."""
        text = self._theirs(request, pk)
        deed = DEEDS.get(name)
        if deed is None:
            raise Http404
        start = {"seen": versions.fingerprint(text)}
        form = DecisionForm(deed, request.POST if request.method == "POST" else None, initial=start)
        if request.method == "POST" and form.is_valid():
            by, at = request.user.get_username(), request.at  # type: ignore[attr-defined]
            told = {"seen": form.cleaned_data["seen"]} if name == "approuver" else {}
            told |= {"why": form.cleaned_data["why"]} if deed.asks_why else {}
            try:
                with audit.refusals(deed.action, at=at, about=text, by=by):
                    deed.act(text, by=by, at=at, **told)
            except Refusal as refusal:
                messages.error(request, str(refusal))
            else:
                messages.success(request, deed.done.format(text=text))
            return redirect("admin:migration_mailtext_change", text.pk)
        before = versions.before(text)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{deed.label} : {text}",
            "subtitle": None,
            "opts": self.opts,
            "text": text,
            "deed": deed,
            "form": form,
            "before": before,
            "lines": differences.changed_lines(before, text),
        }
        return TemplateResponse(request, "admin/migration/mailtext/decision.html", context)
