"""What the assistant asks, from « Quel est votre problème ? » to each answer: five questions at most (E1, E5–E7, E13).

Data only; `ways.py` knows how to walk it. What an answer says is its template’s, who helps is `support/routing.py`’s.
"""

from collections.abc import Iterator
from posixpath import commonpath

from support.questions.access import CERBERE, PASSWORD
from support.questions.hardware import HARDWARE, INTERNET
from support.questions.mails import CONFIGURATION, RECEPTION
from support.questions.migration import MIGRATION, USE
from support.questions.ways import Choice, Leaf, Question, Way, walk, ways

OTHER = Question(
    title="De quoi s’agit-il plutôt ?",
    short="Autre chose",
    choices=(
        Choice(
            "technique",
            "Un souci technique avec la boîte",
            Leaf(
                title="Un autre souci technique",
                template="support/assistant/technique.html",
                articles=("premiers-pas-owa", "a-qui-s-adresser"),
                need="technique",
                source="FAQ d’octobre 2024, §9 (S1) ; circulaire du 01/09/2025, §2.2 (S3)",
            ),
        ),
        Choice("procedure", "Les règles, les dates, les mails de la migration", MIGRATION),
        Choice("usage", "Ce que l’on peut faire, ou non, avec la boîte", USE),
    ),
)

ROOT = Question(
    title="Quel est votre problème ?",
    short="Votre problème",
    choices=(
        Choice("mot-de-passe", "Un mot de passe", PASSWORD, hint="Perdu, oublié, refusé, jamais reçu."),
        Choice("mails", "Des mails qui n’arrivent pas ou ne partent pas", RECEPTION),
        Choice("messagerie", "Lire la boîte dans Outlook, sur le web ou un téléphone", CONFIGURATION),
        Choice("cerbere", "Cerbère", CERBERE, hint="Le compte qui ouvre les applications métiers."),
        Choice("migration", "La migration de ma boîte", MIGRATION, hint="Les dates, les quatre mails, un doute."),
        Choice("materiel", "Un ordinateur fourni par la Fédération", HARDWARE, hint="En panne, volé, à protéger."),
        Choice("internet", "Plus de connexion à internet", INTERNET),
        Choice("usage", "À quoi la boîte peut servir", USE, hint="Parents, fournisseurs, inscriptions…"),
        Choice("autre", "Autre chose", OTHER),
    ),
)


def way_along(path: str) -> Way | None:
    return walk(ROOT, path)


def way_to(need: str) -> str:
    """The first question that is asked on that need alone: « internet », « materiel/panne »; of the shortest way."""
    found = [way.path for way in all_ways() if isinstance(way.node, Leaf) and way.node.need == need]
    found = [path for path in found if path.partition("/")[0] == found[0].partition("/")[0]]
    return commonpath(found) if found else ""


def all_ways() -> Iterator[Way]:
    return ways(ROOT)
