"""The rules that the documents give (requirements §1), as data: what `install` puts in the table, once.

Where S3, in force from 1 September 2025, says the same as an older document, the rule is written twice: the citation
follows the date. What no document says is « notre décision ».
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from accounts.models import Contact, ModePeriod
from support.models.routing import Outcome, Stage

Team, Verdict = Contact.Team, ModePeriod.Verdict
P0, P1, P2, P3, P4, P5, P6 = Stage
S3_FROM = date(2025, 9, 1)  # the circular in force from that day (S3)
FIRST_WRITTEN_BY = "portail"
WHY = "Règle d’origine, d’après les documents"

FAQ, NEW_FAQ, GUIDE = "FAQ d’octobre 2024, {} (S1)", "FAQ sur la gestion des BMA (S2)", "Guide Outlook, {} (S0)"
S3, S4 = "Circulaire du 01/09/2025, {} (S3)", "Circulaire du 30/09/2024, {} (S4)"
# Before its first day, what S3 alone says of hardware and connection holds by our decision.
OURS_FROM_S3 = "Notre décision, d’après la circulaire du 01/09/2025, {} (S3)"


def _rule(need: str, position: int, outcome: Outcome, reason: str, source: str, **more: Any) -> dict[str, Any]:
    return {
        "need": need,
        "position": position,
        "stages": [],
        "unit_types": [],
        "verdicts": [],
        "kind": "",
        "facts": {},
        "answers": {},
        "outcome": str(outcome),
        "team": "",
        "also": [],
        "reason": reason,
        "source": source,
        "valid_from": None,
        "valid_to": None,
        "changed_by": FIRST_WRITTEN_BY,
        "changed_at": None,
        "change_reason": WHY,
    } | {key: [str(v) for v in value] if isinstance(value, list) else value for key, value in more.items()}


def _dated(
    need: str, position: int, outcome: Outcome, reason: str, until: str, since: str, **more: Any
) -> Iterator[dict[str, Any]]:
    """One rule under two citations: until 31 August 2025, since 1 September 2025."""
    yield _rule(need, position, outcome, reason, until, valid_to=S3_FROM, **more)
    yield _rule(need, position, outcome, reason, since, valid_from=S3_FROM, **more)


def initial() -> list[dict[str, Any]]:
    """Every rule, first of each need first."""
    return [*_passwords(), *_migration(), *_mail(), *_hardware(), *_use()]


def _passwords() -> Iterator[dict[str, Any]]:
    old, new = "ancien-mot-de-passe", "nouveau-mot-de-passe"
    closed = "L’ancien serveur est fermé depuis le {fermeture} : son mot de passe ne se remplace plus. "
    to_form = f"{closed}Celui de la nouvelle interface se demande par le formulaire "
    until, since = f"{S3.format('§3')} ; {FAQ.format('§6')}", S3.format("§2.1 et §3")
    mode: dict[str, Any] = {"verdicts": [Verdict.MODE]}
    out: dict[str, Any] = {"verdicts": [Verdict.OUT, Verdict.PERSON]}
    last: dict[str, Any] = {"stages": [P6], "also": [Team.ETNIC]}
    yield from _dated(old, 10, Outcome.FORM_MODE, to_form + "MODE : {mode}.", until, since, **last, **mode)
    yield from _dated(old, 20, Outcome.FORM_HORS_MODE, to_form + "hors MODE : {mode}.", until, since, **last, **out)
    yield _rule(
        old, 30, Outcome.TICKET,
        "Transmis {destinataire} parce que toutes les boîtes ont migré : {situation}.",
        FAQ.format("§3"), stages=[P5], team=Team.ETNIC,
    )  # fmt: skip
    yield _rule(
        old, 40, Outcome.TICKET,
        "Transmis {destinataire} parce que {situation} et que d’autres boîtes attendent encore leur migration.",
        FAQ.format("§3 et §7"), stages=[P4], team=Team.SGNE,
    )  # fmt: skip
    yield _rule(
        old, 50, Outcome.TICKET,
        "Transmis {destinataire} parce que {situation} : votre migration a commencé.",
        FAQ.format("§7"), stages=[P2, P3], team=Team.SGNE,
    )  # fmt: skip
    yield _rule(
        old, 60, Outcome.TICKET,
        "Transmis {destinataire} parce que {situation} : votre migration n’a pas commencé.",
        FAQ.format("§3 et §7") + " ; notre décision K5", stages=[P1], team=Team.ENSEIGNEMENT_BE,
    )  # fmt: skip
    yield _rule(
        old, 70, Outcome.TICKET,
        "Transmis {destinataire} parce que {situation}.",
        f"{GUIDE.format('§7')} ; {FAQ.format('§7')}", stages=[P0], team=Team.ENSEIGNEMENT_BE,
    )  # fmt: skip

    yield _rule(
        new, 10, Outcome.EXPLAIN,
        "Le mot de passe de la nouvelle interface n’a pas encore été envoyé à votre boîte : {mail_2}.",
        FAQ.format("§5"), stages=[P0, P1, P2, P3, P4, P5], facts={"issued": False}, also=[Team.SGNE],
    )  # fmt: skip
    running: dict[str, Any] = {"stages": [P2, P3, P4], "team": Team.ETNIC, "also": [Team.SGNE]}
    by_mode = "Le formulaire MODE est le bon : {mode}, et {situation}."
    by_hand = "Le formulaire hors MODE est le bon : {mode}."
    yield _rule(new, 20, Outcome.FORM_MODE, by_mode, FAQ.format("§6 et §7"), **running, **mode)
    yield _rule(new, 30, Outcome.FORM_HORS_MODE, by_hand, FAQ.format("§6 et §7"), **running, **out)
    over: dict[str, Any] = {"stages": [P5, P6], "team": Team.ETNIC}
    yield from _dated(new, 40, Outcome.FORM_MODE, by_mode, NEW_FAQ, S3.format("§2.1"), **over, **mode)
    yield from _dated(new, 50, Outcome.FORM_HORS_MODE, by_hand, NEW_FAQ, S3.format("§2.1"), **over, **out)


def _migration() -> Iterator[dict[str, Any]]:
    yield from _dated(
        "procedure", 10, Outcome.TICKET,
        "Transmis {destinataire}, qui répond de la procédure et des dates.",
        f"{S4.format('« Support »')} ; {FAQ.format('§9')}", S3.format("« Personnes à contacter » et §3"),
        team=Team.SGNE,
    )  # fmt: skip
    first = "pas-de-mail-1"
    yield _rule(
        first, 10, Outcome.TICKET,
        "Transmis {destinataire} parce que le premier mail devait arriver {premiers_mails} et n’est pas arrivé.",
        FAQ.format("§8"), stages=[P0], facts={"window_over": True}, team=Team.SGNE,
    )  # fmt: skip
    yield _rule(
        first, 20, Outcome.EXPLAIN,
        "Vous n’avez rien à faire pour l’instant : le premier mail arrive {premiers_mails}.",
        FAQ.format("§5 et §8"), stages=[P0], facts={"window_over": False}, also=[Team.SGNE],
    )  # fmt: skip
    after, no_more = [P1, P2, P3, P4, P5, P6], "Le premier mail n’est plus à attendre : {situation}."
    until, since = FAQ.format("§5 et §8"), S3.format("§3")
    yield from _dated(first, 30, Outcome.EXPLAIN, no_more, until, since, stages=after, also=[Team.SGNE])


def _mail() -> Iterator[dict[str, Any]]:
    help_desk = "Transmis {destinataire}, qui répond des soucis techniques."
    until = f"{GUIDE.format('§7')} ; {FAQ.format('§9')} ; {S4.format('« Support »')}"
    since = S3.format("§2.2")
    etnic = {"team": Team.ETNIC}
    yield from _dated("technique", 10, Outcome.TICKET, help_desk, until, since, **etnic)
    yield from _dated("configuration", 10, Outcome.TICKET, help_desk, until, since, **etnic)
    shown: dict[str, Any] = {"answers": {"erreur": {"is": "message"}}, **etnic}
    yield from _dated("reception", 10, Outcome.TICKET, help_desk, until, since, **shown)
    yield from _dated(
        "reception", 20, Outcome.TICKET,
        "Transmis {destinataire} : sans message d’erreur, votre boîte ({capacite} au plus) est sans doute pleine.",
        GUIDE.format("second §6.2 et §7"), f"{GUIDE.format('second §6.2')} ; {S3.format('§2.2 et §3')}", **etnic,
    )  # fmt: skip
    until, since = f"{GUIDE.format('§6.1')} ; {FAQ.format('§6 et §9')}", f"{GUIDE.format('§6.1')} ; {since}"
    yield from _dated(
        "cerbere", 10, Outcome.EXPLAIN,
        "Suivez d’abord la procédure de récupération de Cerbère ; si elle échoue, l’ETNIC vous aide.",
        until, since, answers={"essai": {"is": "pas-encore"}}, **etnic,
    )  # fmt: skip
    yield from _dated(
        "cerbere", 20, Outcome.TICKET,
        "Transmis {destinataire}, qui répond des comptes Cerbère.", until, since, **etnic,
    )  # fmt: skip


def _hardware() -> Iterator[dict[str, Any]]:
    hardware, line = (OURS_FROM_S3.format("§2.3"), S3.format("§2.3")), (OURS_FROM_S3.format("§2.4"), S3.format("§2.4"))
    priminfo, etnic = {"team": Team.PRIMINFO}, {"team": Team.ETNIC}
    yield from _dated(
        "panne", 10, Outcome.TICKET,
        "Transmis {destinataire}, qui vérifiera la date de livraison : la garantie couvre trois ans.",
        *hardware, answers={"livraison": {"given": False}}, **priminfo,
    )  # fmt: skip
    yield from _dated(
        "panne", 20, Outcome.TICKET,
        "Transmis {destinataire} parce que l’appareil, livré le {livraison}, est sous garantie jusqu’au {garantie}.",
        *hardware, answers={"livraison": {"within_years": 3}}, **priminfo,
    )  # fmt: skip
    yield from _dated(
        "panne", 30, Outcome.OWN_FUNDS,
        "La réparation est à charge de l’établissement : la garantie de l’appareil, livré le {livraison}, "
        "s’est terminée le {garantie}.",
        *hardware, answers={"livraison": {"beyond_years": 3}},
    )  # fmt: skip
    yield from _dated(
        "vol", 10, Outcome.TICKET,
        "Transmis {destinataire}, à qui il faut la copie du procès-verbal ; le matériel volé n’est pas remplacé.",
        *hardware, **etnic,
    )  # fmt: skip
    yield from _dated(
        "logiciels", 10, Outcome.EXPLAIN,
        "Les anti-virus et les pilotes se trouvent sur le site de Priminfo, le fournisseur du matériel.",
        *hardware, **priminfo,
    )  # fmt: skip
    found_nothing = {"fournisseur": {"is": "rien-trouve"}}
    for position, check, first in (
        (10, "boitier", "Éteignez puis rallumez d’abord le boîtier de votre fournisseur."),
        (20, "autre-appareil", "Essayez d’abord avec un autre appareil, sur la même ligne."),
    ):
        not_yet = {check: {"is": "non"}, **found_nothing}
        yield from _dated("internet", position, Outcome.EXPLAIN, first, *line, answers=not_yet)
    yield from _dated(
        "internet", 30, Outcome.TICKET,
        "Transmis {destinataire} parce que votre fournisseur d’accès a vérifié la ligne et n’a rien trouvé.",
        *line, answers=found_nothing, **etnic,
    )  # fmt: skip
    yield from _dated(
        "internet", 40, Outcome.PROVIDER,
        "La ligne est en panne : c’est votre fournisseur d’accès à internet qui la répare.",
        *line, answers={"fournisseur": {"is": "ligne-en-panne"}},
    )  # fmt: skip
    yield from _dated(
        "internet", 50, Outcome.PROVIDER,
        "Contactez d’abord votre fournisseur d’accès à internet : l’ETNIC aide quand la ligne n’est pas en cause.",
        *line,
    )  # fmt: skip


def _use() -> Iterator[dict[str, Any]]:
    yield from _dated(
        "usage", 10, Outcome.RULE,
        "La boîte ne sert qu’aux échanges avec l’administration : ni parents, ni fournisseurs, ni inscriptions.",
        S4.format("« Rappel du cadre »"), S3.format("§1.2"),
    )  # fmt: skip


def install(model: Any) -> int:
    """Put in the table the rules that no row ever held the place of; doing it twice adds nothing. How many were added.

    Called by a migration, with its own model.
    """
    held = set(model.objects.values_list("need", "position"))
    rows = [model(**values) for values in initial() if (values["need"], values["position"]) not in held]
    model.objects.bulk_create(rows)
    return len(rows)


def reword(model: Any, reasons: Mapping[str, str], *, why: str, since: date) -> int:
    """From that day on, the rules that still say one of these give the other reason instead. How many.

    For a migration, with its own model: each is replaced by a row that says all else alike, so what was answered
    before stays what the rules say of then (E4). Rules that have ended by then, or that staff wrote, are left alone.
    """
    found = model.objects.filter(reason__in=reasons, changed_at=None, replaced_by=None)
    rows = [rule for rule in found if rule.valid_to is None or rule.valid_to > since]
    for rule in rows:
        kept = {field.attname: getattr(rule, field.attname) for field in model._meta.concrete_fields}
        model.objects.filter(pk=rule.pk).update(valid_to=since)
        said = {"reason": reasons[rule.reason], "valid_from": since, "change_reason": why, "replaces_id": rule.pk}
        model.objects.create(**kept | {"id": None} | said)
    return len(rows)
