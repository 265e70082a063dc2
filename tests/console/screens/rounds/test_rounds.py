from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autoloop.metrics import default_book, summarise
from autoloop.model import (
    Loop,
    LoopEnd,
    LoopEndKind,
    LoopState,
    ProposalStatus,
    Round,
    RoundState,
    RunState,
    Series,
    Summary,
)
from autoloop.protocol import Propose, Retry, Variant

from autoloop_tui.console.present.compare.comparison import compare_metrics
from autoloop_tui.console.present.metric_delta import against
from autoloop_tui.console.present.rounds.cells import RunPainter
from autoloop_tui.console.present.rounds.filter import parse_filter
from autoloop_tui.console.present.rounds.rows import LoopRuns, RunRows, ordered
from autoloop_tui.console.screens.rounds.screen import RoundsScreen
from autoloop_tui.console.screens.run.screen import RunScreen
from autoloop_tui.console.widgets.rounds.filter_line import FilterLine
from autoloop_tui.console.widgets.row_pane import RowPane
from autoloop_tui.console.widgets.table import Table
from tests.console.projects import CONFIG, NOW, RecordedProject, curve, painted
from tests.console.running import ConsolePilot, Size, at_each, run_app
from tests.console.waiting import settle, until
from tests.support.calls import calls_of

SIZES = [(80, 24), (120, 40), (200, 50)]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Any]:
    made = RecordedProject(tmp_path)
    yield made
    made.store.close()


@asynccontextmanager
async def on_rounds(
    project: RecordedProject, *, size: Size = (120, 40), **options: Any
) -> AsyncIterator[tuple[ConsolePilot, RoundsScreen]]:
    """The Rounds screen."""
    app = project.app(**options)
    async with run_app(app, size) as pilot:
        await pilot.press("r")
        await settle(pilot)
        assert isinstance(app.screen, RoundsScreen)
        yield pilot, app.screen


def table_rows(screen: RoundsScreen) -> list[str]:
    return [row.rstrip() for row in painted(screen.query_one(Table))]


def shown_runs(screen: RoundsScreen) -> Any:
    return [key for key in screen.query_one(Table).keys if not key.startswith("round ")]


def metrics(eval_l1: Any, pi_sum: float = 0.5, n: int = 50) -> Any:
    return {
        "train/l1_loss": curve(n),
        "eval/offline_eval/avg_l1": curve(10, 1.2, eval_l1, 20),
        "train/ot_pi_sum": curve(n, 0.1, pi_sum),
    }


EVAL = "eval/offline_eval/avg_l1"


def points(*pairs: Any) -> Series:
    return Series(array("q", [step for step, _ in pairs]), array("d", [value for _, value in pairs]))


def family(project: RecordedProject) -> Any:
    """A base, its variant that is better, and a failed run; the variant's own variant is queued in round 3."""
    project.round(1, RoundState.DONE)
    base = project.run("act_base", metrics=metrics(0.5))
    failed = project.run("act_big", RunState.FAILED, reason="CUDA out of memory", attempts=2, step=76)
    made = project.proposal(base, status=ProposalStatus.LAUNCHED)
    project.proposal(base, status=ProposalStatus.REJECTED)
    project.round(2, RoundState.DONE)
    config = {**CONFIG, "ot": {**CONFIG["ot"], "lambda_ot": 0.15}}
    better = project.run("act_base_r2_1", base=base, config=config, metrics=metrics(0.2, 0.9), round=2, proposal=made.id)
    project.round(3)
    queued = project.run("act_base_r3_1", RunState.QUEUED, base=better, round=3)
    return base, failed, better, queued


# ------------------------------------------------------------------------------------------------ what is shown


async def test_every_run_is_under_its_round_with_the_newest_round_first(project: RecordedProject) -> None:
    base, failed, better, queued = family(project)

    async with on_rounds(project) as (_, screen):
        assert isinstance(screen, RoundsScreen)
        assert shown_runs(screen) == [queued.id, better.id, base.id, failed.id]
        heads = [row for row in table_rows(screen) if "round " in row]
        assert [row.split("round ")[1][0] for row in heads] == ["3", "2", "1"]


async def test_the_head_of_a_round_tells_its_runs_its_best_the_change_of_the_best_and_the_decisions(
    project: RecordedProject,
) -> None:
    family(project)

    async with on_rounds(project, size=(160, 40)) as (_, screen):
        second, first = (row for row in table_rows(screen) if "round 2" in row or "round 1" in row)
        assert "1/2 ok 1 failed" in first
        assert "edits 1 approved 1 rejected" in first
        assert "lowest eval_l1 0.2" in second
        assert " -0.29" in second.replace("-0.30", "-0.29")  # 0.2 against 0.5


