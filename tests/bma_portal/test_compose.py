"""The delivered services, without a container engine: the files agree with each other, each service's command runs.

The commands run in a folder that holds what the production image copies, and nothing else, against the test's servers.
The images themselves were never built here.
"""

import ast
import contextlib
import json
import os
import re
import secrets
import shlex
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import psycopg2
import pytest
import redis
from django.conf import settings

from bma_portal.embedded.binaries import valkey_program
from tests.bma_portal.processes import wait_until
from tests.bma_portal.production import (
    COMPOSE,
    DOCKERFILE,
    ROOT,
    SERVICES,
    free_port,
    reachable,
    run,
    service,
    settings_of,
    stage,
    strong_values,
)

EXAMPLE = dict(
    re.fullmatch(r"([A-Z_]+)=(.*)", line).groups()
    for line in (ROOT / ".env.example").read_text().splitlines()
    if line and not line.startswith("#")
)
OURS = [name for name, service in SERVICES.items() if "build" in service]
PORTAL = [name for name in OURS if "profiles" not in SERVICES[name]]
DEVELOPMENT_ONLY = {"DEBUG", "DEMO_PORT"}
READERS = {"env.str", "env.int", "env.bool", "env.list", "required", "address", "whole_number", "os.environ.get"}


def variables_read(*modules: str) -> set[str]:
    """The names that settings modules read: `env.str("NAME")`, `required("NAME")`, `os.environ.get("NAME")`…"""
    found = set()
    for module in modules:
        for node in ast.walk(ast.parse((ROOT / "bma_portal" / "settings" / f"{module}.py").read_text())):
            called = isinstance(node, ast.Call) and ast.unparse(node.func)
            if called in READERS and isinstance(node.args[0], ast.Constant):
                found.add(node.args[0].value)
    return found


# The files agree


def test_the_example_holds_each_variable_that_the_settings_read_and_no_other():
    read = variables_read("base", "development", "production")
    assert {"SECRET_KEY", "TRUSTED_PROXIES", "DATABASE_URL", "LOG_LEVEL", "DEMO_PORT"} <= read  # the reader reads
    assert read | {"POSTGRES_PASSWORD"} == set(EXAMPLE)


def test_each_variable_of_the_example_has_its_line_of_french_just_above():
    lines = (ROOT / ".env.example").read_text().splitlines()
    for number, line in enumerate(lines):
        if line and not line.startswith("#"):
            assert re.match(r"# \S.{15,}", lines[number - 1]), line


@pytest.mark.parametrize(
    "name",
    [
        "SECRET_KEY",
        "BMA_VAULT_KEYS",
        "ALLOWED_HOSTS",
        "DATABASE_URL",
        "EXCHANGE_URL",
        "EXCHANGE_PASSWORD",
        "DIRECTORY_PASSWORD",
    ],
)
def test_production_refuses_the_example_s_own_value(name):
    done = run(sys.executable, "manage.py", "check", environ=strong_values(**{name: EXAMPLE[name]}))
    assert (done.returncode, done.stderr.split(" est ")[0]) == (1, f"Configuration incorrecte : {name}")


def test_the_services_get_each_variable_that_production_reads_from_the_example_s_file():
    wanted = variables_read("base", "production") - DEVELOPMENT_ONLY
    for name in PORTAL:
        given = set(SERVICES[name]["environment"])
        assert given - {"PGOPTIONS"} == wanted | {"DJANGO_SETTINGS_MODULE"}, name
    named = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    passed = {
        key for name in SERVICES for key, value in SERVICES[name].get("environment", {}).items() if value is None
    }
    assert named | passed <= set(EXAMPLE)
    assert set(EXAMPLE) <= named | passed | DEVELOPMENT_ONLY | {"DATABASE_URL", "REDIS_URL"}


def test_no_secret_stands_in_the_compose_file_but_the_demonstration_s():
    for name in PORTAL:
        environment = SERVICES[name]["environment"]
        for secret in ("SECRET_KEY", "BMA_VAULT_KEYS", "EXCHANGE_PASSWORD", "DIRECTORY_PASSWORD"):
            assert environment[secret] is None
        assert ":${POSTGRES_PASSWORD:-}@" in environment["DATABASE_URL"]


