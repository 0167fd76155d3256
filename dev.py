#!/usr/bin/env python3
"""Everything to work on the portal, from nothing but Python: ``python3 dev.py demo``, ``python3 dev.py test``…

Standard library only. The top of the file runs on old Pythons too, which must be told so.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  this is where a person learns it
    sys.exit("Python 3.11 ou plus récent est nécessaire (ici %d.%d)." % sys.version_info[:2])  # noqa: UP031

import contextlib
import ctypes
import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".stamp"
LOCK = ROOT / "requirements-dev.lock"
PATIENCE = 4.0  # seconds: the embedded servers stop two seconds after the last command that used them

USAGE = """Usage : python3 dev.py VERBE

  demo             la démonstration : serveurs, données inventées, campagne, adresses à ouvrir
  test [OPTIONS]   les tests (options de pytest, par exemple : -k import -x)
  lint             ruff, mypy et les flèches d’import
  bench            les mesures
  run COMMANDE…    une commande de Django (manage.py) dans l’environnement du projet
  lock             refaire requirements.txt et requirements-dev.lock
  clean            supprimer l’environnement, les caches et les données de démonstration
"""


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One dev.py at a time installs or cleans; the lock is on the folder, and leaves no file."""
    descriptor = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Une autre commande prépare l’environnement : j’attends…")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


# The environment


def wanted_stamp() -> str:
    """What an up-to-date environment was made from. The folder counts: an environment cannot be moved."""
    return hashlib.sha256(LOCK.read_bytes() + os.fsencode(ROOT)).hexdigest()


def up_to_date() -> bool:
    return os.access(PYTHON, os.X_OK) and STAMP.is_file() and STAMP.read_text() == wanted_stamp()


def healthy() -> bool:
    """Whether the environment there can be brought up to date in place, under the commands that may be using it."""
    if not os.access(PYTHON, os.X_OK):
        return False
    try:
        moved = str(VENV) not in (VENV / "bin" / "pip").read_text()  # its first line names the environment's Python
    except OSError:
        return False
    check = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    return not moved and subprocess.run([PYTHON, "-c", check], capture_output=True, check=False).returncode == 0


def make_environment() -> None:
    try:
        import ensurepip  # noqa: F401  Debian ships it apart
        import venv
    except ImportError:
        sys.exit("Il manque le module venv de Python. Sous Debian ou Ubuntu : apt-get install python3-venv")
    venv.EnvBuilder(clear=True, symlinks=True, with_pip=True).create(VENV)


def ensure_environment() -> None:
    """Make or update ``.venv`` from the hashed lock. The stamp comes last: an interrupted installation starts over."""
    if up_to_date():
        return
    with alone():
        if up_to_date():  # made while we waited
            return
        say("Préparation de l’environnement Python dans .venv (une fois, environ 30 secondes)…")
        STAMP.unlink(missing_ok=True)
        try:
            if not healthy():
                make_environment()
            install = [PYTHON, "-m", "pip", "install", "-qq", "--no-compile", "--disable-pip-version-check"]
            subprocess.run([*install, "--require-hashes", "-r", LOCK], check=True, cwd=ROOT)
        except subprocess.CalledProcessError:
            sys.exit(
                "L’installation n’a pas abouti : le message ci-dessus dit pourquoi (réseau, miroir de pip.conf, place "
                "sur le disque…). Relancez la même commande : elle reprendra."
            )
        except OSError as error:
            sys.exit(f"L’environnement n’a pas pu être créé dans {VENV} : {error.strerror}.")
        STAMP.write_text(wanted_stamp())


def become(*command: str) -> None:
    """Run in place of this process: signals, output and exit status are the command's own."""
    sys.stdout.flush()
    os.execv(PYTHON, [str(PYTHON), *command])


# The browser of the tests


def missing_for_browser() -> list[str]:
    """Debian's packages that the browser tests lack here."""
    missing = []
    browsers = ("chromium", "google-chrome")
    if not os.environ.get("CHROMIUM") and not any(shutil.which(name) for name in browsers):
        missing += ["chromium", "fonts-dejavu-core"]
    if sys.platform == "linux":
        try:
            ctypes.CDLL("libatomic.so.1")  # the Node inside Playwright needs it
        except OSError:
            missing.append("libatomic1")
    return missing


