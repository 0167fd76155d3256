"""For all the tests: the browser to drive, and no silent skip in CI."""

import os
import shutil
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest
from pytest_django.plugin import DjangoDbBlocker

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

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


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict) -> dict:
    """Without motion, for every tab: a colour that is still changing is none that a person reads."""
    return {**browser_context_args, "reduced_motion": "reduce"}


@pytest.fixture
def new_context(new_context: Callable[..., "BrowserContext"]) -> Callable[..., "BrowserContext"]:
    """The only maker of browser contexts; `page` comes from it too. They wait longer: the machine may be busy."""

    def patient(**options: object) -> "BrowserContext":
        context = new_context(**options)
        context.set_default_timeout(60_000)
        return context

    return patient


@pytest.fixture(autouse=True)
def strong_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """`client.force_login` opens a session as Cerbère does for staff; `tests.sign_in` for any other."""
    from django.test import Client

    from tests.sign_in import sign_in

    monkeypatch.setattr(Client, "force_login", lambda client, user, backend=None: sign_in(client, user) and None)


@pytest.fixture(autouse=True)
def valid_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page that a test opens is valid HTML, whatever its state; so is each mail that one composes (SEC-M1)."""
    from django.test import Client

    from bma_portal.mail.compose import Mail
    from tests import markup

    request, render = Client.request, Mail.render

    def opened(client: Client, **asked: Any) -> Any:
        response = request(client, **asked)
        if response.headers.get("Content-Type", "").startswith("text/html") and not response.streaming:
            markup.assert_valid(response.content.decode(), f"{asked.get('REQUEST_METHOD')} {asked.get('PATH_INFO')}")
        return response

    def composed(mail: Mail, **how: Any) -> tuple[str, str]:
        text, html = render(mail, **how)
        markup.assert_valid(html, type(mail).__name__)
        return text, html

    monkeypatch.setattr(Client, "request", opened)
    monkeypatch.setattr(Mail, "render", composed)


@pytest.hookimpl(trylast=True)  # after the others have shuffled and sorted
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, side by side (`-n 2 --dist loadfile --no-loadscope-reorder`): no core waits in the end.

    Walks with real processes, then the browser's.
    """
    items.sort(
        key=lambda item: (
            not (item.get_closest_marker("slow") or "theatre" in getattr(item, "fixturenames", ())),
            not item.get_closest_marker("browser"),
        )
    )


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Generator[None, None, None]:
    """A test that commits leaves the tables as the migrations left them (contacts, roles, articles) to the next."""
    from django.test import TransactionTestCase

    from tests import kept

    with django_db_blocker.unblock():
        kept.keep()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(TransactionTestCase, "_fixture_teardown", lambda case: kept.put_back())
        yield
    with django_db_blocker.unblock():
        kept.alone()


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
