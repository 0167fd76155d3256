from collections.abc import Iterable

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from accounts.admin_search import SEARCHED, of_units
from bma_portal import confirmation
from bma_portal.badges import badge
from bma_portal.mail.admin import senders_of
from bma_portal.readonly import ReadOnlyAdmin
from migration import decisions
from migration.mails import BY_STEP
from migration.models import Mailing
from migration.sheet import MailLine


class HeldFilter(admin.SimpleListFilter):
    title = "décision"
    parameter_name = "decision"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("attendue", "attendue")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(held_at__isnull=False) if self.value() == "attendue" else queryset


@admin.register(Mailing)
class MailingAdmin(ReadOnlyAdmin):
    """The mails of the campaign as they are foreseen; those held wait here for a person."""

    list_display = ["mailbox", "step", "batch", "due_at", "state", "held_why"]
    list_filter = [HeldFilter, "step", "move__batch"]
    list_select_related = ["move__mailbox", "move__batch", "mail"]
    search_fields = ["move__mailbox__address"]  # the search itself is `of_units`
    search_help_text = SEARCHED
    ordering = ["due_at", "pk"]
    actions = ["send_despite_delay"]
    fields = ["mailbox", "batch", "step", "due_at", "state", "held_at", "held_why", "mail"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("mail__text", "mail__html")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        return of_units(queryset, search_term, "move__mailbox__organisation"), False

    @admin.display(description="boîte", ordering="move__mailbox__address")
    def mailbox(self, mailing: Mailing) -> str:
        return mailing.move.mailbox.address

    @admin.display(description="lot", ordering="move__batch")
    def batch(self, mailing: Mailing) -> str:
        return str(mailing.move.batch)

    @admin.display(description="état")
    def state(self, mailing: Mailing) -> SafeString:
        line = MailLine.of(mailing)
        return badge(line.word, line.tone)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return bool(self.steps_of(request))

    def steps_of(self, request: HttpRequest) -> list[int]:
        """The steps this person answers for: 1 and 3 are SGNE's, 2 and 4 ETNIC's (S4)."""
        mine = senders_of(request.user)
        return [step for step, mail in BY_STEP.items() if mail.sender in mine]

    @admin.action(description="Envoyer malgré le retard", permissions=["decide"])
    def send_despite_delay(self, request: HttpRequest, queryset: QuerySet[Mailing]) -> HttpResponse | None:
        mine = queryset.filter(step__in=self.steps_of(request), held_at__isnull=False)
        not_mine = queryset.count() - mine.count()
        if mine.exists() and not confirmation.is_confirmed(request):
            return confirmation.ask(
                self,
                request,
                mine,
                action="send_despite_delay",
                title="Envoyer malgré le retard",
                question="Ces mails partiront dès que le Service Desk est ouvert (du lundi au vendredi, de 8 h à "
                "17 h), bien après la date annoncée.",
                button="Envoyer",
            )
        pks: Iterable[int] = mine.values_list("pk", flat=True)
        at = request.at  # type: ignore[attr-defined]
        result = decisions.send_despite_delay(list(pks), by=request.user.get_username(), at=at)
        if result.done:
            self.message_user(request, f"{result.done} mail(s) partiront malgré le retard.", messages.SUCCESS)
        for why in result.refused[:20]:
            self.message_user(request, why, messages.ERROR)
        if not_mine:
            self.message_user(
                request,
                f"{not_mine} mail(s) laissés : ils n’attendent pas de décision, ou elle revient à l’autre équipe.",
                messages.WARNING,
            )
        return None
