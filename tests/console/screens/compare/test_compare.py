from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autoloop.metrics import default_book
from autoloop.model import Loop, LoopState, MetricSummary, RoundState, RunState

from autoloop_tui.console.present.compare.cells import ComparisonPainter
from autoloop_tui.console.present.compare.comparison import default_runs
from autoloop_tui.console.screens.compare.screen import CompareScreen
from autoloop_tui.console.widgets.chart import Chart
from autoloop_tui.console.widgets.row_pane import RowPane
from autoloop_tui.console.widgets.table import Table
from tests.console.projects import CONFIG, NOW, RecordedProject, curve, painted
from tests.console.running import ConsolePilot, Size, at_each, run_app
from tests.console.waiting import settle, until
from tests.support.calls import calls_of

SIZES = [(80, 24), (120, 40), (200, 50)]
EVAL, L1 = "eval/offline_eval/avg_l1", "train/l1_loss"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Any]:
    made = RecordedProject(tmp_path)
    yield made
    made.store.close()


@asynccontextmanager
async def on_compare(
    project: RecordedProject, *, marked: Sequence[str] = (), size: Size = (120, 40), **options: Any
) -> AsyncIterator[tuple[ConsolePilot, CompareScreen]]:
    """The Compare screen, once the histories have been read."""
    app = project.app(**options)
    async with run_app(app, size) as pilot:
        app.marked = list(marked)
        await pilot.press("c")
        await settle(pilot)
        screen = app.screen
        assert isinstance(screen, CompareScreen)
        await until(pilot, lambda: all(side.caught_up for side in screen.sides))
        await until(pilot, lambda: all(row.strip() for row in painted(screen.query_one("#legend"))))
        yield pilot, screen


def text_of(screen: CompareScreen, name: str) -> list[str]:
    return [row.rstrip() for row in painted(screen.query_one(name))]


def config(**changes: Any) -> dict[str, Any]:
    made = copy.deepcopy(CONFIG)
    for path, value in changes.items():
        *blocks, key = path.split("__")
        node = made
        for block in blocks:
            node = node[block]
        node[key] = value
    return made


def metrics(eval_l1: Any, pi_sum: float = 0.5, n: int = 50) -> Any:
    return {L1: curve(n), EVAL: curve(10, 1.2, eval_l1, 20), "train/ot_pi_sum": curve(n, 0.1, pi_sum)}


def three(project: RecordedProject) -> Any:
    first = project.run("act_base", metrics=metrics(0.5))
    better = project.run("act_lr", config=config(policy__optimizer_lr=1e-3), metrics=metrics(0.2, 0.9), base=first)
    other = config(ot__loss_config__reg=0.4, batch_size=8)
    worse = project.run("act_reg", config=other, metrics=metrics(0.8), base=first)
    return [first.id, better.id, worse.id]


def summary(last: Any, mad: float = 0.0) -> Any:
    return MetricSummary(
        first=1.0,
        last=last,
        best=last,
        best_step=1,
        delta=0.0,
        pct=0.0,
        n=9,
        min=0.0,
        max=1.0,
        tail_mean=last,
        tail_mad=mad,
        first_step=0,
        last_step=9,
    )


# ------------------------------------------------------------------------------------------------ parameters


async def test_only_parameters_that_differ_are_shown_until_d_shows_every_one(project: RecordedProject) -> None:
    marked = three(project)

    async with on_compare(project, marked=marked) as (pilot, screen):
        rows = text_of(screen, "#parameters")
        assert "3 of 9 differ" in rows[0]
        shown = "\n".join(rows)
        assert "policy.optimizer_lr" in shown
        assert "ot.loss_config.reg" in shown
        assert "lambda_ot" not in shown
        await pilot.press("d")
        await settle(pilot)
        assert len(screen.query_one("#parameters", Table).keys) == 9
        await pilot.press("d")
        await settle(pilot)
        assert len(screen.query_one("#parameters", Table).keys) == 3


async def test_values_stand_in_columns_and_what_differs_from_the_first_run_is_marked(project: RecordedProject) -> None:
    marked = three(project)

    async with on_compare(project, marked=marked) as (_, screen):
        rows = text_of(screen, "#parameters")
        rate = next(row for row in rows if "optimizer_lr" in row)
        reg = next(row for row in rows if "loss_config.reg" in row)
        assert rate.split() == ["›", "policy.optimizer_lr", "0.002", "*", "0.001", "0.002"]
        assert reg.split() == ["ot.loss_config.reg", "0.1", "0.1", "*", "0.4"]
        assert rate.index("0.002") == reg.index("0.1")
        head = rows[1]
        assert head.index("a ") == rate.index("0.002")


