"""What a slot shows of the run in it."""

from __future__ import annotations

import math
from array import array
from pathlib import Path
from typing import Any

import pytest
from autoloop.gpus import Gpu, GpuProcess, GpuReport
from autoloop.model import LoopEnd, LoopEndKind, RunState, Series
from autoloop.runners import procfs

from autoloop_tui.console.drawing.paint import look
from autoloop_tui.console.screens.slots.screen import SlotsScreen
from autoloop_tui.console.telemetry import Load, Sample, Sampler
from autoloop_tui.console.widgets.chart import Chart
from autoloop_tui.console.widgets.log_tail import LogTail
from autoloop_tui.console.widgets.slots.cards import SlotCards
from tests.console.projects import RecordedProject, painted
from tests.console.running import Size
from tests.console.screens.slots.driving import HOSTILE, SIZES, busy, cards, changed, drive, look_again, read_at_each, shown
from tests.console.waiting import settle
from tests.support.processes import bystander

# ----------------------------------------------------------------------------------------------------------- what is shown

EVERY_SIZE = [*SIZES, (60, 20)]


@pytest.mark.parametrize("size", SIZES)
async def test_empty_slots_say_so(tmp_path: Path, size: Size) -> None:
    async with drive(RecordedProject(tmp_path), size) as (pilot, screen):
        assert cards(screen).count("nothing has run here yet") == 2
        assert "this slot has not run anything yet" in shown(pilot)
        for key in ("j", "k", "enter", "l", "m", "d", "y", "n", "x", "2", "9"):
            await pilot.press(key)
            await settle(pilot)
        assert isinstance(pilot.app.screen, SlotsScreen)


async def test_a_running_slot_shows_its_run_progress_metric_and_log(tmp_path: Path) -> None:
    async with drive(busy(tmp_path)) as (pilot, screen):
        async for size in read_at_each(pilot, screen, SIZES):
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


@pytest.mark.parametrize("slots", [2, 7])
@pytest.mark.parametrize("state", [RunState.FAILED, RunState.LOST, RunState.STOPPED])
async def test_a_slot_whose_run_did_not_succeed_names_its_state_in_its_colour_and_the_reason(
    tmp_path: Path, slots: int, state: Any
) -> None:
    project = RecordedProject(tmp_path, slots=slots)
    project.run("broken", state, reason=f"{state.value}: CUDA out of memory", log="boom\n")

    async with drive(project) as (pilot, screen):
        async for size in read_at_each(pilot, screen, EVERY_SIZE):
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


async def test_a_slot_whose_run_failed_says_so_no_longer_when_it_waits_or_runs_again(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path, slots=7)
    project.run("broken", RunState.FAILED, reason="CUDA out of memory")
    project.run("next", RunState.RUNNING, slot=0, log="x\n")
    project.run("other", RunState.FAILED, reason="no data", attempt={"slot": 1})
    project.change_loop(slot_waits={1: "in use by python (pid 41)"})

    async with drive(project) as (pilot, screen):
        async for _ in read_at_each(pilot, screen, EVERY_SIZE):
            rows = {label: row for row in cards(screen).splitlines() for label in ("cpu 0", "cpu 1") if label in row}
            assert "running" in rows["cpu 0"]
            assert "waiting" in rows["cpu 1"].partition("cpu 1")[2]


@pytest.mark.parametrize("slots", [2, 7])
async def test_without_an_engine_a_run_of_which_no_process_is_there_does_not_run(tmp_path: Path, slots: int) -> None:
    project = RecordedProject(tmp_path, slots=slots)
    with bystander() as process:
        supervised = {"handle": procfs.identity(process)}
        project.run("there", RunState.RUNNING, slot=0, log="x\n", attempt=supervised)
        project.run("not_there", RunState.RUNNING, slot=1, log="x\n", attempt={"slot": 1})

        async with drive(project, engine=False) as (pilot, screen):
            async for _ in read_at_each(pilot, screen, EVERY_SIZE):
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
                await pilot.press("q")


Points = tuple[list[int], list[float]]
"""Steps and values."""


def learning(
    folder: Path, *, mine: Points, base: Points, state: RunState = RunState.RUNNING, slots: int = 2
) -> RecordedProject:
    """A run and its base, of which each logged the key metric at these steps with these values."""
    project = RecordedProject(folder, slots=slots)
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


async def test_a_line_a_slot_gives_the_step_of_the_change_and_cuts_no_number(tmp_path: Path) -> None:
    async with drive(learning(tmp_path, mine=([50, 100], [0.91, 0.58]), base=FALLING, slots=7)) as (pilot, screen):
        async for size in read_at_each(pilot, screen, [(80, 24), (60, 20)]):
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
    project = RecordedProject(tmp_path, slots=1)
    project.change_loop(spec=changed(project.spec, preset=str(preset)))
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
    project = RecordedProject(tmp_path, name=HOSTILE)
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: Any, told: Any
) -> None:
    monkeypatch.setattr(Sampler, "take", lambda *_, **__: Sample(report, {}, frozenset({40})))
    project = busy(tmp_path, slots=1)
    project.change_loop(spec=changed(project.spec, device="cuda", gpus=[0]))

    async with drive(project) as (pilot, screen):
        await pilot.app.workers.wait_for_complete()
        async for _ in read_at_each(pilot, screen, SIZES):
            assert "gpu 0" in cards(screen)
            for words in told:
                assert words in cards(screen)


async def test_a_slot_that_waits_for_its_gpu_says_for_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sampler, "take", lambda *_, **__: Sample(gpus(), {}, frozenset()))
    project = RecordedProject(tmp_path, slots=1)
    project.run("next")
    why = "in use by python (pid 41, ann, 12.3 GiB)"
    project.change_loop(spec=changed(project.spec, device="cuda", gpus=[0]), slot_waits={0: why})

    async with drive(project) as (pilot, screen):
        async for _ in read_at_each(pilot, screen, SIZES):
            assert "waits" in cards(screen)
            assert "python (pid 41, ann" in " ".join(cards(screen).split())


async def test_a_cpu_slot_tells_the_load_of_its_process_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load(cpu=187.0, memory=3 << 30)
    monkeypatch.setattr(Sampler, "take", lambda *_, **__: Sample(GpuReport(), {"run00002": load}))

    async with drive(busy(tmp_path), (120, 40)) as (pilot, screen):
        await pilot.app.workers.wait_for_complete()
        await settle(pilot)
        look_again(screen)
        assert "cpu 187%" in cards(screen)
        assert "mem 3.0G" in cards(screen)