async def test_a_row_shows_state_origin_steps_metric_change_attempts_time_and_reason(project: RecordedProject) -> None:
    family(project)

    async with on_rounds(project, size=(200, 50)) as (_, screen):
        rows = table_rows(screen)
        better = next(row for row in rows if "✓ finished act_base_r2_1" in row)
        assert "act_base #1 more-transport" in better
        assert " 200 " in better
        assert "-0.3" in better or "-0.29" in better
        assert "5m00s" in better
        failed = next(row for row in rows if "act_big" in row)
        assert "✗ failed" in failed
        assert "CUDA" in failed
        assert " 76 " in failed
        assert " 2 " in failed


async def test_it_paints_at_any_size_and_never_past_the_edge(project: RecordedProject) -> None:
    family(project)

    async with on_rounds(project) as (pilot, screen):
        async for width, _ in at_each(pilot, [*SIZES, (1, 1), (30, 6)]):
            assert screen.query_one(Table).size.width == width
            for row in painted(screen.query_one(Table)):
                assert len(row) == width
        await pilot.resize_terminal(100, 30)
        await settle(pilot)
        assert any("act_big" in row for row in table_rows(screen))


async def test_the_line_below_tells_where_the_run_under_the_cursor_came_from(project: RecordedProject) -> None:
    family(project)

    async with on_rounds(project, size=(160, 40)) as (pilot, screen):
        below = " ".join(painted(screen.query_one("#lineage", RowPane)))
        assert "act_base_r3_1 (run00004) ◌ queued" in below
        assert "act_base ← act_base_r2_1 (more-transport: lambda_ot 0.1→0.15) ← act_base_r3_1" in below
        await pilot.press("G")
        await settle(pilot)
        below = " ".join(painted(screen.query_one("#lineage", RowPane)))
        assert "✗ failed: CUDA out of memory" in below
        assert "baseline, unchanged" in below


async def test_a_project_without_runs_says_what_will_be_here(project: RecordedProject) -> None:
    async with on_rounds(project) as (pilot, screen):
        assert any("no run yet" in row for row in table_rows(screen))
        for key in ("j", "G", "enter", "space", "t", "n", "o"):
            await pilot.press(key)
        assert screen.query_one(Table).cursor is None


async def test_hostile_names_and_reasons_are_shown_without_what_a_terminal_would_act_on(project: RecordedProject) -> None:
    name, reason = "a\x1b[31m[bold]x[/]\u202e宽\t字\n", "\x1b[2J[link]" + "r" * 9999
    project.run(name, RunState.FAILED, id="evil\x1b]0;", reason=reason)

    async with on_rounds(project) as (pilot, screen):
        text = "".join(row for pane in screen.query(RowPane) for row in painted(pane))
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "a[31m[bold]x[/]宽 字" in text
        await pilot.press("space", "slash", "[", "]", "enter", "o", "O")
        await settle(pilot)


async def test_a_running_run_shows_what_it_has_reached_so_far(project: RecordedProject) -> None:
    project.run("going", RunState.RUNNING, metrics=metrics(0.31))

    with project.engine():
        async with on_rounds(project) as (pilot, screen):

            def row() -> Any:
                return next(row for row in table_rows(screen) if "going" in row and "▶" in row)

            await until(pilot, lambda: "0.3" in row(), "what it has reached")


async def test_a_running_run_is_compared_with_its_base_at_the_step_it_has_reached(project: RecordedProject) -> None:
    base = project.run("base", metrics={EVAL: points((50, 0.9), (100, 0.6), (200, 0.3))})
    project.run("going", RunState.RUNNING, base=base, metrics={EVAL: points((50, 0.9), (100, 0.58))})

    with project.engine():
        async with on_rounds(project) as (pilot, screen):

            def row() -> Any:
                return next(row for row in table_rows(screen) if "going" in row and "▶" in row)

            await until(pilot, lambda: "-0.02" in row(), "the change")


def test_of_runs_that_ended_at_different_steps_none_is_called_better() -> None:
    early, late = (summarise({EVAL: points(each)}, default_book()).metrics[EVAL] for each in ((100, 0.6), (200, 0.4)))
    delta = against(early, late, "low")
    assert (delta.fair, delta.even, delta.better) == (False, False, False)
    assert against(late, early, "low").piece(9) == ("-0.2", "dim")
    assert compare_metrics([{EVAL: early}, {EVAL: late}], default_book())[0].best is None


