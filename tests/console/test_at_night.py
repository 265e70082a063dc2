"""Every screen answers the questions of a user at three in the morning: what runs, what broke, is it getting better, when is
it done.

The loops are those of tests/console/states.py, of which tests/console/gallery.py takes pictures.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.console.gallery import SIZES, lead
from tests.console.pictures import text
from tests.console.running import ConsolePilot, at_each
from tests.console.states import DRIVEN, STATES, sample
from tests.console.still_loop import stand_still

Answer = tuple[str, ...]
"""Patterns, one of which must be shown."""

END: Answer = (r"~(\w{3} )?\d\d:\d\d",)
"""When it ends, today or on another day."""

EVERYWHERE: dict[str, dict[str, list[Answer]]] = {
    "running": {
        "what runs": [("▶ running",), ("r2/3", "round 2/3")],
        "is it getting better": [("-0.05827",), ("better", "★")],
        "when is it done": [END],
    },
    "broke": {
        "what runs": [("▶ running",), ("r2/3", "round 2/3")],
        "what broke": [("✗2", "2 failed")],
        "is it getting better": [("-0.05827",), ("better", "★")],
        "when is it done": [END],
    },
    "deciding": {
        "what runs": [("waiting for your decisions", "◌ waits")],
        "when is it done": [("r1/3", "round 1/3")],
    },
    "finished": {
        "what runs": [("✓ finished",)],
        "is it getting better": [("-0.1165",), ("better", "★")],
        "when is it done": [("✓ finished",)],
    },
}
"""By state and question: what the first line of each screen must show, or the screen below it."""

BELOW: dict[tuple[str, str], list[Answer]] = {
    ("running", "slots"): [("act_reg_040_r2_1",), ("62%",), ("6m20s",), ("0.3098",)],
    ("running", "rounds"): [("act_reg_040_r2_1",), ("▶ run",), ("0.3098",)],
    ("running", "run-charts"): [("62%",), ("eta 6m20s",), ("0.3098",)],
    ("running", "finish"): [(r"reg +0\.1 ?→ ?0\.4",)],
    ("broke", "slots"): [("✗ failed",), ("CUDA out of memory",), (r"\? lost",), ("t retries",), ("▲ waiting",), ("anna",)],
    ("broke", "rounds"): [("✗ fail",), (r"\? lost",)],
    ("broke", "finish"): [(r"act_bs1024_r2_5 \(run00011\): CUDA out of memory",)],
    ("deciding", "slots"): [("-0.05827",), ("3 to decide",), ("p decides",)],
    ("deciding", "proposals"): [("3 pending",)],
    ("finished", "slots"): [("✗ failed",), ("act_reg_064",)],
    ("finished", "finish"): [("★ act_reg_064",), ("is better than the baseline",), ("1 failed",), ("reports/tau_sweep.md",)],
}
"""By state and screen: further details that it must show."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Path]:
    stand_still(monkeypatch, tmp_path, sample(request.node.callspec.params["state"]))
    yield tmp_path
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.faults)], ids=["two-sizes", "every-size"])
@pytest.mark.parametrize("state", STATES)
async def test_each_screen_answers_the_four_questions(folder: Path, state: str, every: bool) -> None:
    """At the smallest size, and at a larger one that is another one for the next state. With `every`: at all sizes."""
    smallest, *larger = SIZES
    sizes = SIZES if every else [smallest, larger[list(STATES).index(state) % len(larger)]]
    night = STATES[state](folder)
    app = night.app()
    missing = []

    with night.engine() if state in DRIVEN else nullcontext():
        async with app.run_test(size=smallest):
            pilot = ConsolePilot(app)
            async for columns, rows in at_each(pilot, sizes):
                for screen in ("slots", "proposals", "rounds", "run-charts", "finish"):
                    await lead(pilot, night, screen)
                    shown = text(app)
                    assert app.screen.max_scroll_y == 0, f"{screen} at {columns}x{rows} is higher than the terminal"
                    wanted = {question: answers for question, answers in EVERYWHERE[state].items()}
                    wanted["in more detail"] = BELOW.get((state, screen), [])
                    missing += [
                        f"{columns}x{rows} {screen}: {question}: {' or '.join(answer)}\n{shown}"
                        for question, answers in wanted.items()
                        for answer in answers
                        if not any(re.search(pattern, shown) for pattern in answer)
                    ]
    night.store.close()
    assert not missing, "\n".join(missing)
