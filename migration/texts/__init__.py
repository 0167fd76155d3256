"""The texts of the four mails: a closed language, their versions, what they need (C7, C8, SEC-F5)."""

from migration.texts.lacks import missing
from migration.texts.versions import current, first, install

__all__ = ["current", "first", "install", "missing"]