async def test_ascii_glyphs_are_used_everywhere_when_asked_for(project: RecordedProject) -> None:
    family(project)

    async with on_rounds(project, ascii_only=True) as (_, screen):
        for row in [*table_rows(screen), *painted(screen.query_one("#lineage", RowPane))]:
            assert row.isascii(), row


# ------------------------------------------------------------------------------------------------ moving


async def test_keys_move_over_the_heads_of_rounds(project: RecordedProject) -> None:
    base, failed, better, queued = family(project)

    async with on_rounds(project) as (pilot, screen):
        table = screen.query_one(Table)
        places = []
        for key in ("g", "j", "down", "k", "up", "G", "g", "ctrl+d", "ctrl+u", "end", "home", "pagedown", "pageup"):
            await pilot.press(key)
            places.append(table.cursor)
        assert places[:7] == [queued.id, better.id, base.id, better.id, queued.id, failed.id, queued.id]
        assert places[7:] == [failed.id, queued.id, failed.id, queued.id, failed.id, queued.id]


async def test_the_cursor_stays_on_its_run_and_on_its_line_when_rows_appear_above_it(project: RecordedProject) -> None:
    for number in range(60):
        project.run(f"r{number}", RunState.STOPPED)

    async with on_rounds(project, size=(80, 24)) as (pilot, screen):
        table = screen.query_one(Table)
        for _ in range(30):
            await pilot.press("j")
        run = table.cursor
        line = next(y for y, row in enumerate(painted(table)) if row.startswith("›"))
        project.round(2)
        project.run("new", RunState.QUEUED, round=2)
        pilot.app.tick()
        await settle(pilot)
        assert len(shown_runs(screen)) == 61
        assert table.cursor == run
        assert next(y for y, row in enumerate(painted(table)) if row.startswith("›")) == line


async def test_h_and_l_bring_other_key_metrics_into_a_narrow_table(project: RecordedProject) -> None:
    family(project)

    async with on_rounds(project, size=(80, 24)) as (pilot, screen):
        seen = []
        for key in ("l", "l", "h", "left", "right"):
            await pilot.press(key)
            seen.append(next(n for n in ("eval_l1", "l1_loss", "ot_pi_sum") if f" {n} " in table_rows(screen)[1]))
        assert seen == ["l1_loss", "ot_pi_sum", "l1_loss", "eval_l1", "l1_loss"]


# ------------------------------------------------------------------------------------------------ filter and order


async def test_the_filter_acts_while_one_types_is_kept_by_enter_and_cleared_by_an_empty_line(
    project: RecordedProject,
) -> None:
    failed = family(project)[1]

    async with on_rounds(project) as (pilot, screen):
        await pilot.press("slash", *"memory")
        await settle(pilot)
        assert screen.query_one(FilterLine).display
        assert shown_runs(screen) == [failed.id]
        await pilot.press("enter")
        await settle(pilot)
        assert not screen.query_one(FilterLine).display
        assert "filter: memory" in table_rows(screen)[0]
        await pilot.press("slash", *["backspace"] * 6, "enter")
        await settle(pilot)
        assert len(shown_runs(screen)) == 4
        assert "filter" not in table_rows(screen)[0]


async def test_giving_up_the_filter_brings_the_earlier_one_back(project: RecordedProject) -> None:
    base, *_ = family(project)

    async with on_rounds(project) as (pilot, screen):
        await pilot.press("slash", *"finished", "enter", "slash", *" nothing")
        await settle(pilot)
        assert shown_runs(screen) == []
        assert any("none of the 4 runs matches" in row for row in table_rows(screen))
        await pilot.press("escape")
        await settle(pilot)
        assert screen.filter.text == "finished"
        assert base.id in shown_runs(screen)
        assert isinstance(pilot.app.screen, RoundsScreen)


def row_of(project: RecordedProject, *runs: Any) -> Any:
    known = RunRows()
    known.update([LoopRuns(project.loop, project.store.rounds(project.loop.id), list(runs), [])])
    return known


def test_a_filter_takes_words_and_comparisons_together(project: RecordedProject) -> None:
    base, failed, better, queued = family(project)
    known = row_of(project, base, failed, better, queued)
    book = default_book()

    def matched(text: str) -> Any:
        asked = parse_filter(text, book, known.metric_names())
        return {run for run, row in known.rows.items() if asked.matches(row)}

    assert matched("ot_pi_sum>0.6") == {better.id}
    assert matched("eval_l1>=0.1 train/ot_pi_sum<0.6") == {base.id}
    assert matched("FINISHED round=1") == {base.id}
    assert matched("steps!=200") == {failed.id, queued.id}
    assert matched(queued.id) == {queued.id}
    assert matched("act_base_r3 base_r3") == {queued.id}
    assert len(matched("")) == 4


