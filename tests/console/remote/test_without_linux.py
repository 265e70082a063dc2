"""The laptop need not run Linux: the console works without pidfd, procfs, prctl, eventfd, epoll and NVML."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from autoloop.model import RunState

from tests.cli.project import environment
from tests.console.projects import RecordedProject
from tests.console.remote.hosts import PROGRAM, Box
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[3]


def test_the_console_needs_nothing_of_linux(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    project = RecordedProject(folder)
    project.run("base", log="INFO fine\n")
    project.run("variant", RunState.RUNNING, log="INFO newest line\n")
    box = Box(tmp_path / "bin")
    with project.engine():
        done = subprocess.run(
            [sys.executable, "-m", "tests.console.remote.on_a_mac", str(folder), PROGRAM],
            cwd=ROOT,
            env={**environment(), "PATH": f"{box.folder}{os.pathsep}{os.environ['PATH']}", "TERM": "xterm-256color"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "variant" in done.stdout
