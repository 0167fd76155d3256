"""For all the tests: the browser to drive, and no silent skip in CI."""

import os
import shutil
from collections.abc import Generator

import pytest
from pytest_django.plugin import DjangoDbBlocker, blocking_manager_key

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright's loop runs in the thread of the tests

# In CI these are installed (.ci/run): a test that does not find its own must not pass for done.
INSTALLED_IN_CI = ("chromium", "navigateur", "faketime", "pgbouncer", "clamav", "samba")


def chromium() -> str | None:
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def base_url() -> None:
    """In the place of pytest-base-url's own, of which pytest 9 warns; each test names the server that it opens."""
    return None


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    program = chromium()
    if program is None:
        pytest.skip("aucun navigateur ici : installez chromium, ou nommez-le par CHROMIUM")
    quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync"]
    if os.geteuid() == 0:
        quiet.append("--no-sandbox")
    return {**browser_type_launch_args, "executable_path": program, "args": quiet}


@pytest.fixture(autouse=True)
def strong_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """`client.force_login` opens a session as Cerbère does for staff; `tests.sign_in` for any other."""
    from django.test import Client

    from tests.sign_in import sign_in

    monkeypatch.setattr(Client, "force_login", lambda client, user, backend=None: sign_in(client, user) and None)


@pytest.hookimpl(trylast=True)  # after the others have shuffled and sorted
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The walks are the longest: side by side (`-n 2 --dist loadfile --no-loadscope-reorder`) they go first."""
    items.sort(
        key=lambda item: not (item.get_closest_marker("slow") or "theatre" in getattr(item, "fixturenames", ()))
    )


what_migrations_wrote = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def django_db_setup(request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Remember what the migrations put in the tables: contacts, roles."""
    from django.db import connection

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        # A test that commits ends by TRUNCATE of every table. `test_audit.py` puts these back for its own tests.
        cursor.execute("DROP TRIGGER audit_refuse_truncate ON bma_portal_auditentry")
        cursor.execute("DROP TRIGGER audit_head_stays_truncate ON bma_portal_audithead")
        request.config.stash[what_migrations_wrote] = connection.creation.serialize_db_to_string()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """A test that commits empties the tables when it ends: fill them again for whichever comes next, in any order."""
    try:
        return (yield)
    finally:  # also after a teardown that failed
        _fill_again_what_was_emptied(item, nextitem)


def _fill_again_what_was_emptied(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    marker = item.get_closest_marker("django_db")
    fixtures = getattr(item, "fixturenames", ())
    emptied = (marker and marker.kwargs.get("transaction")) or {"transactional_db", "live_server"} & set(fixtures)
    if emptied and nextitem is not None:
        from django.apps import apps
        from django.core.management import call_command
        from django.core.management.color import no_style
        from django.db import connection

        with item.config.stash[blocking_manager_key].unblock():
            call_command("flush", verbosity=0, interactive=False, inhibit_post_migrate=True)
            connection.creation.deserialize_db_from_string(item.config.stash[what_migrations_wrote])
            with connection.cursor() as cursor:  # the rows have their numbers back: the next ones come after them
                for statement in connection.ops.sequence_reset_sql(no_style(), apps.get_models()):
                    cursor.execute(statement)
            connection.close()  # after a browser's test this is another connection than the tests' own


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if any(name in reason.lower() for name in INSTALLED_IN_CI):
            report.outcome = "failed"
            report.longrepr = f"{reason} (en CI, ce test doit s'exécuter)"
    return report
