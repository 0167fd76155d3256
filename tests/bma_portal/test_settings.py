"""Production refuses to start rather than start badly (SEC-H1), and holds nothing of the demonstration (SEC-H3)."""

import base64
import os
import secrets
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.bma_portal.production import PROGRAMS, ROOT, manage, run, strong_values

GOOD_KEY = base64.b64encode(bytes(range(100, 132))).decode()
DEMO_KEY = "demo:ZGVtb25zdHJhdGlvbi1jbGVmLXB1YmxpZWUtMzItbyE="
TEST_KEY = "test:dGVzdC1jbGVmLWRlLTMyLW9jdGV0cy1wYXMtc2VjcmU="
SECRETS = {"SECRET_KEY", "BMA_VAULT_KEYS", "DATABASE_URL", "EXCHANGE_PASSWORD", "DIRECTORY_PASSWORD"}
SECRETS |= {"CERBERE_CLIENT_SECRET"}
CANARY = "canari-7Qz"  # in each refused value: no message may quote it

# What is given, and the variable that the refusal must name.
REFUSED = {
    "no secret key": ({"SECRET_KEY": None}, "SECRET_KEY n'est pas défini"),
    "an empty secret key": ({"SECRET_KEY": ""}, "SECRET_KEY n'est pas défini"),
    "a short secret key": ({"SECRET_KEY": CANARY}, "SECRET_KEY est trop courte"),
    "a monotonous secret key": ({"SECRET_KEY": CANARY + "x" * 60}, "SECRET_KEY est trop courte ou trop simple"),
    "the example's secret key": ({"SECRET_KEY": "changez-moi" + CANARY * 9}, "SECRET_KEY est une valeur d'exemple"),
    "a short former key": ({"SECRET_KEY_FALLBACKS": f"{secrets.token_urlsafe(64)},{CANARY}"}, "SECRET_KEY_FALLBACKS"),
    "Django's own insecure key": ({"SECRET_KEY": "django-insecure-" + secrets.token_urlsafe(64)}, "SECRET_KEY"),
    "no vault key": ({"BMA_VAULT_KEYS": None}, "BMA_VAULT_KEYS n'est pas défini"),
    "the example's vault key": ({"BMA_VAULT_KEYS": "a:changez-moi"}, "BMA_VAULT_KEYS est une valeur d'exemple"),
    "a vault key that is not base64": ({"BMA_VAULT_KEYS": f"a:{CANARY}*"}, "n'est pas du base64"),
    "a vault key of 16 bytes": ({"BMA_VAULT_KEYS": "a:" + "QUFB" * 5 + "QQ=="}, "32 octets"),
    "a vault key without its id": ({"BMA_VAULT_KEYS": GOOD_KEY}, "BMA_VAULT_KEYS : chaque clé"),
    "one id for two vault keys": ({"BMA_VAULT_KEYS": f"a:{GOOD_KEY},a:{GOOD_KEY}"}, "BMA_VAULT_KEYS : chaque clé"),
    "only commas for vault keys": ({"BMA_VAULT_KEYS": ", ,"}, "BMA_VAULT_KEYS est vide"),
    "the demonstration's vault key": ({"BMA_VAULT_KEYS": DEMO_KEY}, "clé publiée"),
    "the tests' vault key behind a good one": ({"BMA_VAULT_KEYS": f"a:{GOOD_KEY},{TEST_KEY}"}, "clé publiée"),
    "no host": ({"ALLOWED_HOSTS": None}, "ALLOWED_HOSTS n'est pas défini"),
    "every host": ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS"),
    "every host among others": ({"ALLOWED_HOSTS": "a.invalid, *.b.invalid"}, "ALLOWED_HOSTS"),
    "hosts that are commas": ({"ALLOWED_HOSTS": " , "}, "ALLOWED_HOSTS"),
    "debug": ({"DEBUG": "true"}, "DEBUG ne s'active pas"),
    "no database": ({"DATABASE_URL": None}, "DATABASE_URL n'est pas défini"),
    "SQLite": ({"DATABASE_URL": f"sqlite:///{CANARY}.db"}, "DATABASE_URL doit être une adresse"),
    "a database port in letters": ({"DATABASE_URL": f"postgresql://u:{CANARY}@h:p/b"}, "DATABASE_URL doit être"),
    "a broken database address": ({"DATABASE_URL": f"postgresql://u:{CANARY}@[h/b"}, "DATABASE_URL doit être"),
    "the example's database": ({"DATABASE_URL": "postgresql://bma:changez-moi@h/b"}, "DATABASE_URL est une valeur d'"),
    "no broker": ({"REDIS_URL": None}, "REDIS_URL n'est pas défini"),
    "another kind of broker": ({"REDIS_URL": f"amqp://u:{CANARY}@h/"}, "REDIS_URL doit être une adresse"),
    "no Cerbère": ({"CERBERE_ISSUER": None}, "CERBERE_ISSUER n'est pas défini"),
    "Cerbère in clear": ({"CERBERE_ISSUER": f"http://{CANARY}.invalid"}, "CERBERE_ISSUER doit être une adresse https"),
    "the demonstration's Cerbère": ({"CERBERE_ISSUER": "http://127.0.0.1:8002"}, "CERBERE_ISSUER doit être"),
    "a Cerbère that is no address": ({"CERBERE_ISSUER": CANARY}, "CERBERE_ISSUER doit être une adresse"),
    "no name at Cerbère": ({"CERBERE_CLIENT_ID": None}, "CERBERE_CLIENT_ID n'est pas défini"),
    "no secret at Cerbère": ({"CERBERE_CLIENT_SECRET": None}, "CERBERE_CLIENT_SECRET n'est pas défini"),
    "the demonstration's secret at Cerbère": ({"CERBERE_CLIENT_SECRET": "demo-cerbere"}, "CERBERE_CLIENT_SECRET est"),
    "no strength for staff": ({"CERBERE_STAFF_ACR": None}, "CERBERE_STAFF_ACR n'est pas défini"),
    "strengths that are commas": ({"CERBERE_STAFF_ACR": " , "}, "CERBERE_STAFF_ACR nomme les connexions"),
    "no Exchange": ({"EXCHANGE_URL": None}, "EXCHANGE_URL n'est pas défini"),
    "Exchange in clear": ({"EXCHANGE_URL": f"http://{CANARY}.invalid/EWS/Exchange.asmx"}, "EXCHANGE_URL doit être en"),
    "Exchange at an address that only begins like the loopback": (
        {"EXCHANGE_URL": f"http://127.0.0.1.{CANARY}.invalid/"}, "EXCHANGE_URL doit être en https"),
    "an Exchange that is no address": ({"EXCHANGE_URL": CANARY}, "EXCHANGE_URL doit être une adresse"),
    "no Exchange account": ({"EXCHANGE_USER": None}, "EXCHANGE_USER n'est pas défini"),
    "no Exchange password": ({"EXCHANGE_PASSWORD": None}, "EXCHANGE_PASSWORD n'est pas défini"),
    "the demonstration's Exchange password": ({"EXCHANGE_PASSWORD": "demo-exchange"}, "EXCHANGE_PASSWORD est une"),
    "an unknown authentication": ({"EXCHANGE_AUTH": CANARY}, "EXCHANGE_AUTH vaut basic ou ntlm"),
    "an unknown access": ({"EXCHANGE_ACCESS": CANARY}, "EXCHANGE_ACCESS vaut delegate ou impersonation"),
    "no directory": ({"DIRECTORY_URL": None}, "DIRECTORY_URL n'est pas défini"),
    "a directory in clear": ({"DIRECTORY_URL": f"ldap://{CANARY}.invalid"}, "DIRECTORY_URL doit être une adresse"),
    "a directory that is no address": ({"DIRECTORY_URL": CANARY}, "DIRECTORY_URL doit être une adresse ldaps://"),
    "no account for the directory": ({"DIRECTORY_USER": None}, "DIRECTORY_USER n'est pas défini"),
    "no password for the directory": ({"DIRECTORY_PASSWORD": ""}, "DIRECTORY_PASSWORD n'est pas défini"),
    "the example's directory password": ({"DIRECTORY_PASSWORD": "changez-moi"}, "DIRECTORY_PASSWORD est une valeur"),
    "no unit of mailboxes": ({"DIRECTORY_BASE": None}, "DIRECTORY_BASE n'est pas défini"),
    "no authority for the directory": ({"DIRECTORY_CA": None}, "DIRECTORY_CA n'est pas défini"),
    "another kind of directory": ({"DIRECTORY": CANARY}, "DIRECTORY vaut ldaps"),
    "the demonstration's directory": ({"DIRECTORY_BACKEND": "demo.directory.TwinDirectory"}, "DIRECTORY_BACKEND"),
    "a pace in letters": ({"EXCHANGE_MAX_PER_MINUTE": CANARY}, "EXCHANGE_MAX_PER_MINUTE doit être un nombre"),
    "fewer than no proxies": ({"TRUSTED_PROXIES": "-1"}, "TRUSTED_PROXIES doit être un nombre"),
}  # fmt: skip


