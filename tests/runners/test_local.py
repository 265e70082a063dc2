"""Finding an attempt again, whoever started it: alive, ended, vanished or never started; and the remaining processes."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from autoloop.model import ExitRecord
from autoloop.runners import local, procfs, runner

from tests.runners.attempts import STUBBORN, Bench
from tests.support.processes import alive, bystander
from tests.support.waiting import PATIENCE, eventually

CHILD_OF_ENGINE = """
import os, signal, sys
from pathlib import Path
from autoloop.runners import local, runner
directory, fifo = sys.argv[1:]
script = "trap 'exit 3' INT; echo ready > " + fifo + "; while :; do sleep 0.05; done"
argv = ["/bin/sh", "-c", script]
local.start(runner.AttemptSpec(attempt_id="left-alone", argv=argv, cwd="/", directory=Path(directory)), os.environ)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_attempt_whose_engine_was_killed_before_it_stored_the_handle_is_found_and_stopped(bench: Bench) -> None:
    directory = bench.folder / "orphaned"
    path = os.pathsep.join(map(str, sys.path))
    engine = subprocess.run(
        [sys.executable, "-c", CHILD_OF_ENGINE, str(directory), str(bench.fifo)],
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert engine.returncode == -signal.SIGKILL
    state = local.inspect(directory, "left-alone", patience=PATIENCE)
    assert isinstance(state, local.Alive)
    bench.meet()
    fd = local.open_pidfd(state.handle)
    assert fd is not None
    assert local.request_stop(state.handle)
    assert select.select([fd], [], [], PATIENCE)[0]
    os.close(fd)
    ended = local.inspect(directory, "left-alone", state.handle)
    assert isinstance(ended, runner.AttemptExit)
    assert (ended.record.code, ended.record.stopped_by) == (3, "stop")


def test_a_handle_survives_the_way_through_the_store(bench: Bench) -> None:
    attempt = bench.start("true")
    assert local.Handle.from_dict(json.loads(json.dumps(attempt.handle.to_dict()))) == attempt.handle
    attempt.wait()


def test_a_running_attempt_is_alive_and_an_ended_one_stays_ended(bench: Bench) -> None:
    attempt = bench.shell("echo ready > $READY; exec sleep 1000")
    bench.meet()
    assert local.inspect(attempt.directory, attempt.id, attempt.handle) == local.Alive(attempt.handle)
    assert local.inspect(attempt.directory, attempt.id) == local.Alive(attempt.handle)
    local.request_stop(attempt.handle, kill=True)
    attempt.wait()
    assert isinstance(local.inspect(attempt.directory, attempt.id), runner.AttemptExit)
    assert not local.request_stop(attempt.handle)


def test_an_attempt_that_was_never_started_is_fenced_against_a_late_supervisor(tmp_path: Path) -> None:
    body = {"attempt_id": "late", "argv": ["touch", "ran"], "cwd": str(tmp_path), "stop": [], "straggler_grace": 0}
    (tmp_path / "spec.json").write_text(json.dumps(body))
    first = local.inspect(tmp_path, "late", patience=0.0)
    assert first == runner.AttemptLoss("it was never started", started=False)
    late = subprocess.run([sys.executable, "-I", "-S", local.SUPERVISOR, tmp_path], check=False)
    assert late.returncode == 75
    assert not (tmp_path / "ran").exists()
    assert local.inspect(tmp_path, "late", patience=0.0) == first


def test_an_attempt_of_which_not_even_the_directory_was_made_was_never_started(tmp_path: Path) -> None:
    state = local.inspect(tmp_path / "nothing", "nothing")
    assert state == runner.AttemptLoss("it was never started", started=False)


def test_a_supervisor_is_found_by_its_claim_before_it_has_written_start_json(tmp_path: Path) -> None:
    with bystander() as process:
        (tmp_path / "claim").write_text(json.dumps(procfs.identity(process)))
        state = local.inspect(tmp_path, "starting")
    assert isinstance(state, local.Alive)
    assert state.handle.pid == process


def test_a_record_written_while_we_looked_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ends_meanwhile(handle: local.Handle) -> None:
        (tmp_path / "exit.json").write_text('{"attempt_id": "x", "code": 0}')

    monkeypatch.setattr(local, "open_pidfd", ends_meanwhile)
    with bystander() as process:
        handle = local.Handle.from_dict(procfs.identity(process))
        assert local.inspect(tmp_path, "x", handle) == runner.AttemptExit(ExitRecord(code=0))


def test_the_exit_record_of_another_attempt_does_not_count(bench: Bench) -> None:
    attempt = bench.start("true")
    attempt.wait()
    assert isinstance(local.inspect(attempt.directory, "another", attempt.handle), runner.AttemptLoss)


def test_a_torn_exit_record_does_not_count(bench: Bench) -> None:
    attempt = bench.start("true")
    attempt.wait()
    (attempt.directory / "exit.json").write_text('{"attempt_id": "' + attempt.id)
    assert isinstance(local.inspect(attempt.directory, attempt.id, attempt.handle), runner.AttemptLoss)


def test_a_process_that_got_the_pid_later_is_neither_alive_nor_signalled() -> None:
    with bystander() as process:
        now = local.Handle.from_dict(procfs.identity(process))
        earlier = msgspec.structs.replace(now, start_time=now.start_time - 1)
        assert local.open_pidfd(earlier) is None
        assert not local.request_stop(earlier, kill=True)
        assert not procfs.send(earlier.pid, earlier.start_time, signal.SIGKILL)
        assert alive(process)


def test_a_zombie_counts_as_ended_and_reap_collects_it(bench: Bench) -> None:
    attempt = bench.start("true")
    attempt.wait()
    seen = procfs.process(attempt.handle.pid)
    assert seen is not None
    assert seen.state == "Z"
    assert local.open_pidfd(attempt.handle) is None
    assert not local.request_stop(attempt.handle)
    local.reap()
    assert procfs.process(attempt.handle.pid) is None


def test_reap_leaves_children_that_are_not_supervisors_alone() -> None:
    other = subprocess.Popen(["sh", "-c", "exit 5"])
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    local.reap()
    assert other.wait() == 5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"boot_id": "an-earlier-boot"}, "the machine was restarted while it ran"),
        ({"boot_id": "another", "host": "elsewhere"}, "it was started on elsewhere, and this is"),
    ],
)
def test_a_handle_of_another_boot_is_not_alive_whatever_has_its_pid(
    tmp_path: Path, change: dict[str, str], words: str
) -> None:
    with bystander() as process:
        handle = msgspec.structs.replace(local.Handle.from_dict(procfs.identity(process)), **change)
        assert local.open_pidfd(handle) is None
        assert not local.request_stop(handle)
        state = local.inspect(tmp_path, "x", handle)
        assert alive(process)
    assert isinstance(state, runner.AttemptLoss)
    assert words in state.reason


