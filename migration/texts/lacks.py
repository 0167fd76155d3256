"""What the mails of a batch would lack, told when it is scheduled and not on the day (C7)."""

from collections.abc import Iterator
from datetime import date, datetime

from accounts.models import Contact
from bma_portal.clock import brussels_date
from bma_portal.templatetags.french import jour
from migration.models import Batch, Campaign, Mailing, Move, Step
from migration.texts import language
from migration.texts.addresses import fault_of_address
from migration.texts.versions import of_steps

NAMED = 5  # mailboxes that a sentence names
PAGES = {"nouvelle_interface": "new_webmail", "aide": "help_page"}
TEAMS = {"contact_sgne": Contact.Team.SGNE, "contact_etnic": Contact.Team.ETNIC}


def missing(about: Batch | Campaign, *, at: datetime) -> list[str]:
    """As French sentences, each once; empty if every mail still to come can be made. Writes nothing."""
    if isinstance(about, Campaign):
        open_ones = about.batches.exclude(
            status__in=[Batch.Status.FINISHED, Batch.Status.FINISHED_WITH_ERRORS, Batch.Status.CANCELLED]
        )
        batches = list(open_ones.select_related("campaign"))
    else:
        batches = [about]
    texts = of_steps()
    contacts = list(Contact.objects.filter(team__in=TEAMS.values()))
    found: dict[str, None] = {}
    for batch in batches:
        found |= dict.fromkeys(_of_batch(batch, texts, contacts, brussels_date(at)))
    return list(found)


def _of_batch(batch: Batch, texts: dict, contacts: list[Contact], today: date) -> Iterator[str]:
    days = {
        Step.ANNOUNCEMENT: batch.mail1_on,
        Step.CREDENTIALS: batch.mail2_on,
        Step.CONFIRMATION: batch.mail3_on,
        Step.CLOSING: batch.night_on,
    }
    planned = Mailing.objects.filter(move__batch=batch, move__status=Move.Status.PLANNED, mail=None)
    open_steps = set(planned.values_list("step", flat=True)) if batch.moves.exists() else set(Step.values)
    named: set[str] = set()
    for step, day in days.items():
        if step not in open_steps:
            continue
        text = texts.get(step)
        if text is None:
            yield f"Le mail {step} n’a pas de texte approuvé."
            continue
        names = set(language.placeholders(text.body))
        named |= names
        for name in sorted(names & TEAMS.keys()):
            on = max(day, today)
            team = TEAMS[name]
            if not any(row.team == team and row.valid_on(on) and row.email and row.name for row in contacts):
                yield f"Aucun contact de l’équipe {team.label} n’est valable le {jour(on)}, jour du mail {step}."
    yield from _of_pages(batch.campaign, named)
    yield from _of_boxes(batch, named)


def _of_pages(campaign: Campaign, named: set[str]) -> Iterator[str]:
    for name, attribute in PAGES.items():
        address = getattr(campaign, attribute)
        label = campaign._meta.get_field(attribute).verbose_name  # type: ignore[union-attr]
        if name in named and not address:
            yield f"La campagne ne dit pas l’adresse de la page « {label} »."
        elif name in named and (why := fault_of_address(address)):
            yield f"Dans la campagne, page « {label} » : {why}."


def _of_boxes(batch: Batch, named: set[str]) -> Iterator[str]:
    if "nom_unite" not in named:
        return
    nameless = batch.moves.filter(status=Move.Status.PLANNED, mailbox__organisation__name="")
    addresses = list(nameless.order_by("position").values_list("mailbox__address", flat=True)[: NAMED + 1])
    if addresses:
        more = " et d’autres" if len(addresses) > NAMED else ""
        yield f"Le registre ne donne pas le nom de : {', '.join(addresses[:NAMED])}{more}."
