"""`route NEED`: which team answers, with what, why, by which source; for one mailbox or an imagined unit."""

from collections.abc import Sequence
from datetime import datetime
from itertools import product
from typing import Any

from accounts.addresses import EC, PO, parse
from accounts.models import Mailbox, ModePeriod
from accounts.perimeter import Perimeter
from bma_portal import clock
from bma_portal.clock import brussels_date
from bma_portal.commands import PortalCommand, Refus
from bma_portal.errors import Refusal
from bma_portal.templatetags.french import sans_semaine
from migration.campaigns import default_campaign
from migration.phases import Phase
from support.contacts import contacts_on
from support.facts import OF_PHASE
from support.lookup import find
from support.needs import NEEDS
from support.routing import Facts, Route, Stage, facts_for, facts_of, route, rules_on

STAGES = {stage.value.lower(): stage for stage in Stage} | {phase.value: OF_PHASE[phase] for phase in Phase}
BOTH = "Donnez --fase, ou --type avec --phase, mais pas les deux."


class Command(PortalCommand):
    help = "Dit qui répond à un besoin, avec quoi, pourquoi et d’après quelle source. N’écrit rien."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("need", nargs="?", default="", metavar="BESOIN", help="voir --needs")
        parser.add_argument("--needs", action="store_true", help="la liste des besoins et de leurs réponses")
        parser.add_argument("--fase", default="", metavar="NUMÉRO", help="une boîte : ec000247, 247, po001234…")
        parser.add_argument("--type", default="", metavar="TYPE", help="une unité imaginée ; « po » : un PO")
        parser.add_argument("--phase", default="", metavar="P0…P6", help="sa phase, ou not_started, announced…")
        parser.add_argument(
            "--answer", action="append", default=[], metavar="CLÉ=VALEUR", help="une réponse ; autant que nécessaire"
        )
        self.add_at(parser)
        self.add_json(parser)

    def handle(self, **options: Any) -> None:
        if options["needs"]:
            self._list(as_json=options["json"])
            return
        if not options["need"]:
            raise Refus("Indiquez un besoin, ou --needs pour en voir la liste.", returncode=2)
        at = options["at"] or clock.now()
        answers = _answers(options["answer"])
        if options["fase"] and (options["type"] or options["phase"]):
            raise Refus(BOTH, returncode=2)
        if options["fase"]:
            found = route(options["need"], facts_for(_mailbox(options["fase"]), at=at), answers, at=at)
        elif options["type"] or options["phase"]:
            facts = _imagined(options["type"], options["phase"], at)
            self._warn(facts, at)
            found = route(options["need"], facts, answers, at=at)
        else:
            found = _whatever_the_mailbox(options["need"], answers, at)
        self._say(found, as_json=options["json"])

    def _warn(self, facts: Facts, at: datetime) -> None:
        closed = brussels_date(at) >= facts.closes_on
        if closed is not (facts.stage == Stage.P6):
            day = sans_semaine(facts.closes_on)
            self.stderr.write(f"Remarque : P6 commence le {day} ; cette phase et cette date ne vont pas ensemble.")

    def _say(self, found: Route, *, as_json: bool) -> None:
        if as_json:
            contacts = [
                {"team": c.team, "name": c.name, "email": c.email, "phone": c.phone, "hours": c.hours}
                for c in found.contacts
            ]
            self.write_json(
                {
                    "need": found.need,
                    "team": str(found.team) if found.team else None,
                    "outcome": str(found.outcome),
                    "reason": found.reason,
                    "source": found.source,
                    "contacts": contacts,
                    "rule": found.rule,
                }
            )
            return
        team = f"{found.team} ({found.team.label})" if found.team else "aucune"
        self.stdout.write(f"team      {team}")
        self.stdout.write(f"outcome   {found.outcome} ({found.outcome.label})")
        self.stdout.write(f"reason    {found.reason}")
        self.stdout.write(f"source    {found.source}")
        for contact in found.contacts:
            ways = ", ".join(filter(None, [contact.email, contact.phone, contact.hours]))
            self.stdout.write(f"contacts  {contact.name} : {ways}")
        if not found.contacts:
            self.stdout.write("contacts  aucun")

    def _list(self, *, as_json: bool) -> None:
        if as_json:
            needs = [
                {
                    "need": need.slug,
                    "label": need.label,
                    "group": need.group,
                    "answers": [
                        {
                            "key": answer.key,
                            "label": answer.label,
                            "choices": [choice.value for choice in answer.choices],
                            "date": answer.date,
                        }
                        for answer in need.answers
                    ],
                }
                for need in NEEDS.values()
            ]
            self.write_json({"needs": needs})
            return
        for need in NEEDS.values():
            self.stdout.write(f"{need.slug:22}{need.label}")
            for answer in need.answers:
                values = "|".join(choice.value for choice in answer.choices) or ("AAAA-MM-JJ" if answer.date else "…")
                self.stdout.write(f"{'':22}  {answer.key}={values}  {answer.label}")


