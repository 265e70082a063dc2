from __future__ import annotations

import copy
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autoloop import secrets
from autoloop.metric_readers import follow
from autoloop.metrics import default_book, summarise
from autoloop.model import Actor, ExitRecord, Run, RunState, Series, StopCause, StopKind, WandbSpec
from autoloop.protocol import Kill, Retry, Stop
from textual.pilot import Pilot

from autoloop_tui.console.actions import of_scope
from autoloop_tui.console.screens.dialogs import Confirm
from autoloop_tui.console.screens.run.screen import PARTS, SLOW, RunScreen
from autoloop_tui.console.widgets.big_chart import BigChart
from autoloop_tui.console.widgets.document import Document
from autoloop_tui.console.widgets.log_tail import LogTail
from autoloop_tui.console.widgets.row_pane import RowPane
from autoloop_tui.console.widgets.run.charts import RunCharts
from tests.console.projects import CONFIG, RecordedProject, curve, history, output_of, painted
from tests.console.running import ConsolePilot, Size, at_each, run_app
from tests.console.waiting import settle

SIZES = [(80, 24), (120, 40), (200, 50)]


@pytest.fixture
def project(tmp_path: Path) -> RecordedProject:
    return RecordedProject(tmp_path)


@pytest.fixture
def variant(project: RecordedProject) -> Any:
    """A running variant of a finished run, with a log."""
    base = project.run("baseline")
    config = copy.deepcopy(CONFIG)
    config["ot"]["loss_config"]["tau_src"] = 0.5
    proposal = project.proposal(base)
    project.round(2)
    metrics = {
        "train/l1_loss": curve(25, 0.9, 0.2),
        "eval/offline_eval/avg_l1": curve(5, 1.1, 0.3, 20),
        "train/grad_norm": curve(25, 5, 2),
    }
    log = "".join(f"INFO step {i}\n" for i in range(100)) + "ValueError: the end\n"
    return project.run(
        "variant", RunState.RUNNING, base=base, config=config, round=2, proposal=proposal.id, metrics=metrics, log=log
    )


@asynccontextmanager
async def drive(
    project: RecordedProject, run: Run | str, size: Size = (80, 24), engine: bool = True, **options: Any
) -> AsyncIterator[tuple[ConsolePilot, RunScreen]]:
    """The Run screen on `run`."""
    app = project.app(**options)
    async with run_app(app, size, engine=project if engine else None) as pilot:
        app.open_run(run if isinstance(run, str) else run.id)
        await settle(pilot)
        assert isinstance(app.screen, RunScreen)
        yield pilot, app.screen


async def press(pilot: Pilot[Any], *keys: str) -> None:
    await pilot.press(*keys)
    await settle(pilot)


def seen(screen: RunScreen) -> str:
    """Every row that is on the screen, top to bottom, side by side panes one after the other."""
    panes = [pane for pane in screen.query(RowPane) if pane.is_on_screen and pane.size.width]
    return "\n".join(row for pane in panes for row in painted(pane))


# ---------------------------------------------------------------------------------------------------------- header


