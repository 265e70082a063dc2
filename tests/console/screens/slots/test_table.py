"""What a slot shows of its run."""

from __future__ import annotations

import math
from array import array
from pathlib import Path
from typing import Any

import pytest
from autoloop.gpus import Gpu, GpuProcess, GpuReport
from autoloop.model import Cause, LoopEnd, LoopEndKind, RunState, Series
from autoloop.protocol import Retry
from autoloop.runners import procfs

from autoloop_tui.console.drawing.paint import look
from autoloop_tui.console.screens.slots.screen import SlotsScreen
from autoloop_tui.console.telemetry import Load, Sample, Sampler
from autoloop_tui.console.widgets.chart import Chart
from autoloop_tui.console.widgets.log_tail import LogTail
from autoloop_tui.console.widgets.slots.table import SlotTable
from tests.console.projects import RecordedProject, painted
from tests.console.running import Size
from tests.console.screens.slots.driving import HOSTILE, SIZES, busy, changed, drive, look_again, read_at_each, shown, table
from tests.console.waiting import settle, until
from tests.support.processes import bystander

# ----------------------------------------------------------------------------------------------------------- what is shown


def below(screen: SlotsScreen) -> str:
    """Return the row below the table."""
    return "".join(painted(screen.query_one("#queue")))


EVERY_SIZE = [*SIZES, (60, 20)]


@pytest.mark.parametrize("size", SIZES)
async def test_empty_slots_say_so(tmp_path: Path, size: Size) -> None:
    async with drive(RecordedProject(tmp_path), size) as (pilot, screen):
        assert table(screen).count("nothing has run here yet") == 2
        heads, *rows = table(screen).splitlines()
        assert {row.index("nothing has run") for row in rows[:2]} == {heads.index("run")}  # in place of a name
        assert "eta" not in heads.split()  # no run that could end
        assert "this slot has not run anything yet" in shown(pilot)
        for key in ("j", "k", "enter", "l", "m", "d", "y", "n", "x", "2", "9"):
            await pilot.press(key)
            await settle(pilot)
        assert isinstance(pilot.app.screen, SlotsScreen)


async def test_a_running_slot_shows_its_run_progress_metric_and_log(tmp_path: Path) -> None:
    async with drive(busy(tmp_path)) as (pilot, screen):
        async for size in read_at_each(pilot, screen, SIZES):
            told = table(screen)
            for word in ("run_0", "run_1", "100%", "▶ running", "eval_l1", "█"):
                assert word in told
            assert "run 0 line 79" in shown(pilot)
            if size[0] >= 200:
                assert "run 1 line 79" in told  # each slot has the last line of its own run


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
            rows = [screen.query_one(SlotTable).render_line(y) for y in range(screen.query_one(SlotTable).size.height)]
            row = rows[1]
            assert "broken" in row.text
            assert "idle" not in row.text
            wanted = pilot.app.get_css_variables()[look(state.value).variable].lower()
            told = [segment for segment in row if state.value in segment.text or "█" in segment.text]
            assert len(told) == 2  # the word and the bar
            assert {str(segment.style.color.get_truecolor().hex).lower() for segment in told} == {wanted}
            assert "CUDA out of memory" in table(screen) + below(screen)
            assert "t retries" in table(screen) or size[0] == 60
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
            _, first, second, *_ = table(screen).splitlines()
            assert "running" in first
            assert "waiting" in second
            assert "in use by python" in second


