"""A loop of three rounds, driven by an agent through the server and by a person in the console: the cost of a round for the
agent in calls and tokens, compared with the command line's JSON.

`make test-mcp` runs it.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from autoloop.model import Actor, LoopState, RunState

from tests.agents.conftest import client
from tests.agents.lines import Lines
from tests.cli.project import LAUNCH, CommandProject
from tests.support.tmux import Tmux
from tests.support.waiting import PATIENCE

PROGRAM = shlex.join([sys.executable, "-m", "autoloop_tui"])
pytestmark = pytest.mark.mcp

ROUNDS, RUNS = 3, 8
BUDGET_CALLS, BUDGET_TOKENS = 3, 2000
"""The budget for a round of 8 runs: learning that it has ended, its results, and what waits for a decision."""

BOOK = """
name = "mine"
version = "1"

[[rule]]
id = "less-lr"
when = "eval_l1.last > 0"
reason = "the error is above zero"
changes = ["policy.optimizer_lr@mul=0.9"]
"""
RUN = ("run", "--cfgs", *(f"c{number}.json" for number in range(RUNS)), *LAUNCH, "--device", "cpu")
RUN += ("--rounds", str(ROUNDS), "--decide", "--rules", "mine.toml", "--approve", "manual", "--replicates", "0")

Call = Callable[..., Any]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[CommandProject]:
    """A project in which eight runs have ended and a rule has proposed a variant of each."""
    folder = tmp_path / "project"
    folder.mkdir()
    project = CommandProject(folder)
    project.write("autoloop.toml", "grace = 0\n")
    project.write("mine.toml", BOOK)
    for number in range(RUNS):
        project.config(f"c{number}", number=number)
    project.start(*RUN, "--exec", "--no-ui").hear(f"waits for a decision on {RUNS} proposals")
    yield project
    project.close()


@pytest.fixture
def tmux(project: CommandProject) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    terminal = Tmux(project.folder)
    yield terminal
    terminal.run("kill-server")


def tokens(text: str) -> int:
    bpe = pytest.importorskip("bpe_openai")
    return len(bpe.get_encoding("o200k_base").encode(text))


class Ledger:
    """What an agent has sent and read: each call and its tokens."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def note(self, name: str, arguments: dict[str, Any], text: str) -> None:
        self.calls.append((name, tokens(json.dumps({"name": name, "arguments": arguments})) + tokens(text)))

    def since(self, begin: int) -> tuple[int, int]:
        return len(self.calls) - begin, sum(count for _, count in self.calls[begin:])


def drive(project: CommandProject, tmux: Tmux, ledger: Ledger, call: Call, agent: str) -> None:
    """The agent inspects each round and proposes one variant of its best run; the person approves in the console."""
    tmux.type(PROGRAM)
    tmux.keys("Enter")
    for number in range(1, ROUNDS + 1):
        begin = len(ledger.calls)
        last = number == ROUNDS
        changed = call("wait", until="end" if last else "decision", timeout_s=PATIENCE)
        rows = call("runs", round=number)["runs"]
        standing = call("status")
        calls, cost = ledger.since(begin)
        print(f"round {number}: {len(rows)} runs, {calls} calls, {cost} tokens: {ledger.calls[begin:]}")
        assert not changed["timed_out"]
        assert all(row["state"] == "finished" for row in rows)
        assert calls <= BUDGET_CALLS
        assert cost <= BUDGET_TOKENS * len(rows) / RUNS
        if last:
            assert standing["state"] == "finished"
            break
        assert standing["round"] == number
        best = min(rows, key=lambda row: next(iter(row["metrics"].values())))
        edits = [f"ot.loss_config.reg=0.{number + 1}"]
        assert call("check", run=best["id"], edits=edits)["blocked"] is None
        made = call("propose", run=best["id"], edits=edits, reason="more transport", key=f"round {number}")
        assert made["status"] == "pending"
        tmux.wait(f"r{number}/{ROUNDS}" if number > 1 else f"{number}/{ROUNDS}")
        if number == 1:
            tmux.keys("p")
        tmux.wait(f"{len(rows) + 1} pending")
        tmux.keys("A")
        tmux.wait("Approve")
        tmux.keys("y")
        tmux.wait(f"r{number + 1}/{ROUNDS}")  # everything is decided, so the round starts
    with project.open_store() as store:
        loop = store.find_loop(None)
        assert loop.state is LoopState.FINISHED
        theirs = [each for each in store.proposals(loop.id) if each.author == Actor.agent(agent)]
        assert len(theirs) == ROUNDS - 1
        assert all(each.decided_by is not None and each.decided_by.kind == "person" for each in theirs)
        assert all(run.state is RunState.FINISHED for run in store.runs(loop.id))
    asked = [["status", "--json"], ["runs", "--json"], ["proposals", "--json"]]
    polled = []
    for words in asked:
        said = project.call(*words)
        assert said.returncode == 0, said.stderr
        polled.append(tokens(said.stdout))
    print("one look by the command line:", dict(zip([" ".join(words) for words in asked], polled, strict=True)))


def test_a_scripted_client_drives_three_rounds_within_the_budget(project: CommandProject, tmux: Tmux) -> None:
    ledger = Ledger()
    with Lines(project.folder) as agent:
        listed = agent.ask("tools/list", {})["result"]
        print("the list of tools, once:", tokens(json.dumps(listed)), "tokens")

        def call(name: str, **arguments: Any) -> Any:
            result = agent.call(name, **arguments)
            text = result["content"][0]["text"]
            assert not result.get("isError"), text
            ledger.note(name, arguments, text)
            return result["structuredContent"]

        drive(project, tmux, ledger, call, "script")


def test_the_reference_client_drives_three_rounds_within_the_budget(project: CommandProject, tmux: Tmux) -> None:
    ledger = Ledger()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with client(project) as agent:

            async def asked(name: str, arguments: dict[str, Any]) -> Any:
                result = await agent.call_tool(name, arguments)
                assert not result.is_error, result.content[0].text
                ledger.note(name, arguments, result.content[0].text)
                return result.structured_content

            def call(name: str, **arguments: Any) -> Any:
                return asyncio.run_coroutine_threadsafe(asked(name, arguments), loop).result(PATIENCE)

            await asyncio.to_thread(drive, project, tmux, ledger, call, "mcp")

    asyncio.run(main())
