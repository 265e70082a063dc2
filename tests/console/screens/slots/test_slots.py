from __future__ import annotations

import math
from array import array
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from autoloop.gpus import Gpu, GpuProcess, GpuReport
from autoloop.model import Change, LoopEnd, LoopEndKind, LoopState, ProposalStatus, RoundState, Run, RunState, Series
from autoloop.protocol import Move, Stop
from autoloop.runners import procfs
from textual.pilot import Pilot

from autoloop_tui.console.actions import of_scope
from autoloop_tui.console.drawing.paint import look
from autoloop_tui.console.screens.dialogs import Confirm
from autoloop_tui.console.screens.run.screen import RunScreen
from autoloop_tui.console.screens.slots.queue import QueueScreen
from autoloop_tui.console.screens.slots.screen import SlotsScreen
from autoloop_tui.console.telemetry import Load, Sample, Sampler
from autoloop_tui.console.widgets.chart import Chart
from autoloop_tui.console.widgets.log_tail import LogTail
from autoloop_tui.console.widgets.row_pane import RowPane
from autoloop_tui.console.widgets.slots.cards import SlotCards
from tests.console.pictures import text
from tests.console.projects import CONFIG, Project, curve, painted
from tests.console.running import ConsolePilot, Size, on_top, run_app, view_of
from tests.console.waiting import settle
from tests.support.calls import calls_of
from tests.support.processes import bystander

ALL_DONE = LoopEnd(kind=LoopEndKind.ROUNDS_DONE, text="all 3 rounds done")
SIZES = [(80, 24), (120, 40), (200, 50)]
HOSTILE = "\x1b[31mred[b]\u202e" + "漢字" * 30 + "\x07e\u0301nd"


@pytest.fixture(autouse=True)
def nobodys_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def busy(folder: Path, *, slots: int = 2, **spec: Any) -> Project:
    """One run in each slot, made from a base run, with logs and curves."""
    project = Project(folder, slots=slots, **spec)
    base = project.run("base")
    for n in range(slots):
        config = {**CONFIG, "ot": {**CONFIG["ot"], "lambda_ot": 0.2 + n}}
        project.run(
            f"run_{n}",
            RunState.RUNNING,
            base=base,
            config=config,
            slot=n,
            attempt={"slot": n},
            log="".join(f"run {n} line {i}\n" for i in range(80)),
        )
    return project


@asynccontextmanager
async def drive(
    project: Project, size: Size = (80, 24), engine: bool = True, **options: Any
) -> AsyncIterator[tuple[ConsolePilot, SlotsScreen]]:
    """The Slots screen of the project, with everything read."""
    app = project.app(**options)
    async with run_app(app, size, engine=project if engine else None) as pilot:
        screen = app.screen
        assert isinstance(screen, SlotsScreen)
        screen._read(view_of(app))
        screen.refresh_view()
        await settle(pilot)
        yield pilot, screen


def cards(screen: SlotsScreen) -> str:
    return "\n".join(painted(screen.query_one(SlotCards)))


def shown(pilot: Pilot[Any]) -> str:
    return text(pilot.app)


# ----------------------------------------------------------------------------------------------------------- what is shown


@pytest.mark.parametrize("size", SIZES)
async def test_empty_slots_say_so(tmp_path: Path, size: Size) -> None:
    async with drive(Project(tmp_path), size) as (pilot, screen):
        assert cards(screen).count("nothing has run here yet") == 2
        assert "this slot has not run anything yet" in shown(pilot)
        for key in ("j", "k", "enter", "l", "m", "d", "y", "n", "x", "2", "9"):
            await pilot.press(key)
            await settle(pilot)
        assert isinstance(pilot.app.screen, SlotsScreen)


@pytest.mark.parametrize("size", SIZES)
async def test_a_running_slot_shows_its_run_progress_metric_and_log(tmp_path: Path, size: Size) -> None:
    async with drive(busy(tmp_path), size) as (pilot, screen):
        told = cards(screen)
        for word in ("run_0", "run_1", "100%"):
            assert word in told
        assert "run 0 line 79" in shown(pilot)
        assert "eval_l1" in told
        if size[0] >= 120:
            assert "run 1 line 79" in told  # each card has its own run's last line