async def test_header_says_who_how_far_and_where_from_at_every_size(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (pilot, screen):
        async for width, _ in at_each(pilot, SIZES):
            who, far, origin = painted(screen.query_one("#run-head"))
            assert "▶ running" in who
            assert "variant" in who
            assert "round 2" in who
            assert "base baseline" in who
            assert "50%" in far
            assert "100/200" in far
            assert "steps/s" in far
            assert "eta 50s" in far  # half a second a step in the history
            assert "tau_src 0.05→0.5" in origin
            assert ("to base" in far) == (width >= 100)


async def test_a_run_of_the_first_round_tells_the_file_it_was_given_as(project: RecordedProject) -> None:
    run = project.run("first")

    async with drive(project, run) as (pilot, screen):
        assert "from configs/first.json" in painted(screen.query_one("#run-head"))[2]
        await press(pilot, "3")
        assert "baseline, unchanged" in seen(screen)


async def test_a_running_run_stands_against_its_base_at_the_same_step(project: RecordedProject) -> None:
    key = "eval/offline_eval/avg_l1"
    base = project.run("base", metrics={key: Series(array("q", [50, 100, 200]), array("d", [0.9, 0.6, 0.3]))})
    mine = {key: Series(array("q", [50, 100]), array("d", [0.9, 0.58]))}
    run = project.run("going", RunState.RUNNING, base=base, metrics=mine, log="x\n")

    async with drive(project, run, (160, 40)) as (pilot, screen):
        for _ in range(SLOW):
            screen.tick()
        await settle(pilot)
        assert "-0.02 to base at step 100" in painted(screen.query_one("#run-head"))[1]


async def test_an_unknown_run_is_said_and_survived(project: RecordedProject) -> None:
    project.run("there")

    async with drive(project, "nowhere") as (pilot, screen):
        assert "This loop has no run nowhere" in seen(screen)
        for key in ("tab", "2", "3", "4", "1", "h", "l", "x", "t", "n", "w", "y"):
            await press(pilot, key)
        assert pilot.app.is_running


# ----------------------------------------------------------------------------------------------------------- parts


async def test_tab_and_numbers_reach_every_part(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (pilot, screen):
        shown = []
        for key in ("1", "tab", "tab", "tab", "tab", "2", "3", "4", "m", "d"):
            await press(pilot, key)
            shown.append(screen.part)
            assert [each for each in PARTS if screen.query_one(f"#part-{each}").display] == [screen.part]
        assert shown == [*PARTS, "charts", "log", "config", "launch", "charts", "config"]


def test_every_action_of_the_scope_has_a_method() -> None:
    for action in of_scope("run"):
        assert callable(getattr(RunScreen, f"action_{action.method}"))


async def test_the_last_line_shows_the_command_of_the_part(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (pilot, screen):
        await press(pilot, "2")
        assert painted(screen.query_one("#hints"))[1].strip() == f"$ autoloop-tui logs {variant.id}"


async def test_hints_of_a_part_follow_remapped_keys(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant, (120, 40)) as (pilot, screen):
        pilot.app.preferences.keys["log.filter"] = "F"
        await press(pilot, "2")
        assert "F filter" in painted(screen.query_one("#run-parts"))[0]


# ---------------------------------------------------------------------------------------------------------- charts


async def test_the_chart_draws_the_run_over_its_base(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (_, screen):
        chart = screen.query_one(BigChart)
        run, base = chart.lines
        assert (run.label, run.base) == ("this run", False)
        assert (base.label, base.base) == ("base", True)
        assert len(run.series) == 5
        assert len(base.series) == 10
        assert "┌" in "\n".join(painted(chart))


@pytest.mark.parametrize(("forth", "back"), [("l", "h"), ("right", "left"), ("j", "k")])
async def test_h_and_l_walk_through_the_metrics_key_metrics_first(
    project: RecordedProject, variant: Any, forth: Any, back: Any
) -> None:
    async with drive(project, variant) as (pilot, screen):
        charts, walked = screen.query_one(RunCharts), []
        for _ in range(4):
            walked.append(charts.metric)
            await press(pilot, forth)
        first = "eval/offline_eval/avg_l1"
        assert walked == [first, "train/l1_loss", "train/grad_norm", first]
        await press(pilot, back)
        assert charts.metric == first
        assert "eval_l1" in painted(screen.query_one(BigChart))[0]


async def test_wide_screens_list_all_metrics_with_their_figures(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant, (120, 40)) as (_, screen):
        head, *rows = painted(screen.query_one("#run-metrics"))[1:]
        assert head.split() == ["last", "best", "change", "noise"]
        figures = variant_figures(project, variant, "train/l1_loss")
        row = next(row for row in rows if "l1_loss" in row).split()
        assert row[:3] == ["l1_loss", f"{figures.last:.4g}", f"{figures.best:.4g}"]
        assert row[3].startswith("-0.")
        assert rows[0].startswith("▌")


def variant_figures(project: RecordedProject, run: Run, name: str) -> Any:
    follower = follow(output_of(run), run_id=run.id)
    while follower.poll():
        pass
    return summarise(follower.columns, default_book()).metrics[name]


async def test_xwide_screens_add_the_change_to_the_base(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant, (200, 50)) as (_, screen):
        assert "to base" in painted(screen.query_one("#run-metrics"))[1]


async def test_narrow_screens_have_the_figures_in_one_line(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (_, screen):
        (row,) = painted(screen.query_one("#run-figures"))
        assert row.startswith(" 1/3 eval_l1  last ")
        assert "noise" in row


async def test_a_click_on_a_metric_chooses_it(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant, (120, 40)) as (pilot, screen):
        await pilot.click("#run-metrics", offset=(5, 4))
        await settle(pilot)
        assert screen.query_one(RunCharts).metric == "train/grad_norm"


async def test_smoothing_is_off_at_first_and_said_when_on(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (pilot, screen):
        chart = screen.query_one(BigChart)
        assert [line.label for line in chart.lines] == ["this run", "base"]
        await press(pilot, "w")
        assert [line.label for line in chart.lines] == ["smooth", "this run", "base"]
        assert "smoothed" in painted(chart)[0]
        assert "smoothing on" in painted(screen.query_one("#hints"))[1]
        await press(pilot, "w")
        assert "smoothed" not in painted(chart)[0]


async def test_the_value_axis_turns_logarithmic(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (pilot, screen):
        await press(pilot, "y")
        assert screen.query_one(BigChart).log_y
        assert " log " in painted(screen.query_one(BigChart))[0]


async def test_points_that_come_are_drawn_at_the_next_ticks(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (_, screen):
        before = len(screen.query_one(BigChart).lines[0].series)
        history(output_of(variant), {"eval/offline_eval/avg_l1": curve(8, 1.1, 0.3, 20)})
        for _ in range(4):
            screen.tick()
        assert len(screen.query_one(BigChart).lines[0].series) == 8 > before


# ------------------------------------------------------------------------------------------------------------- log


async def test_the_log_is_followed_and_searched(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (pilot, screen):
        await press(pilot, "2")
        log = screen.query_one(LogTail)
        assert log.has_focus
        assert any("ValueError: the end" in row for row in painted(log))
        await press(pilot, "slash", *"step 42", "enter")
        assert any("step 42" in row for row in painted(log))
        await press(pilot, "n")
        assert isinstance(pilot.app.screen, RunScreen)  # n is the next match while something is searched for


async def test_the_cause_of_a_failure_stands_above_the_log(project: RecordedProject) -> None:
    cause = "CUDA ran out of memory: make batch_size smaller. " * 2
    run = project.run("burst", RunState.FAILED, log="Traceback\n", attempt={"cause": cause, "exit": ExitRecord(code=1)})

    async with drive(project, run) as (pilot, screen):
        await press(pilot, "2")
        pane = screen.query_one("#run-cause")
        assert pane.region.bottom <= screen.query_one(LogTail).region.y
        assert "✗ CUDA ran out of memory" in " ".join(painted(pane))
        assert 1 <= pane.size.height <= 3


async def test_no_room_is_taken_for_a_cause_where_there_is_none(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (_, screen):
        assert not screen.query_one("#run-cause").display


# ---------------------------------------------------------------------------------------------------------- config


async def test_the_config_part_shows_the_difference_the_lineage_and_the_whole(
    project: RecordedProject, variant: Any
) -> None:
    async with drive(project, variant, (120, 40)) as (pilot, screen):
        await press(pilot, "3")
        text = seen(screen)
        assert "Changes  against baseline" in text
        assert "~ ot.loss_config.tau_src  0.05 → 0.5" in text
        assert text.index("✓ baseline") < text.index("▶ variant")
        assert "proposal 1, rule:more-transport: the transport term is weak" in text
        assert '"optimizer_lr": 0.002,' in text


async def test_a_config_of_two_thousand_keys_is_scrolled_and_searched(project: RecordedProject) -> None:
    base = project.run("small")
    config = {**CONFIG, "many": {f"key_{i:04}": i for i in range(2000)}}
    run = project.run("large", base=base, config=config)

    async with drive(project, run) as (pilot, screen):
        await press(pilot, "3")
        text = screen.query_one("#part-config", Document)
        await press(pilot, "G")
        assert "}" in painted(text)[-1]
        await press(pilot, "g", "slash", *"key_1234", "enter")
        assert any('"key_1234": 1234' in row for row in painted(text))
        await press(pilot, "ctrl+d", "ctrl+u", "j", "k", "n", "N")
        assert any('"key_1234": 1234' in row for row in painted(text))


async def test_a_config_that_cannot_be_read_is_one_sentence(project: RecordedProject, variant: Any) -> None:
    Path(variant.config_path).unlink()

    async with drive(project, variant) as (pilot, screen):
        await press(pilot, "3")
        assert f"The frozen config of run {variant.id} cannot be read" in seen(screen)


async def test_added_and_removed_keys_are_told_apart(project: RecordedProject) -> None:
    base = project.run("before", config={"a": 1, "gone": 2})
    run = project.run("after", base=base, config={"a": 1, "new": {"x": 3}})

    async with drive(project, run, (120, 40)) as (pilot, screen):
        await press(pilot, "3")
        rows = seen(screen).splitlines()
        assert any(row.split()[:5] == ["-", "gone", "2", "→", "(deleted)"] for row in rows)
        assert any(row.split()[:2] == ["+", "new"] and "(new)" in row for row in rows)


# ---------------------------------------------------------------------------------------------------------- launch


async def test_the_launch_part_shows_command_environment_places_and_attempts(project: RecordedProject) -> None:
    run = project.run("twice", RunState.FAILED, attempts=2, attempt={"exit": ExitRecord(signal=9), "cause": "killed"})
    project.attempt(
        run,
        number=2,
        exit=ExitRecord(code=3),
        cause="it broke",
        stop=StopCause(kind=StopKind.USER, text="asked by somebody"),
    )

    async with drive(project, run, (120, 60)) as (pilot, screen):
        await press(pilot, "4")
        text = seen(screen)
        assert "/usr/bin/python3 train.py" in text
        assert "signal 9 (SIGKILL)" in text
        assert "exit code 3" in text
        assert "it broke" in text
        assert "asked by somebody" in text
        assert "WANDB_RUN_ID" in text
        assert str(run.output_dir)[:40] in text


async def test_a_queued_run_shows_the_command_as_it_would_start(project: RecordedProject) -> None:
    run = project.run("later", RunState.QUEUED)

    async with drive(project, run) as (pilot, screen):
        assert "It waits in the queue" in seen(screen)
        await press(pilot, "2")
        assert "it waits in the queue" in seen(screen)
        await press(pilot, "4")
        text = seen(screen)
        assert "as it would start" in text
        assert "train.py" in text
        assert "none yet: it waits in the queue" in text


async def test_secrets_are_never_shown(project: RecordedProject, tmp_path: Path) -> None:
    preset = tmp_path / "secret.toml"
    preset.write_text(
        'name = "secret"\ntitle = "t"\n'
        'argv = ["{python}", "--api-key=sesame1", "--token", "sesame2", "{script}", "{config}"]\n'
        'override_style = "file-only"\n[env]\nMY_SECRET_X = "sesame3"\nDB_PASSWORD = "sesame4"\nHARMLESS = "shown"\n'
    )
    project.change_loop(spec=msgspec.structs.replace(project.spec, preset=str(preset), wandb=WandbSpec(online=True)))
    run = project.run("hush", RunState.QUEUED)

    async with drive(project, run, (120, 60)) as (pilot, screen):
        await press(pilot, "4")
        text = seen(screen)
        assert "sesame" not in text
        assert text.count(secrets.MASK) == 4
        assert "shown" in text


async def test_a_preset_that_is_gone_is_said(project: RecordedProject, variant: Any) -> None:
    project.change_loop(spec=msgspec.structs.replace(project.spec, preset="/nowhere/preset.toml"))

    async with drive(project, variant, (120, 60)) as (pilot, screen):
        await press(pilot, "4")
        text = seen(screen)
        assert "The launch preset" in text
        assert "/usr/bin/python3 train.py" in text  # what was started is known all the same


def test_a_flag_with_an_innocent_name_is_shown() -> None:
    words = ["--policy.n_tokens=5", "--key_bits=3", "--wandb.api_key=x", "--password", "p", "last"]
    hidden = secrets.MASK
    assert secrets.shown_words(words) == [
        "--policy.n_tokens=5",
        "--key_bits=3",
        f"--wandb.api_key={hidden}",
        "--password",
        hidden,
        "last",
    ]


# -------------------------------------------------------------------------------------------------------- commands


async def test_stopping_asks_first_and_cancel_is_the_answer_under_the_cursor(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant) as (pilot, _):
        await press(pilot, "x")
        assert isinstance(pilot.app.screen, Confirm)
        assert "checkpoints and metrics so far are kept" in pilot.app.screen.why
        await press(pilot, "enter")
        assert project.commands() == []
        await press(pilot, "x", "y")
        assert project.commands() == [Stop(run=variant.id)]


@pytest.mark.parametrize(
    ("state", "asked"), [(RunState.QUEUED, Stop), (RunState.STOPPING, Kill)], ids=["queued", "stopping"]
)
async def test_what_stop_asks_depends_on_the_state(project: RecordedProject, state: Any, asked: Any) -> None:
    run = project.run("some", state)

    async with drive(project, run) as (pilot, _):
        await press(pilot, "x", "y")
        assert project.commands() == [asked(run=run.id)]


async def test_an_ended_run_has_nothing_to_stop(project: RecordedProject) -> None:
    run = project.run("done")

    async with drive(project, run) as (pilot, screen):
        await press(pilot, "x")
        assert "there is nothing to stop" in painted(screen.query_one("#hints"))[1]
        assert pilot.app.screen is screen


async def test_retry_is_sent(project: RecordedProject) -> None:
    run = project.run("broken", RunState.FAILED)

    async with drive(project, run) as (pilot, _):
        await press(pilot, "t")
        assert project.commands() == [Retry(run=run.id)]


async def test_without_an_engine_the_key_that_restarts_it_is_said(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant, engine=False) as (pilot, screen):
        await press(pilot, "t")
        assert "press R to restart it" in painted(screen.query_one("#hints"))[1]
        assert project.commands() == []


@pytest.mark.parametrize("part", ["1", "2", "3", "4"])
async def test_a_variant_is_asked_for_in_every_part(project: RecordedProject, variant: Any, part: Any) -> None:
    async with drive(project, variant) as (pilot, screen):
        await press(pilot, part, "n")
        assert pilot.app.screen is not screen


# ------------------------------------------------------------------------------------------------- hostile and large


@pytest.mark.parametrize("size", [*SIZES, (40, 10), (1, 1)])
async def test_hostile_names_and_texts_are_harmless_at_every_size(project: RecordedProject, size: Size) -> None:
    evil = "\x1b[31m[b]日本語\u202e\n'\"{" + "x" * 300
    config = {**CONFIG, evil: evil}
    base = project.run("base")
    proposal = project.proposal(base, author=Actor.person(evil), reason=evil)
    run = project.run(
        "v",
        RunState.FAILED,
        base=base,
        config=config,
        proposal=proposal.id,
        reason=evil,
        log=evil.encode() * 50,
        metrics={"train/" + evil: curve(5)},
        attempt={"cause": evil, "argv": [evil, evil], "stop": StopCause(kind=StopKind.USER, text=evil)},
    )

    async with drive(project, run, size) as (pilot, screen):
        for part in "1234":
            await press(pilot, part)
            text = seen(screen)
            assert "\x1b" not in text
            assert "\u202e" not in text
            for pane in screen.query(RowPane):
                for y in range(pane.size.height):
                    assert pane.render_line(y).cell_length == pane.size.width


async def test_a_lost_run_without_metrics_says_so(project: RecordedProject) -> None:
    run = project.run("ghost", RunState.LOST, metrics={})

    async with drive(project, run) as (_, screen):
        assert "It logged no metric before its process vanished" in seen(screen)


async def test_a_run_among_five_thousand_opens_and_steps_without_waiting(project: RecordedProject) -> None:
    base = project.run("base")
    with project.store.transaction():
        for i in range(5000):
            project.store.put_run(
                type(base)(
                    id=f"old{i:05}",
                    loop=base.loop,
                    round=1,
                    position=i + 10,
                    name=f"old_{i}",
                    config_path="x",
                    source_path="x",
                    config_hash=str(i),
                    state=RunState.FINISHED,
                )
            )
    run = project.run("last", base=base, config={**CONFIG, "seed": 2})

    async with drive(project, run) as (pilot, screen):
        await press(pilot, "3", "1", "l")
        assert "last" in painted(screen.query_one("#run-head"))[0]


async def test_ascii_needs_no_other_letters(project: RecordedProject, variant: Any) -> None:
    async with drive(project, variant, ascii_only=True) as (pilot, screen):
        for part in "1234":
            await press(pilot, part)
            assert seen(screen).isascii(), [c for c in seen(screen) if not c.isascii()]


# ----------------------------------------------------------------------------------------------------------- pieces
