"""The project reads itself: rules of the house that no other tool checks."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from celery import current_app

ROOT = Path(__file__).resolve().parents[1]
APPS = ("bma_portal", "accounts", "migration", "support")
TEXTS = (".py", ".html", ".txt", ".js", ".css", ".svg")
FOLDERS = (*APPS, "demo", "bench", "tests")
EDGES = re.compile(r"(^|/)(views|tasks|admin|management/commands)(/|\.py$)|(^|/)clock\.py$")


def python_files(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if "migrations" not in path.parts]
    return sorted([*found, ROOT / "manage.py", ROOT / "dev.py"] if folders == FOLDERS else found)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def calls(*folders: str):
    """Every call in the code: where it stands, its name (`x.delay`), the call."""
    for path in python_files(*folders):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield f"{shown(path)}:{node.lineno}", ast.unparse(node.func), node


def places(pattern: str, *folders: str, suffixes=TEXTS, comments=False) -> list[str]:
    """Where a pattern stands in the files of those folders, the code's comments only if asked."""
    found = []
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                for number, line in enumerate(path.read_text().splitlines(), 1):
                    code = line if comments or path.suffix != ".py" else re.split(r"(?:^|\s)# ", line)[0]
                    if re.search(pattern, code):
                        found.append(f"{shown(path)}:{number}")
    return found


# Files


def test_files_stay_short():
    lengths = {shown(path): len(path.read_text().splitlines()) for path in python_files(*FOLDERS)}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_tabs_are_opened_without_motion_and_looked_at_once_they_are_there():
    """By `new_context` (tests/conftest.py), by `violations` (tests/walks/sound.py): other ways fail now and then."""
    found = places(r"browser\.new_(context|page)[(]|\bAxe[(]", "tests")
    assert {place.partition(":")[0] for place in found} == {"tests/walks/sound.py"}


def test_no_module_is_still_looking_for_its_name():
    names = {"utils.py", "helpers.py", "services.py"}
    assert [shown(path) for path in python_files(*FOLDERS) if path.name in names] == []


def test_nothing_is_left_to_do():
    assert places(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b", *APPS, "demo", "templates", comments=True) == []


def test_import_arrows_point_down():
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


# Time


def test_only_the_edges_ask_what_time_it_is():
    asked = {"timezone.now", "datetime.now", "datetime.utcnow", "date.today", "datetime.today", "clock.now"}
    asked |= {f"datetime.{name}" for name in asked} | {"timezone.localdate", "timezone.localtime", "localdate"}
    found = [where for where, name, _ in calls(*APPS) if name in asked and not EDGES.search(where.partition(":")[0])]
    # Edges too, under other names: a command's --at; Django's mail backend and a claim, to which nobody hands a
    # moment; the formatter that stamps a line.
    allowed = ("bma_portal/commands.py", "bma_portal/mail/backends/outbox.py", "bma_portal/mail/outbox.py")
    allowed += ("bma_portal/logs.py",)
    assert [where for where in found if not where.startswith(allowed)] == []


def test_no_clock_but_ours_in_the_code():
    banned = {"timezone.now", "datetime.utcnow", "date.today", "datetime.today", "timezone.localdate"}
    assert [where for where, name, _ in calls(*APPS) if name in banned] == []


# Tasks and bells (SEC-C3, SEC-J5, SEC-J12)


def our_tasks():
    current_app.loader.import_default_modules()
    return {name: task for name, task in current_app.tasks.items() if not name.startswith("celery.")}


def test_every_task_takes_ids_and_names_only():
    tasks = our_tasks()
    assert {"mail.drain", "mail.sweep", "migration.tick", "accounts.set_passwords"} <= set(tasks)
    for name, task in tasks.items():
        for parameter in inspect.signature(task.run).parameters.values():
            assert parameter.annotation in {int, str}, f"{name}({parameter})"
            assert parameter.kind is parameter.POSITIONAL_OR_KEYWORD, f"{name}({parameter})"


def test_every_task_is_named_after_its_app():
    for name, task in our_tasks().items():
        assert name.split(".")[0] in task.run.__module__.split("."), name


def test_no_task_waits_inside_the_broker():
    later = {"eta", "countdown", "expires"}
    found = [where for where, _, call in calls(*APPS, "demo") if later & {keyword.arg for keyword in call.keywords}]
    assert found == []


def test_every_bell_is_rung_through_the_bells():
    rings = ("delay", "apply_async", "send_task", "delay_on_commit", "apply_async_on_commit")
    found = {where.split(":")[0] for where, name, _ in calls(*APPS, "demo") if name.split(".")[-1] in rings}
    assert found == {"bma_portal/bells.py"}


def test_row_locks_say_which_table():
    found = [
        where
        for where, name, call in calls(*APPS)
        if name.endswith("select_for_update") and "of" not in {keyword.arg for keyword in call.keywords}
    ]
    assert found == []


def test_advisory_locks_end_with_their_transaction():
    session_lock = r"pg_(try_)?advisory_(lock|unlock)(_shared|_all)?\b"
    assert places(session_lock, *APPS, "demo", suffixes=(".py",)) == []
    for path in (path for app in APPS for path in (ROOT / app).rglob("migrations/*.py")):
        assert not re.search(session_lock, path.read_text()), shown(path)


# Words


def test_the_help_desk_s_address_is_never_misspelt():
    found = places(r"ethn" + r"ic\.be", *APPS, "demo", "templates", "static")
    # But where it is refused: the validator of contacts and the constraint that its migrations wrote.
    refusing = re.compile(r"accounts/models/contacts\.py|accounts/migrations/")
    assert [where for where in found if not refusing.match(where)] == []


@pytest.mark.parametrize("wrong", ["www\\.webmail@", "ESA" + "RH\\b", "\\bSMA" + "L2\\b"])
def test_the_documents_mistakes_are_not_repeated(wrong):
    assert places(wrong, *APPS, "templates", "static") == []


def test_nothing_comes_from_another_site():
    elsewhere = r"""(src|href)=["'](https?:)?//(?!www\.enseignement\.be|ec\.cfwb\.be)|url\(["']?(https?:)?//|@import"""
    assert places(elsewhere, "templates", "static", suffixes=(".html", ".css", ".js", ".svg")) == []


def test_pages_keep_style_and_script_in_files():
    """Mails need their styles inside; pages may not have any there (Content-Security-Policy)."""
    inline = r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+="
    found = places(inline, "templates", suffixes=(".html",))
    assert [where for where in found if "/mails/" not in where] == []


# Templates


def test_every_template_is_used():
    """By a name in the code or in another template; Django's own pages, overridden, are used by Django."""
    sources = {path: path.read_text() for path in python_files(*APPS)}
    templates = sorted(path for path in (ROOT / "templates").rglob("*") if path.suffix in {".html", ".txt"})
    sources |= {path: path.read_text() for path in templates}
    pages = sources[ROOT / "bma_portal" / "views.py"]
    unused = []
    for template in templates:
        name = str(template.relative_to(ROOT / "templates"))
        stem = name.rpartition(".")[0]
        others = "\n".join(text for path, text in sources.items() if path != template)
        by_name = re.search(rf"""["']({re.escape(name)}|{re.escape(stem)})["']""", others)
        by_status = name.startswith("errors/") and f'"{template.stem}"' in pages
        if not by_name and not by_status and not name.startswith(("admin/", "registration/")):
            unused.append(name)
    assert unused == []