@pytest.fixture(scope="module")
def refusals():
    """Every case, two at a time: each is a process of its own."""
    with ThreadPoolExecutor(2) as pool:
        futures = {
            case: (pool.submit(manage, "check", environ=(given := strong_values(**changes))), given)
            for case, (changes, _) in REFUSED.items()
        }
        return {case: (future.result(), given) for case, (future, given) in futures.items()}


@pytest.mark.parametrize("case", REFUSED)
def test_production_refuses(case, refusals):
    done, given = refusals[case]
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Configuration incorrecte : ")
    assert REFUSED[case][1] in done.stderr
    assert done.stderr.count("\n") == 1  # one sentence: no traceback, no warning
    for name, value in given.items():
        if name in SECRETS and len(value) > 3:
            assert value not in done.stderr
    assert CANARY not in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["gunicorn", "bma_portal.wsgi", "--bind", "127.0.0.1:0", "--no-control-socket"],
        ["celery", "-A", "bma_portal", "worker"],
        ["celery", "-A", "bma_portal", "beat"],
    ],
    ids=lambda command: " ".join(command[:4]),
)
def test_each_service_refuses_in_one_sentence_and_stops(command):
    done = run(PROGRAMS / command[0], *command[1:], environ=strong_values(SECRET_KEY=CANARY))
    assert done.returncode != 0
    assert "Configuration incorrecte : SECRET_KEY est trop courte" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert CANARY not in done.stdout + done.stderr


