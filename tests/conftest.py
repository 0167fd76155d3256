"""For all the tests: the browser to drive, and no silent skip in CI."""

import os
import shutil
from collections.abc import Generator

import pytest

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright's loop runs in the thread of the tests

# In CI these are installed (.ci/run): a test that does not find its own must not pass for done.
INSTALLED_IN_CI = ("chromium", "navigateur", "faketime", "pgbouncer")


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
def what_migrations_wrote(django_db_serialized_rollback: None) -> None:
    """A test that empties the tables leaves to the next one what the migrations put there: contacts, roles."""


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
