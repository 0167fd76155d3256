"""The newcomer's commands: dev.py, its Makefile, manage.py before Django has anything to say, and the test plugin.

dev.py runs here in copies of its own, with a lock that names no package, so nothing is downloaded.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import dev
from bma_portal import embedded
from bma_portal.embedded import places

MANAGE_SAYS = "import sys\nprint('manage.py', *sys.argv[1:], sys.prefix)\n"
DEVELOPMENT = """
import os
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.contenttypes"]
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "bma", "USER": "postgres",
                         "HOST": os.environ["DATABASE_URL"].partition("host=")[2]}}
"""
PRODUCTION = """
from django.core.exceptions import ImproperlyConfigured
raise ImproperlyConfigured("SECRET_KEY manque.")
"""


def run(*command, cwd, **environ) -> subprocess.CompletedProcess:
    given = os.environ | {"PIP_NO_INDEX": "1"} | environ
    kept = {name: value for name, value in given.items() if value is not None}
    return subprocess.run(command, cwd=cwd, env=kept, capture_output=True, text=True, check=False, timeout=120)


# dev.py's environment


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("dev") / "l'école numérique"
    root.mkdir()
    shutil.copy(dev.__file__, root)
    (root / "manage.py").write_text(MANAGE_SAYS)
    (root / "requirements-dev.lock").write_text("# no package\n")
    return root


def stamp_of(root: Path) -> Path:
    return root / ".venv" / ".stamp"


def test_the_first_command_makes_the_environment_and_the_next_find_it(project, monkeypatch):
    both = [
        subprocess.Popen(
            [sys.executable, "dev.py", "run", "check", "--deploy"],
            cwd=project,
            env=os.environ | {"PIP_NO_INDEX": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120) for process in both]
    assert {output for output, _ in outputs} == {f"manage.py check --deploy {project / '.venv'}\n"}
    messages = "".join(errors for _, errors in outputs)
    assert messages.count("Préparation de l’environnement") == 1
    assert messages.count("j’attends") <= 1

    began = time.monotonic()
    again = run(sys.executable, "dev.py", "run", "check", cwd=project)
    assert (again.stderr, again.returncode) == ("", 0)
    assert time.monotonic() - began < 3

    # An installation that was interrupted has no stamp: it is taken up again where it stands.
    marker = project / ".venv" / "marker"
    marker.touch()
    stamp_of(project).unlink()
    assert "Préparation" in run(sys.executable, "dev.py", "run", "check", cwd=project).stderr
    assert marker.exists()
    assert stamp_of(project).exists()

    # One that cannot be installed says so in French, and stays without a stamp.
    lock = project / "requirements-dev.lock"
    lock.write_text(f"absent==1.0 --hash=sha256:{hashlib.sha256(b'').hexdigest()}\n")
    failed = run(sys.executable, "dev.py", "run", "check", cwd=project)
    assert failed.returncode == 1
    assert "L’installation n’a pas abouti" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not stamp_of(project).exists()
    lock.write_text("# no package\n")

    # One whose Python is gone, or that was moved, is not patched up but made anew.
    monkeypatch.setattr(dev, "VENV", project / ".venv")
    monkeypatch.setattr(dev, "PYTHON", project / ".venv" / "bin" / "python")
    assert dev.healthy()
    moved = project / "moved"
    (project / ".venv").rename(moved)
    monkeypatch.setattr(dev, "VENV", moved)
    monkeypatch.setattr(dev, "PYTHON", moved / "bin" / "python")
    assert not dev.healthy()
    dev.PYTHON.unlink()
    dev.PYTHON.symlink_to("/nowhere/python3")
    assert not dev.healthy()


def test_an_old_python_is_told_so(project):
    code = "import runpy, sys; sys.version_info = (3, 9, 2); runpy.run_path('dev.py', run_name='__main__')"
    done = run(sys.executable, "-c", code, cwd=project)
    assert done.returncode == 1
    assert done.stderr == "Python 3.11 ou plus récent est nécessaire (ici 3.9).\n"


@pytest.mark.parametrize(("arguments", "status"), [((), 0), (("--help",), 0), (("demmo",), 2)])
def test_the_usage_lists_the_verbs(project, arguments, status):
    done = run(sys.executable, "dev.py", *arguments, cwd=project)
    assert done.returncode == status
    for verb in dev.VERBS:
        assert f"\n  {verb} " in done.stdout + done.stderr


def test_make_passes_options_on(project):
    if not shutil.which("make"):
        pytest.skip("make n'est pas installé ici")
    shutil.copy(places.ROOT / "Makefile", project)
    for verb in dev.VERBS.keys() - {"run"}:
        done = run("make", "-n", verb, "ARGS=-k import", cwd=project)
        assert done.stdout.strip() == f"python3 dev.py {verb} -k import", done.stderr


def test_clean_removes_what_dev_made_unless_it_is_in_use(tmp_path, monkeypatch):
    for folder in (".venv", "var", ".pytest_cache", "accounts/__pycache__", "accounts/migrations"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(dev, "PATIENCE", 0)
    with (tmp_path / "var" / "supervisor.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SystemExit, match="arrêtez-la d’abord"):
            dev.clean([])
        assert dev.VENV.exists()
    dev.clean([])
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["accounts", "migrations"]


def test_without_a_browser_an_ordinary_user_is_told_which_packages_are_missing(monkeypatch, capsys):
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    assert {"chromium", "fonts-dejavu-core"} <= set(dev.missing_for_browser())
    dev.ensure_browser()  # no apt-get on this path either
    assert "les tests dans un navigateur seront sautés" in capsys.readouterr().err
    monkeypatch.setenv("CHROMIUM", "/opt/chromium")
    assert "chromium" not in dev.missing_for_browser()


# manage.py


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A site of one installed app, with our manage.py and our embedded servers."""
    root = tmp_path_factory.mktemp("site")
    shutil.copy(places.ROOT / "manage.py", root)
    shutil.copytree(Path(embedded.__file__).parent, root / "bma_portal" / "embedded")
    (root / "bma_portal" / "settings").mkdir()
    (root / "bma_portal" / "__init__.py").touch()
    (root / "bma_portal" / "settings" / "__init__.py").touch()
    (root / "bma_portal" / "settings" / "development.py").write_text(DEVELOPMENT)
    (root / "bma_portal" / "settings" / "production.py").write_text(PRODUCTION)
    return root


