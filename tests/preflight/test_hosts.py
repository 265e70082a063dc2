"""The findings of `doctor` about hosts, without a real one; tests/ssh uses three real sshd."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from autoloop.model import HostSpec, LoopSpec
from autoloop.preflight.hosts import hosts
from autoloop.settings import load_settings

from tests.runners.far_side import FarSide

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "hosts"


@pytest.fixture
def side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FarSide:
    side = FarSide(tmp_path / "side")
    monkeypatch.setenv("PATH", f"{side.programs}{os.pathsep}{os.environ['PATH']}")
    return side


def spec(
    project: Path,
    *,
    host: HostSpec | None = None,
    folder: str | None = None,
    python: str = sys.executable,
    shared: bool = False,
) -> LoopSpec:
    host = host or HostSpec(name="box", gpus=[0], python=python, folder=folder, shared=shared)
    return LoopSpec(configs=[], cwd=str(project), output_root=str(project / "outputs"), device="cuda", hosts=[host])


def test_a_host_that_answers(side: FarSide, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "train.py").touch()
    found = {each.subject: each for each in hosts(spec(project), 0)}
    assert found["code for hosts"].text.startswith("1 file of ")
    assert f"Python {sys.version.split()[0]}" in found["box"].text
    assert found["box clock"].level == "ok"
    assert str(side.home / ".autoloop/project") in found["box folder"].text
    assert found["box GPUs"].level == "error"
    assert "nvidia-smi" in found["box GPUs"].text


def test_one_that_cannot_be_used(side: FarSide, tmp_path: Path) -> None:
    (found,) = hosts(spec(tmp_path, python="/no/python", shared=True), 0)
    assert (found.subject, found.level) == ("box", "error")
    assert "there is no Python /no/python there" in found.text
    absent = {each.subject: each for each in hosts(spec(tmp_path, folder="/no/folder", shared=True), 0)}
    assert "there is no /no/folder there" in absent["box folder"].text
    python, first = side.odd_python()
    first.write_text("import os; del os.pidfd_open")
    (found,) = hosts(spec(tmp_path, python=python, shared=True), 0)
    assert (found.subject, found.level) == ("box", "error")
    assert "Linux 5.3 or newer" in found.text
    side.cut("Permission denied (publickey).")
    (found,) = hosts(spec(tmp_path, shared=True), 0)
    assert "refuses your key" in found.text


def test_data_that_is_not_where_it_should_be(side: FarSide, tmp_path: Path) -> None:
    (side.home / "pusht").mkdir()
    host = HostSpec(name="box", gpus=[0], python=sys.executable, data={"data/a": "~/pusht", "data/b": "/no/data"})
    found = [each for each in hosts(spec(tmp_path, host=host), 0) if each.subject == "box data"]
    assert [each.text for each in found] == ["/no/data does not exist there, but [[host]] maps data/b to it"]


SESSION = """
import builtins, io, os
real = open
os.getuid = lambda: 4242
group = "0::/user.slice/user-4242.slice/session-7.scope"
builtins.open = lambda path, *rest, **more: io.StringIO(group) if path == "/proc/self/cgroup" else real(path, *rest, **more)
"""


def test_a_machine_that_ends_runs_with_the_connection(side: FarSide, tmp_path: Path) -> None:
    python, first = side.odd_python()
    first.write_text(SESSION)
    busctl = side.programs / "busctl"
    for kills, excluded, warned in (("true", '"root"', True), ("false", '"root"', False), ("true", '"root" "4242"', False)):
        busctl.write_text(f"#!/bin/sh\necho 'b {kills}'\necho 'as 1 {excluded}'\necho 'as 0'\n")
        busctl.chmod(0o755)
        found = {each.subject: each for each in hosts(spec(tmp_path, python=python), 0)}
        assert ("box logout" in found) == warned
        if warned:
            assert found["box logout"].level == "warning"
            assert "KillUserProcesses=no" in found["box logout"].advice


def test_the_example_is_two_hosts() -> None:
    given = load_settings(EXAMPLE).host
    assert [(host.name, host.destination, len(host.gpus)) for host in given] == [
        ("box1", "box1", 2),
        ("box2", "ann@10.0.0.12", 4),
    ]


def test_a_loop_without_hosts_asks_nobody(side: FarSide, tmp_path: Path) -> None:
    assert hosts(LoopSpec(configs=[], cwd=str(tmp_path)), 0) == []
    assert side.connections() == []
