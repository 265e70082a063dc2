"""How an attempt on a host is, where its files say little."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from autoloop.runners.ssh.far.following import claim_of, lives, state_of

from tests.support.waiting import eventually


def test_a_claim_without_words_is_that_of_the_supervisor_which_runs_there(tmp_path: Path) -> None:
    """As a full disk leaves it."""
    (tmp_path / "claim").touch()
    assert state_of(str(tmp_path), "a-1")["state"] == "gone"
    script = tmp_path / "supervisor.py"
    script.write_text("import time; time.sleep(1000)\n")
    with subprocess.Popen([sys.executable, "-I", "-S", str(script), str(tmp_path)]) as supervisor:
        eventually(lambda: lives(claim_of(str(tmp_path)) or {}), "the supervisor")
        found = state_of(str(tmp_path), "a-1")
        assert found["state"] == "alive"
        assert found["claim"] == claim_of(str(tmp_path))
        assert (claim_of(str(tmp_path)) or {})["pid"] == supervisor.pid
        supervisor.kill()
    assert state_of(str(tmp_path), "a-1")["state"] == "gone"


def test_an_attempt_that_was_fenced_off_or_never_begun(tmp_path: Path) -> None:
    assert state_of(str(tmp_path), "a-1")["state"] == "none"
    (tmp_path / "claim").write_text('{"fenced_by": "autoloop"}\n')
    assert state_of(str(tmp_path), "a-1")["state"] == "fenced"