async def test_wide_screens_show_the_charts_beside_the_log_and_narrow_ones_do_not(tmp_path: Path) -> None:
    project = busy(tmp_path)
    for size in SIZES:
        async with drive(project, size) as (pilot, screen):
            assert screen.query_one("#chart0", Chart).is_on_screen == (pilot.app.size.width >= 100)
            assert screen.query_one(LogTail).is_on_screen


@pytest.mark.parametrize("size", [*SIZES, (60, 20)])
@pytest.mark.parametrize("slots", [2, 7])
@pytest.mark.parametrize("state", [RunState.FAILED, RunState.LOST, RunState.STOPPED])
async def test_a_slot_whose_run_did_not_succeed_names_its_state_in_its_colour_and_the_reason(
    tmp_path: Path, size: Size, slots: int, state: Any
) -> None:
    project = Project(tmp_path, slots=slots)
    project.run("broken", state, reason=f"{state.value}: CUDA out of memory", log="boom\n")

    async with drive(project, size) as (pilot, screen):
        rows = [screen.query_one(SlotCards).render_line(y) for y in range(screen.query_one(SlotCards).size.height)]
        row = next(row for row in rows if "cpu 0" in row.text)
        assert state.value in row.text
        assert "broken" in row.text
        assert "idle" not in row.text[: row.text.index("broken")]
        wanted = pilot.app.get_css_variables()[look(state.value).variable].lower()
        (named,) = [segment for segment in row if state.value in segment.text]
        assert str(named.style.color.get_truecolor().hex).lower() == wanted
        assert "CUDA out of" in cards(screen)
        if state is not RunState.STOPPED and size[0] >= 80:
            assert "1 failed" in painted(screen.query_one("#top"))[0]


@pytest.mark.parametrize("size", [*SIZES, (60, 20)])
async def test_a_slot_whose_run_failed_says_so_no_longer_when_it_waits_or_runs_again(tmp_path: Path, size: Size) -> None:
    project = Project(tmp_path, slots=7)
    project.run("broken", RunState.FAILED, reason="CUDA out of memory")
    project.run("next", RunState.RUNNING, slot=0, log="x\n")
    project.run("other", RunState.FAILED, reason="no data", attempt={"slot": 1})
    project.change_loop(slot_waits={1: "in use by python (pid 41)"})

    async with drive(project, size) as (_, screen):
        rows = {label: row for row in cards(screen).splitlines() for label in ("cpu 0", "cpu 1") if label in row}
        assert "running" in rows["cpu 0"]
        assert "waiting" in rows["cpu 1"].partition("cpu 1")[2]


@pytest.mark.parametrize("size", [*SIZES, (60, 20)])
@pytest.mark.parametrize("slots", [2, 7])
async def test_without_an_engine_a_run_of_which_no_process_is_there_does_not_run(
    tmp_path: Path, size: Size, slots: int
) -> None:
    project = Project(tmp_path, slots=slots)
    with bystander() as process:
        supervised = {"handle": procfs.identity(process)}
        project.run("there", RunState.RUNNING, slot=0, log="x\n", attempt=supervised)
        project.run("not_there", RunState.RUNNING, slot=1, log="x\n", attempt={"slot": 1})

        async with drive(project, size, engine=False) as (pilot, screen):
            rows = screen.query_one(SlotCards).facts
            assert [facts.state for facts in rows[:2]] == ["running", "gone"]
            told = cards(screen)
            assert "gone" in told
            assert "no process" in told
            assert told.count("eta") <= 1 + (slots == 7)  # of the one that runs, and the title of a line each
            next_ = " ".join(" ".join(painted(screen.query_one("#next"))).split())
            assert "the engine has stopped: 1 run continues; no process of 1 run is there any more" in next_
            await pilot.press("r")
            await settle(pilot)
            assert "? gone" in shown(pilot)


Points = tuple[list[int], list[float]]
"""Steps and values."""