def ensure_browser() -> None:
    missing = missing_for_browser()
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        say(f"Il manque {', '.join(missing)} : les tests dans un navigateur seront sautés (et listés à la fin).")
        return
    say(f"Installation de {', '.join(missing)} pour les tests dans un navigateur (apt-get)…")
    quiet = {"env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL, "check": False}
    subprocess.run(["apt-get", "update", "-qq"], **quiet)
    done = subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], **quiet)
    if done.returncode:
        say("L’installation n’a pas abouti : les tests dans un navigateur seront sautés (et listés à la fin).")


# The verbs


def demo(options: list[str]) -> None:
    ensure_environment()
    become("manage.py", "demo", *options)


def run(options: list[str]) -> None:
    ensure_environment()
    become("manage.py", *options)


def test(options: list[str]) -> None:
    ensure_environment()
    ensure_browser()
    become("-m", "pytest", "-rs", *options)  # -rs: ends by saying what was skipped, and why


def bench(options: list[str]) -> None:
    ensure_environment()
    become("-m", "bench", *options)


def lint(options: list[str]) -> None:
    ensure_environment()
    os.environ["BMA_EMBEDDED"] = "no"  # mypy reads the settings; nothing here needs a server
    checks = {
        "règles (ruff)": [str(PYTHON), "-m", "ruff", "check", *options],
        "mise en forme (ruff)": [str(PYTHON), "-m", "ruff", "format", "--check", *options],
        "types (mypy)": [str(PYTHON), "-m", "mypy"],
        "flèches d’import (lint-imports)": [str(PYTHON), str(VENV / "bin" / "lint-imports")],
    }
    failed = [name for name, command in checks.items() if not passes(name, command)]
    sys.exit(f"À corriger : {', '.join(failed)}." if failed else 0)


def passes(name: str, command: list[str]) -> bool:
    say(f"— {name}")
    return subprocess.run(command, check=False).returncode == 0


def lock(options: list[str]) -> None:
    ensure_environment()
    compiler = [str(PYTHON), "-m", "uv", "pip", "compile", "-q", "--universal", "--python-version", "3.11"]
    compiler += ["--generate-hashes", "--no-emit-index-url", "--no-header", *options]
    for source, target in (("requirements.in", "requirements.txt"), ("requirements-dev.in", "requirements-dev.lock")):
        say(f"{source} → {target}")
        if subprocess.run([*compiler, source, "-o", target], check=False).returncode:
            sys.exit(f"{target} n’a pas pu être refait.")


def data_in_use() -> bool:
    """Whether a command is using the demo's servers: their supervisor holds its lock."""
    try:
        descriptor = os.open(ROOT / "var" / "supervisor.lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def clean(options: list[str]) -> None:
    with alone():
        limit = time.monotonic() + PATIENCE
        while data_in_use() and time.monotonic() < limit:
            time.sleep(0.1)
        if data_in_use():
            sys.exit("La démonstration ou une commande utilise encore les données : arrêtez-la d’abord.")
        names = ["var", "staticfiles", "test-results", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"]
        folders = [ROOT / name for name in (*names, ".import_linter_cache", ".venv")]
        folders += [found for found in ROOT.rglob("__pycache__") if VENV not in found.parents]
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
    say("L’environnement, les caches et les données de démonstration sont supprimés.")


VERBS = {"demo": demo, "test": test, "lint": lint, "bench": bench, "run": run, "lock": lock, "clean": clean}


def main(arguments: list[str]) -> None:
    verb, *options = arguments or ["aide"]
    if verb in {"aide", "help", "--help", "-h"}:
        print(USAGE, end="")
        return
    if verb not in VERBS:
        say(f"« {verb} » : verbe inconnu.\n\n{USAGE}")
        sys.exit(2)
    os.chdir(ROOT)
    try:
        VERBS[verb](options)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main(sys.argv[1:])