async def test_a_config_that_cannot_be_read_is_said_and_the_others_are_compared(project: RecordedProject) -> None:
    marked = three(project)
    project.store.places.config(marked[1]).unlink()

    async with on_compare(project, marked=marked) as (_, screen):
        assert text_of(screen, "#legend")[2].endswith("config cannot be read")
        assert f"{marked[1]} cannot be read (No such file" in "".join(text_of(screen, "#hints"))
        rows = text_of(screen, "#parameters")
        assert "2 of 9 differ" in rows[0]
        assert "?" in next(row for row in rows if "batch_size" in row)


async def test_equal_configs_are_said_to_be_equal(project: RecordedProject) -> None:
    marked = [project.run("one").id, project.run("two").id]

    async with on_compare(project, marked=marked) as (_, screen):
        assert any("the 9 parameters are the same in every run" in row for row in text_of(screen, "#parameters"))


# ------------------------------------------------------------------------------------------------ metrics


async def test_metrics_stand_side_by_side_with_their_change_and_the_run_that_leads(project: RecordedProject) -> None:
    marked = three(project)

    async with on_compare(project, marked=marked, size=(150, 50)) as (_, screen):
        rows = text_of(screen, "#metrics")
        row = next(row for row in rows if "eval_l1" in row)
        assert "eval_l1 ↓" in row
        assert row.endswith("lowest b")
        assert " -0.29" in row
        assert " +0.29" in row
        mass = next(row for row in rows if "ot_pi_sum" in row)
        assert "ot_pi_sum ↑" in mass
        assert mass.endswith("highest b")


async def test_where_there_is_little_room_the_changes_stand_below_the_values(project: RecordedProject) -> None:
    marked = three(project)

    async with on_compare(project, marked=marked, size=(60, 24)) as (pilot, screen):
        await pilot.press("tab")
        await settle(pilot)
        rows = text_of(screen, "#metrics")
        place = next(y for y, row in enumerate(rows) if "eval_l1" in row)
        assert "-0.29" not in rows[place]
        assert "-0.29" in rows[place + 1]
        await pilot.press("j")
        assert screen.query_one("#metrics", Table).cursor == L1


async def test_a_run_that_goes_on_is_compared_by_what_it_has_reached(project: RecordedProject) -> None:
    first = project.run("done", metrics=metrics(0.5))
    going = project.run("going", RunState.RUNNING, metrics=metrics(0.3))

    async with on_compare(project, marked=[first.id, going.id]) as (pilot, screen):
        await until(pilot, lambda: any("0.3" in row for row in text_of(screen, "#metrics") if "eval_l1" in row))


# ------------------------------------------------------------------------------------------------ chart


async def test_the_chart_draws_each_run_in_its_colour_with_its_letter_beside_its_end(project: RecordedProject) -> None:
    marked = three(project)

    async with on_compare(project, marked=marked, size=(200, 50)) as (_, screen):
        chart = screen.query_one(Chart)
        assert [line.look for line in chart.lines] == ["chart-1", "chart-2", "chart-3"]
        rows = text_of(screen, "#chart")
        assert "eval_l1" in rows[0]
        ends = {letter: y for y, row in enumerate(rows[1:]) for letter in row.rpartition("  ")[2] if letter in "abc"}
        assert ends["c"] < ends["a"] < ends["b"]


async def test_h_and_l_change_the_metric_of_the_chart_and_y_its_axis(project: RecordedProject) -> None:
    marked = three(project)

    async with on_compare(project, marked=marked) as (pilot, screen):
        seen = [text_of(screen, "#chart")[0]]
        for key in ("l", "right", "l", "h", "left"):
            await pilot.press(key)
            await settle(pilot)
            seen.append(text_of(screen, "#chart")[0])
        names = [next(n for n in ("eval_l1", "l1_loss", "ot_pi_sum") if f" {n} " in row) for row in seen]
        assert names == ["eval_l1", "l1_loss", "ot_pi_sum", "eval_l1", "ot_pi_sum", "l1_loss"]
        await pilot.press("Y")
        await settle(pilot)
        assert "log₁₀" in text_of(screen, "#chart")[-1]
        await pilot.press("Y")
        await settle(pilot)
        assert "log₁₀" not in text_of(screen, "#chart")[-1]


