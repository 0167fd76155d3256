"""Production, as the tests run it: strong values, drawn for the test, and commands in processes of their own."""

import base64
import contextlib
import os
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SETTINGS = "bma_portal.settings.production"


def strong_values(**changes: str | None) -> dict[str, str]:
    """An environment that production accepts; `NAME=None` takes one away. Nothing else of ours is inherited."""
    values: dict[str, str | None] = {
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ.get('PATH', '')}",
        "LANG": "C.UTF-8",
        "HOME": os.environ.get("HOME", "/"),
        "DJANGO_SETTINGS_MODULE": SETTINGS,
        "SECRET_KEY": secrets.token_urlsafe(64),
        "BMA_VAULT_KEYS": f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "ALLOWED_HOSTS": "portail.bma.invalid",
        "DATABASE_URL": f"postgresql://bma:{secrets.token_hex(8)}@127.0.0.1:1/bma",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "PORTAL_URL": "https://portail.bma.invalid",
        "CERBERE_ISSUER": "https://cerbere.bma.invalid/oidc",
        "CERBERE_CLIENT_ID": "portail-bma",
        "CERBERE_CLIENT_SECRET": secrets.token_urlsafe(24),
        "CERBERE_STAFF_ACR": "urn:bma.invalid:renforcee",
        "EXCHANGE_URL": "https://courrier.bma.invalid/EWS/Exchange.asmx",
        "EXCHANGE_USER": "svc-bma@bma.invalid",
        "EXCHANGE_PASSWORD": secrets.token_urlsafe(24),
        "DIRECTORY_URL": "ldaps://annuaire.bma.invalid",
        "DIRECTORY_USER": "svc-annuaire@bma.invalid",
        "DIRECTORY_PASSWORD": secrets.token_urlsafe(24),
        "DIRECTORY_BASE": "OU=Boites,DC=bma,DC=invalid",
        "DIRECTORY_CA": "/certificats/annuaire.pem",
    }
    return {name: value for name, value in (values | changes).items() if value is not None}


def run(
    *command: str | Path, environ: dict[str, str], cwd: Path = ROOT, timeout: int = 60, **options
) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=timeout, **options,
    )  # fmt: skip


def manage(*arguments: str, environ: dict[str, str], cwd: Path = ROOT) -> subprocess.CompletedProcess:
    return run(sys.executable, "manage.py", *arguments, environ=environ, cwd=cwd)


def stage(name: str) -> list[str]:
    """The instructions of one stage of the Dockerfile, continued lines joined."""
    lines = re.sub(r"\\\n\s*", "", DOCKERFILE).splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("FROM ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        if lines[start].endswith(f" AS {name}"):
            return [line for line in lines[start:end] if line and not line.startswith("#")]
    raise AssertionError(f"no stage {name}")


def settings_of(service: str) -> dict[str, str]:
    return {"DJANGO_SETTINGS_MODULE": SERVICES[service]["environment"]["DJANGO_SETTINGS_MODULE"]}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def reachable(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def service(name: str, environ, cwd: Path, *changes: tuple[str, str]):
    """A service's command, running; ports are the only thing changed in it."""
    command = SERVICES[name]["command"]
    for old, new in changes:
        assert old in command
        command = command.replace(old, new)
    words = shlex.split(command)
    words[0] = str(PROGRAMS / words[0])
    log = cwd / f"{name}.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            words, cwd=cwd, env=environ | settings_of(name), stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            yield process, log
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
