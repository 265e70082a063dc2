"""Which metric stands for a run on the screen when no metric book names one."""

from __future__ import annotations

from pathlib import Path

from autoloop.model import RunState

from autoloop_tui.console.loop_view import Feed
from tests.console.projects import RecordedProject, curve


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
