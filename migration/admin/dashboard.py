"""The dashboard of a campaign: facts drawn, and each thing that waits for a person linked to where it is done."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.views.decorators.http import require_safe

from bma_portal import charts
from bma_portal.mail.admin import senders_of
from bma_portal.mail.models import Sender
from migration import dashboard
from migration.calendar import week_of
from migration.dashboard import Counts, Dashboard, Todo
from migration.models import Batch, Campaign, Mailing, MailText

STATES = [
    charts.Series("done", "migrées", "migrée"),
    charts.Series("moving", "en route"),
    charts.Series("stopped", "suspendues", "suspendue"),
    charts.Series("future", "à venir"),
    charts.Series("failed", "en échec"),
]
KINDS = {"po": "Pouvoirs organisateurs", "ec": "Établissements"}
MOST_LINES = 9  # of a chart by network or type; what is beyond is one line
SHOWN = 12  # of the mailboxes that wait for their holder
URGENT, SOON, CALM = "bad", "waiting", "neutral"
ORDER = {URGENT: 0, SOON: 1, CALM: 2}


def urls(page: ModelAdmin) -> list[URLPattern]:
    @require_safe
    def view(request: HttpRequest, object_id: str) -> HttpResponse:
        return dashboard_page(page, request, object_id)

    return [
        path(
            "<path:object_id>/tableau-de-bord/", page.admin_site.admin_view(view), name="migration_campaign_dashboard"
        )
    ]


@require_safe
def latest(request: HttpRequest) -> HttpResponse:
    """The latest campaign's; with none, the page where one begins."""
    if not request.user.has_perm("migration.view_campaign"):  # type: ignore[union-attr]
        raise PermissionDenied
    campaign = Campaign.objects.order_by("-pk").first()
    if campaign is not None:
        return redirect("admin:migration_campaign_dashboard", campaign.pk)
    messages.info(request, "Il n’y a pas encore de campagne : son tableau de bord viendra avec elle.")
    may_add = request.user.has_perm("migration.add_campaign")  # type: ignore[union-attr]
    return redirect("admin:migration_campaign_add" if may_add else "admin:migration_campaign_changelist")


