"""The few words that do something when a message begins with them: both sides may follow a ticket by mail alone.

Pure. In doubt a message is only a message, and a person reads it: what a word does can be undone, not unsaid.
"""

import itertools
import re
import unicodedata
from enum import StrEnum

from accounts.words import fold


class Word(StrEnum):
    """What a team that works by mail may write as its first line."""

    NOT_OURS = "PAS POUR NOUS"
    SOLVED = "RÉSOLU"


_GREETING = re.compile(r"(?:bonjour|bonsoir|hello|salut|madame|monsieur|cher|chere|chers|cheres)(?: [a-z]+){0,4}")
_REST = r"[*_\s]*(?:[.!…]*\s*$|[{}]\s*(?P<rest>\S.*)$)"
_WORDS = {
    Word.NOT_OURS: re.compile(r"[*_\s]*pas\s+pour\s+nous" + _REST.format(":;,.!–—-"), re.IGNORECASE),
    Word.SOLVED: re.compile(r"[*_\s]*r[ée]solue?" + _REST.format(":;.!–—-"), re.IGNORECASE),
}

_THANKS = (
    r"(?:un grand |grand |mille )?mercis?(?: beaucoup| bien| encore| infiniment| d avance| a vous| a tous| a toutes"
    r"| pour tout| pour l aide| pour votre (?:aide|reponse|intervention|patience|travail|suivi|efficacite))*"
)
_SETTLED = re.compile(
    r"(?:oui |ok |voila |bonne nouvelle )?(?:c est |tout est |cela est |le probleme est |la panne est |probleme )?"
    rf"(?:regle|resolu|repare)e?(?: maintenant| desormais| pour moi| pour nous)?(?: {_THANKS})?"
)
_GREAT = r"(?:super|parfait|genial|excellent|top|ok|oui|tres bien|bien recu|bien note|c est note|c est parfait)"
_THANKED = re.compile(
    rf"(?:bonjour |bonsoir )?(?:{_GREAT} )*{_THANKS}"
    r"(?: (?:et )?(?:bonne (?:journee|soiree|fin de journee|semaine)|a bientot|bon week end))?"
)
_OPENS = re.compile(
    rf"{_GREAT}|(?:bonjour|bonsoir|hello|salut|a tous|a toutes|madame|monsieur|messieurs|chere?s?|collegues?| )+"
)
# Under a name, what no signature says
_MORE = re.compile(r"\b(?:p s|ps|mais|toujours|pas|plus|encore|cependant|par contre|sauf|pourriez|pouvez|probleme)\b")
_CLOSING = re.compile(
    r"(?:bien )?(?:a vous|cordialement)\b|(?:meilleures )?salutations|sinceres|avec mes|respectueusement|a bientot|"
    r"bon(?:ne)? (?:journee|soiree|fin|semaine|week end)|belle (?:journee|soiree|fin)|excellente journee|"
    r"envoye (?:de|depuis)|sent from|telecharger outlook|obtenir outlook"
)
LONGEST_SIGNATURE = 500


def word_of(text: str) -> tuple[Word | None, str]:
    """(the word that its first line is, greetings left out; the rest of the text); (None, the text) if it is none."""
    lines = unicodedata.normalize("NFC", text).split("\n")
    n = _first_line(lines)
    for word, pattern in _WORDS.items():
        if n < len(lines) and (found := pattern.match(lines[n][:300])):
            return word, "\n".join([found["rest"] or "", *lines[n + 1 :]]).strip()
    return None, text


def says_settled(text: str, name: str) -> bool:
    """Whether a message says that it is settled, thanks, and nothing else above its signature. `name`: who writes."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    n = _first_line(lines)
    if n >= len(lines) or "?" in text or ">" in lines[n] or not _SETTLED.fullmatch(fold(lines[n][:200])):
        return False
    rest = lines[n + 1 :]
    while rest and re.fullmatch(_THANKS, fold(rest[0][:200])):
        rest = rest[1:]
    return _is_signature(rest, name)


def says_thanks(text: str, name: str) -> bool:
    """Whether a message is thanks, and nothing else above its signature; « merci d’avance » waits for something."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    while lines and _OPENS.fullmatch(fold(lines[0][:200])) and not _THANKED.fullmatch(fold(lines[0][:200])):
        lines = lines[1:]
    thanks = list(itertools.takewhile(lambda line: _THANKED.fullmatch(fold(line[:200])), lines))
    if not thanks or "?" in text or ">" in "".join(thanks) or "avance" in fold(" ".join(thanks)):
        return False
    return _is_signature(lines[len(thanks) :], name)


def _is_signature(lines: list[str], name: str) -> bool:
    """Whether what is left of a message is none, or who signs it."""
    if not lines:
        return True
    short = len("\n".join(lines)) <= LONGEST_SIGNATURE
    return short and _signs(lines[0][:200], name) and not _MORE.search(fold("\n".join(lines)))


def _first_line(lines: list[str]) -> int:
    """The number of the first one that is neither empty nor a greeting."""
    n = 0
    while n < len(lines) and (not lines[n].strip() or _GREETING.fullmatch(fold(lines[n][:200]))):
        n += 1
    return n


def _signs(line: str, name: str) -> bool:
    """Whether a signature begins there: a closing, a rule, or the name of who writes, or part of it."""
    words, own = set(fold(line).split()), set(fold(name).split())
    return line.startswith(("--", "__")) or bool(_CLOSING.match(fold(line))) or (bool(words) and words <= own)
