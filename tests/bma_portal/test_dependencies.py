"""What is installed: exact versions, with hashes, each with its reason; no developer's tool in production (H4)."""

import re
from importlib import metadata

import pytest

from tests.bma_portal.production import ROOT

LINE = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[\w,]+\])?==(?P<version>[\w.]+)")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted(file: str) -> dict[str, str]:
    """The packages that people ask for, by name: their versions. Every line must be exact and say why."""
    found = {}
    for line in (ROOT / file).read_text().splitlines():
        if line and not line.startswith(("#", "-r ")):
            match = re.fullmatch(LINE.pattern + r"\s+# \S.{8,}", line)
            assert match, f"{file} : « {line} »"
            found[canonical(match["name"])] = match["version"]
    return found


def locked(file: str) -> dict[str, str]:
    """All the packages of a lock, by name: their versions. Every one must carry hashes."""
    found = {}
    for block in re.split(r"\n(?=\S)", re.sub(r"\n\s+#.*", "", (ROOT / file).read_text()).strip()):
        match = LINE.match(block)
        assert match, f"{file} : « {block[:80]} »"
        hashes = re.findall(r"--hash=sha256:[0-9a-f]{64}(?= |\n|$)", block)
        assert hashes, f"{file} : {match['name']} sans empreinte"
        assert block.count("--hash") == len(hashes)
        found[canonical(match["name"])] = match["version"]
    return found


@pytest.mark.parametrize(
    ("asked", "lock"), [("requirements.in", "requirements.txt"), ("requirements-dev.in", "requirements-dev.lock")]
)
def test_the_lock_holds_what_is_asked_for(asked, lock):
    assert wanted(asked).items() <= locked(lock).items()


def test_development_runs_on_the_versions_of_production():
    assert locked("requirements.txt").items() <= locked("requirements-dev.lock").items()


def test_production_installs_nothing_for_developers():
    forbidden = set(wanted("requirements-dev.in")) | {"flower", "django-debug-toolbar", "django-silk", "ipython"}
    assert not forbidden & set(locked("requirements.txt"))


def test_nothing_comes_from_elsewhere_than_the_index():
    for file in ("requirements.txt", "requirements-dev.lock", "requirements.in", "requirements-dev.in"):
        assert not re.search(r"https?://|git\+|--index|--find-links|^-e ", (ROOT / file).read_text(), re.M), file


def test_this_environment_is_the_lock():
    installed = {canonical(package.metadata["Name"]): package.version for package in metadata.distributions()}
    for name, version in locked("requirements-dev.lock").items():
        if name in installed:  # the lock serves every platform and Python
            assert installed[name] == version, name
    assert wanted("requirements-dev.in").keys() <= installed.keys()
