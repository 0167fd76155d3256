"""One spelling for comparing, sorting and searching French words, since no collation can be relied upon.

The embedded PostgreSQL has no ICU and production may have any locale: sorting on a key stored in the row gives
the same order everywhere.
"""

import re
import unicodedata

_OTHER = re.compile(r"[^0-9a-z]+")
_STRANGE = re.compile(r"[^\x00-\x7f]")
_LIGATURES = str.maketrans({"œ": "oe", "Œ": "oe", "æ": "ae", "Æ": "ae", "ß": "ss", "ø": "o", "Ø": "o"})


def fold(text: str) -> str:
    """Lower case, no accent, words parted by one space: « L’École d'Art » → « l ecole d art »."""
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text.translate(_LIGATURES))
        text = _STRANGE.sub(lambda found: "" if unicodedata.combining(found[0]) else " ", decomposed)
    return _OTHER.sub(" ", text.lower()).strip()
