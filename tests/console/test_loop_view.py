"""What a view knows about its runs: their main metric if no book names one, their letters and their colours."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from autoloop.model import RoundState, RunState
from autoloop.store import take_snapshot

from autoloop_tui.console.feed import Feed
from tests.console import states
from tests.console.projects import CONFIG, RecordedProject, curve
from tests.support.waiting import PATIENCE


def test_the_key_metric_is_the_held_out_loss_that_ended_runs_have(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path, methods=[])
    project.run("a", metrics={"train/loss": curve(), "val/loss": curve(10, 1.2, 0.2, 20), "lr": curve()})
    feed = Feed(project.folder)
    try:
        assert feed.poll()
        assert feed.view is not None
        assert feed.view.metrics.key_metrics == ("val/loss", "train/loss")
        assert feed.view.key_metric == "val/loss"
    finally:
        feed.close()


def test_it_is_known_as_soon_as_a_running_run_has_logged_one(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path, methods=[])
    run = project.run("a", RunState.RUNNING, metrics={"val/acc": curve()})
    feed = Feed(project.folder)
    try:
        feed.poll()
        assert feed.view is not None
        assert feed.view.key_metric == ""
        feed.read(run)
        assert feed.poll()
        assert feed.view.key_metric == "val/acc"
    finally:
        feed.close()


def test_what_until_and_the_rules_look_at_comes_first(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path, methods=[], named_metrics=["val/acc"])
    project.run("a", metrics={"val/loss": curve(), "val/acc": curve()})
    feed = Feed(project.folder)
    try:
        feed.poll()
        assert feed.view is not None
        assert feed.view.key_metric == "val/acc"
    finally:
        feed.close()


def test_a_run_keeps_its_letter_and_colour_when_the_queue_is_reordered(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path)
    runs = [project.run(name, RunState.QUEUED) for name in ("one", "two")]
    feed = Feed(project.folder)
    try:
        for order in ((0, 1), (1, 0)):
            for run, position in zip(runs, order, strict=True):
                project.store.put_run(msgspec.structs.replace(run, position=position))
            assert feed.poll()
            assert feed.view is not None
            assert [feed.view.badge(run).letter for run in runs] == ["a", "b"]
        shown = feed.view.badges([runs[1].id, "elsewhere"])
        assert [badge.letter for badge in shown.values()] == ["b", "A"]
    finally:
        feed.close()


def test_verdicts_are_worked_out_again_only_when_something_has_ended(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path)
    base = project.run("base")
    run = project.run("other", RunState.RUNNING, base=base, config={**CONFIG, "batch_size": 8})
    feed = Feed(project.folder)
    feed.poll()
    assert feed.view is not None
    first = feed.view.outcome
    assert first is not None
    project.store.put_run(msgspec.structs.replace(run, step=150))
    assert feed.poll()
    assert feed.view.outcome is first
    project.run("better", base=base, config={**CONFIG, "batch_size": 4})
    assert feed.poll()
    assert feed.view.outcome != first
    feed.close()


def test_the_first_paint_has_the_newest_round_and_what_a_thread_reads_meanwhile_is_the_rest(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path)
    base = project.run("base")
    project.proposal(base)
    project.round(2, RoundState.RUNNING)
    run = project.run("other", RunState.RUNNING, base=base, round=2, config={**CONFIG, "batch_size": 8})
    feed = Feed(project.folder)
    feed.poll(brief=True)
    first = feed.view
    assert first is not None
    assert [each.id for each in first.snapshot.runs] == [run.id]
    with ThreadPoolExecutor(1) as thread:
        feed.take_over(thread.submit(feed.read_ahead).result(PATIENCE))
    project.store.put_run(msgspec.structs.replace(run, step=run.step + 1))  # after it was read
    assert feed.poll()
    assert feed.view is not None
    assert feed.view.snapshot == take_snapshot(project.store, 1)
    assert feed.view.badge(run) == first.badge(run)
    assert feed.view.key_metric == first.key_metric or not first.key_metric
    feed.close()


def test_what_the_first_paint_did_without_is_worked_out_afterwards_though_nothing_has_ended(tmp_path: Path) -> None:
    night = states.running(tmp_path)
    feed = Feed(night.folder)
    feed.poll(brief=True)
    assert feed.view is not None
    assert feed.view.outcome is None
    run = next(run for run in feed.view.snapshot.runs if run.state is RunState.RUNNING)
    night.store.put_run(msgspec.structs.replace(run, step=run.step + 1))
    feed.poll()
    assert feed.view.outcome is not None
    feed.close()
    night.store.close()
