"""Every run can be stopped: without an engine, with files that no longer parse, and beside an engine that hangs."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from autoloop.engine.driver.lock import holder
from autoloop.model import Attempt, LoopState, RunState, StopKind
from autoloop.protocol import Kill, Stop
from autoloop.runners import local
from autoloop.store import Store

from autoloop_tui import client
from tests.cli.conftest import Call
from tests.cli.project import LAUNCH, TRAINER, CommandProject
from tests.support.project import end
from tests.support.senders import person
from tests.support.waiting import eventually

PRESET = """
name = "mine"
title = "a test preset"
argv = ["{python}", "{script}"]
override_style = "dashed-space"
output_dir = "may-exist"
stop = [["INT", 0.5], ["KILL", 0]]
[flags]
config = "{config}"
output_dir = "{output_dir}"
"""
RULES = """
name = "mine"
version = "1"
[[rule]]
id = "lower"
when = "steps > 0"
reason = "so that there is a second round"
changes = ["policy.optimizer_lr@mul=0.5"]
"""
FILES = {"rules": "rules.toml", "preset": "preset.toml", "settings": "autoloop.toml", "metrics": "metrics.toml"}


def begun(project: CommandProject, *flags: str) -> int:
    """Start a loop with its own files whose run trains; return the pid of its engine."""
    (project.folder / "preset.toml").write_text(PRESET)
    (project.folder / "rules.toml").write_text(RULES)
    (project.folder / "metrics.toml").write_text("")
    (project.folder / "autoloop.toml").write_text('metrics = "metrics.toml"\n')
    project.config(wait=True)
    words = ["run", "--cfgs", "base.json", "--steps", "20", "--preset", "./preset.toml", "--rules", "rules.toml"]
    said = project.call(*words, "--train-script", str(TRAINER), "--device", "cpu", *flags, "--exec", "--detach")
    assert said.returncode == 0, said.stderr
    eventually(lambda: [a for a in project.attempts() if a.handle and (Path(a.directory) / "start.json").exists()], "it")
    return engine(project)


def engine(project: CommandProject) -> int:
    found = holder(project.folder / ".autoloop/locks" / f"{project.loop().name}.lock")
    assert found is not None
    return found.pid


def lives(attempt: Attempt) -> bool:
    return local.is_running(Path(attempt.directory), local.Handle.from_dict(attempt.handle or {}))


def spoilt(project: CommandProject, what: str) -> None:
    for name in FILES.values() if what in ("all", "gone") else [FILES[what]]:
        path = project.folder / name
        path.unlink() if what == "gone" else path.write_text("x = [")


SPOILT = [(what, kind) for what in (*FILES, "all", "gone") for kind in ("stop", "kill")]
IN_TURN = SPOILT[::4] + SPOILT[3::4]


@pytest.mark.parametrize(
    ("what", "kind"),
    [*IN_TURN, *(pytest.param(*each, marks=pytest.mark.faults) for each in SPOILT if each not in IN_TURN)],
)
def test_a_loop_without_an_engine_is_stopped_whatever_became_of_its_files(
    project: CommandProject, what: str, kind: str
) -> None:
    end(begun(project))
    spoilt(project, what)
    said = project.call(kind)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("the loop stops")
    eventually(lambda: not lives(project.attempts()[0]), "the end")
    eventually(lambda: all(a.result for a in project.attempts()), "the result")
    assert project.loop().state is LoopState.STOPPED


def test_a_loop_goes_on_with_the_rules_and_preset_that_it_was_made_with(project: CommandProject) -> None:
    end(begun(project, "--rounds", "2", "--decide"))
    spoilt(project, "rules")
    (project.folder / "preset.toml").write_text(PRESET.replace("{script}", "/no/such/script.py"))
    resumed = project.call("resume")
    assert resumed.returncode == 0, resumed.stderr
    (line,) = [line for line in resumed.stderr.splitlines() if "its own copy" in line]
    assert str(project.folder / "rules.toml") in line
    assert str(project.folder / "preset.toml") in line
    assert "metrics.toml" not in line
    project.open_gate()
    assert project.call("wait", "--quiet").returncode == 0
    assert len(project.attempts()) == 2
    assert {attempt.result for attempt in project.attempts()} == {RunState.FINISHED.value}


def unstartable(project: CommandProject) -> Path:
    """A project whose loop no engine can resume, because a file it was created with is damaged."""
    kept = project.folder / ".autoloop/loops" / project.loop().name / "rules.toml"
    kept.write_text("x = [")
    return kept


@pytest.mark.parametrize("kind", ["stop", "kill"])
def test_where_no_engine_can_be_started_the_supervisors_are_asked_and_the_next_engine_knows(
    project: CommandProject, kind: str
) -> None:
    end(begun(project))
    kept = unstartable(project)
    with Store.open(project.folder) as store:
        another = store.send(project.loop().id, (Stop if kind == "stop" else Kill)(run="nobody"), person("ada"))
    said = project.call(kind)
    assert said.returncode == 0, said.stderr
    assert "1 run" in said.stdout
    with Store.open(project.folder) as store:
        assert store.command(another).answered_at is None  # only the new request was carried out
    eventually(lambda: not lives(project.attempts()[0]), "the end")
    assert project.loop().state is LoopState.STOPPED
    assert project.call(kind).returncode == 2  # there is nothing left to stop
    kept.write_text(RULES)
    project.open_gate()
    assert project.start("resume", "--no-ui").wait() == 0
    first, second = project.attempts()
    assert (first.result, first.exit and first.exit.stopped_by) == (RunState.STOPPED.value, kind)
    assert second.result == RunState.FINISHED.value


@pytest.mark.parametrize("kind", ["stop", "kill"])
def test_one_run_is_stopped_without_an_engine_and_the_loop_does_not_go_on_for_it(project: CommandProject, kind: str) -> None:
    end(begun(project))
    (attempt,) = project.attempts()
    said = project.call(kind, attempt.run)
    assert said.returncode == 0, said.stderr
    eventually(lambda: not lives(attempt), "the end")
    assert holder(project.folder / ".autoloop/locks" / f"{project.loop().name}.lock") is None
    assert project.call(kind, attempt.run).returncode == 2
    project.start("resume", "--no-ui").wait()
    (attempt,) = project.attempts()
    assert attempt.result == RunState.STOPPED.value
    assert attempt.stop is not None
    assert attempt.stop.kind is StopKind.USER


@pytest.mark.parametrize("kind", ["stop", "kill"])
def test_an_engine_that_hangs_keeps_nobody_from_stopping_its_runs(
    project: CommandProject, call: Call, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    pid = begun(project)
    os.kill(pid, signal.SIGSTOP)
    try:
        monkeypatch.setattr(client, "ANSWER_TIMEOUT", 0.5)
        said = call(kind)
        assert said.code == 0, said.err
        assert f"process {pid}" in said.out
        assert "does not answer" in said.out
        (attempt,) = project.attempts()
        eventually(lambda: not lives(attempt), "the end")
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: project.loop().state is LoopState.STOPPED, "the engine's own stop")


def test_what_was_started_in_the_background_and_cannot_run_is_told_and_leaves_nothing(project: CommandProject) -> None:
    project.config()
    (project.folder / "rules.py").write_text(
        "import pathlib\n"
        f"if list(pathlib.Path({str(project.folder / '.autoloop/loops')!r}).glob('*')): raise RuntimeError('no luck')\n"
        "def decide(summary): return []\n"
    )
    flags = ("--device", "cpu", "--rules", "rules.py", "--exec", "--detach")
    said = project.call("run", "--cfgs", "base.json", *LAUNCH, *flags)
    assert said.returncode not in (0, None)
    assert said.stdout == ""
    assert "no luck" in said.stderr
    assert "Nothing was started" in said.stderr
    with project.open_store() as store:
        assert store.loops() == []
    assert list((project.folder / "outputs/train").iterdir()) == []
    for name in ("configs", "attempts", "locks", "loops"):
        assert list((project.folder / ".autoloop" / name).iterdir()) == []