def test_production_settings_never_meet_the_demonstration_s():
    for name in OURS:
        demo = name.startswith("demo-")
        environment = SERVICES[name]["environment"]
        module = "development" if demo else "production"
        assert environment["DJANGO_SETTINGS_MODULE"] == f"bma_portal.settings.{module}"
        assert SERVICES[name]["build"]["target"] == ("demonstration" if demo else "production")
        assert SERVICES[name].get("profiles") == (["demo"] if demo else None)
        assert not demo or SERVICES[name]["network_mode"] == "host"  # its Exchange listens on the loopback only


def test_nothing_listens_beyond_this_machine():
    for described in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in described.get("ports", []))
    assert "listen_addresses=127.0.0.1" in SERVICES["demo-postgres"]["command"]
    assert "--bind 127.0.0.1" in SERVICES["demo-redis"]["command"]
    assert "--bind 127.0.0.1:8000" in SERVICES["demo-web"]["command"]


def test_the_servers_are_pinned_recent_and_lasting():
    for name in ("postgres", "demo-postgres"):
        assert int(re.match(r"postgres:(\d+)", SERVICES[name]["image"])[1]) >= 15
    assert SERVICES["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]
    assert SERVICES["redis"]["volumes"] == ["redis:/data"]
    assert set(COMPOSE["volumes"]) == {"postgres", "redis", "clamav"}
    assert SERVICES["migrate"]["environment"]["PGOPTIONS"] == "-c lock_timeout=10s"


def test_everything_waits_for_the_migrations_and_stops_in_good_order():
    for name in ("web", "worker", "beat"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert "migrate" not in SERVICES["migrate"]["depends_on"]
    seconds = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert seconds > settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT


def test_the_production_image_is_the_last_stage_and_holds_only_the_portal():
    names = re.findall(r"^FROM \S+ AS (\w+)", DOCKERFILE, re.M)
    assert names[-1] == "production"
    assert stage("production") == ["FROM portail AS production"]
    copied = [line.split()[-2] for line in stage("portail") if line.startswith("COPY") and "--from" not in line]
    ours = ["manage.py", "bma_portal/", "accounts/", "migration/", "support/", "templates/", "static/", "articles/"]
    assert copied == ours
    assert "--require-hashes -r /requirements.txt" in " ".join(stage("bibliotheques"))
    assert "requirements-dev" not in DOCKERFILE
    assert stage("portail").index("USER bma") < next(
        i for i, line in enumerate(stage("portail")) if line.startswith("CMD")
    )
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert "*" in ignored
    assert {f"!{name}" for name in [*copied, "demo/", "requirements.txt"]} == {n for n in ignored if n[0] == "!"}


def test_the_image_serves_as_the_compose_file_does():
    command = next(line for line in stage("portail") if line.startswith("CMD ")).removeprefix("CMD ")
    assert json.loads(command) == shlex.split(SERVICES["web"]["command"])


# Each service's command


@pytest.fixture(scope="module")
def database():
    """An empty database of our own on the test's server: its address, of the kind that the tests were given."""
    given = os.environ["DATABASE_URL"]
    name = f"compose_{secrets.token_hex(4)}"
    with contextlib.closing(psycopg2.connect(given)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
            yield re.sub(r"/\w+(?=\?|$)", f"/{name}", given, count=1)
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def valkey(tmp_path_factory):
    """The compose file's own command, on a Unix socket."""
    folder = tmp_path_factory.mktemp("vk")
    command = shlex.split(SERVICES["redis"]["command"])
    assert command.pop(0) == "valkey-server"
    path = f"/tmp/bma-compose-{secrets.token_hex(4)}.sock"
    process = subprocess.Popen(
        [valkey_program(), *command, "--port", "0", "--unixsocket", path, "--dir", folder], stdout=subprocess.DEVNULL
    )
    client = redis.Redis(unix_socket_path=path)
    try:
        wait_until(lambda: os.path.exists(path), what="Valkey")
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(10)
        Path(path).unlink(missing_ok=True)


@pytest.fixture(scope="module")
def environ(database, valkey):
    path = valkey.connection_pool.connection_kwargs["path"]
    return strong_values(DATABASE_URL=database, REDIS_URL=f"unix://{path}", EXCHANGE_URL="http://127.0.0.1:1/EWS/x")


@pytest.fixture(scope="module")
def migrated(image, environ):
    command = SERVICES["migrate"]["command"]
    options = {"PGOPTIONS": SERVICES["migrate"]["environment"]["PGOPTIONS"]}
    done = run("sh", "-c", command, environ=environ | settings_of("migrate") | options, cwd=image)
    assert done.returncode == 0, done.stderr


def answer(url: str, host: str = "portail.bma.invalid"):
    request = urllib.request.Request(url, headers={"Host": host})
    with urllib.request.urlopen(request, timeout=5) as response:
        return response.status, json.load(response)


@pytest.mark.database
def test_web_worker_and_beat_run_under_production_settings(image, environ, migrated, valkey):
    port = free_port()
    with (
        service("web", environ, image, ("0.0.0.0:8000", f"127.0.0.1:{port}")) as (web, web_log),
        service("beat", environ, image) as (beat, beat_log),
    ):
        url = f"http://127.0.0.1:{port}/sante/"
        wait_until(lambda: reachable(port), 20, "the portal")
        status, state = answer(url)
        assert (status, state["base"], state["courtier"]) == (200, "ok", "ok"), web_log.read_text()

        # The image's own health check, which comes by 127.0.0.1 and says one of the portal's names.
        check = next(line for line in stage("portail") if line.startswith("HEALTHCHECK"))
        probe = json.loads(check.partition("CMD ")[2])
        assert run(*probe, environ=environ | {"PORT": str(port)}, cwd=image).returncode == 0
        assert run(*probe, environ=environ | {"PORT": str(free_port())}, cwd=image).returncode == 1

        # Beat rings; nobody hears it yet.
        wait_until(lambda: valkey.llen("celery") > 0, 40, "beat's first bell")

        with service("worker", environ, image, ("--concurrency 4", "--concurrency 1")) as (worker, worker_log):
            wait_until(lambda: "ready" in worker_log.read_text(), 20, "the worker")
            check = SERVICES["worker"]["healthcheck"]["test"]
            assert check[0] == "CMD-SHELL"
            ping = check[1].replace("$$", "$").replace("--timeout 10", "--timeout 5")
            hostname = {"HOSTNAME": socket.gethostname()}
            done = run("sh", "-c", ping, environ=environ | settings_of("worker") | hostname, cwd=image)
            assert "pong" in done.stdout, done.stdout + done.stderr + worker_log.read_text()
            wait_until(lambda: valkey.llen("celery") == 0, 10, "the worker to hear the bells")
        assert worker.returncode == 0
        assert valkey.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert valkey.config_get("appendonly")["appendonly"] == "yes"
    assert (web.returncode, beat.returncode) == (0, 0)
    for log in (worker_log, beat_log, web_log):
        text = log.read_text()
        assert "Traceback" not in text
        assert "ERROR" not in text, text


def test_a_worker_with_another_key_of_the_same_name_does_not_start(image, environ, migrated):
    run(sys.executable, "-c", SEAL, environ=environ | settings_of("worker"), cwd=image)
    other = strong_values()["BMA_VAULT_KEYS"]
    words = shlex.split(SERVICES["worker"]["command"])
    done = run(*words, environ=environ | settings_of("worker") | {"BMA_VAULT_KEYS": other}, cwd=image)
    assert done.returncode == 1
    assert "« k1 »" in done.stderr
    assert "Traceback" not in done.stderr
    assert other not in done.stderr


SEAL = "import django; django.setup(); from bma_portal import vault; vault.verify()"


def test_a_worker_without_its_database_says_so(image, environ):
    away = {"DATABASE_URL": "postgresql://bma@127.0.0.1:1/bma"}
    words = shlex.split(SERVICES["worker"]["command"])
    done = run(*words, environ=environ | settings_of("worker") | away, cwd=image)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "La base de données ne répond pas" in done.stderr


def test_the_exchange_of_the_demonstration_says_where_it_is(tmp_path):
    (tmp_path / "demo").symlink_to(ROOT / "demo")  # the only thing that its image adds
    port = free_port()
    with service("demo-exchange", strong_values(), tmp_path, ("--port 8001", f"--port {port}")) as (process, _):
        line = json.loads(process.stdout.readline())
    assert line["ews"] == f"http://127.0.0.1:{port}/EWS/Exchange.asmx"
    assert process.returncode == 0


def test_the_demonstration_s_settings_agree_with_its_ports():
    environment = SERVICES["demo-web"]["environment"]
    assert SERVICES["demo-web"]["command"].split("--bind ")[1].split()[0] == f"127.0.0.1:{environment['DEMO_PORT']}"
    assert f"--port {int(environment['DEMO_PORT']) + 1}" in SERVICES["demo-exchange"]["command"]
    assert ":55432/" in environment["DATABASE_URL"]
    assert "port=55432" in SERVICES["demo-postgres"]["command"]
    assert ":56379/" in environment["REDIS_URL"]
    assert "--port 56379" in SERVICES["demo-redis"]["command"]
