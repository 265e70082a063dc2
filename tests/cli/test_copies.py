"""A project that was copied or moved: commands there touch neither its old place nor the runs that continue there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from autoloop.engine.driver.lock import holder
from autoloop.model import RunState
from autoloop.runners import local

from tests.cli.project import LAUNCH, CommandProject, tree
from tests.support.project import end
from tests.support.waiting import eventually

CPU = ("--device", "cpu")


def copied(project: CommandProject, name: str) -> CommandProject:
    folder = project.folder.with_name(name)
    subprocess.run(["cp", "-a", project.folder, folder], check=True)
    return CommandProject(folder)


def everything(project: CommandProject) -> str:
    """Return the output and the files of every command that reads a loop."""
    said = [project.call(*words) for words in (["status"], ["status", "--json"], ["runs", "--json"], ["logs"], ["report"])]
    assert [each.returncode for each in said] == [0] * len(said), said
    return "".join(each.stdout for each in said)


@pytest.mark.parametrize("how", ["copied", "moved"])
def test_commands_in_a_copied_or_moved_project_keep_to_it(project: CommandProject, how: str) -> None:
    project.config()
    assert project.call("run", "--cfgs", "base.json", *LAUNCH, *CPU, "--exec", "--no-ui").returncode == 0
    (project.folder / "reports/act_ot.md").unlink()
    if how == "copied":
        other, before = copied(project, "copy"), tree(project.folder)
    else:
        other, before = CommandProject(project.folder.with_name("moved")), {}
        project.folder.rename(other.folder)
    assert str(project.folder) + "/" not in everything(other).replace(str(other.folder), "")
    report = (other.folder / "reports/act_ot.md").read_text()
    assert str(other.folder) in report
    assert str(project.folder / "outputs") not in report
    assert (tree(project.folder) if how == "copied" else {}) == before
    assert project.folder.exists() == (how == "copied")
    (attempt,) = other.attempts()
    assert attempt.directory.startswith(str(other.folder))


def test_a_copy_of_a_project_at_work_neither_adopts_nor_ends_its_runs(project: CommandProject) -> None:
    project.config(wait=True)
    started = project.call("run", "--cfgs", "base.json", *LAUNCH, *CPU, "--exec", "--detach")
    assert started.returncode == 0, started.stderr
    begun = eventually(lambda: [a for a in project.attempts() if a.handle and (Path(a.directory) / "start.json").exists()])

    def stepped() -> bool:
        with project.open_store() as store:
            return store.run(begun[0].run).step == 5

    eventually(stepped, "the last that is written before the gate opens")
    copy = copied(project, "copy")
    try:
        assert copy.start("resume", "--no-ui").wait() == 1
        (there,) = copy.attempts()
        assert there.output_dir.startswith(str(copy.folder))
        assert there.result == RunState.LOST.value
        assert "was copied from" in (there.cause or "")
        (here,) = project.attempts()
        assert local.is_running(Path(here.directory), local.Handle.from_dict(here.handle or {}))
    finally:
        copy.close()
    project.open_gate()
    assert project.call("wait", "--quiet").returncode == 0
    (here,) = project.attempts()
    assert here.result == RunState.FINISHED.value
    assert here.exit is not None
    assert here.exit.stopped_by is None


def test_a_project_that_is_moved_while_it_trains_is_taken_up_there(project: CommandProject) -> None:
    project.config(wait=True)
    assert project.call("run", "--cfgs", "base.json", *LAUNCH, *CPU, "--exec", "--detach").returncode == 0
    eventually(lambda: list((project.folder / "outputs/train").glob("*/*/wandb-history.jsonl")), "the first step")
    with project.open_store() as store:
        engine = holder(store.places.lock(store.find_loop(None).name))
    assert engine is not None
    end(engine.pid)
    moved = CommandProject(project.folder.with_name("moved"))
    project.folder.rename(moved.folder)
    try:
        resumed = moved.start("resume", "--no-ui")
        resumed.hear("is being followed again")
        assert moved.call("kill").returncode == 0
        resumed.wait()
        (attempt,) = moved.attempts()
        assert attempt.exit is not None
        assert attempt.exit.stopped_by == "kill"
    finally:
        moved.close()