def learning(folder: Path, *, mine: Points, base: Points, state: RunState = RunState.RUNNING, slots: int = 2) -> Project:
    """A run and its base, of which each logged the key metric at these steps with these values."""
    project = Project(folder, slots=slots)
    series = [Series(array("q", steps), array("d", values)) for steps, values in (base, mine)]
    first = project.run("base", metrics={"eval/offline_eval/avg_l1": series[0]})
    project.run("run_0", state, base=first, slot=0, metrics={"eval/offline_eval/avg_l1": series[1]}, log="x\n")
    return project


FALLING = ([50, 100, 150, 200], [0.9, 0.6, 0.4, 0.3])


@pytest.mark.parametrize(
    ("mine", "said"),
    [
        (([50, 100], [0.91, 0.58]), "-0.02 at step 100"),
        (([50, 100], [0.91, 0.62]), "+0.02 at step 100"),
        (([50, 100, 130], [0.91, 0.62, math.nan]), "+0.02 at step 100"),
        (([50, 100], [0.91, 0.6]), "= at step 100"),
        (([50, 130], [0.91, 0.5]), "-0.1 to its base at step 100"),
        (([20], [1.0]), None),
    ],
)
async def test_a_running_run_is_compared_with_its_base_at_the_same_step(tmp_path: Path, mine: Any, said: Any) -> None:
    async with drive(learning(tmp_path, mine=mine, base=FALLING), (120, 40)) as (_, screen):
        told = cards(screen)
        if said is None:
            assert "step" not in told
        else:
            assert said in told
        (facts, _) = screen.query_one(SlotCards).facts
        if facts.change is not None and not facts.change.delta.fair:
            assert facts.change.delta.piece(9)[1] == "dim"  # of different steps nobody can say which is better


@pytest.mark.parametrize("size", [(80, 24), (60, 20)])
async def test_a_line_a_slot_gives_the_step_of_the_change_and_cuts_no_number(tmp_path: Path, size: Size) -> None:
    async with drive(learning(tmp_path, mine=([50, 100], [0.91, 0.58]), base=FALLING, slots=7), size) as (_, screen):
        head, row, *_ = cards(screen).splitlines()
        assert "0.58" in row
        assert ("-0.02 @100" in row) == ("change @ step" in head) == (size[0] >= 80)


async def test_metrics_are_read_from_the_console_log_by_the_patterns_of_the_loops_preset(tmp_path: Path) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text(
        """
        name = "mine"
        title = "mine"
        argv = ["{python}", "{script}", "{config}"]
        override_style = "file-only"
        [console]
        metrics = 'it=(?P<step>\\d+) (?P<rest>.*)'
        progress = 'it=(?P<step>\\d+) of (?P<total>\\d+)'
        names = { val = "eval/offline_eval/avg_l1" }
        """
    )
    project = Project(tmp_path, slots=1)
    project.change_loop(spec=_with(project.spec, preset=str(preset)))
    log = "it=40 val:0.75\nit=80 val:0.5\nit=90 of 200\nstep:3 loss:9\n"
    project.run("mine", RunState.RUNNING, metrics={}, log=log, step=0)

    async with drive(project, (120, 40)) as (_, screen):
        told = cards(screen)
        assert "eval_l1 0.5" in told
        assert "90/200" in told
    preset.unlink()  # nobody can say how its log is read: nothing is made up from it

    async with drive(project, (120, 40)) as (_, screen):
        assert "no points yet" in cards(screen)


@pytest.mark.parametrize("size", [*SIZES, (40, 10), (1, 1)])
async def test_long_and_hostile_names_and_logs_break_nothing(tmp_path: Path, size: Size) -> None:
    project = Project(tmp_path, name=HOSTILE)
    base = project.run(HOSTILE)
    project.run(HOSTILE, RunState.RUNNING, base=base, log="\x1b[2J\x1b]0;x\x07" + HOSTILE + "\n")
    project.change_loop(end=LoopEnd(kind=LoopEndKind.USER, text=HOSTILE))

    async with drive(project, size) as (pilot, screen):
        for key in ("m", "d", "l", "x", "n", "e", "q"):
            await pilot.press(key)
            await settle(pilot)
            assert not {c for c in shown(pilot) if c != "\n" and not c.isprintable()}
        if size[0] >= 80:
            await pilot.resize_terminal(*size)
            top = painted(screen.query_one("#top"))[0]
            assert "running" in top  # the name gives way, not the state
            assert "round 1/3" in top


