"""What displays a loop on another machine: complete local copies of histories, and the loop's metric book and rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autoloop.metrics import default_book
from autoloop.model import Run

import autoloop_tui.console.feed
from autoloop_tui.console.feed import Feed
from autoloop_tui.console.remote import sending
from autoloop_tui.console.remote.feed import RemoteFeed
from autoloop_tui.console.remote.link import Link, RemoteProject
from autoloop_tui.console.remote.messages import History, Look, Message, changes_of
from autoloop_tui.console.remote.mirror import Mirror
from autoloop_tui.console.remote.serving import ConsoleConnection
from tests.console.projects import NOW, RecordedProject, output_of
from tests.console.remote.hosts import PROGRAM, Box
from tests.support.waiting import eventually

BOOK = """
name = "book"
version = "1"
[[rule]]
id = "{}"
when = "loss.last > 1"
reason = "the loss is high"
changes = ["batch_size@mul=2"]
"""
METRIC = "eval/offline_eval/avg_l1"


@pytest.fixture
def project(tmp_path: Path) -> RecordedProject:
    folder = tmp_path / "project"
    folder.mkdir()
    made = RecordedProject(folder)
    for name in ("base", "other", "third"):
        made.run(name)
    return made


@pytest.fixture
def feed(project: RecordedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteFeed]:
    """A feed of a project on another machine, with at most two histories open at a time."""
    box = Box(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{box.folder}:/usr/bin:/bin")
    monkeypatch.setattr(autoloop_tui.console.feed, "HISTORIES", 2)
    mirror = Mirror()
    link = Link(RemoteProject("box", str(project.folder), PROGRAM), None, mirror)
    try:
        link.wait()
        feed = RemoteFeed(link, mirror, None)
        feed.poll()
        yield feed
        feed.close()
    finally:
        link.close()
        mirror.close()


def shown(feed: RemoteFeed, runs: list[Run]) -> None:
    """Wait until the histories of these runs have arrived."""

    def whole() -> bool:
        feed.poll()
        for run in runs:
            feed.read(run)
        return not any(feed.arrives(run) for run in runs)

    eventually(whole, "the histories")


def test_a_history_on_the_screen_is_never_let_go_for_another(feed: RemoteFeed, project: RecordedProject) -> None:
    first, second, third = (project.store.run(f"run0000{number}") for number in (1, 2, 3))
    shown(feed, [first, third])
    shown(feed, [first, second])
    assert feed.known(first)
    assert feed.known(second)
    assert not feed.known(third)


def test_a_history_whose_beginning_is_missing_comes_anew(feed: RemoteFeed, project: RecordedProject) -> None:
    run = project.store.run("run00001")
    shown(feed, [run])
    feed._link.inbox.put(History(run.id, 1, True, {}, [], 0, None, complete=True))  # noqa: SLF001
    feed.poll()
    assert not feed.known(run)
    with (output_of(run) / "wandb/latest-run/files/wandb-history.jsonl").open("a") as file:
        file.write(json.dumps({"_step": 240, "_timestamp": NOW - 480, METRIC: 0.2}) + "\n")
    eventually(lambda: (feed.poll(), feed.read(run), len(feed.known(run).get(METRIC, ())) == 11)[-1], "all of it")


def test_a_history_that_is_let_go_and_wanted_again_at_once_is_sent_anew(project: RecordedProject) -> None:
    sent: list[Message] = []

    def all_sent() -> bool:
        served.tick()
        return any(each.complete for each in sent if isinstance(each, History))

    feed = Feed(project.folder)
    try:
        served = ConsoleConnection(feed, sent.append)
        served.begin()
        look = Look(feed.loop_id, ["run00001"], {}, sample=False)
        served.hear(look)
        eventually(all_sent, "all of it")
        sent.clear()
        served.tick()
        assert not [each for each in sent if isinstance(each, History)]
        served.hear(Look(feed.loop_id, [], {}, sample=False))
        served.hear(look)
        served.tick()
        assert [each.restart for each in sent if isinstance(each, History)] == [True]
    finally:
        feed.close()


def test_every_run_has_its_turn_and_what_is_unchanged_is_not_compared(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []

    def counted(before: Any, now: Any) -> Any:
        compared.append(len(now))
        return changes_of(before, now)

    monkeypatch.setattr(sending, "changes_of", counted)
    monkeypatch.setattr(sending, "TURN", -1.0)  # one run has used it up
    sent: list[Message] = []
    feed = Feed(project.folder)
    try:
        served = ConsoleConnection(feed, sent.append)
        served.begin()
        served.hear(Look(feed.loop_id, ["run00001", "run00002", "run00003"], {}, sample=False))
        for _ in range(3):
            served.tick()
        assert [each.run for each in sent if isinstance(each, History)] == ["run00001", "run00002", "run00003"]
        for _ in range(6):
            served.tick()
        compared.clear()
        for _ in range(3):
            served.tick()
        assert compared == []
        with (output_of(project.store.run("run00002")) / "wandb/latest-run/files/wandb-history.jsonl").open("a") as file:
            file.write(json.dumps({"_step": 240, "_timestamp": NOW - 480, METRIC: 0.2}) + "\n")
        sent.clear()
        for _ in range(3):
            served.tick()
        (history,) = (each for each in sent if isinstance(each, History))
        assert (history.run, history.points[METRIC].start, history.restart) == ("run00002", 10, False)
    finally:
        feed.close()


def test_another_loop_is_shown_by_its_own_files_and_none_of_this_machine(feed: RemoteFeed, project: RecordedProject) -> None:
    here = project.folder / "live.toml"  # a path on the loop's machine, which is a different file on this one
    here.write_text(BOOK.format("of-this-machine"))
    spec = msgspec.structs.replace(project.spec, rules=str(here))
    second = msgspec.structs.replace(project.loop, id=project.store.next_id("loops"), name="second", spec=spec)
    kept = project.store.places.frozen("second")
    kept.mkdir(parents=True)
    (kept / "rules.toml").write_text(BOOK.format("kept"))
    (kept / "metrics.toml").write_text('key = ["train/grad_norm"]\n')
    project.store.put_loop(second)
    eventually(lambda: (feed.poll(), second.id in {each.id for each in feed.store.loops()})[1], "the loop")

    feed.follow_loop(second.id)
    assert feed.rules() == []
    feed.poll()
    eventually(lambda: (feed.poll(), "kept" in {each.id for each in feed.rules()})[1], "its rules")
    there = Feed(project.folder, "second")
    try:
        assert feed.metrics.key_metrics == there.metrics.key_metrics
        assert feed.metrics.key_metrics != default_book().key_metrics
        assert feed.view is not None
        assert feed.view.metrics.key_metrics == feed.metrics.key_metrics
    finally:
        there.close()