def dashboard_page(page: ModelAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
    if not page.has_view_permission(request):
        raise PermissionDenied
    campaign = page.get_object(request, object_id)
    if not isinstance(campaign, Campaign):
        raise Http404
    at = request.at  # type: ignore[attr-defined]
    facts = dashboard.dashboard(campaign, at=at)
    total = facts.total
    context = {
        **page.admin_site.each_context(request),
        "title": f"Tableau de bord : {campaign}",
        "subtitle": None,
        "opts": page.opts,
        "campaign": campaign,
        "others": Campaign.objects.exclude(pk=campaign.pk).order_by("-pk")[:5],
        "at": at,
        "facts": facts,
        "total": total,
        "share": charts.share(total.done, facts.whole),
        "whole": charts.Bar("", [*total.values, facts.unplanned], [*STATES, charts.Series("rest", "dans aucun lot")]),
        "begins": _path(facts, request) if not any(of.begun for of in facts.batches) else [],
        "todo": sorted((_line(todo, request) for todo in facts.todo), key=lambda line: ORDER[line.tone]),
        "night_url": _night_url(facts),
        "weeks": by_week(facts),
        "calendar": nights(facts),
        "funnel": steps(facts),
        "networks": grouped("reseaux", "Boîtes par réseau", "Réseau", facts.networks),
        "types": grouped("types", "Boîtes par type d’unité", "Type", facts.types),
        "kinds": charts.bars(
            "genres",
            "Boîtes par genre",
            STATES,
            {"": [(KINDS[kind], counts.values) for kind, counts in facts.by_kind.items()]},
            first="Genre",
        ),
        "span": ending(facts),
        "late_days": _late_days(facts),
        "waits": facts.waits[:SHOWN],
        "more_waits": facts.all_waits - len(facts.waits[:SHOWN]),
    }
    return TemplateResponse(request, "admin/migration/campaign/dashboard.html", context)


# Drawings


def by_week(facts: Dashboard) -> charts.Bars:
    def label(monday: Any) -> str:
        return f"sem. du {date_format(monday, 'j b')}"

    groups = {
        KINDS[kind]: [(label(monday), counts.values) for monday, counts in weeks.items()]
        for kind, weeks in facts.by_week.items()
    }
    return charts.bars(
        "semaines",
        "Boîtes par semaine de migration",
        STATES,
        groups,
        first="Semaine",
        now=label(week_of(facts.today)),
    )


def nights(facts: Dashboard) -> charts.Calendar:
    avoided, holidays = facts.days_off
    first, last = facts.span
    return charts.calendar(
        "nuits",
        "Calendrier des nuits de migration",
        facts.nights,
        first=first,
        last=last,
        today=facts.today,
        avoided=avoided,
        holidays=holidays,
    )


def steps(facts: Dashboard) -> charts.Bars:
    named = [(str(Mailing.Step(step).label).capitalize(), facts.reached[step]) for step in Mailing.Step.values]
    lines = [*named, ("Boîte migrée", facts.total.done)] if facts.whole else []
    return charts.funnel("entonnoir", "Du mail 1 à la migration", lines, whole=facts.whole)


def grouped(name: str, title: str, first: str, found: dict[str, Counts]) -> charts.Bars:
    """The largest first; those beyond a few are one line."""
    lines = [(label, counts.values) for label, counts in list(found.items())[:MOST_LINES]]
    rest = list(found.values())[MOST_LINES:]
    if len(rest) == 1:
        lines = [(label, counts.values) for label, counts in found.items()]
    elif rest:
        lines.append((f"{len(rest)} autres", sum(rest, Counts()).values))
    return charts.bars(name, title, STATES, {"": lines}, first=first)


def ending(facts: Dashboard) -> charts.Span | None:
    foreseen, campaign = facts.forecast, facts.campaign
    if foreseen.earliest is None or foreseen.latest is None:
        return None
    first = min([*facts.nights, facts.today])
    others = [("announced", "Fin annoncée", campaign.announced_until)]
    if foreseen.latest >= campaign.old_server_closes_on:
        others.append(("closing", "Fermeture de l’ancien serveur", campaign.old_server_closes_on))
    text = f"Entre le {date_format(foreseen.earliest, 'j F Y')} et le {date_format(foreseen.latest, 'j F Y')}."
    return charts.span(
        "fin",
        "Fin de la campagne, prévision",
        text,
        start=first,
        now=facts.today,
        earliest=foreseen.earliest,
        latest=foreseen.latest,
        others=others,
    )


def _late_days(facts: Dashboard) -> int:
    """How long after the announced end the latest one is."""
    latest = facts.forecast.latest
    return max(0, (latest - facts.campaign.announced_until).days) if latest else 0


# What waits for a person


@dataclass(frozen=True)
class Line:
    sentence: str
    count: int
    url: str
    tone: str
    team: str
    deed: str
    mine: bool


def _list(name: str, **query: object) -> str:
    return reverse(f"admin:{name}_changelist") + (f"?{urlencode(query)}" if query else "")


def _batch(pk: object) -> str:
    return reverse("admin:migration_batch_change", args=[pk])


def _boxes(count: int, one: str, several: str) -> str:
    return f"boîte{'s' if count > 1 else ''} {several if count > 1 else one}"


Said = tuple[str, str, str, str]  # what, where, how urgent, what one does there
SAID: dict[str, Callable[[Todo], Said]] = {
    "sender": lambda todo: (
        f"L’envoi {dashboard.OF_TEAM[todo.team]} est arrêté : plus aucun de ses mails ne part",
        _list("mail_senderstate"),
        URGENT,
        "Voir pourquoi et reprendre",
    ),
    "red": lambda todo: (
        f"{_boxes(todo.count, 'ne peut', 'ne peuvent')} pas migrer la prochaine nuit",
        _preflight(todo.about),
        URGENT,
        "Ouvrir le pré-vol",
    ),
    "paused": lambda todo: (f"{todo.name} suspendu : rien n’y part", _batch(todo.about), URGENT, "Décider"),
    "result": lambda todo: (
        f"{todo.name} : {todo.count} {_boxes(todo.count, 'attend', 'attendent')} le résultat de sa nuit",
        reverse("admin:migration_move_record_cutover"),
        URGENT,
        "Enregistrer les résultats",
    ),
    "release": lambda todo: (
        f"{todo.name} : ses cinq premières boîtes sont parties, les autres attendent",
        reverse("admin:migration_batch_decide", args=[todo.about, "ouvrir"]),
        SOON,
        "Ouvrir à tous",
    ),
    "approve": lambda todo: (
        f"{todo.name} : son mail 1 est proche, il est à approuver",
        _batch(todo.about),
        SOON,
        "Lire et approuver",
    ),
    "evaluate": lambda todo: (
        f"{todo.name} : ce pilote est terminé, son évaluation ouvre les autres lots",
        reverse("admin:migration_batch_evaluation", args=[todo.about]),
        SOON,
        "Évaluer",
    ),
    "held": lambda todo: (
        f"mail{'s' if todo.count > 1 else ''} {todo.about} en attente de décision",
        _list("migration_mailing", decision="attendue", step__exact=todo.about),
        URGENT if todo.about == Mailing.Step.CLOSING else SOON,
        "Décider",
    ),
    "waiting": lambda todo: (
        f"{_boxes(todo.count, 'attend son', 'attendent leur')} titulaire : un mail est revenu",
        "#attentes",
        SOON,
        "Voir lesquelles",
    ),
    "failed": lambda todo: (
        f"{_boxes(todo.count, 'en échec', 'en échec')} dans le {todo.name}, à reprendre",
        _batch(todo.about),
        SOON,
        "Reprendre",
    ),
    "failing": lambda todo: (
        f"{_boxes(todo.count, 'en échec', 'en échec')} dans d’autres lots, à reprendre",
        _list("migration_batch", status__exact=Batch.Status.FINISHED_WITH_ERRORS),
        SOON,
        "Voir ces lots",
    ),
    "skipped": lambda todo: (
        f"{_boxes(todo.count, 'a', 'ont')} des éléments non repris à admettre",
        reverse("admin:migration_move_changelist") + "?non-repris=a-admettre",
        SOON,
        "Lire et signer",
    ),
    "aside": lambda todo: (
        _boxes(todo.count, "mise de côté", "mises de côté"),
        _list("migration_move", paused_at__isnull="False", status__exact="planned"),
        CALM,
        "Reprendre ou reporter",
    ),
    "text": lambda todo: (
        f"texte{'s' if todo.count > 1 else ''} du mail {todo.about} à approuver par une seconde personne",
        _list("migration_mailtext", status__exact=MailText.Status.PROPOSED),
        SOON,
        "Relire",
    ),
    "unplanned": lambda todo: (
        _boxes(todo.count, "sans lot", "sans lot") + (f", dont {todo.about} en échec" if todo.about else ""),
        _list("accounts_mailbox", lot="none"),
        CALM,
        "Ouvrir la liste",
    ),
}
NAMES_ONE = {"sender", "paused", "result", "release", "approve", "evaluate"}  # said of one thing: no number before


def _line(todo: Todo, request: HttpRequest) -> Line:
    sentence, url, tone, deed = SAID[todo.what](todo)
    teams = senders_of(request.user)
    return Line(
        sentence[:1].upper() + sentence[1:] if todo.what in NAMES_ONE else sentence,
        0 if todo.what in NAMES_ONE else todo.count,
        url,
        tone,
        Sender(todo.team).label if todo.team else "",
        deed,
        not todo.team or not teams or todo.team in teams,
    )


def _preflight(batch: object) -> str:
    return reverse("admin:migration_batch_preflight", args=[batch])


def _night_url(facts: Dashboard) -> str:
    return _preflight(facts.night.batches[0].pk) if facts.night else ""


# Where to begin


@dataclass(frozen=True)
class Beginning:
    """One of the first things to do, in order."""

    label: str
    help: str
    url: str
    done: bool


def _path(facts: Dashboard, request: HttpRequest) -> list[Beginning]:
    campaign, batches = facts.campaign, facts.batches
    approved = [of for of in batches if of.batch.status != Batch.Status.DRAFT]
    return [
        Beginning(
            "Charger le registre FASE",
            "Les unités et leurs boîtes viennent du registre. Votre équipe technique le charge par la commande "
            "import_fase ; cette page dit quand ce fut fait.",
            _list("accounts_registerimport"),
            facts.has_register,
        ),
        Beginning(
            "Relire les dates de la campagne",
            "Périodes, délais entre les mails, capacité d’une semaine, jours à éviter.",
            reverse("admin:migration_campaign_change", args=[campaign.pk]),
            bool(batches),
        ),
        Beginning(
            "Planifier",
            "Le portail propose des lots et dit ce qui ne tient pas ; vous acceptez ou vous changez les réglages.",
            reverse("admin:migration_campaign_plan", args=[campaign.pk]),
            bool(batches),
        ),
        Beginning(
            "Approuver les premiers lots",
            "Rien ne part avant cela ; ensuite chaque mail part à sa date, d’abord aux cinq premières boîtes.",
            _list("migration_batch", status__exact=Batch.Status.DRAFT, campaign__id__exact=campaign.pk),
            bool(approved),
        ),
    ]
