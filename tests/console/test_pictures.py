"""Every screen as a person sees it, held against a picture in __snapshots__. A wanted change: look at the new pictures
after `pytest tests/console/test_pictures.py --snapshot-update`."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autoloop.gpus import Gpu, GpuProcess, GpuReport
from autoloop.model import (
    Actor,
    Change,
    Evidence,
    ExitRecord,
    Observation,
    ProposalStatus,
    RoundState,
    Run,
    RunState,
    Series,
)
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.pilot import Pilot

import autoloop_tui.console.app
from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.screens.plan import PlanApp
from autoloop_tui.console.screens.slots.screen import SlotsScreen
from autoloop_tui.console.screens.welcome import WelcomeApp
from autoloop_tui.console.telemetry import Sample
from tests.console import projects
from tests.console.pictures import picture
from tests.console.projects import CONFIG, RecordedProject
from tests.console.running import Size

SIZES = [(80, 24), (120, 40), (200, 50)]
NOW = 1_700_001_000.0
GIB = 1 << 30

PLAN = """Plan of one loop: 3 configs, 1 round, 2 slots
  gpu 0  act_base       configs/act_base.json
  gpu 1  act_reg_040    configs/act_reg_040.json
  queue  act_tau_050    configs/act_tau_050.json

[1/3] act_base
CUDA_VISIBLE_DEVICES=0 WANDB_MODE=offline python -m lerobot.scripts.train --config_path=configs/act_base.json \
--steps=2000 --log_freq=50 --eval_freq=200 --output_dir=outputs/train/autorun/loop_1700000000/1_act_base_r1
Nothing has been started. `--exec` starts it."""


class Picture(SingleFileSnapshotExtension):
    """One text file a picture, called as its test."""

    _write_mode = WriteMode.TEXT
    _file_extension = "txt"


@pytest.fixture
def still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A world that stands still: the clock, the time zone, the folder's name, the machine's load, nobody's settings."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    for name in ("NO_COLOR", "FORCE_COLOR", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "time", lambda: NOW)
    monkeypatch.setattr(projects, "NOW", NOW)
    monkeypatch.setattr(autoloop_tui.console.app, "CLOCK", 1e6)  # turned by hand
    monkeypatch.setattr(SlotsScreen, "_take_sample", lambda screen, view: setattr(screen, "sample", SAMPLE))
    yield
    monkeypatch.undo()
    time.tzset()


SAMPLE = Sample(
    GpuReport(
        gpus=tuple(
            Gpu(
                index=n,
                name="NVIDIA H100",
                utilisation=busy,
                memory_used=used * GIB,
                memory_total=80 * GIB,
                power=watts,
                temperature=heat,
                processes=(GpuProcess(pid=4242, name="python", user="lin", memory=9 * GIB),) if n == 3 else (),
            )
            for n, (busy, used, watts, heat) in enumerate(
                [(97, 31, 512.0, 66), (88, 24, 430.0, 61), (0, 1, 71.0, 34), (45, 9, 210.0, 48)]
            )
        )
    )
)


# ---------------------------------------------------------------------------------------------------- the world


def wave(n: int, start: Any, end: Any, every: int = 20) -> Any:
    series = Series()
    for i in range(1, n + 1):
        value = end + (start - end) * math.exp(-4 * i / n) + 0.02 * start * math.sin(i)
        series.append(i * every, round(value, 6))
    return series


def metrics(l1: float, *, n: int = 100, pi_sum: float = 0.4, grad: float = 8.0) -> dict[str, Series]:
    return {
        "train/l1_loss": wave(n, 1.0, l1 / 2),
        "eval/offline_eval/avg_l1": wave(max(1, n // 10), 1.2, l1, 200),
        "train/ot_pi_sum": wave(n, 0.1, pi_sum),
        "train/grad_norm": wave(n, 40.0, grad),
    }


def config(**ot: float) -> dict[str, Any]:
    made = copy.deepcopy(CONFIG)
    made["ot"]["loss_config"].update(ot)
    return made


LOG = "".join(
    f"INFO 2023-11-14 22:2{i % 10}:00 step:{i * 50} smpl:{i * 400} ep:{i} loss:{0.9 / (i + 1):.3f} "
    f"grdn:{20 / (i + 1):.2f} lr:1.0e-04\n" + ("WARNING: 搬运 the queue of the loader was empty\n" if i == 7 else "")
    for i in range(24)
)


def loop(*, deciding: bool = False) -> RecordedProject:
    """A loop in its second round: one run ended well, one failed, two go on, one waits."""
    project = RecordedProject(Path())
    spec = msgspec.structs.replace(
        project.spec, device="cuda", gpus=[0, 1, 2, 3], concurrency=4, steps=2000, cwd="/data/act-ot", name="tau sweep"
    )
    project.spec = project.change_loop(spec=spec).spec
    project.round(1, RoundState.DONE)
    base = ended(project, "act_base", metrics(0.42))
    reg = ended(project, "act_reg_040", metrics(0.36, pi_sum=0.02), config=config(reg=0.4))
    project.run(
        "act_big",
        RunState.FAILED,
        step=76,
        reason="CUDA out of memory",
        metrics=metrics(0.9, n=3),
        log="".join(LOG.splitlines(True)[:2]) + "torch.cuda.OutOfMemoryError: CUDA out of memory.\n",
        attempt={
            "slot": 2,
            "exit": ExitRecord(code=1, ended_at=NOW - 300),
            "cause": "CUDA out of memory: lower batch_size, or give the run a GPU of its own",
        },
    )
    made = project.proposal(
        reg,
        ["ot.loss_config.reg@mul=1.6"],
        status=ProposalStatus.LAUNCHED,
        author=Actor.rule("ot-mass-low"),
        reason="OT mass near zero: the plan moves nothing",
        changes=[change("ot.loss_config.reg", 0.4, 0.64)],
        evidence=evidence(0.02),
        run="run00004",
    )
    project.round(2)
    more: dict[str, Any] = {"round": 2, "base": reg, "proposal": made.id, "step": 1240}
    if deciding:
        ended(project, "act_reg_040_r2_1", metrics(0.31), config=config(reg=0.64), **more)
        ended(project, "act_base_r2_1", metrics(0.39), config=config(tau_src=0.5), round=2, base=base)
        project.round(2, RoundState.DECIDING)
        propose(project, reg)
    else:
        for slot, (name, changed, l1) in enumerate(
            [("act_reg_040_r2_1", {"reg": 0.64}, 0.31), ("act_reg_040_r2_2", {"reg": 0.4, "tau_src": 0.5}, 0.5)]
        ):
            project.run(
                name,
                RunState.RUNNING,
                config=config(**changed),
                metrics=metrics(l1, n=62 - 20 * slot),
                log=LOG,
                slot=slot,
                attempt={"slot": slot},
                **more,
            )
        project.run("act_base_r2_1", RunState.QUEUED, config=config(tau_src=0.5), base=base, round=2)
    move_to_relative_paths(project)
    return project


def ended(project: RecordedProject, name: str, columns: dict[str, Series], **more: Any) -> Run:
    more = {**more, "step": 2000}
    return project.run(name, metrics=columns, log=LOG, attempt={"slot": project.made % 4}, **more)


def change(path: str, before: float, after: float) -> Change:
    return Change(path=path, before=before, after=after)


def evidence(value: float) -> Evidence:
    seen = Observation(
        name="ot_pi_sum.last",
        value=value,
        op="<",
        threshold=0.05,
        holds=True,
        metric="train/ot_pi_sum",
        first_step=20,
        last_step=2000,
        n=100,
        noise=0.004,
    )
    return Evidence(rule="ot-mass-low", rule_version="1", when="ot_pi_sum.last < 0.05", observations=[seen])


def propose(project: RecordedProject, base: Run) -> None:
    """One proposal of every status."""
    reg, tau = change("ot.loss_config.reg", 0.4, 0.64), change("ot.loss_config.tau_src", 0.05, 0.5)
    rate = change("policy.optimizer_lr", 2e-3, 1e-3)
    for changes, more in (
        ([reg, tau], {"author": Actor.rule("ot-mass-low"), "evidence": evidence(0.02), "priority": 3, "revision": 2}),
        ([rate], {"author": Actor.rule("grad-high"), "reason": "gradients stay high", "status": ProposalStatus.APPROVED}),
        (
            [tau],
            {"author": Actor.person("lin"), "reason": "to be sure", "status": ProposalStatus.REJECTED, "note": "was tried"},
        ),
        ([reg], {"status": ProposalStatus.BLOCKED, "blocked": "This config has already been run: act_reg_040_r2_1."}),
        ([change("batch_size", 16, 24)], {"status": ProposalStatus.SKIPPED, "notes": ["more than --variants-per-run"]}),
    ):
        more = {"reason": "OT mass near zero: the plan moves nothing", "round": 2, "created_at": NOW - 120, **more}
        project.proposal(base, [f"{c.path}={c.after}" for c in changes], changes=changes, **more)


def move_to_relative_paths(project: RecordedProject) -> None:
    """The folder of a test has another name each time; pictures must not show it."""
    here = f"{Path.cwd()}/"
    for run in project.store.runs(project.loop.id):
        path = run.config_path.removeprefix(here)
        project.store.put_run(msgspec.structs.replace(run, config_path=path))
        for attempt in project.store.attempts(run.id):
            directory, argv = attempt.directory.removeprefix(here), [word.removeprefix(here) for word in attempt.argv]
            changed = msgspec.structs.replace(attempt, directory=directory, argv=argv)
            project.store.put_attempt(changed, project.loop.id)


# ---------------------------------------------------------------------------------------------------- taking them


async def settle(pilot: Pilot[Any], turns: int = 9) -> None:
    """Turn the console's clock by hand until everything that is shown has been read."""
    for _ in range(turns):
        if isinstance(pilot.app, ConsoleApp):
            pilot.app.tick()
        await pilot.pause()


