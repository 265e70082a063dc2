"""A project to run commands in, and simulated GPUs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from autoloop import gpus
from autoloop.gpus import Gpu, GpuReport

from autoloop_tui.cli import main
from tests.cli.project import LAUNCH, CommandProject


class Said(NamedTuple):
    """The output and the exit code of a command."""

    code: int
    out: str
    err: str


Call = Callable[..., Said]
Machine = Callable[..., None]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[CommandProject]:
    folder = tmp_path / "project"
    folder.mkdir()
    project = CommandProject(folder)
    yield project
    project.close()


TRAIN = ("run", "--cfgs", "a.json", "b.json", *LAUNCH, "--device", "cpu", "--exec", "--no-ui")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandProject]:
    """A loop that trained two configs with different trainings. It is shared by all tests, none of which changes it."""
    project = CommandProject(tmp_path_factory.mktemp("trained"))
    project.config("a")
    project.config("b", seed=2)
    ran = project.call(*TRAIN)
    assert ran.returncode == 0, ran.stderr
    yield project
    project.close()


@pytest.fixture
def call(project: CommandProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """call(*words): run a command in this process; for commands that start nothing."""
    monkeypatch.chdir(project.folder)

    def call(*words: str) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.main(words)
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    return call


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """machine(0, 1): simulate a machine with these GPUs; machine(error="…"): one without GPUs, for that reason."""

    def machine(*indices: int, error: str | None = None) -> None:
        report = GpuReport(gpus=tuple(Gpu(index=index, name=f"GPU {index}") for index in indices), error=error)
        monkeypatch.setattr(gpus, "read", lambda: report)

    return machine
