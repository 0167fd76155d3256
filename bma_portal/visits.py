"""Django's sessions in the database, read by a planned statement; a new one is written in one that waits for no disk.

A server that falls forgets the sessions of its last second: those persons sign in again. What ends a session waits.
"""

import base64
import secrets
from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import CreateError

from bma_portal.planned import Place, Plan

_new = Plan(
    """
    WITH quick AS (SELECT set_config('synchronous_commit', 'off', true) AS done)
    INSERT INTO django_session (session_key, session_data, expire_date)
    SELECT %s, %s, %s FROM quick WHERE done <> ''
    ON CONFLICT DO NOTHING RETURNING session_key""",
    [Place(0), Place(1), Place(2)],
    ["text", "text", "datetime"],
)


_living = Plan(
    "SELECT session_data FROM django_session WHERE session_key = %s AND expire_date > clock_timestamp()",
    [Place(0)],
    ["text"],
)


class SessionStore(db.SessionStore):
    def load(self) -> dict[str, Any]:
        key = self.session_key or ""
        rows = _living.fetch([key]) if key.isascii() and key.isalnum() else []  # what is no key of ours opens nothing
        if not rows:
            self._session_key = None
        return self.decode(rows[0][0]) if rows else {}

    def _get_new_session_key(self) -> str:
        """Whether it is taken is not asked: `create` draws again when it cannot be written."""
        return base64.b32encode(secrets.token_bytes(20)).decode().lower()

    def save(self, must_create: bool = False) -> Any:
        if not must_create or self.session_key is None:
            return super().save(must_create)
        row = self.create_model_instance(self._get_session(no_load=True))  # type: ignore[attr-defined]
        if not _new.fetch([row.session_key, row.session_data, row.expire_date]):
            raise CreateError
        return None