def _answers(typed: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in typed:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise Refus(f"« {_shown(pair)} » : une réponse s’écrit CLÉ=VALEUR.", returncode=2)
        if key.strip() in found:
            raise Refus(f"La réponse « {_shown(key)} » est donnée deux fois.", returncode=2)
        found[key.strip()] = value
    return found


def _mailbox(number: str) -> Mailbox:
    """Of the unit that bears that number. Raises Refusal, with what to do."""
    units = find(parse(number)).organisations
    if not units:
        raise Refusal("Ce numéro est celui d’une implantation, qui n’a pas de boîte.")
    if len(units) > 1:
        both = " ou ".join(f"{unit.kind}{unit.fase:06d}" for unit in units)
        raise Refusal(f"Un établissement et un PO portent ce numéro : précisez {both}.")
    mailbox: Mailbox | None = getattr(units[0], "mailbox", None)
    if mailbox is None:
        raise Refusal("Aucune boîte n’est enregistrée pour cette unité.")
    return mailbox


def _imagined(unit_type: str, phase: str, at: datetime) -> Facts:
    if not (unit_type.strip() and phase):
        raise Refus("--type et --phase vont ensemble.", returncode=2)
    stage = STAGES.get(phase.strip().lower())
    if stage is None:
        known = ", ".join(stage.value for stage in Stage)
        raise Refus(f"« {_shown(phase)} » n’est pas une phase (phases : {known}).", returncode=2)
    if len(unit_type) > 80 or not unit_type.isprintable():
        raise Refus("Ce type d’unité est trop long ou contient des signes illisibles.", returncode=2)
    if unit_type.strip().casefold() == PO:
        return facts_of(unit_type="", kind=PO, stage=stage, at=at)
    return facts_of(unit_type=unit_type.strip(), kind=EC, stage=stage, at=at)


def _whatever_the_mailbox(need: str, answers: dict[str, str], at: datetime) -> Route:
    """Without a mailbox: the route, if it is the same for all of them at that moment."""
    campaign, rules, contacts = default_campaign(), rules_on(at), contacts_on(at)
    closed = brussels_date(at) >= campaign.old_server_closes_on
    stages = [Stage.P6] if closed else [stage for stage in Stage if stage != Stage.P6]
    found = []
    for stage, verdict, kind in product(stages, ModePeriod.Verdict, (EC, PO)):
        perimeter = Perimeter(verdict, "", "une unité " + verdict.label, ours=True)
        facts = facts_of(unit_type="", stage=stage, at=at, kind=kind, campaign=campaign, perimeter=perimeter)
        found.append(route(need, facts, answers, at=at, rules=rules, contacts=contacts))
    if len({(each.outcome, each.team, each.reason) for each in found}) > 1:
        raise Refus("Cela dépend de la boîte : ajoutez --fase, ou --type et --phase.", returncode=2)
    return found[0]


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:40])
