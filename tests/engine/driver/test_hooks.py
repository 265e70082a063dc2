"""Hooks of a loop that really runs: which messages are sent when, and that the loop never waits for them."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from autoloop.hooks import Hook
from autoloop.hooks.messages import tell
from autoloop.model import DeliveryState, HookEvent, LoopState
from autoloop.protocol import Approve

from tests.engine.project import RULES, EngineProject, rows
from tests.support.processes import await_end
from tests.support.receiver import Receiver, receiving


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with receiving() as receiver:
        yield receiver


def hook(project: EngineProject, receiver: Receiver, path: str = "ok", more: str = "") -> None:
    project.write("autoloop.toml", f'[hooks.phone]\nurl = "{receiver.url}/{path}"\n{more}')


def told(receiver: Receiver, event: str) -> dict[str, Any]:
    return next(each.json for each in receiver.posted if each.json["event"] == event)


def test_a_loop_tells_that_it_waits_that_a_run_failed_and_that_it_ended(project: EngineProject, receiver: Receiver) -> None:
    hook(project, receiver)
    bad = project.config("b", traceback="ValueError: token=abcdefgh12345 \x1b[31m")
    loop = project.loop([project.config("a"), bad], rounds=2, decide=True, approve="manual", max_runs=3, name="my night")
    with project.driven(loop) as driven:
        project.until(lambda: "round waits" in receiver.events(), "round waits")
        driven.done(Approve(proposals=[project.proposals(loop)[0].id]))
        driven.end()
    project.until(lambda: "loop ended" in receiver.events(), "loop ended")
    project.until(lambda: not project.store.open_deliveries(loop.id), "all is sent")
    failed, waits, ended = (told(receiver, event) for event in ("run failed", "round waits", "loop ended"))
    assert failed["run"]["name"] == "b"
    assert failed["next"] == f"autoloop-tui logs {failed['run']['id']}"
    assert "ValueError" in failed["text"]
    assert "abcdefgh12345" not in failed["text"]
    assert failed["text"].isprintable()
    assert (waits["round"], waits["text"]) == (2, "round 2 waits for a decision on 1 proposal")
    assert waits["loop"] == {"name": loop.name, "title": "my night"}
    assert ended["text"].startswith(f"{loop.name} finished: ")
    assert "3 of the 3 runs of --max-runs" in told(receiver, "budget nearly spent")["text"]
    assert all(each.json["next"].startswith("autoloop-tui ") for each in receiver.posted)  # chat services filter by it
    assert sorted(receiver.events()) == ["budget nearly spent", "loop ended", "round waits", "run failed"]


def test_a_winner_is_told_when_fresh_seeds_have_confirmed_it(project: EngineProject, receiver: Receiver) -> None:
    hook(project, receiver)

    def config(name: str, mean: float, lr: float) -> str:
        losses = {str(seed): mean + 0.001 * (seed % 7) for seed in [*range(1, 40), 100]}
        by_seed = {seed: {"rows": rows(5.0, *[loss] * 5)} for seed, loss in losses.items()}
        return project.config(name, seed=100, number=0, by_seed=by_seed, called=name, lr=lr)

    configs = [config("base", 2.0, 1.0), config("good", 1.0, 3.0)]
    rules = project.rules(RULES.replace("> 0", "> 90"))
    loop = project.loop(configs, rounds=4, decide=True, confirm=True, rules=rules, concurrency=4)
    assert project.run(loop).outcome.better
    project.until(lambda: not project.store.open_deliveries(loop.id), "all is sent")
    assert receiver.events() == ["winner", "loop ended"]
    winner, ended = told(receiver, "winner"), told(receiver, "loop ended")
    assert winner["run"] == {"id": project.named(loop, "good").id, "name": "good"}
    assert re.search(r"is better than the baseline, confirmed on \d fresh seeds?: l1_loss -1", winner["text"])
    assert "good" in ended["text"]


@pytest.mark.parametrize("path", ["hang", "500"])
def test_a_loop_does_not_wait_for_a_hook(project: EngineProject, receiver: Receiver, path: str) -> None:
    hook(project, receiver, path, "timeout = 300\n")
    loop = project.loop([project.config("a", code=1)])
    project.run(loop)
    project.until(lambda: receiver.posted, "a try")
    assert {each.state for each in project.store.deliveries(loop.id)} == {DeliveryState.PENDING}
    receiver.closing.set()


def test_an_engine_that_is_killed_tells_nothing_twice(project: EngineProject, receiver: Receiver) -> None:
    hook(project, receiver)
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    engine = project.spawn(loop)
    project.until(lambda: receiver.events() == ["round waits"], "round waits")
    project.kill_engine(engine)
    project.spawn(loop)
    project.until(lambda: len(project.story(loop, "waiting")) == 2, "the next engine says it too")
    project.until(lambda: not project.store.open_deliveries(loop.id), "all is sent")
    assert receiver.events() == ["round waits"]


def test_what_a_killed_engine_left_is_sent_by_the_next(project: EngineProject, receiver: Receiver) -> None:
    hook(project, receiver, "later")
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    engine = project.spawn(loop)
    project.until(lambda: receiver.posted, "a first try, which fails")
    project.kill_engine(engine)
    receiver.well.set()
    project.spawn(loop)
    project.until(lambda: project.store.deliveries(loop.id)[0].state is DeliveryState.DELIVERED, "it arrives")
    assert len({each.headers["x-autoloop-id"] for each in receiver.posted}) == 1
    assert any(text.startswith("hook phone fails: HTTP 500") for text in project.story(loop))
    assert project.state(loop).state is LoopState.ACTIVE


def test_a_sender_that_is_killed_is_started_again(project: EngineProject, receiver: Receiver) -> None:
    hook(project, receiver, "later")
    loop = project.loop([project.config("a")], rounds=2, decide=True, approve="manual")
    with project.driven(loop):
        project.until(lambda: project.store.deliveries(loop.id) and project.store.deliveries(loop.id)[0].error, "a failure")
        (sender,) = project.senders()
        await_end(sender, "the sender", number=signal.SIGKILL)
        receiver.well.set()
        project.until(lambda: project.store.deliveries(loop.id)[0].state is DeliveryState.DELIVERED, "it arrives")
    assert project.state(loop).state is LoopState.ACTIVE


def test_without_hooks_no_process_is_started_and_nothing_is_stored(project: EngineProject) -> None:
    loop = project.loop([project.config("a", code=1)])
    project.run(loop)
    assert project.store.deliveries(loop.id) == []


def test_what_waits_for_a_hook_that_was_removed_is_dropped(project: EngineProject) -> None:
    loop = project.loop([project.config("a")])
    gone = {"gone": Hook(url="http://127.0.0.1:9/")}
    tell(project.store, gone, loop, HookEvent.RUN_FAILED, "before", "it failed", time.time())
    project.run(loop)
    project.until(lambda: not project.store.open_deliveries(loop.id), "it is dropped")
    assert [each.state for each in project.store.deliveries(loop.id)] == [DeliveryState.DROPPED]
    assert "1 message for hook gone was dropped: autoloop.toml no longer defines this hook" in project.story(loop)


def test_a_service_that_cannot_be_read_keeps_no_loop_from_running(project: EngineProject) -> None:
    project.write("autoloop.toml", '[hooks.phone]\nurl = "http://127.0.0.1:9/"\nservice = "gone.toml"\n')
    loop = project.loop([project.config("a")])
    began = time.monotonic()
    assert project.run(loop).state is LoopState.FINISHED
    assert time.monotonic() - began < 120
    project.until(lambda: not project.store.open_deliveries(loop.id), "it is given up")
    assert any("gone.toml" in text for text in project.story(loop))