@pytest.mark.parametrize("slots", [3, 7])
async def test_without_an_engine_a_run_of_which_no_process_is_there_does_not_run(tmp_path: Path, slots: int) -> None:
    project = RecordedProject(tmp_path, slots=slots)
    with bystander() as process:
        supervised = {"handle": procfs.identity(process)}
        project.run("there", RunState.RUNNING, slot=0, log="x\n", attempt=supervised)
        project.run("not_there", RunState.RUNNING, slot=1, log="x\n", attempt={"slot": 1})
        over = project.run("over", RunState.RUNNING, slot=2, log="x\n", attempt={"slot": 2})
        (Path(project.store.attempts(over.id)[-1].directory) / "exit.json").write_text("{}")

        async with drive(project, engine=False) as (pilot, screen):
            async for _ in read_at_each(pilot, screen, EVERY_SIZE):
                rows = screen.query_one(SlotTable).facts
                assert [facts.state for facts in rows[:3]] == ["running", "gone", "ended"]
                told = table(screen)
                assert "gone" in told
                assert "its process is gone" in told
                assert "it has ended" in told
                next_ = " ".join(" ".join(painted(screen.query_one("#next"))).split())
                assert "the engine has stopped: 1 run continues; 1 run has ended in the meantime; the process" in next_
                await pilot.press("r")
                await settle(pilot)
                assert "? gone" in shown(pilot)
                await pilot.press("q")


Points = tuple[list[int], list[float]]
"""Steps and values."""


def learning(
    folder: Path, *, mine: Points, base: Points, state: RunState = RunState.RUNNING, slots: int = 2
) -> RecordedProject:
    """Return a project with a run and its base, which logged these values of the key metric at these steps."""
    project = RecordedProject(folder, slots=slots)
    series = [Series(array("q", steps), array("d", values)) for steps, values in (base, mine)]
    first = project.run("base", metrics={"eval/offline_eval/avg_l1": series[0]})
    project.run("run_0", state, base=first, slot=0, metrics={"eval/offline_eval/avg_l1": series[1]}, log="x\n")
    return project


FALLING = ([50, 100, 150, 200], [0.9, 0.6, 0.4, 0.3])


@pytest.mark.parametrize(
    ("mine", "said"),
    [
        (([50, 100], [0.91, 0.58]), "-0.02    @100"),
        (([50, 100], [0.91, 0.62]), "+0.02    @100"),
        (([50, 100], [0.91, 0.6]), " 0       @100"),
        (([50, 130], [0.91, 0.5]), "-0.1     to 100"),
        (([20], [1.0]), None),
    ],
)
async def test_a_running_run_is_compared_with_its_base_at_the_same_step(tmp_path: Path, mine: Any, said: Any) -> None:
    async with drive(learning(tmp_path, mine=mine, base=FALLING), (120, 40)) as (_, screen):
        told = table(screen)
        if said is None:
            assert "vs base" not in told
        else:
            assert said in told
        (facts, _) = screen.query_one(SlotTable).facts
        if facts.change is not None and not facts.change.delta.fair:
            assert facts.change.delta.piece(9)[1] == "dim"  # with different steps, it is unknown which one is better


async def test_no_number_is_cut_at_any_width(tmp_path: Path) -> None:
    project = learning(tmp_path, mine=([50, 100], [0.91, 0.5812345]), base=FALLING, slots=7)
    async with drive(project) as (pilot, screen):
        async for size in read_at_each(pilot, screen, [(200, 50), (120, 40), (100, 30), (80, 24), (60, 20)]):
            head, row, *_ = table(screen).splitlines()
            assert " 0.5812 " in row
            assert ("-0.01877" in row) == ("vs base" in head) >= (size[0] >= 80)
            assert ("@100" in row) == ("vs base @ step" in head) == (size[0] >= 100)


async def test_names_are_whole_before_anything_else_grows(tmp_path: Path) -> None:
    project, name = RecordedProject(tmp_path, slots=1), "reg_tau_lambda015_wd0.05_r2_4"
    project.run(name, RunState.RUNNING, log="x\n")
    async with drive(project) as (pilot, screen):
        async for size in read_at_each(pilot, screen, [(200, 50), (120, 40), (80, 24), (60, 20)]):
            row = table(screen).splitlines()[1]
            assert name in row if size[0] >= 80 else row.split()[4].endswith("_r2_4")  # both ends of a long name are kept