def test_what_a_killed_supervisor_leaves_is_swept_away(bench: Bench) -> None:
    # The last process has dropped the mark; its parent still has it.
    unmarked = "env -u AUTOLOOP_ATTEMPT sh stubborn.sh & echo $!; wait"
    attempt = bench.shell(f"setsid sh stubborn.sh & sh -c '{unmarked}' & {STUBBORN}")
    bench.meet(3)
    eventually(lambda: attempt.log().endswith("\n"), "the pid of the unmarked one")
    os.kill(attempt.handle.pid, signal.SIGKILL)
    eventually(lambda: local.open_pidfd(attempt.handle) is None)
    state = local.inspect(attempt.directory, attempt.id, attempt.handle)
    assert state == runner.AttemptLoss("its supervisor was killed, so how the command ended was not recorded")
    assert local.sweep(attempt.id, grace=0.2) >= 4
    assert local.sweep(attempt.id) == 0
    # Its shell may report that something was killed.
    assert (gone := procfs.process(int(attempt.log().split()[0]))) is None or gone.state == "Z"


def test_a_sweep_touches_no_attempt_but_its_own(bench: Bench) -> None:
    attempt = bench.shell("echo ready > $READY; exec sleep 1000")
    bench.meet()
    assert local.sweep(attempt.id[:-1]) == 0
    assert local.sweep(attempt.id + "0") == 0
    assert isinstance(local.inspect(attempt.directory, attempt.id, attempt.handle), local.Alive)


def test_a_directory_that_cannot_be_written_is_an_os_error_and_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    spec = runner.AttemptSpec(attempt_id="x", argv=["true"], cwd="/", directory=tmp_path / "file" / "below")
    with pytest.raises(NotADirectoryError):
        local.start(spec, {})
