"""Ctrl-C, a closed terminal, `| head`, a killed engine: how long-lived processes react, and how a loop continues."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import termios
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from autoloop.engine import holder
from autoloop.model import LoopState, RunState
from autoloop.runners import procfs

from tests.cli.conftest import Call
from tests.cli.project import LAUNCH, CommandProject, Running, command, environment
from tests.support.waiting import PATIENCE, eventually

WORDS = ("run", "--cfgs", "first.json", "second.json", *LAUNCH, "--device", "cpu", "--exec")


@pytest.fixture
def loop(project: CommandProject) -> Running:
    """A loop in the foreground: its first run waits for the gate, its second for the slot."""
    project.config("first", wait=True)
    project.config("second", seed=2)
    running = project.start(*WORDS, "--no-ui")
    running.hear("started on cpu 0")
    return running


def attempts(project: CommandProject) -> dict[str, int]:
    """Return the number of attempts of each run."""
    with project.open_store() as store:
        return {run.name: run.attempts for run in store.runs(store.find_loop(None).id)}


def finished(project: CommandProject) -> bool:
    with project.open_store() as store:
        loop = store.find_loop(None)
        return loop.state is LoopState.FINISHED and all(run.state is RunState.FINISHED for run in store.runs(loop.id))


def test_ctrl_c_stops_the_loop_with_130_and_resume_goes_on(loop: Running, project: CommandProject, call: Call) -> None:
    loop.signal(signal.SIGINT)
    assert loop.wait() == 130
    assert "stopped by Ctrl-C" in loop.said
    assert "Traceback" not in loop.errors
    assert "stopped: stopped by Ctrl-C" in call("status").out
    assert call("wait").code == 130
    project.open_gate()
    resumed = project.call("resume", "--no-ui")
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert finished(project)
    assert attempts(project) == {"first": 2, "second": 1}
    assert "first" not in resumed.stdout.splitlines()[0]  # its events start where the loop continues
    assert len({attempt.output_dir for attempt in project.attempts()}) == 3


def test_a_closed_terminal_changes_nothing(project: CommandProject) -> None:
    project.config("first", wait=True)
    project.config("second", seed=2)
    here, there = pty.openpty()
    process = subprocess.Popen(
        command(*WORDS, "--no-ui"),
        cwd=project.folder,
        env=environment(),
        stdin=there,
        stdout=there,
        stderr=there,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(there)
    said = b""
    while b"started on cpu 0" not in said:
        assert select.select([here], [], [], PATIENCE)[0], said
        said += os.read(here, 4096)
    os.close(here)  # the kernel sends SIGHUP, and from now on every write fails
    project.open_gate()
    assert process.wait(PATIENCE) == 0
    assert finished(project)


def test_ctrl_c_leaves_a_loop_alone_that_is_only_watched(project: CommandProject, call: Call) -> None:
    project.config("first", wait=True)
    project.config("second", seed=2)
    watching = project.start(*WORDS)
    watching.hear("started on cpu 0")
    watching.signal(signal.SIGINT)
    assert watching.wait() == 130
    assert watching.errors == ""
    assert json.loads(call("status", "--json").out)["loop"]["state_now"] == "running"
    project.open_gate()
    assert call("wait", "--quiet").code == 0


def test_output_that_nobody_reads_changes_nothing(loop: Running, project: CommandProject) -> None:
    loop.hang_up()
    project.open_gate()
    assert loop.wait() == 0
    assert loop.errors == ""
    assert finished(project)


def test_a_terminated_engine_leaves_its_runs_running(loop: Running, project: CommandProject, call: Call) -> None:
    loop.signal(signal.SIGTERM)
    assert loop.wait() == 130
    assert "running runs continue without it" in loop.said
    assert "orphaned" in call("status").out
    waited = call("wait")
    assert waited.code == 130
    assert "`autoloop-tui resume` continues it" in waited.err
    project.open_gate()
    assert project.call("resume", "--no-ui").returncode == 0
    assert finished(project)
    assert attempts(project) == {"first": 1, "second": 1}


def test_a_killed_engine_costs_no_run(loop: Running, project: CommandProject, call: Call) -> None:
    loop.signal(signal.SIGKILL)
    assert loop.wait() == -signal.SIGKILL
    assert "orphaned" in call("status").out

    # The next engine removes a queued run: the command is kept, and the answer says so. An invalid one is refused at once.
    kept = call("stop", "second")
    assert kept.code == 2
    assert "the command is kept" in kept.err
    assert "autoloop-tui resume" in kept.err
    assert 'has no run "third"' in call("stop", "third").err

    project.open_gate()
    assert call("resume").out.startswith(f"{project.loop().name} continues in the background")
    assert call("wait", "--quiet").code == 0
    states = [(run["state"], run["attempts"]) for run in json.loads(call("runs", "--json").out)["runs"]]
    assert states == [("finished", 1), ("stopped", 0)]


def carriers(attempt_id: str) -> set[int]:
    """Return the live processes that carry the attempt's mark."""
    found = set()
    for pid, process in procfs.processes().items():
        with suppress(OSError):
            mark = f"{procfs.MARK}={attempt_id}".encode()
            if process.state not in procfs.DEAD and mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.add(pid)
    return found


