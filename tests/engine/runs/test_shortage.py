"""No process, memory or descriptor available: a start waits and is retried, and running runs continue."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from autoloop.engine.scheduling.scheduler import Shortage
from autoloop.model import LoopState, RunState
from autoloop.runners import local

from tests.engine.project import EngineProject


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list of errors that the next process starts get from the kernel; 0 for none."""
    real = os.posix_spawn
    refusals: list[int] = []

    def posix_spawn(*args: Any, **more: Any) -> int:
        if refusals:
            number = refusals.pop(0)
            if number:
                raise OSError(number, os.strerror(number))
        return real(*args, **more)

    monkeypatch.setattr(os, "posix_spawn", posix_spawn)
    monkeypatch.setattr(Shortage, "WELL", 0.1)
    return refusals


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE])
def test_a_start_that_the_machine_has_no_room_for_waits_and_is_tried_again(
    project: EngineProject, kernel: list[int], number: int
) -> None:
    kernel += [number, number]
    loop = project.loop([project.config("a"), project.config("b")])
    assert project.run(loop).state is LoopState.FINISHED
    assert [run.state for run in project.runs(loop)] == [RunState.FINISHED] * 2
    assert any(text.startswith("no runs are started: the machine ran out of processes") for text in project.story(loop))
    assert "runs are started again" in project.story(loop)
    assert not any("every run would fail" in text for text in project.story(loop))


def test_a_run_that_goes_on_is_not_stopped_because_others_found_no_process(
    project: EngineProject, kernel: list[int]
) -> None:
    gate = project.gate("on")
    loop = project.loop([project.config("a", gate=str(gate)), *map(project.config, "bcd")], concurrency=4)
    kernel += [0, *[errno.EAGAIN] * 3]
    with project.driven(loop):
        others = [project.named(loop, name).id for name in "bcd"]
        project.until(lambda: all(project.store.run(run).state is RunState.FINISHED for run in others), "the others' end")
        assert project.named(loop, "a").state is RunState.RUNNING
        gate.touch()
        project.until(lambda: project.state(loop).state is LoopState.FINISHED, "the end")
    assert project.named(loop, "a").attempts == 1


def test_a_command_that_cannot_be_started_for_want_of_processes_says_so_by_number(tmp_path: Path) -> None:
    """This tests the supervisor directly: its process limit leaves none for the command."""
    directory = tmp_path / "attempt"
    directory.mkdir()
    spec = {"attempt_id": "attempt", "argv": ["/bin/true"], "cwd": "/", "stop": [], "straggler_grace": 0, "max_log": 1 << 22}
    (directory / "spec.json").write_text(json.dumps(spec))
    argv = [sys.executable, "-I", "-S", str(local.SUPERVISOR), str(directory)]
    if os.getuid() == 0:  # the limit does not apply to root
        for each in (tmp_path, directory):
            each.chmod(0o777)
        caps = "-all,+dac_override,+dac_read_search"
        argv = ["setpriv", "--reuid", "54321", "--clear-groups", "--inh-caps", caps, "--ambient-caps", caps, *argv]
    done = subprocess.run(["bash", "-c", 'ulimit -u 1; exec "$@"', "bash", *argv], capture_output=True, check=False)
    if not (directory / "exit.json").exists():
        pytest.skip(f"no process of another user here: {done.stderr.decode()[-200:]}")
    assert json.loads((directory / "exit.json").read_text())["errno"] == errno.EAGAIN


def test_what_was_tried_waits_longer_each_time_and_sooner_where_a_run_ends() -> None:
    shortage = Shortage()
    queue: list[Any] = ["a", "b"]
    shortage.met("no process")
    assert shortage.take(queue) == []
    shortage.eased()
    assert shortage.take(queue) == ["a"]
    assert shortage.take(queue) == []
    shortage.met("no process")
    assert shortage.take(queue) == []
    assert shortage.reason == "no process"