def test_good_values_leave_nothing_to_say_to_django_s_deployment_check():
    done = manage("check", "--deploy", "--fail-level", "WARNING", environ=strong_values(TRUSTED_PROXIES="1"))
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_agents_who_set_passwords_by_hand_need_no_directory():
    names = ("URL", "USER", "PASSWORD", "BASE", "CA")
    without = strong_values(DIRECTORY="manual", **{f"DIRECTORY_{name}": None for name in names})
    done = manage("check", environ=without)
    assert done.returncode == 0, done.stderr


def test_production_has_no_demonstration_and_no_clock_to_set():
    code = (
        "from django.conf import settings as s; from django.core.management import get_commands; import sys;"
        "print('demo' in s.INSTALLED_APPS, 'demo' in set(get_commands().values()), s.CLOCK_CAN_BE_SET, s.DEBUG,"
        " s.PRODUCTION, any(m.split('.')[0] == 'demo' for m in sys.modules))"
    )
    done = manage("shell", "-v", "0", "-c", code, environ=strong_values())
    assert done.stdout.split() == ["False", "False", "False", "False", "True", "False"], done.stderr
    for command in ("demo", "runserver_plus", "import_demo"):
        refused = manage(command, environ=strong_values())
        assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)


def test_production_starts_no_embedded_server(tmp_path):
    done = manage("migrate", environ=strong_values(BMA_VAR=str(tmp_path / "var")))
    assert done.returncode == 1
    assert done.stderr.startswith("La base de données ne répond pas")
    assert not (tmp_path / "var").exists()


def test_development_reads_its_env_file_before_anything_else(tmp_path):
    # In a copy: the checkout may have a .env of its own.
    shutil.copytree(ROOT / "bma_portal", tmp_path / "bma_portal", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / ".env").write_text("EXCHANGE_AUTH=ntlm\nLOG_LEVEL=ERROR\n")
    code = "from django.conf import settings as s; print(s.EXCHANGE_AUTH, s.LOGGING['root']['level'])"
    environ = {"PATH": os.environ["PATH"], "BMA_EMBEDDED": "no", "PYTHONPATH": str(tmp_path)}
    environ |= {"DATABASE_URL": "postgresql://127.0.0.1:1/b", "REDIS_URL": "redis://127.0.0.1:1/0"}
    environ |= {"DJANGO_SETTINGS_MODULE": "bma_portal.settings.development"}
    done = run(sys.executable, "-c", code, environ=environ, cwd=tmp_path)
    assert done.stdout.split() == ["ntlm", "ERROR"], done.stderr
