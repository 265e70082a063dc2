"""A loop in its second round at a fixed time, with four GPUs: one run failed, two train, one is queued."""

from __future__ import annotations

import copy
import math
import time
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
from textual.pilot import Pilot

import autoloop_tui.console.app
from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.screens.slots.reading import Machine
from autoloop_tui.console.telemetry import Sample
from tests.console import projects
from tests.console.projects import CONFIG, RecordedProject

NOW = 1_700_001_000.0
GIB = 1 << 30

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


def stand_still(monkeypatch: pytest.MonkeyPatch, folder: Path, sample: Sample = SAMPLE) -> None:
    """Fix the clock, time zone, folder name and machine load, and use no user settings.

    Undo it and call time.tzset() afterwards.
    """
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    for name in ("NO_COLOR", "FORCE_COLOR", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(time, "time", lambda: NOW)
    monkeypatch.setattr(projects, "NOW", NOW)
    monkeypatch.setattr(autoloop_tui.console.app, "CLOCK", 1e6)  # the test advances it
    monkeypatch.setattr(Machine, "look", lambda machine, feed, view: setattr(machine, "sample", sample))


async def settle(pilot: Pilot[Any], turns: int = 9) -> None:
    """Advance the console's clock until everything on the screen has been read."""
    for _ in range(turns):
        if isinstance(pilot.app, ConsoleApp):
            pilot.app.tick()
        await pilot.pause()


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
    """Return a loop in its second round: one run finished, one failed, two are running, one is queued."""
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
    relative(project)
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
    """Add one proposal of every status."""
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


def relative(project: RecordedProject) -> None:
    """Use relative paths: a test's folder has a different name each time, and pictures must not show it."""
    here = f"{project.folder.resolve()}/"
    for run in project.store.runs(project.loop.id):
        path = run.config_path.removeprefix(here)
        project.store.put_run(msgspec.structs.replace(run, config_path=path))
        for attempt in project.store.attempts(run.id):
            directory, argv = attempt.directory.removeprefix(here), [word.removeprefix(here) for word in attempt.argv]
            changed = msgspec.structs.replace(attempt, directory=directory, argv=argv)
            project.store.put_attempt(changed, project.loop.id)
