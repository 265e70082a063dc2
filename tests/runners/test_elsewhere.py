"""Attempts whose processes cannot be seen or belong to others: other containers, copied folders, a moved folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import autoloop
import msgspec
import pytest
from autoloop.runners import local, procfs, runner

from tests.runners.attempts import Bench
from tests.support.processes import alive, bystander
from tests.support.waiting import eventually

CORE = str(Path(autoloop.__file__).parents[1])
CONTAINER = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")

START = """
import sys; sys.path.insert(0, sys.argv[2])
import os, time
from pathlib import Path
from autoloop.runners import local, runner
directory = Path(sys.argv[1])
local.start(runner.AttemptSpec(attempt_id="inside", argv=["sleep", "600"], cwd="/", directory=directory), os.environ)
while True: time.sleep(1)  # the first process of a container: with it all others end
"""


def contained() -> bool:
    return subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[tuple[Path, local.Handle]]:
    """An attempt that runs in another PID namespace, and its supervisor according to its files."""
    if not contained():
        pytest.skip("no PID namespace can be made here")
    directory = tmp_path / "inside"
    with subprocess.Popen([*CONTAINER, sys.executable, "-c", START, directory, CORE]) as container:
        try:
            eventually(lambda: (directory / "start.json").exists())
            yield directory, local.Handle.from_dict(json.loads((directory / "start.json").read_text()))
        finally:
            container.kill()


def aged(directory: Path, seconds: float) -> None:
    """Make the last heartbeat look this many seconds old."""
    then = time.time() - seconds
    os.utime(directory / "claim", (then, then))


def test_an_attempt_in_another_container_is_judged_by_its_files_and_never_by_a_pid(
    inside: tuple[Path, local.Handle], bench: Bench
) -> None:
    directory, handle = inside
    assert handle.elsewhere
    namesake = bench.start("sleep", "600")  # here, the pid belongs to another process
    here = msgspec.structs.replace(namesake.handle, pid_ns=handle.pid_ns)
    assert local.open_pidfd(here) is None
    assert not local.request_stop(here, namesake.directory / "nothing", kill=True)
    assert local.inspect(directory, "inside", handle) == local.inspect(directory, "inside") == local.Alive(handle)
    assert local.is_running(directory, handle)


def test_an_attempt_in_another_container_can_be_stopped_and_its_end_is_recorded(inside: tuple[Path, local.Handle]) -> None:
    directory, handle = inside
    assert local.request_stop(handle, directory)
    eventually(lambda: (directory / "exit.json").exists())
    state = local.inspect(directory, "inside", handle)
    assert isinstance(state, runner.AttemptExit)
    assert (state.record.stopped_by, state.record.signal) == ("stop", 2)
    assert not local.is_running(directory, handle)


def test_a_supervisor_in_another_container_beats(inside: tuple[Path, local.Handle]) -> None:
    directory, handle = inside

    def unheard() -> bool:
        aged(directory, 2 * local.SILENCE)
        return not local.is_running(directory, handle)

    eventually(unheard)  # there may be a heartbeat in between
    eventually(lambda: local.is_running(directory, handle))


def test_a_silent_supervisor_in_another_container_is_given_up_and_nothing_here_is_swept_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bystander() as process:
        there = {**procfs.identity(process), "pid_ns": 1}
        (tmp_path / "claim").write_text(json.dumps(there))
        handle = local.Handle.from_dict(there)
        assert local.inspect(tmp_path, "x") == local.Alive(handle)
        pulse = local.Pulse(tmp_path)
        aged(tmp_path, local.SILENCE + 1)
        assert not pulse.silent()  # it has just changed, whatever the clocks say
        state = local.inspect(tmp_path, "x", handle)
        assert alive(process)
    assert isinstance(state, runner.AttemptLoss)
    assert not state.ours
    assert "another container" in state.reason
    later = time.monotonic() + local.SILENCE + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert pulse.silent()


def test_who_was_given_up_while_it_stood_still_ends_its_command_when_it_goes_on(bench: Bench) -> None:
    attempt = bench.start("sleep", "600")
    local.give_up(attempt.directory)
    assert attempt.wait().stopped_by == "kill"


def test_a_copy_of_the_folder_is_not_the_attempt_and_ends_nothing_of_it(bench: Bench, tmp_path: Path) -> None:
    attempt = bench.shell("sh stubborn.sh & sh stubborn.sh", cwd=tmp_path)
    bench.meet(2)
    copy = tmp_path / "copy"
    shutil.copytree(attempt.directory, copy)
    for handle in (attempt.handle, None):
        state = local.inspect(copy, attempt.id, handle)
        assert isinstance(state, runner.AttemptLoss)
        assert not state.ours
    assert not local.is_running(copy, attempt.handle)
    assert local.sweep(attempt.id, copy) == 0
    assert local.is_running(attempt.directory, attempt.handle)
    assert local.inspect(attempt.directory, attempt.id) == local.Alive(attempt.handle)
    os.kill(attempt.handle.pid, 9)
    eventually(lambda: not local.is_running(attempt.directory, attempt.handle))
    assert local.sweep(attempt.id, copy) == 0
    assert local.sweep(attempt.id, attempt.directory, grace=0.1) >= 2


def test_a_folder_that_was_moved_is_still_the_attempt_s_and_gets_its_record(bench: Bench, tmp_path: Path) -> None:
    attempt = bench.shell("echo begun; echo > $READY; exec sleep 600")
    bench.meet()
    moved = tmp_path / "elsewhere" / "a"
    moved.parent.mkdir()
    attempt.directory.rename(moved)
    attempt.directory = moved
    assert local.inspect(moved, attempt.id, attempt.handle) == local.Alive(attempt.handle)
    assert local.request_stop(attempt.handle, moved)
    assert attempt.wait().stopped_by == "stop"
