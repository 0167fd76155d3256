import shutil
from pathlib import Path

import pytest

from tests.bma_portal.production import ROOT, run, settings_of, stage, strong_values


@pytest.fixture(scope="session")
def image(tmp_path_factory) -> Path:
    """A folder with what the production image copies, and what it builds there."""
    folder = tmp_path_factory.mktemp("image")
    for line in stage("portail"):
        if line.startswith("COPY ") and "--from" not in line:
            source = ROOT / line.split()[1].rstrip("/")
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, folder / source.name)
    build = next(line for line in stage("portail") if "collectstatic" in line).removeprefix("RUN ")
    done = run("sh", "-c", build, environ={"PATH": strong_values()["PATH"]} | settings_of("web"), cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder
