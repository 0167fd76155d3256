"""PostgreSQL's trigrams, for searches inside words: made by whichever app comes first, left there for the others."""

from typing import Any

from django.contrib.postgres.operations import TrigramExtension


class SharedTrigrams(TrigramExtension):
    """Going back does not drop the extension: another app's index may stand on it."""

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """It stays."""
