"""PostgreSQL and Valkey without installing anything: for development, the demo and the tests, never for production.

``ensure_environment()`` gives a command the servers of its checkout (`lease`), which one supervisor owns
(`supervisor`). ``Servers`` are private ones, for tests. Neither imports Django.
"""

from .errors import EmbeddedError
from .lease import ensure_environment

__all__ = ["EmbeddedError", "ensure_environment"]