async def shot(app: Any, size: Size, keys: Sequence[str] = ()) -> str:
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        for key in keys:
            await pilot.press(key)
            await settle(pilot)
        return picture(app)


async def console(keys: Sequence[str], size: Size, theme: str = "dark", *, deciding: bool = False) -> str:
    project = loop(deciding=deciding)
    with project.engine():
        made = await shot(project.app(theme=theme), size, keys)
    project.store.close()
    return made


SCREENS = {
    "slots": [],
    "slots-charts": ["m"],
    "proposals": ["p"],
    "rounds": ["r"],
    "compare": ["r", "j", "j", "j", "space", "j", "space", "g", "space", "c"],
    "run-charts": ["enter"],
    "run-log": ["enter", "2"],
    "run-config": ["enter", "3"],
    "run-launch": ["enter", "4"],
    "help": ["question_mark"],
    "confirm": ["x"],
}
"""A picture, and the keys that lead to it."""

ONE_SIZE = ("run-log", "run-config", "run-launch", "slots-charts")
PICTURES = [
    *((name, size, "dark") for name in SCREENS for size in SIZES if name not in ONE_SIZE or size == (120, 40)),
    *((name, (120, 40), theme) for name in ("slots", "proposals", "rounds") for theme in ("light", "okabe-ito")),
]


