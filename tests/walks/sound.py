"""Looking at a page in a real browser: what must hold on each of them, and how to go from one to the next.

No page may be looked at while it leaves or while its colours change: every tab of the tests asks for no motion
(`tests/conftest.py`), and `follow` waits for the page that comes.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, Locator, Page, expect

from accounts.models import User
from tests.sign_in import sign_in

expect.set_options(timeout=20_000)  # the machine may be busy with other tests

# A phone's sheet begins at 36rem: the narrowest screen of WCAG 1.4.10 stands for all those under it.
SIZES = {"ordinateur": (1280, 900), "telephone": (320, 640)}

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
TARGETS = "button, input:not([tabindex='-1']), nav a, summary, .unit, .interface-link, .contact a"


def hear(page: Page, *, within: str = "") -> list[str]:
    """What the browser complains of from now on, the content policy above all; any host but that one, if named."""
    complaints: list[str] = []
    page.on("console", lambda message: message.type in {"error", "warning"} and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    if within:
        page.on("request", lambda request: request.url.startswith((within, "data:")) or complaints.append(request.url))
    return complaints


def enter(context: BrowserContext, site: str, user: User, *, strong: bool = True) -> None:
    """The cookie of a session that was opened elsewhere for that person."""
    name = settings.SESSION_COOKIE_NAME
    value = sign_in(Client(), user, strong=strong).cookies[name].value
    context.add_cookies([{"name": name, "value": value, "domain": urlsplit(site).hostname or "", "path": "/"}])


def follow(page: Page, what: Locator | str) -> None:
    """Press what leads to another page (a key, if it is a word), and wait until that one is there."""
    with page.expect_navigation():
        if isinstance(what, str):
            page.keyboard.press(what)
        else:
            what.click()


def press(page: Page, name: str) -> None:
    """The button of that name, and the page it leads to."""
    follow(page, page.get_by_role("button", name=name, exact=True))


def photograph(page: Page, name: str) -> None:
    """With SCREENSHOTS=folder, the page is kept as one sees it."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def violations(page: Page, *, only: list[str] | None = None) -> list[str]:
    """What axe says of the page as it stands."""
    page.wait_for_load_state()
    if page.evaluate("typeof axe") == "undefined":  # once a page: it is half a megabyte
        page.evaluate(Axe().axe_script)
    # Its preloads are for rules that are not asked for, and write styles that the policy blocks.
    options = {"resultTypes": ["violations"], "preload": False} | ({"runOnly": only} if only else {})
    found = page.evaluate("options => axe.run(options).then(results => results.violations)", options)
    return [
        f"{violation['id']} ({violation['help']}) : {node['html']} {node.get('failureSummary', '')}"
        for violation in found
        for node in violation["nodes"]
    ]


def assert_sound(page: Page, name: str = "") -> None:
    """Nothing for axe to say, nothing that overflows, no target too small; a photograph is kept under that name."""
    if name:
        photograph(page, name)
    found = violations(page)
    assert found == [], "\n".join([name, *found])
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{name} déborde de {overflow} px"
    small = page.evaluate(
        """targets => [...document.querySelectorAll(targets)]
            .filter(e => e.getClientRects().length && Math.min(e.offsetHeight, e.offsetWidth) < 24)
            .map(e => e.outerHTML)""",
        TARGETS,
    )
    assert small == [], name


def at_each_size(page: Page) -> Iterator[str]:
    """The same page, loaded once, on a computer then on a phone."""
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        yield size


def assert_sound_at_each_size(page: Page, name: str) -> None:
    for size in at_each_size(page):
        assert_sound(page, f"{name}-{size}")