async def test_a_trend_takes_a_cell_for_each_point_from_the_left(tmp_path: Path) -> None:
    async with drive(learning(tmp_path, mine=([50, 100], [0.91, 0.58]), base=FALLING), (120, 40)) as (_, screen):
        assert "█▁    " in table(screen).splitlines()[1]


async def test_a_metric_that_is_no_number_any_more_is_said_with_the_key_that_stops_the_run(tmp_path: Path) -> None:
    project = learning(tmp_path, mine=([50, 100, 130], [0.91, 0.62, math.nan]), base=FALLING)
    async with drive(project, (120, 40)) as (pilot, screen):
        async for _ in read_at_each(pilot, screen, [(120, 40), (80, 24)]):
            assert "not finite since step 130  x stops" in table(screen) + below(screen)


async def test_a_metric_other_than_the_key_one_that_is_no_number_has_a_sign_at_every_size(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path, slots=3)
    steps = array("q", [50, 100, 130])
    metrics = {
        "eval/offline_eval/avg_l1": Series(steps, array("d", [0.9, 0.6, 0.4])),
        "train/l1_loss": Series(steps, array("d", [1.0, math.nan, math.nan])),
        "train/ratio": Series(steps, array("d", [math.nan, math.nan, math.nan])),
    }
    legitimate = {
        "train/loss": metrics["eval/offline_eval/avg_l1"],
        "train/grad_norm": Series(steps, array("d", [1, 1, math.inf])),
    }
    project.run("run_0", RunState.RUNNING, slot=0, metrics=metrics, log="x\n")
    project.run("run_1", RunState.RUNNING, slot=1, metrics=legitimate, attempt={"slot": 1}, log="x\n")
    first = {"train/loss": Series(steps, array("d", [math.nan, math.nan, math.nan]))}
    project.run("run_2", RunState.RUNNING, slot=2, metrics=first, attempt={"slot": 2}, log="x\n")
    async with drive(project, (120, 40)) as (pilot, screen):
        async for size in read_at_each(pilot, screen, [(160, 45), (120, 40), (80, 24), (60, 20)]):
            assert ("l1_loss not" if size[0] >= 80 else "l1_") in table(screen), size
            assert "l1_loss not finite since step 100  m charts" in table(screen) + below(screen)
        assert {facts.run.name: facts.diverged for facts in screen.query_one(SlotTable).facts if facts.run} == {
            "run_0": ("l1_loss", 100),
            "run_1": None,
            "run_2": ("loss", 50),
        }
        await pilot.press("enter")
        await until(pilot, lambda: "▲ l1_loss not finite since step 100" in shown(pilot))
    project.run("overstayed", metrics={"train/loss": legitimate["train/loss"]}, reason="it did not exit and was stopped")
    project.run("skipped", metrics=legitimate)
    ended = project.run("done", metrics=metrics)
    async with drive(project, (80, 24)) as (pilot, _):
        await pilot.press("r", *"jjjjj")
        await until(pilot, lambda: f"({ended.id}) ✓ finished: l1_loss not finite" in shown(pilot))
        assert {"overstayed", "skipped", "done"} <= set(shown(pilot).split())
        warned = [line for line in shown(pilot).splitlines() if "▲ ✓" in line]
        assert [line.count(" done ") for line in warned] == [1]


async def test_what_a_row_has_no_room_for_is_said_below_when_the_cursor_is_on_it(tmp_path: Path) -> None:
    project = RecordedProject(tmp_path, slots=2)
    cause = Cause(id="x", text="the GPU ran out of memory", advice="lower batch_size")
    attempt = {"slot": 1, "cause": cause.text, "diagnosis": cause}
    project.run("next", RunState.QUEUED)
    project.run("oom", RunState.FAILED, reason=cause.text, attempt=attempt)
    async with drive(project, (80, 24)) as (pilot, screen):
        assert below(screen).strip() == "queue 1: next"
        await pilot.press("j")
        assert below(screen).strip() == "the GPU ran out of memory: lower batch_size  t retries"
        await pilot.press("t")
        assert project.commands() == [Retry(run="run00002")]
    async with drive(project, (80, 24), engine=False) as (pilot, screen):
        await pilot.press("j")
        assert "⏎ shows why" in below(screen)  # nothing can be queued without an engine


