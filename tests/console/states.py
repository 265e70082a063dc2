"""A loop on eight GPUs, in the states in which a user may find it at night: running, with failures, waiting for decisions,
finished.

Used for pictures of all screens (tests/console/gallery.py), and for the test that each screen answers the questions of that
moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from autoloop.gpu_history import NAME, GpuHistory, GpuPoint
from autoloop.gpus import Gpu, GpuProcess, GpuReport
from autoloop.metrics import default_book, for_runs
from autoloop.model import (
    Actor,
    ExitRecord,
    LoopEnd,
    LoopEndKind,
    LoopState,
    ProposalStatus,
    Round,
    RoundState,
    Run,
    RunState,
    Sender,
)
from autoloop.verdicts import Judge, outcome

from autoloop_tui.console.telemetry import Sample
from tests.console.projects import RecordedProject
from tests.console.still_loop import GIB, NOW, change, config, evidence, metrics

STEPS = 2000

TOOK, APART = 1600, 1700
"""Duration of a run, and time between the starts of two rounds, in seconds."""


def log(step: int, began: float) -> str:
    """Return the log of a run up to a step, with the times of its lines."""
    lines = []
    for at in range(0, step + 1, 50):
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(began + at * TOOK / STEPS))
        figures = f"loss:{0.9 / (at / 50 + 1):.3f} grdn:{20 / (at / 50 + 1):.2f} lr:1.0e-04"
        lines.append(f"INFO {when} step:{at} smpl:{at * 8} ep:{at // 50} {figures}\n")
        if at == 350:
            lines.append("WARNING: 搬运 the queue of the loader was empty\n")
    return "".join(lines)


ADA = Sender(user="ada", terminal="/dev/pts/1")

BUSY = ((97, 31, 512.0, 66), (88, 24, 430.0, 61), (91, 31, 490.0, 64), (93, 31, 498.0, 65), (94, 31, 499.0, 64))
QUIET = (0, 1, 71.0, 34)


def sample(state: str) -> Sample:
    """Return the state of the GPUs: busy with their own runs or idle; in `broke`, another user's process is on the last
    one."""
    taken = {"running": range(8), "broke": (0, 2, 3, 5, 7)}.get(state, ())
    gpus = []
    for n in range(8):
        busy, used, watts, heat = BUSY[n % len(BUSY)] if n in taken else QUIET
        foreign = GpuProcess(pid=4242, name="python", user="anna", memory=41 * GIB)
        gpus.append(
            Gpu(
                index=n,
                name="NVIDIA H100",
                utilisation=busy,
                memory_used=used * GIB,
                memory_total=80 * GIB,
                power=watts,
                temperature=heat,
                processes=(foreign,) if state == "broke" and n == 7 else (),
            )
        )
    return Sample(GpuReport(gpus=tuple(gpus)))


class Night(RecordedProject):
    """The loop after its first round: a baseline, a better config and one that is not better, with two seeds each."""

    def __init__(self, folder: Path, *, begun: float = 5200) -> None:
        """`begun`: seconds since the loop began."""
        super().__init__(folder)
        self.begun = NOW - begun
        spec = msgspec.structs.replace(
            self.spec,
            device="cuda",
            gpus=list(range(8)),
            concurrency=8,
            steps=STEPS,
            cwd="/data/act-ot",
            name="tau sweep",
            markdown_out="reports/tau_sweep.md",
        )
        self.spec = self.change_loop(spec=spec, created_at=self.begun - 60, started_by=ADA).spec
        self.round(1, RoundState.DONE)
        self.base = self.trained("act_base", 0.42, round=1)
        self.better = self.trained("act_reg_040", 0.36, round=1, base=self.base, reg=0.4)
        self.trained("act_tau_050", 0.43, round=1, base=self.base, tau_src=0.5)

    def round(self, number: int, state: Any = RoundState.RUNNING) -> None:
        began = NOW - 900 if state is RoundState.RUNNING else self.begun + APART * (number - 1)
        ended = began + TOOK if state is RoundState.DONE else None
        self.store.put_round(Round(loop=self.loop.id, number=number, state=state, started_at=began, ended_at=ended))

    def trained(self, name: str, reach: float, **given: Any) -> Run:
        """Add a config that was trained with two seeds, and return its first run."""
        base, number = given.pop("base", None), given.pop("round")
        more = {key: given.pop(key) for key in ("proposal",) if key in given}
        made = []
        began = self.begun + APART * (number - 1)
        times = {"started_at": began, "ended_at": began + TOOK}
        for seed in (1, 2):
            run = self.run(
                f"{name},seed={seed}",
                config={**config(**given), "seed": seed},
                metrics=metrics(reach + 0.002 * seed),
                log=log(STEPS, began),
                base=base,
                group=name,
                seed=str(seed),
                round=number,
                step=STEPS,
                **times,
                attempt={"slot": self.made % 8, **times},
                **more,
            )
            self.gpus_of(run)
            made.append(run)
        return made[0]

    def gpus_of(self, run: Run, *, idle: bool = False) -> None:
        """Write the engine's samples of its GPU."""
        assert run.started_at is not None
        took = (run.ended_at or NOW) - run.started_at
        points = [
            GpuPoint(run.started_at + took * n / 120, 0.0 if idle and n % 3 == 0 else 90.0 + n % 7, 30.5, 500.0)
            for n in range(120)
        ]
        used = GpuHistory(gpus=1, points=points, seconds=took, seconds_known=took, busy=took * 91)
        used = msgspec.structs.replace(used, seconds_idle=took * (0.33 if idle else 0.01), peak=31.0, seconds_powered=took)
        folder = self.store.places.attempt(f"{run.id}-1")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / NAME).write_bytes(msgspec.json.encode(msgspec.structs.replace(used, joules=took * 500)))

    def proposed(self, path: str, before: Any, after: Any, run: str | None = None, **more: Any) -> int:
        """Add a rule's proposal for the better config, and return its number."""
        made = self.proposal(
            self.better,
            [f"{path}={after}"],
            author=Actor.rule("ot-mass-low"),
            changes=[change(path, before, after)],
            evidence=evidence(0.02),
            run=run,
            **{
                "status": ProposalStatus.LAUNCHED if run else ProposalStatus.PENDING,
                "reason": "OT mass near zero: the plan moves nothing",
                "created_at": NOW - 2400,
                **more,
            },
        )
        return made.id

    def training(self, name: str, slot: int, step: int, **more: Any) -> Run:
        """Add a run of round 2 that is on this slot at this step."""
        state = more.pop("state", RunState.RUNNING)
        reach = more.pop("reach", 0.33)
        points = metrics(reach, n=step // 20)
        began = more.pop("started_at", NOW - 900)
        reg = round(0.4 + 0.06 * (slot + 1), 2)
        ended = {"ended_at": more["ended_at"]} if "ended_at" in more else {}
        number = self.proposed("ot.loss_config.reg", 0.4, reg, run=f"run{self.made + 1:05d}", created_at=began - 60)
        run = self.run(
            name,
            state,
            config={**config(reg=reg), "seed": 1},
            metrics=more.pop("metrics", points),
            log=more.pop("log", log(step, began)),
            base=self.better,
            slot=slot if not state.ended else None,
            attempt={"slot": slot, "started_at": began, **ended, **more.pop("attempt", {})},
            proposal=number,
            round=2,
            step=step,
            started_at=began,
            **more,
        )
        self.gpus_of(run, idle=slot == 1)
        return run

    def waiting(self, *names: str) -> None:
        """Queue runs of round 2."""
        for name in names:
            self.run(name, RunState.QUEUED, config={**config(reg=0.9), "seed": 1}, base=self.better, round=2)


def running(folder: Path) -> Night:
    """Round 2 of 3 uses every GPU, and two more configs are queued."""
    night = Night(folder)
    night.round(2)
    for slot, step in enumerate((1240, 1180, 1300, 640, 1020, 980, 1420, 200)):
        night.training(f"act_reg_040_r2_{slot + 1}", slot, step, reach=0.30 + 0.02 * slot)
    night.waiting("act_reg_040_r2_9", "act_reg_040_r2_10")
    return night


def broke(folder: Path) -> Night:
    """Round 2 of 3: one run is out of memory, one has vanished, one diverges, and another user's process is on GPU 7."""
    night = Night(folder)
    night.round(2)
    for slot, step in ((0, 1240), (2, 1300), (3, 640)):
        night.training(f"act_reg_040_r2_{slot + 1}", slot, step, reach=0.30 + 0.02 * slot)
    lost = metrics(0.33, n=60)
    for at in range(40, 60):
        lost["train/l1_loss"].values[at] = float("nan")
    night.training("act_lr_high_r2_6", 5, 1200, metrics=lost)
    night.training(
        "act_bs1024_r2_5",
        4,
        76,
        state=RunState.FAILED,
        reason="CUDA out of memory",
        metrics=metrics(0.9, n=3),
        log=log(50, NOW - 900) + "torch.cuda.OutOfMemoryError: CUDA out of memory.\n",
        ended_at=NOW - 300,
        attempt={
            "exit": ExitRecord(code=1, ended_at=NOW - 300),
            "cause": "CUDA out of memory: lower batch_size, or give the run a GPU of its own",
        },
    )
    night.training(
        "act_reg_040_r2_7",
        6,
        540,
        state=RunState.LOST,
        reason="its process is gone and left no exit code: the machine was restarted or something killed it",
        ended_at=NOW - 200,
    )
    night.waiting("act_reg_040_r2_8", "act_reg_040_r2_9")
    waits = {7: "in use by python (4242, anna, 41.0 GiB)"}
    night.change_loop(slot_waits=waits)
    return night


def deciding(folder: Path) -> Night:
    """Round 1 is done: proposals are pending, and nothing runs."""
    night = Night(folder, begun=TOOK + 120)
    night.round(1, RoundState.DECIDING)
    propose(night, 1)
    return night


def propose(night: Night, number: int) -> None:
    """Add one proposal of each status."""
    now: dict[str, Any] = {"round": number, "created_at": NOW - 120}
    night.proposed("ot.loss_config.reg", 0.4, 0.64, **now)
    night.proposed("ot.loss_config.tau_src", 0.05, 0.5, priority=3, **now)
    night.proposed("policy.optimizer_lr", 0.002, 0.001, reason="gradients stay high", **now)
    night.proposed("batch_size", 16, 24, status=ProposalStatus.APPROVED, reason="the GPUs have room", **now)
    night.proposed("ot.lambda_ot", 0.1, 0.2, status=ProposalStatus.REJECTED, note="was tried", **now)


def finished(folder: Path) -> Night:
    """All three rounds are done: the second has the winner, the third was no better, and one run failed."""
    night = Night(folder)
    for number in (2, 3):
        night.round(number, RoundState.DONE)
    times = {"started_at": night.begun + APART, "ended_at": night.begun + APART + 90}
    best = night.trained("act_reg_064", 0.30, round=2, base=night.better, reg=0.64)
    night.training("act_bs1024_r2_5", 5, 76, state=RunState.FAILED, reason="CUDA out of memory", **times)
    night.trained("act_reg_090", 0.31, round=3, base=best, reg=0.9)
    night.trained("act_reg_064_tau_10", 0.34, round=3, base=best, reg=0.64, tau_src=0.1)
    runs = night.store.runs(night.loop.id)
    found = outcome(
        runs,
        night.store.proposals(night.loop.id),
        night.loop.spec,
        Judge(runs, for_runs(default_book(), runs)),
        "eval/offline_eval/avg_l1",
    )
    assert found is not None
    found = msgspec.structs.replace(found, changes=[change("ot.loss_config.reg", 0.1, 0.64)])
    end = LoopEnd(kind=LoopEndKind.ROUNDS_DONE, text="all rounds are done")
    night.change_loop(state=LoopState.FINISHED, outcome=found, ended_at=NOW - 60, end=end)
    return night


STATES: dict[str, Callable[[Path], Night]] = {"running": running, "broke": broke, "deciding": deciding, "finished": finished}
DRIVEN = ("running", "broke", "deciding")
"""The states in which the loop has an engine."""
