"""The remaining time of a run, estimated from its rate; the times are made up."""

from __future__ import annotations

from typing import Any

from autoloop.model import Run, RunState

STARTED = 1000.0


def run(**changes: Any) -> Run:
    values: dict[str, Any] = {"total_steps": 3000, "started_at": STARTED, "state": RunState.RUNNING} | changes
    return Run(id="a", loop=1, round=1, position=0, name="a", config_path="", source_path="", config_hash="a", **values)


def test_the_first_steps_and_seconds_tell_nothing() -> None:
    """The first step took 0.5 s because it compiled; that is no reason to predict 25 minutes."""
    assert run().seconds_left(1, 2.0, STARTED + 1) is None
    assert run().seconds_left(9, 2.0, STARTED + 60) is None
    assert run().seconds_left(500, 2.0, STARTED + 4.9) is None


def test_later_the_rate_counts() -> None:
    assert run().seconds_left(1000, 20.0, STARTED + 50) == 100.0
    assert run().seconds_left(3000, 20.0, STARTED + 150) == 0.0
    assert run().seconds_left(3100, 20.0, STARTED + 155) == 0.0


def test_a_run_of_few_long_steps_need_not_reach_the_tenth() -> None:
    """Epochs are steps too."""
    assert run(total_steps=12).seconds_left(1, 0.01, STARTED + 100) is None
    assert run(total_steps=12).seconds_left(2, 0.01, STARTED + 200) == 1000.0


def test_what_is_not_known_gives_no_time() -> None:
    assert run().seconds_left(1000, None, STARTED + 50) is None
    assert run(total_steps=0).seconds_left(1000, 20.0, STARTED + 50) is None
    assert run(started_at=None).seconds_left(1000, 20.0, STARTED + 50) is None