async def test_o_sorts_by_the_next_column_and_shows_it_and_capital_o_turns_it_round(project: RecordedProject) -> None:
    base, _, better, _ = family(project)

    async with on_rounds(project) as (pilot, screen):
        for _ in range(20):
            await pilot.press("o")
            if screen.sort == "eval/offline_eval/avg_l1":
                break
        await settle(pilot)
        assert "eval_l1 ↓ ▼" in table_rows(screen)[1]
        assert "by eval_l1" in table_rows(screen)[0]
        assert shown_runs(screen)[:2] == [better.id, base.id]
        assert not [row for row in table_rows(screen) if "── round" in row]
        await pilot.press("O")
        await settle(pilot)
        assert shown_runs(screen)[:2] == [base.id, better.id]
        assert "▲" in table_rows(screen)[1]


@pytest.mark.parametrize("column", ["round", "state", "name", "id", "from", "steps", "tries", "took", "reason"])
@pytest.mark.parametrize("reverse", [False, True])
def test_every_column_orders_every_run_and_puts_those_without_a_value_last(
    project: RecordedProject, column: str, reverse: bool
) -> None:
    runs = family(project)
    rows = ordered(row_of(project, *runs).rows.values(), column, reverse=reverse, book=default_book(), now=NOW)
    assert {row.run.id for row in rows} == {run.id for run in runs}
    if column == "reason":
        assert rows[0].run.reason
    if column == "took":
        assert rows[-1].run.state is RunState.QUEUED


# ------------------------------------------------------------------------------------------------ marks and actions


async def test_space_marks_at_most_six_runs_and_says_when_there_are_more(project: RecordedProject) -> None:
    for number in range(8):
        project.run(f"run_{number}", RunState.STOPPED)

    async with on_rounds(project) as (pilot, screen):
        for _ in range(6):
            await pilot.press("space", "j")
        await pilot.press("space")
        await settle(pilot)
        assert len(pilot.app.marked) == 6
        assert "6 runs are compared at most" in "".join(painted(screen.query_one("#hints")))
        assert "6 marked" in table_rows(screen)[0]
        assert [row[2] for row in painted(screen.query_one(Table)) if "run_" in row][:6] == list("abcdef")
        await pilot.press("g", "space")
        assert len(pilot.app.marked) == 5


