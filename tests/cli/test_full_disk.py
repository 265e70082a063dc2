"""Every command on a project whose disk is full or read-only: one sentence, no traceback, nothing half-written."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from autoloop.model import RoundState

from tests.cli.project import LAUNCH, CommandProject, tree
from tests.engine.driver.test_disks import fill, small_disk
from tests.support.waiting import eventually

__all__ = ["small_disk"]
pytestmark = pytest.mark.faults

LOOP = ("run", "--cfgs", "base.json", *LAUNCH, "--device", "cpu", "--exec")
LOOKS = (("status",), ("status", "--json"), ("runs",), ("logs",), ("proposals",), ("wait", "--quiet"))
WRITES = (
    ("report",),
    ("approve", "1"),
    ("propose", "base", "--changes", "batch_size=4"),
    ("pause",),
    ("start",),
    ("stop",),
    ("retry", "base"),
    ("generate", "--base-cfg", "base.json", "--changes", "batch_size=4"),
)


@pytest.fixture
def stopped(small_disk: Path, tmp_path: Path) -> Iterator[CommandProject]:
    """A project on the small disk, with a stopped loop that waits for a decision; its outputs are on another disk."""
    project = CommandProject(small_disk)
    (small_disk / "autoloop.toml").write_text(f'min_free_gb = 0\noutput_root = "{tmp_path / "out"}"\n')
    project.config()
    begun = project.call(*LOOP, "--decide", "--rounds", "2", "--approve", "manual", "--detach")
    assert begun.returncode == 0, begun.stderr
    with project.open_store() as store:
        eventually(lambda: store.rounds(1)[-1].state is RoundState.DECIDING, "the decision")
    assert project.call("stop").returncode == 0
    project.call("wait", "--quiet")
    yield project
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    (small_disk / "ballast").unlink(missing_ok=True)
    project.close()


def refused(project: CommandProject, *words: str) -> None:
    done = project.call(*words)
    assert done.returncode in (1, 2), (words, done.stdout)
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    assert done.stderr
    for line in done.stderr.splitlines():
        assert any(said in line for said in ("cannot be", "could not be", "No space", "read-only", "Nothing was")), line


def test_on_a_full_disk_every_command_is_a_sentence_and_writes_nothing_by_halves(stopped: CommandProject) -> None:
    fill(stopped.folder)
    before = contents(stopped)
    for words in (*LOOKS, *WRITES, LOOP, ("resume",)):
        refused(stopped, *words)
    assert contents(stopped) == before
    (stopped.folder / "ballast").unlink()
    assert stopped.call("resume").returncode == 0
    assert stopped.call("approve", "1").returncode == 0
    assert stopped.call("start").returncode in (0, 2)  # it may have started automatically
    assert stopped.call("wait", "--quiet").returncode == 0


def test_on_a_read_only_disk_every_command_is_a_sentence(stopped: CommandProject) -> None:
    made = subprocess.run(["mount", "-o", "remount,ro", stopped.folder], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"the small disk cannot be made read-only: {made.stderr.strip()}")
    for words in (*LOOKS, *WRITES, LOOP, ("resume",)):
        refused(stopped, *words)


def contents(project: CommandProject) -> dict[str, bytes]:
    """Return all files except the database, whose own files change when it is read."""
    return {
        name: data for name, (_, data) in tree(project.folder).items() if not re.search(r"autoloop\.db|engines|locks", name)
    }
