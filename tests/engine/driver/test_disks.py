"""Disks that are full, read-only, gone or broken: launches wait and say why, runs continue, and nothing is lost."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from autoloop import reports
from autoloop.engine import Engine
from autoloop.engine.driver import engine as engine_loop
from autoloop.engine.driver import outage
from autoloop.model import Event, LoopState, RunState, UserError
from autoloop.protocol import Approve, Pause
from autoloop.runners import local, runner
from autoloop.store import Store, StoreUnavailableError

from tests.engine.processes import states
from tests.engine.project import EngineProject
from tests.support.databases import assert_intact, before_each_row
from tests.support.senders import person
from tests.support.waiting import PATIENCE, delete


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MB, which only root can create."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def small(small_disk: Path, project: EngineProject) -> Iterator[EngineProject]:
    """A project on the small disk, in which runs need no free space to start."""
    on_it = EngineProject(small_disk)
    (small_disk / "autoloop.toml").write_text("min_free_gb = 0\n")
    yield on_it
    on_it.close()


def fill(folder: Path) -> Path:
    """Use up all space but a few bytes, and return the file that does."""
    path = folder / "ballast"
    with path.open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue  # not enough space for that much
    return path


def test_launches_wait_while_a_disk_has_less_than_its_limit_and_go_on_when_it_has_more(
    project: EngineProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 10**9 // 2

    def statvfs(path: object) -> Any:
        return os.statvfs_result((4096, 1, 0, 0, free, 0, 0, 0, 0, 255))

    gate = project.gate("go")
    loop = project.loop([project.config("a", gate=str(gate)), project.config("b")])
    with monkeypatch.context() as patch, project.driven(loop) as engine:
        engine.until(lambda: project.named(loop, "a").state is RunState.RUNNING, "the first run")
        patch.setattr(os, "statvfs", statvfs)
        gate.touch()  # running runs continue
        engine.until(lambda: project.state(loop).waits_for, "the wait")
        ended = [RunState.FINISHED, RunState.QUEUED]
        engine.until(lambda: states(project.runs(loop)) == ended, "the end of the first run")
        told = project.state(loop).waits_for or ""
        assert told.startswith("0.5 GB is free in ")
        assert "min_free_gb" in told
        assert [text for text in project.story(loop, "note") if told in text] == [f"no runs are started: {told}"]
        free = 2 * 10**9
        assert engine.end().state is LoopState.FINISHED
    assert project.state(loop).waits_for is None
    assert states(project.runs(loop)) == [RunState.FINISHED] * 2


def test_a_full_disk_stops_nothing_for_good(small: EngineProject) -> None:
    """The disk is full from the middle of the first run on: its end cannot be recorded, but later everything is."""
    gate = small.gate("go")
    loop = small.loop([small.config(name, gate=str(gate)) for name in ("a", "b", "c")], rounds=2, decide=True)
    said: list[str] = []

    def listen(event: Event) -> None:
        said.append(event.text)

    with small.driven(loop, on_event=listen) as engine:
        small.trainer_pid(small.runs(loop)[0].id)
        ballast = fill(small.folder)
        gate.touch()  # only now, because filling the disk may take time; an empty file takes up no space
        engine.until(lambda: any("no space" in text for text in said), "the sentence")
        assert small.state(loop).state is LoopState.ACTIVE
        ballast.unlink()
        ended = engine.end()
    assert ended.state is LoopState.FINISHED, ended.reason
    runs = small.runs(loop)
    # The first trainer may itself have met the full disk and failed; no other has.
    assert states(runs[1:]) == [RunState.FINISHED] * (len(runs) - 1)
    assert runs[0].state in (RunState.FINISHED, RunState.FAILED)
    attempts = small.store.loop_attempts(loop.id)
    assert sorted(a.run for a in attempts if a.result in ("finished", "failed")) == sorted(run.id for run in runs)
    assert len({attempt.output_dir for attempt in attempts}) == len(attempts)
    assert_intact(small.store)
    assert small.left_over() == []
    before = small.summary()
    assert reports.write_summary(small.store, loop.id) is None
    assert small.summary() == before
    assert {run.output_dir for run in runs} <= set(before)


def test_commands_on_a_full_disk_are_a_sentence_and_are_not_half_sent(small: EngineProject) -> None:
    loop = small.loop([small.config("a")])
    ballast = fill(small.folder)

    def send_many() -> None:
        for _ in range(1000):  # SQLite may have a page or two left
            small.store.send(loop.id, Approve(proposals=[1], note="x" * 3000), person("ada"))

    with pytest.raises(StoreUnavailableError, match="space"):
        send_many()
    ballast.unlink()
    sent = len(small.store.open_commands(loop.id))
    small.store.send(loop.id, Pause(), person("ada"))
    assert len(small.store.open_commands(loop.id)) == sent + 1


def broken(number: int) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "/somewhere")

    return fail


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_a_run_that_cannot_start_for_its_disk_waits_and_has_not_failed(
    project: EngineProject, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    loop = project.loop([project.config("a"), project.config("b")], retries=0)
    said: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(local, "start", broken(number))

        def listen(event: Event) -> None:
            said.append(event.text)

        with project.driven(loop, on_event=listen) as engine:
            engine.until(lambda: any(os.strerror(number) in text for text in said), "the sentence")
            patch.undo()
            assert engine.end().state is LoopState.FINISHED
    runs = project.runs(loop)
    assert states(runs) == [RunState.FINISHED] * 2
    results = [attempt.result for attempt in project.store.loop_attempts(loop.id)]
    assert results.count(RunState.FINISHED) == 2
    assert set(results) == {"finished", "lost"}
    assert any("the loop continues" in text for text in project.story(loop, "note"))


def test_a_store_that_fails_at_any_write_of_a_loop_loses_nothing(
    project: EngineProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes fail less and less often, as on a disk that is full now and then for an instant; the same engine continues."""
    monkeypatch.setattr(engine_loop, "TICK", 0.001)
    monkeypatch.setattr(outage, "LOOK_EVERY", 0.001)
    for step in (1, 2, 3):
        loop = project.loop([project.config(f"s{step}x{i}") for i in range(2)], rounds=2, decide=True)
        with Store.open(project.folder) as store:
            engine = Engine(store, loop)
            engine.outage.patience = 0.001
            count, failing = 0, {step + number * (number + 3) // 2 for number in range(60)}

            def fail(failing: set[int] = failing) -> None:
                nonlocal count
                count += 1
                if count in failing:
                    raise StoreUnavailableError("the disk is full for this instant")

            before_each_row(store, fail)
            monkeypatch.setattr(outage, "LONGEST_WAIT", 0.002)
            watchdog = threading.Timer(PATIENCE, engine.leave, ["the test took too long"])
            watchdog.start()
            ended = engine.run()
            watchdog.cancel()
        assert ended.state is LoopState.FINISHED, (step, ended.reason)
        runs = project.runs(loop)
        assert states(runs) == [RunState.FINISHED] * 4
        finished = [a.run for a in project.store.loop_attempts(loop.id) if a.result == "finished"]
        assert sorted(finished) == sorted(run.id for run in runs)
    assert project.left_over() == []


def test_a_deleted_state_folder_lets_runs_end_and_is_a_sentence(project: EngineProject) -> None:
    gate = project.gate("go")
    loop = project.loop([project.config("a", gate=str(gate)), project.config("b")])
    said: list[str] = []

    def listen(event: Event) -> None:
        said.append(event.text)

    (a, _) = project.runs(loop)

    def drive() -> None:
        with project.driven(loop, on_event=listen) as engine:
            project.trainer_pid(a.id)
            delete(project.folder / ".autoloop")
            engine.until(lambda: any("was deleted, moved" in text for text in said), "the sentence")
            gate.touch()
            engine.end()

    with pytest.raises(UserError, match="was deleted or moved while"):
        drive()
    assert project.left_over() == []


def test_a_state_folder_that_is_brought_back_is_used_again(project: EngineProject) -> None:
    gate = project.gate("go")
    loop = project.loop([project.config("a", gate=str(gate)), project.config("b")])
    said: list[str] = []

    def listen(event: Event) -> None:
        said.append(event.text)

    home, away = project.folder / ".autoloop", project.folder / "moved"
    (a, _) = project.runs(loop)
    with project.driven(loop, on_event=listen) as engine:
        project.trainer_pid(a.id)
        home.rename(away)
        engine.until(lambda: any("was deleted, moved" in text for text in said), "the sentence")
        away.rename(home)
        gate.touch()
        assert engine.end().state is LoopState.FINISHED
    assert states(project.runs(loop)) == [RunState.FINISHED] * 2
    assert [run.attempts for run in project.runs(loop)] == [1, 1]


def test_a_deleted_output_folder_costs_no_more_than_its_run(project: EngineProject) -> None:
    gate = project.gate("go")
    loop = project.loop([project.config("a", gate=str(gate)), project.config("b")])
    with project.driven(loop) as engine:
        project.trainer_pid(project.runs(loop)[0].id)
        delete(Path(loop.output_dir))
        gate.touch()
        assert engine.end().state is LoopState.FINISHED
    assert project.named(loop, "b").state is RunState.FINISHED
    assert project.named(loop, "a").state.ended


@pytest.fixture
def few_inodes(project: EngineProject) -> Iterator[Path]:
    """`.autoloop/attempts` on a disk with few inodes, which only root can create."""
    folder = project.store.places.home / "attempts"
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "nr_inodes=40", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def use_up(folder: Path, *, but: int) -> None:
    """Create files until `folder` has room for only `but` more."""
    with contextlib.suppress(OSError):
        for number in range(10_000):
            (folder / f"ballast{number}").touch()
    for path in list(folder.glob("ballast*"))[:but]:
        path.unlink()


@pytest.mark.parametrize("files", [0, 1])
def test_a_supervisor_without_room_for_its_claim_or_its_log_has_not_started_and_the_run_waits(
    project: EngineProject, few_inodes: Path, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    """The engine has just enough room for its part; the supervisor has room for `files` files."""
    start, handles, said = local.start, list[local.Handle](), list[str]()

    def tight(spec: runner.AttemptSpec, env: Any) -> local.Handle:
        if handles:
            return start(spec, env)
        (spec.directory / "spec.json").touch()
        use_up(few_inodes, but=files)
        handles.append(start(spec, env))
        return handles[0]

    def listen(event: Event) -> None:
        said.append(event.text)

    monkeypatch.setattr(local, "start", tight)
    loop = project.loop([project.config("a")], retries=0)
    with project.driven(loop, on_event=listen) as engine:
        engine.until(lambda: any("nothing is recorded" in text and "No space" in text for text in said), "the sentence")
        (run,) = project.runs(loop)
        assert run.state is RunState.RUNNING
        directory = Path(project.store.attempts(run.id)[0].directory)
        found = local.inspect(directory, f"{run.id}-1", handles[0])
        assert isinstance(found, runner.AttemptLoss)
        assert not found.started
        for path in few_inodes.glob("ballast*"):
            path.unlink()
        assert engine.end().state is LoopState.FINISHED
    (run,) = project.runs(loop)
    assert (run.state, run.attempts) == (RunState.FINISHED, 2)
    assert [attempt.result for attempt in project.store.attempts(run.id)] == ["lost", "finished"]
    assert any("its process never started" in text for text in project.story(loop))


def test_a_loop_that_cannot_be_made_for_want_of_room_leaves_nothing(small: EngineProject) -> None:
    """Free space grows step by step until it is sufficient."""
    config = small.config("a", words="x" * 20_000)
    ballast = fill(small.folder)
    home, said = small.store.places.home, list[str]()
    for _ in range(100):
        os.truncate(ballast, max(0, ballast.stat().st_size - (6 << 10)))
        try:
            loop = small.loop([config])
            break
        except UserError as error:
            said.append(str(error))
        assert small.store.loops() == []
        assert list((home / "configs").iterdir()) == []
        assert list((small.folder / "outputs").glob("train/*")) == []
    # The disk was full at different points: the configs, the records.
    assert len(said) > 3
    assert [text for text in said if not re.search(r"Nothing was started: .+ \(No space|cannot be used now", text)] == []
    ballast.unlink()
    assert small.run(loop).state is LoopState.FINISHED