def gpus(*processes: Any, **more: Any) -> Any:
    card = Gpu(
        index=0,
        name="a GPU",
        utilisation=97,
        memory_used=71 << 30,
        memory_total=80 << 30,
        power=412.0,
        temperature=64,
        processes=tuple(processes),
        **more,
    )
    return GpuReport(gpus=(card,))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("report", "told"),
    [
        (gpus(), ["97%", "71G/80G", "412W", "64°C"]),
        (gpus(GpuProcess(pid=41, name="python", user="ann")), ["also python (41, ann)"]),
        (gpus(GpuProcess(pid=40, name="ours", user="me")), ["97%"]),
        (gpus(GpuProcess(pid=7)), ["also a process (7, ?)"]),
        (gpus(GpuProcess(pid=7, name="\x1b[1mevil")), ["also [1mevil (7, ?)"]),
        (GpuReport(error="no NVML: the package nvidia-ml-py is not installed"), ["no NVML: the package"]),
        (GpuReport(), ["no NVML reading yet"]),
    ],
)
async def test_a_gpu_slot_tells_its_load_who_else_is_there_or_why_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: Size, report: Any, told: Any
) -> None:
    monkeypatch.setattr(Sampler, "take", lambda *_, **__: Sample(report, {}, frozenset({40})))
    project = busy(tmp_path, slots=1)
    project.change_loop(spec=_with(project.spec, device="cuda", gpus=[0]))

    async with drive(project, size) as (pilot, screen):
        screen.tick()
        await pilot.app.workers.wait_for_complete()
        await settle(pilot)
        screen._paint_cards(view_of(pilot.app))
        assert "gpu 0" in cards(screen)
        for words in told:
            assert words in cards(screen)


@pytest.mark.parametrize("size", SIZES)
async def test_a_slot_that_waits_for_its_gpu_says_for_whom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: Size
) -> None:
    monkeypatch.setattr(Sampler, "take", lambda *_, **__: Sample(gpus(), {}, frozenset()))
    project = Project(tmp_path, slots=1)
    project.run("next")
    why = "in use by python (pid 41, ann, 12.3 GiB)"
    project.change_loop(spec=_with(project.spec, device="cuda", gpus=[0]), slot_waits={0: why})

    async with drive(project, size) as (_, screen):
        assert "waits" in cards(screen)
        assert "python (pid 41, ann" in " ".join(cards(screen).split())