async def test_enter_opens_the_run_and_q_comes_back_to_the_same_row(project: RecordedProject) -> None:
    family(project)

    async with on_rounds(project) as (pilot, screen):
        await pilot.press("j", "enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, RunScreen)
        await pilot.press("q")
        await settle(pilot)
        assert pilot.app.screen is screen
        assert screen.query_one(Table).cursor == "run00003"


async def test_t_asks_the_engine_to_retry_the_run_under_the_cursor(project: RecordedProject) -> None:
    _, failed, *_ = family(project)

    with project.engine():
        async with on_rounds(project) as (pilot, screen):
            await pilot.press("G", "t")
            await settle(pilot)
            assert project.commands() == [Retry(run=failed.id)]
            assert f"autoloop-tui retry {failed.id}" in "".join(painted(screen.query_one("#hints")))


async def test_n_proposes_a_variant_of_the_run_under_the_cursor(project: RecordedProject) -> None:
    base, *_ = family(project)

    with project.engine():
        async with on_rounds(project) as (pilot, _):
            await pilot.press("j", "j", "n")
            await settle(pilot)
            await pilot.press(*"ot.lambda_ot=0.3", "enter", *"try", "enter")
            await settle(pilot)
            assert project.commands() == [Propose(run=base.id, variants=[Variant(edits=["ot.lambda_ot=0.3"], reason="try")])]


async def test_a_command_without_an_engine_is_refused_with_the_key_that_helps(project: RecordedProject) -> None:
    family(project)

    async with on_rounds(project) as (pilot, screen):
        await pilot.press("t")
        assert "press R" in "".join(painted(screen.query_one("#hints")))
        assert project.commands() == []


async def test_the_last_line_shows_the_command_for_the_run_under_the_cursor(project: RecordedProject) -> None:
    family(project)

    async with on_rounds(project) as (pilot, screen):
        await pilot.press("j")
        await settle(pilot)
        assert "$ autoloop-tui logs run00003" in "".join(painted(screen.query_one("#hints")))


# ------------------------------------------------------------------------------------------------ other loops


def older_loop(project: RecordedProject, runs: int = 2) -> Any:
    """A finished loop before the one that is looked at."""
    spec = msgspec.structs.replace(project.spec, name="last week")
    loop = Loop(
        id=90 + project.loop.id,
        name="loop_1600000000",
        state=LoopState.FINISHED,
        spec=spec,
        output_dir=str(project.folder / "old"),
        created_at=NOW - 9000,
        end=LoopEnd(kind=LoopEndKind.ROUNDS_DONE, text="all rounds done"),
    )
    project.store.put_loop(loop)
    project.store.put_round(Round(loop=loop.id, number=1, state=RoundState.DONE, started_at=NOW - 9000))
    for number in range(runs):
        project.store.put_run(msgspec.structs.replace(project.run(f"old_{number}", id=f"old{number}"), loop=loop.id))
    return loop


async def test_capital_l_adds_the_runs_of_the_projects_other_loops_and_takes_them_away(project: RecordedProject) -> None:
    base, *_ = family(project)
    older_loop(project)

    async with on_rounds_of(project) as (pilot, screen):
        assert "old0" not in shown_runs(screen)
        await pilot.press("L")
        await until(pilot, lambda: "old0" in shown_runs(screen), "the other loop's runs")
        assert {"old0", "old1", base.id} <= set(shown_runs(screen))
        assert any("last week (loop_1600000000)" in row for row in table_rows(screen))
        await pilot.press("L")
        await settle(pilot)
        assert "old0" not in shown_runs(screen)


def on_rounds_of(project: RecordedProject) -> AbstractAsyncContextManager[tuple[ConsolePilot, RoundsScreen]]:
    """On the project's own loop, whichever is the newest."""
    return on_rounds(project, loop=project.loop.name)


async def test_opening_a_run_of_another_loop_makes_the_console_look_at_that_loop(project: RecordedProject) -> None:
    base, *_ = family(project)
    loop = older_loop(project)

    async with on_rounds_of(project) as (pilot, screen):
        await pilot.press("L")
        await until(pilot, lambda: "old0" in shown_runs(screen), "the other loop's runs")
        screen.query_one(Table).go_to("old0")
        await pilot.press("t")
        assert "open it first" in "".join(painted(screen.query_one("#hints")))
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, RunScreen)
        assert pilot.app.feed.loop_id == loop.id
        await pilot.press("q")
        await settle(pilot)
        assert screen.query_one(Table).cursor == "old0"
        assert base.id in shown_runs(screen)


# ------------------------------------------------------------------------------------------------ many


async def test_five_thousand_runs_are_all_there_and_only_the_window_is_painted(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = project.run("base")
    assert base.summary is not None
    with project.store.transaction():
        for number in range(1, 101):
            project.store.put_round(
                Round(loop=project.loop.id, number=number, state=RoundState.DONE, started_at=NOW, ended_at=NOW + 60)
            )
        for number in range(5000):
            last = {
                name: msgspec.structs.replace(metric, last=metric.last + number)
                for name, metric in base.summary.metrics.items()
            }
            summary = Summary(metrics=last, steps=200)
            project.store.put_run(
                msgspec.structs.replace(
                    base,
                    id=f"m{number:05d}",
                    name=f"many_{number}",
                    position=number + 1,
                    base_run=base.id,
                    round=1 + number // 50,
                    summary=summary,
                    output_dir=None,
                )
            )

    async with on_rounds(project) as (pilot, screen):
        made = calls_of(monkeypatch, RunPainter, "row")
        await pilot.press("j", "ctrl+d", "G", "g")
        await settle(pilot)
        assert 0 < len(made) <= 4 * 60
        assert "1 of 5 001" in table_rows(screen)[0]
        assert shown_runs(screen)[0] == "m04950"
        await pilot.press("slash", *"eval_l1<3", "enter")
        await settle(pilot)
        assert set(shown_runs(screen)) == {base.id, "m00000", "m00001", "m00002"}


# ------------------------------------------------------------------------------------------------ the table itself


async def test_a_click_chooses_a_row_and_the_wheel_moves(project: RecordedProject) -> None:
    _, failed, _, queued = family(project)

    async with on_rounds(project) as (pilot, screen):
        table = screen.query_one(Table)
        y = next(y for y, row in enumerate(painted(table)) if "act_big" in row)
        await pilot.click(Table, offset=(10, y))
        assert table.cursor == failed.id
        table.post_message(scroll_up(table))
        await settle(pilot)
        assert table.cursor == queued.id


def scroll_up(widget: Any) -> Any:
    from textual.events import MouseScrollUp

    return MouseScrollUp(widget, 1, 1, 0, -1, 0, False, False, False)
