"""Rounds: replicates under their config, the winner's star, the lineage as a tree, and the preview."""

from __future__ import annotations

from typing import Any

import pytest
from autoloop.model import LoopState, RoundState

from autoloop_tui.console.drawing.glyphs import UNICODE
from autoloop_tui.console.present.rounds.heads import round_head
from autoloop_tui.console.screens.letter_menu import letters
from autoloop_tui.console.widgets.chart import Chart
from autoloop_tui.console.widgets.table import Table
from tests.console.projects import CONFIG, NOW, RecordedProject, painted
from tests.console.screens.rounds.driving import family, metrics, on_rounds, shown_runs, table_rows
from tests.console.waiting import settle, until


def seeds(project: RecordedProject, name: str, reach: float, lam: float, **more: Any) -> list[Any]:
    """Add three runs of one config with slightly different results."""
    made = []
    for number in range(3):
        config = {**CONFIG, "seed": number, "ot": {**CONFIG["ot"], "lambda_ot": lam}}
        reached = metrics(reach + 0.002 * number)
        given = {"group": f"{name}-{lam}", "seed": str(number), **more}
        made.append(project.run(f"{name},seed={number}", config=config, metrics=reached, **given))
    return made


async def test_replicates_are_one_row_with_mean_spread_and_number_and_z_shows_them(project: RecordedProject) -> None:
    project.round(1, RoundState.DONE)
    base, better = seeds(project, "base", 0.5, 0.1), seeds(project, "low", 0.2, 0.2)

    async with on_rounds(project, size=(160, 40)) as (pilot, screen):
        assert shown_runs(screen) == [f"config {base[0].id}", f"config {better[0].id}"]
        row = next(row for row in table_rows(screen) if "▸ low" in row)
        assert "3/3" in row
        assert "±0.002 (3)" in row
        await pilot.press("j", "z")
        await settle(pilot)
        assert shown_runs(screen) == [f"config {base[0].id}", f"config {better[0].id}", *(run.id for run in better)]
        assert sum("└ low,seed=" in row for row in table_rows(screen)) == 3
        await pilot.press("G", "z")
        await settle(pilot)
        assert screen.query_one(Table).cursor == f"config {better[0].id}"
        assert len(shown_runs(screen)) == 2
        await pilot.press("slash", *"seed=2", "enter")
        await settle(pilot)
        assert len(shown_runs(screen)) == 2


async def test_a_star_is_on_what_has_been_shown_to_be_better_and_on_nothing_else(
    project: RecordedProject,
) -> None:
    project.round(1, RoundState.DONE)
    seeds(project, "base", 0.5, 0.1)
    seeds(project, "low", 0.2, 0.2)
    project.round(2, RoundState.DONE)
    project.run("lucky", round=2, metrics=metrics(0.501), config={**CONFIG, "batch_size": 8})

    async with on_rounds(project, size=(160, 40)) as (_, screen):
        starred = [row for row in table_rows(screen) if "★" in row]
        assert "☆" not in "".join(table_rows(screen))
        assert len(starred) == 2
        assert "── round 1" in starred[0]
        assert starred[0].split(" by ")[1].startswith("low ")
        assert "▸ low" in starred[1]
        assert "by lucky, not shown better" in next(row for row in table_rows(screen) if "── round 2" in row)


async def test_the_best_of_a_round_that_another_round_has_beaten_has_a_hollow_star(project: RecordedProject) -> None:
    for number, (name, reach) in enumerate((("base", 0.5), ("low", 0.2), ("less", 0.3)), 1):
        project.round(number, RoundState.DONE)
        seeds(project, name, reach, 0.1 * number, round=number)

    async with on_rounds(project, size=(80, 40)) as (_, screen):
        signs = {row.split(" by ")[-1].split()[0]: row for row in table_rows(screen) if "── round" in row}
        assert "★ lowest tail mean eval_l1 0.2" in signs["low"]
        assert "☆ lowest tail mean eval_l1 0.3" in signs["less"]


async def test_the_head_of_a_round_names_what_stands_first_in_the_longest_wording_that_fits(
    project: RecordedProject,
) -> None:
    project.round(1, RoundState.DONE)
    project.run("base", metrics=metrics(0.5))

    async with on_rounds(project) as (_, screen):
        loop = project.loop.id
        facts, loops = screen.known.round_facts(loop, 1), screen.known.loops[loop]
        assert facts is not None
        for size in range(40, 80):
            long, short = "x" * size, "y" * 20
            row = round_head(facts, loops, [[(long, "")], [(short, "")]], 80, now=NOW, name_loop=False, glyphs=UNICODE)
            told = "".join(text for text, _ in row)
            assert (long in told) != (short in told)


async def test_b_shows_each_run_below_what_it_was_made_from(project: RecordedProject) -> None:
    base, failed, better, queued = family(project)

    async with on_rounds(project) as (pilot, screen):
        await pilot.press("b")
        await settle(pilot)
        at = shown_runs(screen).index(base.id)
        assert shown_runs(screen)[at : at + 3] == [base.id, better.id, queued.id]
        assert failed.id in shown_runs(screen)
        rows = "\n".join(table_rows(screen))
        assert "└ act_base_r2_1" in rows
        assert "  └ act_base_r3_1" in rows
        assert "── round" not in rows
        await pilot.press("b")
        await settle(pilot)
        assert "── round 3" in "\n".join(table_rows(screen))


async def test_the_preview_follows_the_cursor_with_the_curve_over_the_bases_and_what_was_changed(
    project: RecordedProject,
) -> None:
    base, _, better, _ = family(project)

    async with on_rounds(project) as (pilot, screen):
        await pilot.press("j")

        def drawn() -> list[str]:
            return [line.label for line in screen.query_one("#curve", Chart).lines]

        await until(pilot, lambda: drawn() == [better.name, base.name], "both curves")
        assert "ot.lambda_ot  0.1 → 0.15" in "".join(painted(screen.query_one("#changes")))
        await pilot.press("j")
        await until(pilot, lambda: drawn() == [base.name], "the baseline's curve")
        assert "baseline, unchanged" in "".join(painted(screen.query_one("#changes")))


async def test_finished_runs_get_a_trend(project: RecordedProject) -> None:
    family(project)

    async with on_rounds(project) as (pilot, screen):
        await until(pilot, lambda: all("█" in row for row in table_rows(screen) if "done act_base" in row), "a trend")


async def test_the_round_of_a_stopped_loop_is_not_called_running(project: RecordedProject) -> None:
    family(project)
    project.change_loop(state=LoopState.STOPPED)

    async with on_rounds(project) as (_, screen):
        head = next(row for row in table_rows(screen) if "── round 3" in row)
        assert "stopped" in head
        assert "running" not in head


async def test_the_filter_is_typed_behind_a_slash(project: RecordedProject) -> None:
    family(project)

    async with on_rounds(project) as (pilot, screen):
        await pilot.press("slash", *"big")
        await settle(pilot)
        lines = [str(widget.render()) for widget in screen.query("#filter Label")]
        assert lines == [" /"]


@pytest.mark.parametrize("texts", [["best", "base", "b", "bb"], ["é", "1"], ["x"] * 36])
def test_every_entry_of_a_menu_has_a_letter_of_its_own(texts: list[str]) -> None:
    found = letters(texts)
    assert all(found)
    assert len(set(found)) == len(texts)
