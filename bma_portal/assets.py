"""Where style sheets, scripts and images are: worked out once by process, since a page names ten of them."""

from typing import Any

from django.contrib.staticfiles.storage import StaticFilesStorage
from whitenoise.storage import CompressedManifestStaticFilesStorage


class Remembered:
    """The address of a file never changes while a process lives."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._addresses: dict[str, str] = {}

    def url(self, name: str | None, *args: Any, **kwargs: Any) -> str:
        if not name or args or kwargs:
            return super().url(name, *args, **kwargs)  # type: ignore[misc]
        if name not in self._addresses:
            self._addresses[name] = super().url(name)  # type: ignore[misc]
        return self._addresses[name]


class Files(Remembered, StaticFilesStorage):
    """As they are: tests, development."""


class HashedFiles(Remembered, CompressedManifestStaticFilesStorage):
    """Under names that say what they hold, so that a browser keeps them for ever."""