async def test_runs_without_a_history_say_so(project: RecordedProject) -> None:
    marked = [
        project.run("empty", RunState.FAILED, metrics={}).id,
        project.run("waiting", RunState.QUEUED).id,
        project.run("silent", RunState.RUNNING, metrics={}).id,
    ]

    async with on_compare(project, marked=marked) as (_, screen):
        rows = text_of(screen, "#legend")
        assert rows[1].endswith("no history")
        assert rows[2].endswith("not started")
        assert rows[3].endswith("no history")
        assert any("no points yet" in row for row in text_of(screen, "#chart"))
        assert any("no metric yet" in row for row in text_of(screen, "#metrics"))


# ------------------------------------------------------------------------------------------------ which runs


async def test_the_marked_runs_are_compared_in_the_order_of_marking(project: RecordedProject) -> None:
    marked = three(project)[::-1]

    async with on_compare(project, marked=marked) as (_, screen):
        assert [side.run.id for side in screen.sides] == marked
        assert [row[:3] for row in text_of(screen, "#legend")[1:4]] == [" c ", " b ", " a "]


async def test_without_marks_the_newest_rounds_best_its_base_and_the_last_finished_are_compared(
    project: RecordedProject,
) -> None:
    project.round(1, RoundState.DONE)
    base = project.run("base", metrics=metrics(0.5))
    other = project.run("other", metrics=metrics(0.4))
    project.round(2)
    worse = project.run("worse", metrics=metrics(0.3), base=base, round=2)
    best = project.run("best", metrics=metrics(0.2), base=base, round=2)
    project.run("broken", RunState.FAILED, round=2)
    runs = project.store.runs(project.loop.id)
    assert default_runs(runs, default_book()) == [best.id, base.id, worse.id, other.id]

    async with on_compare(project) as (_, screen):
        assert "nothing is marked" in text_of(screen, "#legend")[0]
        assert [side.run.id for side in screen.sides] == [best.id, base.id, worse.id, other.id]


@pytest.mark.parametrize("size", SIZES)
async def test_with_no_finished_run_it_says_what_to_do(project: RecordedProject, size: Size) -> None:
    project.run("going", RunState.RUNNING)

    async with on_compare(project, size=size) as (pilot, screen):
        assert isinstance(screen, CompareScreen)
        assert "no run has finished yet" in text_of(screen, "#legend")[0]
        assert any("nothing to compare yet" in row for row in text_of(screen, "#parameters"))
        for key in ("j", "k", "h", "l", "d", "y", "tab", "tab", "g", "G", "ctrl+d", "ctrl+u", "X"):
            await pilot.press(key)
        await settle(pilot)


async def test_capital_u_clears_the_marks(project: RecordedProject) -> None:
    marked = three(project)

    async with on_compare(project, marked=marked) as (pilot, screen):
        await pilot.press("U")
        await settle(pilot)
        assert pilot.app.marked == []
        assert "nothing is marked" in text_of(screen, "#legend")[0]


async def test_runs_of_other_loops_and_runs_that_are_gone_can_be_marked(project: RecordedProject) -> None:
    first = project.run("here", metrics=metrics(0.5))
    loop = Loop(id=50, name="loop_16", state=LoopState.FINISHED, spec=project.spec, output_dir="/none", created_at=NOW - 99)
    project.store.put_loop(loop)
    there = msgspec.structs.replace(project.run("there", metrics=metrics(0.2)), loop=loop.id)
    project.store.put_run(there)

    async with on_compare(project, marked=[first.id, "gone", there.id], loop=project.loop.name) as (_, screen):
        assert [side.run.name for side in screen.sides] == ["here", "there"]
        assert next(row for row in text_of(screen, "#metrics") if "eval_l1" in row).endswith("lowest A")


# ------------------------------------------------------------------------------------------------ sizes and amounts


@pytest.mark.parametrize("runs", [1, 6])
async def test_up_to_six_runs_fit_any_size(project: RecordedProject, runs: Any) -> None:
    names = ["act_a_rather_long_name_of_a_config_r4_", "宽字_"]
    made = [
        project.run(names[n % 2] + str(n), config=config(seed=n, note=f"text {n}" * n), metrics=metrics(0.1 * n + 0.1))
        for n in range(runs)
    ]

    def cells(row: str) -> int:
        return len(row.replace("宽", "宽 ").replace("字", "字 "))

    async with on_compare(project, marked=[run.id for run in made]) as (pilot, screen):
        async for _ in at_each(pilot, [*SIZES, (1, 1), (30, 8)]):
            for _part in range(4):
                for pane in screen.query(RowPane):
                    if pane.is_on_screen and pane.size.width:
                        assert {cells(row) for row in painted(pane)} <= {pane.size.width}
                await pilot.press("tab")
                await settle(pilot)
        await pilot.resize_terminal(100, 30)
        await settle(pilot)
        assert any("eval_l1" in row for row in text_of(screen, "#metrics"))