NOTHING = dict.fromkeys(("DATABASE_URL", "REDIS_URL", "BMA_EMBEDDED", "BMA_VAR", "DJANGO_SETTINGS_MODULE"))


def manage(site, *arguments, **environ) -> subprocess.CompletedProcess:
    return run(sys.executable, "manage.py", *arguments, cwd=site, **(NOTHING | {"BMA_LINGER": "0.2"} | environ))


@pytest.mark.parametrize("arguments", [(), ("check", "--help")])
def test_help_starts_no_server(site, arguments):
    done = manage(site, *arguments, BMA_VAR=str(site / "unused"))
    assert (done.returncode, done.stderr) == (0, "")
    assert not (site / "unused").exists()


def test_a_command_finds_a_migrated_database(site):
    code = "from django.contrib.contenttypes.models import ContentType as C; print(C.objects.count())"
    done = manage(site, "shell", "-v", "0", "-c", code)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


@pytest.mark.parametrize("how", ["environment", "option"])
def test_wrong_settings_are_refused_in_french_and_start_no_server(site, how):
    name = "bma_portal.settings.production"
    given = {"DJANGO_SETTINGS_MODULE": name} if how == "environment" else {}
    options = [f"--settings={name}"] if how == "option" else []
    done = manage(site, "migrate", *options, BMA_VAR=str(site / "unused"), **given)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Configuration incorrecte : SECRET_KEY manque.\n"
    assert not (site / "unused").exists()


def test_a_database_that_does_not_answer_is_said_in_french(site):
    given = {"DATABASE_URL": "postgresql://postgres@/bma?host=/nowhere", "REDIS_URL": "redis://127.0.0.1:1/0"}
    done = manage(site, "migrate", **given)
    assert done.returncode == 1
    assert done.stderr.startswith("La base de données ne répond pas")
    assert "Traceback" not in done.stderr
    assert "Traceback" in manage(site, "migrate", "--traceback", **given).stderr


# The plugin


PROBE = """
import os, pathlib, psycopg2
def test_servers():
    url = os.environ["DATABASE_URL"]
    print("URLS", url, os.environ["REDIS_URL"], os.environ["DJANGO_SETTINGS_MODULE"], os.environ["BMA_EMBEDDED"])
    if "host=/tmp/bma-tests-" in url:
        psycopg2.connect(url).close()
"""


def probe(tmp_path, **environ) -> list[str]:
    (tmp_path / "test_probe.py").write_text(PROBE)
    options = ["-c", "/dev/null", "--rootdir", tmp_path, "-p", "tests.plugin"]
    command = [sys.executable, "-m", "pytest", *options, "-q", "-s", tmp_path / "test_probe.py"]
    done = run(*map(str, command), cwd=places.ROOT, **(NOTHING | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | environ))
    assert done.returncode == 0, done.stdout + done.stderr
    return next(line for line in done.stdout.splitlines() if line.startswith("URLS")).split()[1:]


def test_a_test_run_has_servers_of_its_own_and_removes_them(tmp_path):
    database, redis, settings, embedding = probe(tmp_path, DJANGO_SETTINGS_MODULE="bma_portal.settings.development")
    assert database.startswith("postgresql://postgres@/bma?host=/tmp/bma-tests-")
    assert redis.startswith("redis+socket:///tmp/bma-tests-")
    assert (settings, embedding) == ("bma_portal.settings.test", "no")
    assert not Path(database.partition("host=")[2]).parents[1].exists()


def test_a_test_run_uses_the_servers_it_is_given(tmp_path):
    given = {"DATABASE_URL": "postgresql://ailleurs/bma", "REDIS_URL": "redis://ailleurs/0"}
    assert probe(tmp_path, **given)[:2] == list(given.values())
    database, redis, *_ = probe(tmp_path, REDIS_URL="redis://ailleurs/0")
    assert database.startswith("postgresql://postgres@/bma?host=/tmp/bma-tests-")
    assert redis == "redis://ailleurs/0"
