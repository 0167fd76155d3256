"""What one version changed of another, line by line."""

import difflib

from migration.models.mailings import MailText

AROUND = 3  # lines shown around a change
KEPT, ADDED, REMOVED, SKIPPED = "gardé", "ajouté", "retiré", "saut"


def changed_lines(before: MailText | None, after: MailText) -> list[tuple[str, str]]:
    """(`KEPT`, `ADDED`, `REMOVED` or `SKIPPED`, line); empty where nothing changed."""
    old, new = (_lines(before) if before else []), _lines(after)
    found: list[tuple[str, str]] = []
    for group in difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(AROUND):
        if found or group[0][1] > 0:
            found.append((SKIPPED, "…"))
        for kind, i1, i2, j1, j2 in group:
            if kind == "equal":
                found += [(KEPT, line) for line in old[i1:i2]]
            else:
                found += [(REMOVED, line) for line in old[i1:i2]] + [(ADDED, line) for line in new[j1:j2]]
    return found


def _lines(version: MailText) -> list[str]:
    return [f"Objet : {version.subject}", *version.body.split("\n")]