def _with(struct: Any, **changes: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(struct, **changes)


async def test_a_cpu_slot_tells_the_load_of_its_process_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load(cpu=187.0, memory=3 << 30)
    monkeypatch.setattr(Sampler, "take", lambda *_, **__: Sample(GpuReport(), {"run00002": load}))

    async with drive(busy(tmp_path), (120, 40)) as (pilot, screen):
        screen.tick()
        await pilot.app.workers.wait_for_complete()
        await settle(pilot)
        screen._paint_cards(view_of(pilot.app))
        assert "cpu 187%" in cards(screen)
        assert "mem 3.0G" in cards(screen)


# -------------------------------------------------------------------------------------------------------------------- keys


def test_every_key_of_the_scope_has_its_action() -> None:
    assert [action.id for action in of_scope("slots") if not hasattr(SlotsScreen, f"action_{action.method}")] == []


@pytest.mark.parametrize("size", SIZES)
async def test_the_cursor_moves_by_keys_and_the_log_follows_it(tmp_path: Path, size: Size) -> None:
    async with drive(busy(tmp_path, slots=3), size) as (pilot, screen):
        for key, at in (("j", 1), ("j", 2), ("down", 2), ("k", 1), ("up", 0), ("k", 0), ("3", 2), ("1", 0), ("9", 2)):
            await pilot.press(key)
            assert screen.cursor == at, key
        await pilot.press("2")
        await settle(pilot)
        assert "run 1 line 79" in "\n".join(painted(screen.query_one(LogTail)))
        assert "$ autoloop-tui logs run00003" in shown(pilot)


async def test_moving_the_cursor_draws_only_the_two_cards_it_leaves_and_reaches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with drive(busy(tmp_path, slots=8), (200, 50)) as (pilot, _):
        # The clock draws what has changed; only the keys are of interest.
        monkeypatch.setattr(SlotsScreen, "_paint_cards", lambda *_: None)
        drawn = calls_of(monkeypatch, SlotCards, "_card")
        await pilot.press("j")
        assert [facts.slot.index for _, facts, *_ in drawn] == [0, 1]


async def test_a_click_chooses_a_slot(tmp_path: Path) -> None:
    async with drive(busy(tmp_path), (120, 40)) as (pilot, screen):
        assert await pilot.click(SlotCards, offset=(60, 2))
        await settle(pilot)
        assert screen.cursor == 1


@pytest.mark.parametrize("size", SIZES)
async def test_log_charts_and_config_are_shown_by_their_keys(tmp_path: Path, size: Size) -> None:
    async with drive(busy(tmp_path), size) as (pilot, screen):
        wide = size[0] >= 100
        await pilot.press("m")
        await settle(pilot)
        assert screen.query_one("#chart0", Chart).is_on_screen
        assert screen.query_one(LogTail).is_on_screen == wide
        await pilot.press("d")
        await settle(pilot)
        config = screen.query_one("#config", RowPane)
        assert config.is_on_screen
        told = "\n".join(painted(config))
        assert "against base" in told
        assert "ot.lambda_ot" in told
        assert "0.1" in told
        assert "0.2" in told
        assert not screen.query_one(LogTail).is_on_screen
        await pilot.press("j")
        assert "1.2" in "\n".join(painted(config))
        await pilot.press("l")
        await settle(pilot)
        assert screen.query_one(LogTail).is_on_screen
        assert not config.is_on_screen
        assert screen.query_one("#chart0", Chart).is_on_screen == wide


async def test_a_config_that_cannot_be_read_or_is_too_long_says_so(tmp_path: Path) -> None:
    project = busy(tmp_path, slots=1)
    base = project.run("other")
    project.run("many", RunState.RUNNING, base=base, slot=0, config={**CONFIG, **{f"key{i}": i for i in range(300)}})

    project.change_loop(spec=project.spec)
    for run in project.store.runs(project.loop.id):
        if run.name == "run_0":
            project.store.put_run(_with(run, state=RunState.FINISHED, slot=None, started_at=1.0))
    async with drive(project) as (pilot, screen):
        await pilot.press("d")
        await settle(pilot)
        assert "open the run" in "\n".join(painted(screen.query_one("#config")))

    project.store.places.config("run00004").unlink(missing_ok=True)
    async with drive(project) as (pilot, screen):
        await pilot.press("d")
        await settle(pilot)
        assert "cannot be read" in "\n".join(painted(screen.query_one("#config")))


async def test_charts_go_logarithmic_and_on_to_the_next_metrics(tmp_path: Path) -> None:
    project = Project(tmp_path)
    metrics = {f"train/m{i}": curve() for i in range(7)}
    project.run("some", RunState.RUNNING, metrics=metrics, log="x\n")

    async with drive(project) as (pilot, screen):
        await pilot.press("m")
        await settle(pilot)
        chart = screen.query_one("#chart0", Chart)
        first = chart.chart_title
        await pilot.press("y")
        assert chart.log_y
        await pilot.press("y")
        assert not chart.log_y
        seen = [first]
        for _ in range(7):
            await pilot.press("n")
            seen.append(chart.chart_title)
        assert len(set(seen)) == 7
        assert seen[0] == seen[7]


async def test_enter_opens_the_run_and_q_comes_back(tmp_path: Path) -> None:
    async with drive(busy(tmp_path)) as (pilot, screen):
        await pilot.press("j", "enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, RunScreen)
        assert pilot.app.screen.run_id == "run00003"
        await pilot.press("q")
        await settle(pilot)
        assert pilot.app.screen is screen
        assert screen.cursor == 1


async def test_tab_goes_to_the_log_where_its_own_keys_work_and_back(tmp_path: Path) -> None:
    async with drive(busy(tmp_path)) as (pilot, screen):
        await pilot.press("tab")
        assert screen.query_one(LogTail).has_focus
        await pilot.press("g")
        await settle(pilot)
        assert "run 0 line 0" in "\n".join(painted(screen.query_one(LogTail)))
        await pilot.press("tab")
        assert screen.query_one(SlotCards).has_focus


@pytest.mark.parametrize("size", SIZES)
async def test_stopping_a_run_asks_with_cancel_under_the_cursor(tmp_path: Path, size: Size) -> None:
    project = busy(tmp_path)

    async with drive(project, size) as (pilot, screen):
        for answer in ("enter", "n", "q", "escape"):
            await pilot.press("x")
            await settle(pilot)
            assert isinstance(pilot.app.screen, Confirm)
            assert pilot.app.focused.id == "no"
            assert "checkpoints" in shown(pilot)
            await pilot.press(answer)
            await settle(pilot)
            assert pilot.app.screen is screen
        assert project.commands() == []
        await pilot.press("j", "x")
        await settle(pilot)
        await pilot.press("y")
        await settle(pilot)
        assert project.commands() == [Stop(run="run00003")]


# ----------------------------------------------------------------------------------------------------------- queue dialog


@pytest.fixture
def queued(tmp_path: Path) -> Project:
    project = busy(tmp_path, slots=1)
    for name in ("alpha", "beta", HOSTILE):
        project.run(name, RunState.QUEUED)
    return project


@pytest.mark.parametrize("size", SIZES)
async def test_the_queue_is_reordered_and_runs_are_taken_out(queued: Any, size: Size) -> None:
    async with drive(queued, size) as (pilot, screen):
        await pilot.press("e")
        await settle(pilot)
        assert isinstance(pilot.app.screen, QueueScreen)
        assert shown(pilot).index("alpha") < shown(pilot).index("beta")
        await pilot.press("J")
        assert queued.commands()[-1] == Move(run="run00003", before="run00005")
        await pilot.press("K")  # the first cannot go further up
        await pilot.press("j", "j", "j")
        await pilot.press("K")
        assert queued.commands()[-1] == Move(run="run00005", before="run00004")
        await pilot.press("k", "shift+down")
        assert queued.commands()[-1] == Move(run="run00004", before=None)
        assert len(queued.commands()) == 3
        await pilot.press("x")
        await settle(pilot)
        assert isinstance(pilot.app.screen, Confirm)
        await pilot.press("enter")
        await settle(pilot)
        assert len(queued.commands()) == 3
        await pilot.press("x")
        await settle(pilot)
        await pilot.press("y")
        await settle(pilot)
        assert queued.commands()[-1] == Stop(run="run00004")
        await pilot.press("q")
        await settle(pilot)
        assert pilot.app.screen is screen


async def test_the_cursor_of_the_queue_stays_on_its_run(queued: Any) -> None:
    async with drive(queued) as (pilot, _):
        await pilot.press("e")
        await settle(pilot)
        await pilot.press("j")
        queue = on_top(pilot.app, QueueScreen)
        assert queue.chosen == "run00004"
        queued.store.put_run(_with(queued.store.run("run00003"), state=RunState.STOPPED))
        pilot.app.tick()
        queue.repaint()
        assert queue.chosen == "run00004"
        rows = painted(queue.query_one(RowPane))
        assert rows[0].startswith(">   1  beta")


async def test_an_empty_queue_says_so(tmp_path: Path) -> None:
    async with drive(busy(tmp_path)) as (pilot, screen):
        await pilot.press("e")
        await settle(pilot)
        assert "nothing is queued" in shown(pilot)
        await pilot.press("J", "x", "j", "e")
        await settle(pilot)
        assert pilot.app.screen is screen


# -------------------------------------------------------------------------------------------------------------- what next


@pytest.fixture
def waiting(tmp_path: Path) -> Project:
    project = Project(tmp_path, slots=2)
    base = project.run("base_" + "x" * 60)
    project.round(1, RoundState.DECIDING)
    change = [Change(path="ot.loss_config.reg", before=0.1, after=0.16)]
    for n in range(6):
        project.proposal(base, changes=change, reason=f"reason {n} \x1b[31m" + "because " * 40)
    project.proposal(base, changes=change, status=ProposalStatus.BLOCKED, blocked="no")
    return project


@pytest.mark.parametrize(("size", "rows"), [((80, 24), 0), ((120, 40), 2), ((200, 50), 4)])
async def test_the_strip_shows_as_many_proposals_as_fit(waiting: Any, size: Size, rows: Any) -> None:
    async with drive(waiting, size) as (_, screen):
        strip = painted(screen.query_one("#next"))
        assert len(strip) == rows + 1
        for number, row in enumerate(strip[:rows], 1):
            assert f"#{number}" in row
            assert "reg 0.1→0.16" in row
            assert f"reason {number - 1} [31mbecause" in row
            assert row.rstrip().endswith("…")
        assert "round 2: 6 to decide" in strip[-1]
        assert ("not shown here" in strip[-1]) == bool(rows)
        assert "p decides" in strip[-1]


async def test_the_strip_shrinks_when_everything_is_decided(waiting: Any) -> None:
    async with drive(waiting, (200, 50)) as (pilot, screen):
        for proposal in waiting.store.proposals(waiting.loop.id):
            waiting.store.put_proposal(_with(proposal, status=ProposalStatus.APPROVED))
        pilot.app.tick()
        await settle(pilot)
        assert len(painted(screen.query_one("#next"))) == 1
        assert "round 2: 7 approved" in painted(screen.query_one("#next"))[0]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"held": True}, "held: p, then S starts it"),
        ({"state": LoopState.FINISHED, "end": ALL_DONE}, "all 3 rounds done"),
    ],
)
async def test_the_strip_tells_what_holds_the_next_round(waiting: Any, changes: Any, told: Any) -> None:
    waiting.change_loop(**changes)

    async with drive(waiting) as (_, screen):
        assert told in painted(screen.query_one("#next"))[-1]