async def test_sixty_four_slots_page_and_are_counted(tmp_path: Path) -> None:
    project = busy(tmp_path, slots=64)
    async with drive(project) as (pilot, screen):
        async for size in read_at_each(pilot, screen, [(80, 24), (200, 50)]):
            most = size[1] // 2 - 2
            await pilot.press("g")
            assert f"1–{most} of 64 slots" in shown(pilot)
            for keys, place in (("G", 63), ("g", 0), ("4 2", 42), ("pagedown", 42 + most // 2), ("home", 0), ("7", 7)):
                await pilot.press(*keys.split())
                assert screen.table.place == place, keys
                assert f"run_{place} " in table(screen)
            await pilot.press("end")
            assert f"{65 - most}–64 of 64 slots" in shown(pilot)


async def test_slots_of_one_kind_are_called_by_their_numbers_which_are_their_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sampler, "take", lambda *_, **__: Sample(gpus(), {}, frozenset()))
    project = busy(tmp_path, slots=2)
    project.change_loop(spec=changed(project.spec, device="cuda", gpus=[3, 7]))
    async with drive(project) as (pilot, screen):
        head, first, second, *_ = table(screen).splitlines()
        assert head.split()[0] == "gpu"
        assert [row.strip(" ›").split()[0] for row in (first, second)] == ["3", "7"]
        for key, place in (("7", 1), ("3", 0), ("1", 0)):  # there is no slot 1
            await pilot.press(key)
            assert screen.table.place == place


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
        told = table(screen)
        assert " 0.5 " in told
        assert " 45%" in told
    preset.unlink()  # without it, the format of the log is unknown, so no value may be shown

    async with drive(project, (120, 40)) as (_, screen):
        assert " 0.5 " not in table(screen)


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
            assert "running" in top  # the name is cut, not the state
            assert "1/3" in top


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
        (gpus(), ["97%", "71G"]),
        (gpus(GpuProcess(pid=41, name="python", user="ann")), ["also python (41, ann)"]),
        (gpus(GpuProcess(pid=40, name="ours", user="me")), ["97%", "71G"]),
        (gpus(GpuProcess(pid=7)), ["also a process (7, ?)"]),
        (gpus(GpuProcess(pid=7, name="\x1b[1mevil")), ["also [1mevil (7, ?)"]),
        (GpuReport(error="no NVML: the package nvidia-ml-py is not installed"), ["no NVML: the package"]),
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
        async for size in read_at_each(pilot, screen, SIZES):
            for words in told:
                assert words in table(screen) + below(screen) or (words == "71G" and size[0] < 100)


async def test_a_slot_that_waits_for_its_gpu_says_for_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sampler, "take", lambda *_, **__: Sample(gpus(), {}, frozenset()))
    project = RecordedProject(tmp_path, slots=1)
    project.run("next")
    why = "in use by python (pid 41, ann, 12.3 GiB)"
    project.change_loop(spec=changed(project.spec, device="cuda", gpus=[0]), slot_waits={0: why})

    async with drive(project) as (pilot, screen):
        async for _ in read_at_each(pilot, screen, SIZES):
            assert "▲ waiting" in table(screen)
            assert why in table(screen) + below(screen)


async def test_a_cpu_slot_tells_the_load_of_its_process_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load(cpu=187.0, memory=3 << 30)
    monkeypatch.setattr(Sampler, "take", lambda *_, **__: Sample(GpuReport(), {"run00002": load}))

    async with drive(busy(tmp_path), (120, 40)) as (pilot, screen):
        await pilot.app.workers.wait_for_complete()
        await settle(pilot)
        look_again(screen)
        head, row, *_ = table(screen).splitlines()
        assert " cpu " in head
        assert " 187%" in row
        assert " 3.0G" in row
