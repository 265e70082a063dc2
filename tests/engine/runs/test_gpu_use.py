"""The GPU use of runs, sampled by the engine and stored with them. The driver is simulated; runs and engine are real."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from autoloop import gpus
from autoloop.engine.runs import gpu_sampling
from autoloop.gpu_history import NAME, GpuHistory, read_history
from autoloop.gpus import GIB, Gpu, GpuReport
from autoloop.model import Loop, LoopState, Run, RunState

from tests.engine.project import EngineProject


class Loads:
    """The simulated state of four cards; `reads` counts the queries."""

    def __init__(self) -> None:
        self.utilisation = {0: 80, 1: 40, 2: 0, 3: 0}
        self.error: str | None = None
        self.reads = 0

    def read(self) -> GpuReport:
        self.reads += 1
        if self.error:
            return GpuReport(error=self.error)
        cards = (
            Gpu(index=index, name="a card", utilisation=value, memory_used=(index + 1) * GIB, power=100.0 * (index + 1))
            for index, value in self.utilisation.items()
        )
        return GpuReport(gpus=tuple(cards))


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Loads:
    loads = Loads()
    monkeypatch.setattr(gpus, "read_loads", loads.read)
    monkeypatch.setattr(gpus, "read", lambda: GpuReport(gpus=tuple(Gpu(index=index, name="a card") for index in range(4))))
    monkeypatch.setattr(gpu_sampling, "EVERY", 0.02)
    monkeypatch.setattr(gpu_sampling, "WRITE_EVERY", 0.02)
    return loads


def loop_on(project: EngineProject, names: str, *cards: int, **more: object) -> Loop:
    """Create a loop with one run per name, on these cards; each run waits for its gate before it ends."""
    configs = [project.config(name, gate=str(project.gate(name))) for name in names.split()]
    values = {"device": "cuda", "gpus": list(cards), "concurrency": len(cards), **more}
    return project.loop(configs, machine=gpus.read(), **values)


def sampled(project: EngineProject, run: Run, times: int = 3) -> GpuHistory | None:
    """Return the history in the file of the run's attempt once it has `times` samples."""
    attempts = project.store.attempts(run.id)
    history = read_history(Path(attempts[-1].directory)) if attempts else None
    return history if history and sum(point.samples for point in history.points) >= times else None


def test_each_run_keeps_the_use_of_the_gpus_of_its_slot(project: EngineProject, loads: Loads) -> None:
    loop = loop_on(project, "a b", 0, 1, 2, 3, gpus_per_run=2, concurrency=2)
    with project.driven(loop) as engine:
        for name in "ab":
            engine.until(partial(sampled, project, project.named(loop, name)), f"the samples of {name}")
            project.gate(name).touch()
        assert engine.end().state is LoopState.FINISHED
    used = [run.summary.gpu for run in project.runs(loop) if run.summary]
    by_cards = {use.peak_memory_gib: use for use in used if use}
    assert len(by_cards) == 2
    busy, idle = by_cards[2.0], by_cards[4.0]
    assert (busy.gpus, busy.idle_share) == (2, 0.0)
    assert (busy.utilisation, busy.power) == (pytest.approx(60), pytest.approx(300))
    assert (idle.gpus, idle.utilisation, idle.idle_share) == (2, 0.0, pytest.approx(1))
    assert idle.power == pytest.approx(700)
    assert busy.seconds > 0
    assert busy.energy_wh == pytest.approx(300 * busy.seconds / 3600)


def test_the_next_engine_goes_on_with_the_history_of_a_run_that_went_on(project: EngineProject, loads: Loads) -> None:
    loop = loop_on(project, "a", 0)
    with project.driven(loop) as engine:
        before = engine.until(lambda: sampled(project, project.named(loop, "a")), "the samples")
    loads.utilisation[0] = 0
    with project.driven(loop) as engine:
        enough = sum(point.samples for point in before.points) + 3
        engine.until(lambda: sampled(project, project.named(loop, "a"), enough), "further samples")
        project.gate("a").touch()
        engine.end()
    summary = project.named(loop, "a").summary
    assert summary is not None
    assert summary.gpu is not None
    assert 0 < (summary.gpu.idle_share or 0) < 1
    assert summary.gpu.seconds >= before.seconds


def test_a_rule_judges_by_it(project: EngineProject, loads: Loads) -> None:
    loads.utilisation[0] = 1
    rules = project.rules(
        'name = "own"\nversion = "1"\n[[rule]]\nid = "starved"\nwhen = "gpu.idle_share > 0.9"\n'
        'reason = "the GPU waits for data"\nchanges = ["lr@mul=2"]\n'
    )
    loop = loop_on(project, "a", 0, rules=rules, decide=True, rounds=2, approve="manual")
    with project.driven(loop) as engine:
        engine.until(lambda: sampled(project, project.named(loop, "a")), "the samples")
        project.gate("a").touch()
        proposal = engine.until(lambda: project.proposals(loop), "the proposal")[0]
    assert proposal.origin == "starved"
    assert proposal.evidence is not None
    assert [(each.name, each.value, each.holds) for each in proposal.evidence.observations] == [
        ("gpu.idle_share", 1.0, True)
    ]


def test_without_a_driver_nothing_is_kept_or_said(project: EngineProject, loads: Loads) -> None:
    loads.error = "no NVML: Driver Not Loaded"
    loop = loop_on(project, "a", 0)
    with project.driven(loop) as engine:
        engine.until(lambda: loads.reads, "the question")
        project.gate("a").touch()
        assert engine.end().state is LoopState.FINISHED
    run = project.named(loop, "a")
    assert run.state is RunState.FINISHED
    assert run.summary is not None
    assert run.summary.gpu is None
    assert not (Path(project.store.attempts(run.id)[-1].directory) / NAME).exists()
    assert not [text for text in project.story(loop) if "NVML" in text]


def test_a_run_on_the_cpu_asks_no_driver(project: EngineProject, loads: Loads) -> None:
    loop = project.loop([project.config("a")])
    project.run(loop)
    assert loads.reads == 0
