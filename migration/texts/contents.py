"""What each of the four mails may name, and what it must carry (C2; S1 §5, S4, K3)."""

import re
from collections import Counter

from migration.models.mailings import Step
from migration.texts import language
from migration.texts.addresses import fault_of_words

LONGEST_SUBJECT = 150

# name → what it becomes
EVERYWHERE = {
    "adresse_boite": "l’adresse de la boîte",
    "nom_unite": "le nom de l’établissement ou du PO",
    "nuit": "« dans la nuit du jeudi 7 au vendredi 8 novembre 2024 »",
    "lendemain": "« vendredi 8 novembre 2024 », le jour où la nouvelle interface s’ouvre",
    "date_mail_2": "le jour prévu pour le mail 2",
    "date_mail_3": "le jour prévu pour le mail 3",
    "fermeture": "le jour où l’ancien serveur ferme",
    "nouvelle_interface": "l’adresse de la nouvelle interface",
    "aide": "l’adresse de l’aide et des tutoriels",
    "contact_sgne": "le SGNE : nom, courriel, téléphone, heures",
    "contact_etnic": "l’ETNIC : nom, courriel, téléphone, heures",
    "espace_ancien": "la place dans l’ancienne boîte",
    "espace_nouveau": "la place dans la nouvelle boîte",
}
OF_STEP = {
    Step.CREDENTIALS: {"mot_de_passe": "le mot de passe ; seul dans son paragraphe, une seule fois"},
    Step.CLOSING: {
        "rappel_mot_de_passe": "le rappel du mot de passe, ou ce qu’il est devenu ; seul dans son paragraphe"
    },
}


def allowed(step: int) -> dict[str, str]:
    """The placeholders of that mail, each with what it becomes."""
    return EVERYWHERE | OF_STEP.get(Step(step), {})


def faults(step: int, subject: str, body: str) -> list[str]:
    """Every reason why this cannot be a text of that mail, as sentences, those of a line first; empty if it can."""
    found = _of_subject(subject)
    of_body = language.faults(body, allowed(step))
    found += [str(fault) for fault in of_body]
    return found if of_body else found + [f"Il manque {what}." for what in _missing(step, body)]


def _of_subject(subject: str) -> list[str]:
    if not subject.strip():
        return ["Objet : il est vide."]
    found = []
    if len(subject) > LONGEST_SUBJECT:
        found.append(f"il a {len(subject)} caractères ; {LONGEST_SUBJECT} au plus")
    if re.search(r"[{}<>]", subject):
        found.append("ni champ, ni accolade, ni HTML")
    if hidden := language.fault_of_signs(subject):
        found.append(hidden)
    found += fault_of_words(subject)
    return [f"Objet : {what}." for what in found]


def _missing(step: int, body: str) -> list[str]:
    """What that mail must carry and does not."""
    named = language.placeholders(body)
    addresses = [address for _, address in language.links(body)]
    found = ["l’adresse de la boîte, {adresse_boite}"] if not named["adresse_boite"] else []
    match Step(step):
        case Step.ANNOUNCEMENT:
            found += _unnamed(named, nuit="la date de la migration", lendemain="le jour d’ouverture")
            if not any(block.kind == "number" for block in language.blocks(body)):
                found.append("la marche à suivre, en liste numérotée (« 1. … »)")
            found += _unnamed(named, contact_sgne="le contact du SGNE", contact_etnic="le contact de l’ETNIC")
            if "{aide}" not in addresses:
                found.append("un lien vers l’aide, [texte]({aide})")
        case Step.CREDENTIALS:
            found += _once(named, "mot_de_passe", "le mot de passe")
            found += _unnamed(named, lendemain="le jour dès lequel il sert", contact_etnic="le contact de l’ETNIC")
        case Step.CONFIRMATION:
            found += _unnamed(named, nuit="la date de la migration")
            if "{nouvelle_interface}" not in addresses:
                found.append("le lien de la nouvelle interface, [texte]({nouvelle_interface})")
            tutorials = {
                words
                for words, address in language.links(body)
                if address == "{aide}" or address.startswith(("http://", "https://"))
            }
            if len(tutorials) < 2:
                found.append("le lien de deux tutoriels, [texte]({aide}) ou [texte](https://…)")
        case Step.CLOSING:
            if "dernier message" not in re.sub(r"\s+", " ", body.replace("*", "")).lower():
                found.append("l’annonce que c’est le « dernier message » sur l’ancienne interface")
            if "{nouvelle_interface}" not in addresses:
                found.append("le lien de la nouvelle interface, [texte]({nouvelle_interface})")
            found += _once(named, "rappel_mot_de_passe", "le rappel du mot de passe")
    return found


def _unnamed(named: Counter[str], **wanted: str) -> list[str]:
    return [f"{what}, {{{name}}}" for name, what in wanted.items() if not named[name]]


def _once(named: Counter[str], name: str, what: str) -> list[str]:
    match named[name]:
        case 0:
            return [f"{what}, {{{name}}} seul dans son paragraphe"]
        case 1:
            return []
        case times:
            return [f"un seul {{{name}}} au lieu de {times}"]