def called(name: str, size: Size, theme: str = "dark") -> Any:
    return f"{name}-{size[0]}x{size[1]}" + ("" if theme == "dark" else f"-{theme}")


@pytest.fixture
def before(snapshot: Any) -> Any:
    """The picture that was taken of the same before."""
    return snapshot(extension_class=Picture)


@pytest.mark.parametrize(("name", "size", "theme"), PICTURES, ids=[called(*each) for each in PICTURES])
async def test_console(still: Any, before: Any, name: str, size: Size, theme: str) -> None:
    assert await console(SCREENS[name], size, theme, deciding=name == "proposals") == before


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40", "200x50"])
async def test_welcome(still: Any, before: Any, size: Size) -> None:
    assert await shot(WelcomeApp(Path("/data/act-ot"), preferences=Preferences()), size) == before


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40", "200x50"])
async def test_plan(still: Any, before: Any, size: Size) -> None:
    assert await shot(PlanApp("tau sweep", PLAN), size) == before


async def test_a_picture_does_not_depend_on_when_and_where_it_was_taken(
    still: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await console(["enter", "4"], (120, 40))
    elsewhere = tmp_path / "another" / "folder with a name"
    elsewhere.mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    assert await console(["enter", "4"], (120, 40)) == first
    assert str(tmp_path) not in first
