"""The wheel in an empty environment of each available Python, and beside third-party packages (`make test-installs`)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.lerobot import environment as lerobot
from tests.real_trainers import environment as trainers
from tests.support.environments import CannotBuild

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

pytestmark = pytest.mark.installs


def run(*words: str | Path, cwd: Path) -> str:
    env = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run([str(word) for word in words], cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    return out


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    return next(dist.glob("*.whl"))


def interpreter(version: str) -> str:
    """Return the Python of this version, on PATH or from pyenv; skip the test if there is none."""
    managed = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(f"versions/{version}.*/bin/python"))
    for found in (shutil.which(f"python{version}"), *map(str, managed)):
        if (
            found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0
        ):  # pyenv's shims may not lead to any Python
            return found
    pytest.skip(f"There is no Python {version} here.")


def test_an_index_would_take_both(dist: Path) -> None:
    said = run(sys.executable, "-m", "twine", "check", "--strict", *sorted(dist.iterdir()), cwd=dist)
    assert said.count("PASSED") == 2


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_it_installs_into_an_empty_environment(version: str, wheel: Path, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    run(interpreter(version), "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    run(python, "-m", "pip", "install", "-q", wheel, cwd=tmp_path)
    run(python, "-m", "pip", "check", cwd=tmp_path)
    packages = json.loads(run(python, "-m", "pip", "list", "--format=json", cwd=tmp_path))
    size = sum(path.stat().st_size for path in (tmp_path / "venv").rglob("*") if path.is_file() and not path.is_symlink())
    print(f"Python {version}: {len(packages)} packages, {size / 1e6:.0f} MB with pip")
    assert not {"torch", "wandb"} & {package["name"] for package in packages}
    empty = tmp_path / "empty"
    empty.mkdir()
    command = python.parent / "autoloop-tui"
    assert run(command, "--version", cwd=empty).strip() == VERSION
    for words in (["themes"], ["run", "--help"], ["guide"], ["schema", "status"]):
        assert run(command, *words, cwd=empty).strip()
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("whose", ["LeRobot 0.4.4", "Transformers, TRL, Lightning and others"])
def test_it_moves_no_package_of_an_environment_that_trains(whose: str, wheel: Path, tmp_path: Path) -> None:
    try:
        python = lerobot.build(ROOT / ".envs" / "lerobot")[0] if "LeRobot" in whose else trainers.interpreter()
    except (CannotBuild, lerobot.CannotBuild, OSError) as problem:
        pytest.skip(str(problem))
    there = {
        package["name"].lower() for package in json.loads(run(python, "-m", "pip", "list", "--format=json", cwd=tmp_path))
    }
    asked = ("install", "--dry-run", "--quiet", "--report", "-", f"{wheel}[train,wandb]")
    added = {
        each["metadata"]["name"].lower() for each in json.loads(run(python, "-m", "pip", *asked, cwd=tmp_path))["install"]
    }
    print(f"beside {whose}: {len(there)} packages stay, {len(added)} are added: {', '.join(sorted(added))}")
    assert "autoloop-tui" in added
    assert not added & there