def standing(call: Call) -> tuple[str, dict[str, Any]]:
    return call("status").out, json.loads(call("status", "--json").out)


def test_status_looks_at_the_processes_before_it_says_that_runs_go_on(
    loop: Running, project: CommandProject, call: Call
) -> None:
    _, driven = standing(call)
    assert driven["engine"]["pid"] == loop.process.pid
    loop.signal(signal.SIGKILL)
    assert loop.wait() == -signal.SIGKILL
    said, document = standing(call)
    assert "Its engine has stopped: 1 run continues." in said
    assert document["engine"] is None
    (run,) = [slot["run"] for slot in document["slots"] if slot["run"]]
    assert document["slots"][0]["state"] == "running"
    assert document["runs"][run]["process"] == "alive"

    (attempt,) = project.attempts()
    assert attempt.handle is not None
    supervisor = attempt.handle["pid"]
    eventually(lambda: carriers(attempt.id) - {supervisor})
    os.kill(supervisor, signal.SIGKILL)
    eventually(lambda: standing(call)[1]["runs"][run]["process"] == "unsupervised")
    assert "1 run continues without its supervisor" in standing(call)[0]

    for pid in carriers(attempt.id):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: standing(call)[1]["runs"][run]["process"] == "gone")
    said, document = standing(call)
    assert "the process of 1 run is gone. `autoloop-tui resume` continues it" in said
    assert "running  " not in said.partition("slot ")[2]
    assert document["slots"][0]["state"] == "gone"


def test_a_loop_is_stopped_and_resumed_from_another_terminal(loop: Running, project: CommandProject, call: Call) -> None:
    said = call("stop")
    assert said.code == 0
    assert "`autoloop-tui resume` continues it" in said.out
    assert loop.wait() == 130
    assert "stopped already" in call("stop").err
    project.open_gate()
    assert call("resume").code == 0
    assert call("wait", "--quiet").code == 0
    assert finished(project)
    assert "has finished" in call("resume").err
    assert "has finished" in call("pause").err


def test_one_run_can_be_stopped_and_queued_again(loop: Running, project: CommandProject, call: Call) -> None:
    assert call("pause").out.startswith("paused")
    assert "paused" in call("status").out
    assert "is stopping" in call("stop", "first").out
    loop.hear("stopped after")
    project.open_gate()
    assert "queued again" in call("retry", "first").out
    assert call("move", "second", "--before", "first").code == 0
    assert call("resume").out == "queue resumed\n"
    assert loop.wait() == 0
    assert finished(project)
    assert attempts(project) == {"first": 2, "second": 1}
    assert loop.said.index("second (") < loop.said.rindex("first (")


def test_killing_does_not_wait_for_a_clean_end(project: CommandProject, call: Call) -> None:
    project.config("first", wait=True, deaf=True)
    project.config("second", seed=2)
    loop = project.start(*WORDS, "--no-ui")
    loop.hear("started on cpu 0")
    project.start("logs", "-f").hear("5/20")  # from here on it ignores signals
    assert call("stop").code == 0
    loop.hear("is stopping")
    assert "still waiting for its runs to end" in call("resume").err
    assert call("kill").code == 0
    assert loop.wait() == 130
    assert [attempt.exit and attempt.exit.stopped_by for attempt in project.attempts()] == ["kill"]


def test_a_loop_has_one_engine(loop: Running, project: CommandProject, call: Call) -> None:
    with project.open_store() as store:
        engine = holder(store.places.lock(store.find_loop(None).name))
    assert engine is not None
    assert engine.pid == loop.process.pid
    assert call("resume").out == "queue resumed\n"


def test_whoever_reads_only_the_first_line_gets_no_complaint(loop: Running, project: CommandProject) -> None:
    reading = project.start("runs")
    reading.hang_up()
    assert reading.wait() == 0
    assert reading.errors == ""