async def test_while_a_round_runs_the_strip_tells_what_comes_then(tmp_path: Path) -> None:
    async with drive(busy(tmp_path), (200, 50)) as (_, screen):
        assert "round 1 has 2 runs left, then its proposals" in painted(screen.query_one("#next"))[0]


# ------------------------------------------------------------------------------------------------------------------ others


@pytest.mark.parametrize("size", SIZES)
async def test_ascii_paints_no_other_character(tmp_path: Path, size: Size) -> None:
    project = busy(tmp_path)
    project.run("dead", RunState.FAILED, slot=None, reason="it fell over")
    project.run("next", RunState.QUEUED)

    async with drive(project, size, ascii_only=True) as (pilot, _):
        for key in ("l", "m", "d", "e", "q", "x", "n"):
            await pilot.press(key)
            await settle(pilot)
            told = shown(pilot)
            assert told.isascii(), (key, {c for c in told if not c.isascii()})


async def test_five_thousand_past_runs_are_walked_over_once_a_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = busy(tmp_path, slots=8)
    run = project.store.run("run00001")
    with project.store.transaction():
        for n in range(5000):
            past = _with(run, id=f"past{n}", name=f"past_{n}", position=100 + n, started_at=1.0, output_dir=None)
            project.store.put_run(past)

    async with drive(project, (200, 50)) as (pilot, screen):
        view = view_of(pilot.app)
        walked = []

        class Counted(list[Run]):
            def __iter__(self) -> Iterator[Run]:
                walked.append(1)
                return super().__iter__()

        fresh = type(view)(_with(view.snapshot, runs=Counted(view.snapshot.runs)), view.engine, view.metrics, view.project)
        monkeypatch.setattr(screen, "tick", lambda: None)  # it counts what is left of the round once a second
        pilot.app.feed.view = fresh
        screen.refresh_view()
        once = len(walked)
        assert once <= 8
        for _ in range(20):
            fresh.run("past4999")
        screen._paint_cards(fresh)
        screen._read(fresh)
        await pilot.press("j", "k", "2")
        assert len(walked) == once


async def test_a_terminal_resized_again_and_again_stays_whole(tmp_path: Path) -> None:
    async with drive(busy(tmp_path)) as (pilot, screen):
        for n in range(25):
            await pilot.resize_terminal(1 + n * 37 % 210, 1 + n * 13 % 55)
        await pilot.resize_terminal(120, 40)
        await settle(pilot)
        assert "run_0" in cards(screen)
        assert "run 0 line 79" in shown(pilot)
