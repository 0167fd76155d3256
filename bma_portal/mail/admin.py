"""The mails that left or did not, and the two senders. What carries a secret shows dots; nothing here is edited."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from bma_portal import confirmation
from bma_portal.badges import BAD, GOOD, NEUTRAL, WAITING, badge
from bma_portal.errors import Refusal
from bma_portal.mail import requeue
from bma_portal.mail.models import OutgoingMail, Sender, SenderState
from bma_portal.readonly import ReadOnlyAdmin

Status = OutgoingMail.Status
TONES = {
    Status.QUEUED: WAITING,
    Status.SENDING: WAITING,
    Status.SENT: GOOD,
    Status.FAILED: BAD,
    Status.CANCELLED: NEUTRAL,
}
# What each kind of mail is called on these pages; the apps that write mails add theirs.
KIND_LABELS: dict[str, str] = {"plain": "message du portail"}


def senders_of(user: Any) -> list[Sender]:
    """The senders this person answers for."""
    return [sender for sender in Sender if user.has_perm(f"mail.act_for_{sender}")]


class KindFilter(admin.SimpleListFilter):
    title = "genre"
    parameter_name = "genre"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return sorted(KIND_LABELS.items(), key=lambda item: item[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(kind=self.value()) if self.value() in KIND_LABELS else queryset


@admin.register(OutgoingMail)
class OutgoingMailAdmin(ReadOnlyAdmin):
    viewed = "mail.viewed"
    list_display = [
        "subject",
        "status_shown",
        "sender",
        "recipients",
        "queued_at",
        "sent_at",
        "attempts",
        "last_error",
    ]
    sortable_by = ["status_shown"]  # the order of the list is already that of the queue
    list_filter = ["status", "sender", KindFilter]
    search_fields = ["to"]
    search_help_text = "Adresse complète du destinataire, ou Message-ID."
    actions = ["send_again"]
    fields = [
        "subject", "kind_shown", "status_shown", "sender", "recipients", "queued_at", "sent_at", "proof", "bounced_at",
        "attempts", "not_before", "last_error", "last_code", "key", "message_id", "uuid", "request_id", "body",
    ]  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        mails = super().get_queryset(request)
        url_name = request.resolver_match.url_name if request.resolver_match else ""
        return mails.defer("text", "html", "headers") if url_name.endswith("_changelist") else mails.defer("html")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if term.startswith("<"):
            return queryset.filter(message_id=term[:120]), False
        return queryset.filter(to__contains=[term.lower()[:254]]), False

    @admin.display(description="état", ordering="status")
    def status_shown(self, mail: OutgoingMail) -> SafeString:
        if mail.bounced_at:
            return badge("revenu", BAD)
        return badge(mail.get_status_display(), TONES[Status(mail.status)])

    @admin.display(description="genre")
    def kind_shown(self, mail: OutgoingMail) -> str:
        return KIND_LABELS.get(mail.kind, mail.kind)

    @admin.display(description="à")
    def recipients(self, mail: OutgoingMail) -> str:
        return ", ".join([*mail.to, *mail.cc, *mail.bcc])

    @admin.display(description="texte")
    def body(self, mail: OutgoingMail) -> SafeString:
        if mail.sensitive:
            return format_html(
                '<p class="masked">••••</p><p>{}</p>', "Ce message porte un secret : il n’est pas conservé."
            )
        return format_html('<pre class="mail-text">{}</pre>', mail.text)

    def has_act_permission(self, request: HttpRequest) -> bool:
        return bool(senders_of(request.user))

    @admin.action(description="Renvoyer", permissions=["act"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[OutgoingMail]) -> HttpResponse | None:
        mine = queryset.filter(sender__in=senders_of(request.user), status__in=requeue.OVER)
        left = queryset.count() - mine.count()
        if mine.exists() and not confirmation.is_confirmed(request):
            return confirmation.ask(
                self,
                request,
                mine,
                action="send_again",
                title="Renvoyer des courriels",
                question="Ces courriels ne sont pas partis. Ils retourneront dans la file et partiront dès que leur "
                "expéditeur le peut.",
                button="Renvoyer",
            )
        result = requeue.requeue(
            list(mine.values_list("pk", flat=True)),
            by=request.user.get_username(),
            at=request.at,  # type: ignore[attr-defined]
        )
        if result.done:
            self.message_user(request, f"{result.done} courriel(s) remis en file.", messages.SUCCESS)
        for why in result.refused[:20]:
            self.message_user(request, why, messages.ERROR)
        if left:
            self.message_user(
                request,
                f"{left} courriel(s) laissés : on ne renvoie que ce qui est en échec ou annulé, au nom de son équipe.",
                messages.WARNING,
            )
        return None


@admin.register(SenderState)
class SenderStateAdmin(ReadOnlyAdmin):
    """Whether each sender may send. A sender that was never refused has no line here: it sends."""

    list_display = ["sender", "state", "refusals", "wait_until", "paused_at", "reason"]
    actions = ["resume"]
    fields = ["sender", "state", "refusals", "wait_until", "paused_at", "reason"]
    readonly_fields = fields

    @admin.display(description="état")
    def state(self, state: SenderState) -> SafeString:
        if state.paused_at:
            return badge("arrêté, attend votre décision", BAD)
        if state.wait_until:
            return badge("attend avant de réessayer", WAITING)
        return badge("envoie", GOOD)

    def has_act_permission(self, request: HttpRequest) -> bool:
        return bool(senders_of(request.user))

    @admin.action(description="Reprendre l’envoi", permissions=["act"])
    def resume(self, request: HttpRequest, queryset: QuerySet[SenderState]) -> None:
        mine = senders_of(request.user)
        for state in queryset:
            if state.sender not in mine:
                self.message_user(request, f"L’envoi de {state} se reprend par sa propre équipe.", messages.ERROR)
                continue
            try:
                requeue.resume(state.sender, by=request.user.get_username(), at=request.at)  # type: ignore[attr-defined]
            except Refusal as refusal:
                self.message_user(request, str(refusal), messages.ERROR)
            else:
                self.message_user(request, f"L’envoi de {state} reprend.", messages.SUCCESS)
