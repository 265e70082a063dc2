"""The first line: the loop's state, the best result so far and whether it is more than noise, the expected end, the time."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from autoloop.model import ApprovalMode, ApprovalPolicy, LoopState, RoundState, RunState

from autoloop_tui.console.present import loop_ends
from autoloop_tui.console.screens.slots.screen import SlotsScreen
from tests.console.projects import CONFIG, NOW, RecordedProject, curve, painted
from tests.console.running import view_of
from tests.console.screens.slots.driving import SIZES, changed, drive, read_at_each

BASE = 0.41


def tried(folder: Path, *best: float, seeds: int = 1, **spec: Any) -> RecordedProject:
    """Return a project with a finished baseline and a finished config for each of `best`, each with `seeds` seeds."""
    project = RecordedProject(folder, **spec)
    base = None
    for place, end in enumerate((BASE, *best)):
        for seed in range(seeds):
            config = {**CONFIG, "batch_size": 8 + place, "seed": seed}
            metrics = {"eval/offline_eval/avg_l1": curve(10, 1.2, end + 0.001 * seed, 20)}
            made = project.run(
                f"cfg{place}_s{seed}", base=base if place else None, config=config, metrics=metrics, group=f"g{place}"
            )
            base = base or made
    return project


def top(screen: SlotsScreen) -> str:
    return painted(screen.query_one("#top"))[0]


async def test_the_best_so_far_is_never_told_without_what_is_known_of_it(tmp_path: Path) -> None:
    one, many = tried(tmp_path / "one", 0.33), tried(tmp_path / "many", 0.2, seeds=4)
    for project, words, mark in ((one, "maybe noise", "±?"), (many, "better", "★")):
        async with drive(project) as (pilot, screen):
            async for size in read_at_each(pilot, screen, [(200, 50), (120, 40), (80, 24), (60, 20)]):
                told = top(screen)
                assert words in told or mark in told
                assert " 0." in told  # the value too, because a difference alone says little
                if size[0] >= 80:
                    assert "best " in told
                if size[0] == 200:
                    assert "cfg1" in told
                    assert "to baseline 0." in told
                    assert f"(tail mean, {'1 run' if project is one else '4 runs'})" in told


async def test_the_name_that_the_user_gave_stays_whole_before_the_generated_one_has_room(tmp_path: Path) -> None:
    async with drive(tried(tmp_path, 0.33, name="tau sweep")) as (pilot, screen):
        async for columns, _ in read_at_each(pilot, screen, [(80, 24), (120, 40), (200, 50)]):
            assert top(screen).startswith(" tau sweep (loop_" if columns == 200 else " tau sweep ")
            assert "(" not in top(screen) or ")" in top(screen)


async def test_a_baseline_that_nothing_beats_is_the_best(tmp_path: Path) -> None:
    async with drive(tried(tmp_path, 0.9), (200, 50)) as (_, screen):
        assert "the baseline" in top(screen)


async def test_counts_have_their_colours_and_the_time_stays_at_every_width(tmp_path: Path) -> None:
    project = tried(tmp_path, 0.33)
    project.run("broken", RunState.FAILED, reason="no data")
    async with drive(project) as (pilot, screen):
        async for _ in read_at_each(pilot, screen, [*SIZES, (60, 20), (40, 12)]):
            told = screen.query_one("#top").render_line(0)
            looks = pilot.app.get_css_variables()
            for texts, variable in ((("2",), "slot-finished"), (("1 failed", "✗1"), "slot-failed")):
                named = next(each for each in told if each.text.endswith(texts))
                assert named.style.color.get_truecolor().hex == looks[variable].lower()
            assert re.search(r"\d\d:\d\d", told.text[-8:])


@pytest.mark.parametrize(
    ("changes", "round_told", "loop_told"),
    [
        (dict(approve=ApprovalPolicy(mode=ApprovalMode.AUTO)), True, True),
        (dict(approve=ApprovalPolicy(mode=ApprovalMode.MANUAL)), True, False),  # a person decides when rounds start
        (dict(rounds=1), True, True),
    ],
)
async def test_when_the_round_and_the_loop_end_is_told_by_what_runs_took(
    tmp_path: Path, changes: Any, round_told: bool, loop_told: bool
) -> None:
    project = tried(tmp_path, 0.33)  # 300 s per 200 steps
    project.change_loop(spec=changed(project.spec, **changes))
    for n in range(3):
        project.run(f"next_{n}", RunState.QUEUED)
    async with drive(project, (200, 50)) as (pilot, screen):
        view, feed = view_of(pilot.app), pilot.app.feed
        found = loop_ends.ends(view, feed, NOW)
        assert (found.round is not None, found.loop is not None) == (round_told, loop_told)
        assert found.round == pytest.approx(NOW + 600, abs=1)  # three runs on two slots
        if changes.get("rounds") == 1:
            assert found.loop == found.round
        elif found.loop is not None:
            assert found.loop == pytest.approx(NOW + 600 + 2 * 3 * 300, abs=1)  # two rounds of five runs on two slots
        assert "~" in top(screen)


async def test_nothing_is_told_of_the_end_of_what_stands_still(tmp_path: Path) -> None:
    project = tried(tmp_path, 0.33)
    project.run("next", RunState.QUEUED)
    for change in (dict(paused=True), dict(paused=False, state=LoopState.STOPPED)):
        project.change_loop(**change)
        async with drive(project, (200, 50)) as (pilot, screen):
            assert loop_ends.ends(view_of(pilot.app), pilot.app.feed, NOW) == loop_ends.Ends()
            assert "~" not in top(screen)
    project.change_loop(state=LoopState.ACTIVE)
    project.round(1, RoundState.DECIDING)
    async with drive(project, (200, 50)) as (_, screen):
        assert "~" not in top(screen)


def test_the_clock_names_the_day_if_it_is_another() -> None:
    noon = time.mktime((2026, 11, 27, 12, 0, 0, 0, 0, -1))
    assert loop_ends.clock(noon, noon) == "12:00"
    assert loop_ends.clock(noon + 86400, noon) == "Sat 12:00"
