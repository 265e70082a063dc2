"""What tools answer about curves and logs: bounded, and with what matters in them."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from autoloop.model import UserError

from autoloop_tui.agents import results
from autoloop_tui.agents.answers import MOST_LINES, MOST_POINTS
from tests.cli.past_loops import PastLoop, open_store


@pytest.mark.parametrize("points", [5, 32, MOST_POINTS])
def test_a_curve_is_short_and_keeps_its_extremes_and_what_is_no_number(tmp_path: Path, points: int) -> None:
    values = [2.0 + math.sin(step / 90) for step in range(3000)]
    values[700], values[1900] = 99.0, -99.0
    values[2400:2403] = [math.nan] * 3
    with open_store(tmp_path) as store:
        loop = PastLoop(store)
        run = loop.add("a", [{"_step": step, "loss": value} for step, value in enumerate(values, 1)])
        curve = results.curve(store, store.loop(1), run, "loss", points)
    assert curve.points_read == 3000
    assert len(curve.values) == len(curve.steps) <= MOST_POINTS
    assert curve.steps == sorted(set(curve.steps))
    assert {701: 99.0, 1901: -99.0}.items() <= dict(zip(curve.steps, curve.values, strict=True)).items()
    assert None in curve.values
    assert (curve.steps[0], curve.steps[-1]) == (1, 3000)


def test_a_pattern_takes_time_in_proportion_to_the_log_and_the_answer_is_bounded(tmp_path: Path) -> None:
    """With a backtracking engine the pattern would take longer than the sun has left."""
    log = "".join(f"{'a' * 5000}!\n" for _ in range(200)) + "found it\n" * 300
    with open_store(tmp_path) as store:
        run = PastLoop(store).add("a", [{"_step": 1, "loss": 1.0}], log=log)
        begin = time.process_time()
        assert results.log(store, store.loop(1), run, r"^(a+)+$", 30).matched == 0
        assert time.process_time() - begin < 30
        found = results.log(store, store.loop(1), run, "FOUND", 10_000)
        assert (found.matched, len(found.untrusted_lines)) == (300, MOST_LINES)
        with pytest.raises(UserError, match="pattern of grep"):
            results.log(store, store.loop(1), run, r"(?=a)", 30)
