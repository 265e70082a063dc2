"""The real program in a real terminal: a whole demo round by keyboard, and returning to a loop that never stopped."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from autoloop.engine import holder
from autoloop.model import LoopState, ProposalStatus
from autoloop.store import Store

from tests.support.tmux import Tmux
from tests.support.waiting import eventually

PROGRAM = shlex.join([sys.executable, "-m", "autoloop_tui"])


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    terminal = Tmux(tmp_path)
    yield terminal
    project = tmp_path / "autoloop-demo"
    if (project / ".autoloop").exists():  # leave no engine and no run behind, even if the test failed
        subprocess.run([*shlex.split(PROGRAM), "kill"], cwd=project, capture_output=True, check=False)
    terminal.run("kill-server")


def test_a_whole_demo_round_by_keyboard_and_back_again(tmux: Tmux) -> None:
    tmux.type(f"{PROGRAM} demo --rounds 2; echo EXIT $?")
    tmux.keys("Enter")
    tmux.wait("round 1/2", "running", "cpu 0")
    project = tmux.folder / "autoloop-demo"
    with Store.open(project) as store:
        loop = store.find_loop(None)
        engine = holder(store.places.lock(loop.name))
        assert engine is not None

        tmux.wait("waiting for your decisions")
        tmux.keys("p")
        tmux.wait("5 pending")
        tmux.keys("a")
        tmux.wait("1 approved")
        numbers = [proposal.id for proposal in store.proposals(loop.id)]
        assert len(numbers) == 5  # four by the rules, and the replicates of the config that looks better than the baseline

        tmux.wait_for_cursor(f"#{numbers[1]} ")  # approving moves the cursor to the next pending one
        tmux.keys("e")
        tmux.wait(f"Edit proposal {numbers[1]}", "0.15")
        tmux.keys("C-u")
        tmux.type("0.77")
        tmux.wait("0.77", "this can run")
        tmux.keys("Enter")
        tmux.wait("0.15→0.77")
        tmux.keys("a")
        tmux.wait("2 approved")

        tmux.wait_for_cursor(f"#{numbers[2]} ")
        tmux.keys("x")
        tmux.wait("eject")
        tmux.type("tried before")
        tmux.keys("Enter")
        tmux.wait("1 rejected")

        tmux.keys("S")
        tmux.wait("Start round 2")
        tmux.keys("y")
        tmux.wait("2/2", "running")
        tmux.keys("q")
        tmux.wait("queue")
        tmux.keys("q")
        tmux.wait("EXIT 0")
        assert holder(store.places.lock(loop.name)) == engine

        tmux.type(f"cd autoloop-demo && {PROGRAM}")
        tmux.keys("Enter")
        eventually(lambda: store.loop(loop.id).state is LoopState.FINISHED)
        tmux.wait("finished", "2/2")
        tmux.keys("q")

        assert store.loop(loop.id).state is LoopState.FINISHED
        first, second, third, fourth, replicates = store.proposals(loop.id)
        assert first.status is ProposalStatus.LAUNCHED
        assert second.status is ProposalStatus.LAUNCHED
        assert second.revision == 2
        assert {change.path: change.after for change in second.changes}["ot.loss_config.reg"] == 0.77
        assert (third.status, third.note) == (ProposalStatus.REJECTED, "tried before")
        assert fourth.run is None
        assert replicates.repeats is not None
        assert replicates.run is None
        assert [run.state.value for run in store.runs(loop.id)] == ["finished"] * 6
        assert not [event for event in store.events(loop.id) if "engine leaves" in event.text]
