"""Articles for the tests: invented ones, written where the test says, and loaded at a date."""

from datetime import date
from pathlib import Path

import yaml

from bma_portal.clock import brussels
from support.articles import loading
from support.models import Article

HEAD = {
    "title": "Un titre d’essai",
    "summary": "Un résumé d’essai.",
    "audience": ["directions"],
    "topic": "usage",
    "needs": [],
    "phases": [],
    "valid_from": None,
    "valid_to": None,
    "ends_with_old_server": False,
    "source": "article d’essai, inventé",
    "review_on": date(2030, 1, 1),
    "owner": "ETNIC",
    "keywords": [],
    "replaces": [],
}
PHASES = """Pour tout le monde.

::: phase not_started announced credentials_sent confirmed
Avant la nuit, lisez {{ ancien-webmail }}.
:::

::: phase migrated
Depuis la nuit, lisez {{ webmail }} ou [la boîte]({{ webmail }}).
:::

::: apres 2025-09-01
Règle de septembre 2025.
:::

::: avant 2025-09-01
Règle d’octobre 2024.
:::
"""


def write(folder: Path, slug: str, body: str = "Un texte d’essai.\n", **head) -> Path:
    """One file; `title` follows the slug unless it is given."""
    values = HEAD | {"title": f"Essai : {slug.replace('-', ' ')}"} | head
    path = folder / f"{slug}.md"
    path.write_text(f"---\n{yaml.safe_dump(values, allow_unicode=True, sort_keys=False)}---\n{body}")
    return path


def publish(folder: Path, day: date = date(2024, 10, 1)) -> dict[str, Article]:
    loading.load(brussels(day, 12), folder=folder)
    return {article.slug: article for article in Article.objects.all()}