async def test_tab_goes_through_the_parts_of_a_narrow_screen_one_at_a_time(project: RecordedProject) -> None:
    marked = three(project)

    async with on_compare(project, marked=marked, size=(80, 24)) as (pilot, screen):
        seen = []
        for _ in range(4):
            parts = ("parameters", "metrics", "chart")
            seen.append([name for name in parts if screen.query_one(f"#{name}").is_on_screen])
            await pilot.press("tab")
            await settle(pilot)
        assert seen == [["parameters"], ["metrics"], ["chart"], ["parameters"]]


async def test_on_a_wide_screen_everything_is_there_and_tab_moves_the_keys(project: RecordedProject) -> None:
    marked = three(project)

    for size in SIZES[1:]:
        async with on_compare(project, marked=marked, size=size) as (pilot, screen):
            for name in ("parameters", "metrics", "chart"):
                assert screen.query_one(f"#{name}").size.height >= 5
            await pilot.press("j", "tab", "j")
            assert screen.query_one("#parameters", Table).cursor == screen.query_one("#parameters", Table).keys[1]
            assert screen.query_one("#metrics", Table).cursor == L1


async def test_the_line_below_gives_the_values_under_the_cursor_in_full(project: RecordedProject) -> None:
    long = "x" * 60
    marked = [project.run("one").id, project.run("two", config=config(policy__type=long)).id]

    async with on_compare(project, marked=marked) as (pilot, screen):
        assert text_of(screen, "#detail")[0] == f' policy.type  a "act"  b "{long}"'
        await pilot.press("tab")
        await settle(pilot)
        assert "lower is better" in text_of(screen, "#detail")[0]


async def test_two_thousand_parameters_are_all_there_and_only_the_window_is_painted(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = {f"block{n // 50}": {f"key_{m}": m for m in range(n - n % 50, n - n % 50 + 50)} for n in range(0, 2000, 50)}
    other = copy.deepcopy(big)
    other["block7"]["key_351"] = -1
    marked = [project.run("one", config=big).id, project.run("two", config=other).id]

    async with on_compare(project, marked=marked) as (pilot, screen):
        assert "1 of 2000 differ" in text_of(screen, "#parameters")[0]
        await pilot.press("d")
        await settle(pilot)
        asked = calls_of(monkeypatch, ComparisonPainter, "parameter")
        table = screen.query_one("#parameters", Table)
        await pilot.press("G", "ctrl+u", "g", "ctrl+d")
        assert len(table.keys) == 2000
        assert 0 < len(asked) <= 4 * 50
        await pilot.press("G")
        assert table.cursor == "block39.key_1999"


async def test_hostile_names_and_values_are_shown_without_what_a_terminal_would_act_on(project: RecordedProject) -> None:
    evil = "\x1b[31m[bold]\u202e宽\n"
    odd = config(policy__type=evil, extra={evil: evil})
    marked = [
        project.run("n" + evil, config=odd, metrics={f"train/{evil}": curve()}).id,
        project.run("two").id,
    ]

    for size in SIZES:
        async with on_compare(project, marked=marked, size=size) as (pilot, screen):
            for _ in range(3):
                text = "".join(row for pane in screen.query(RowPane) for row in painted(pane))
                assert "\x1b" not in text
                assert "\u202e" not in text
                await pilot.press("tab", "l")
                await settle(pilot)
            await pilot.press("l", "l")


async def test_ascii_glyphs_are_used_everywhere_when_asked_for(project: RecordedProject) -> None:
    marked = three(project)

    async with on_compare(project, marked=marked, ascii_only=True) as (_, screen):
        for name in ("#legend", "#parameters", "#metrics", "#chart", "#detail"):
            for row in text_of(screen, name):
                assert row.isascii(), row


async def test_capital_c_draws_one_run_alone_then_the_next_then_all(project: RecordedProject) -> None:
    runs = [project.run(f"r{number}") for number in range(2)]

    async with on_compare(project, marked=[run.id for run in runs]) as (pilot, screen):
        drawn = []
        for _ in range(3):
            await pilot.press("C")
            await settle(pilot)
            drawn.append([line.label for line in screen.query_one(Chart).lines])
        assert drawn == [["r0"], ["r1"], ["r0", "r1"]]
