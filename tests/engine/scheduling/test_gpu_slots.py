"""A GPU slot takes the next run only if no one else is using the GPU and the last run's memory has been freed. The driver
is simulated; runs and engine are real."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from autoloop import gpus
from autoloop.engine.scheduling import gpu_admission
from autoloop.gpus import GIB, Gpu, GpuProcess, GpuReport
from autoloop.model import Loop, LoopState, RunState
from autoloop.protocol import Pause, Resume

from tests.engine.processes import seen, states
from tests.engine.project import EngineProject

ANN = GpuProcess(pid=41, name="python", user="ann", memory=12 * GIB)


class Machine:
    """Simulated cards. `reads` counts the queries of the driver; while `awake` is not set, none is answered."""

    def __init__(self, cards: int = 4) -> None:
        self.processes: dict[int, tuple[GpuProcess, ...]] = {index: () for index in range(cards)}
        self.lost: dict[int, int] = {}
        """Bytes in use that belong to no process."""
        self.error: str | None = None
        self.reads = 0
        self.awake = threading.Event()
        self.awake.set()

    def report(self) -> GpuReport:
        cards = []
        for index, processes in self.processes.items():
            used = sum(process.memory or 0 for process in processes) + self.lost.get(index, 0)
            cards.append(Gpu(index=index, name="a card", memory_used=used, memory_total=80 * GIB, processes=processes))
        return GpuReport(gpus=tuple(cards)) if self.error is None else GpuReport(error=self.error)

    def read(self) -> GpuReport:
        self.reads += 1
        self.awake.wait()
        return self.report()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    machine = Machine()
    monkeypatch.setattr(gpus, "read", machine.read)
    monkeypatch.setattr(gpu_admission, "LOOK_EVERY", 0.02)
    yield machine
    machine.awake.set()


def on_gpus(project: EngineProject, machine: Machine, names: str, *cards: int, **more: object) -> Loop:
    """Create a loop with one run per name, on these cards; each run waits for its gate `<name>.gate` before it ends."""
    configs = [project.config(name, gate=str(project.gate(name))) for name in names.split()]
    values = {"device": "cuda", "gpus": list(cards), "concurrency": len(cards), **more}
    return project.loop(configs, machine=machine.report(), **values)


def test_somebody_else_on_a_gpu_makes_its_slot_wait_and_the_other_slots_take_the_runs(
    project: EngineProject, machine: Machine
) -> None:
    machine.processes[0] = (ANN,)
    loop = on_gpus(project, machine, "a b", 0, 1)
    with project.driven(loop) as engine:
        waits = engine.until(lambda: project.state(loop).slot_waits, "the wait")
        assert waits == {0: "in use by python (pid 41, ann, 12.0 GiB)"}
        engine.until(lambda: project.named(loop, "a").state is RunState.RUNNING, "the start of a")
        assert project.named(loop, "a").slot == 1
        assert project.named(loop, "b").state is RunState.QUEUED
        machine.processes[0] = (GpuProcess(pid=41, name="python", user="ann", memory=20 * GIB),)
        engine.until(lambda: "20.0 GiB" in project.state(loop).slot_waits.get(0, ""), "the new amount")
        machine.processes[0] = ()
        engine.until(lambda: project.named(loop, "b").slot == 0, "the start of b")
        assert project.state(loop).slot_waits == {}
        for name in "ab":
            project.gate(name).touch()
        assert engine.end().state is LoopState.FINISHED
    told = [note for note in project.story(loop, "note") if "waits" in note]
    assert told == ["gpu 0 waits: in use by python (pid 41, ann, 12.0 GiB); a loop with --allow-busy starts there anyway"]


def test_a_desktop_that_only_draws_and_what_a_driver_keeps_for_itself_are_nobody(
    project: EngineProject, machine: Machine
) -> None:
    machine.processes[0] = (GpuProcess(pid=7, name="Xorg", memory=2 * GIB, compute=False),)
    machine.lost[0] = GIB // 2
    loop = on_gpus(project, machine, "a", 0)
    project.gate("a").touch()
    project.run(loop)
    assert not [note for note in project.story(loop, "note") if "wait" in note or "in use" in note]


def test_memory_of_somebody_who_cannot_be_seen_counts(project: EngineProject, machine: Machine) -> None:
    machine.lost[0] = 9 * GIB
    loop = on_gpus(project, machine, "a", 0)
    with project.driven(loop) as engine:
        waits = engine.until(lambda: project.state(loop).slot_waits, "the wait")
        assert "9.0 GiB used by processes that are not visible from here" in waits[0]
        machine.lost[0] = 0
        project.gate("a").touch()
        engine.end()
    assert states(project.runs(loop)) == [RunState.FINISHED]


def test_allow_busy_starts_beside_them(project: EngineProject, machine: Machine) -> None:
    machine.processes[0] = (ANN,)
    machine.lost[0] = 9 * GIB
    loop = on_gpus(project, machine, "a", 0, allow_busy=True)
    project.gate("a").touch()
    assert project.run(loop).state is LoopState.FINISHED
    assert project.state(loop).slot_waits == {}


@pytest.mark.parametrize("busy", [False, True])
def test_the_next_run_starts_when_the_memory_of_the_last_one_is_back(
    project: EngineProject, machine: Machine, busy: bool
) -> None:
    loop = on_gpus(project, machine, "a b", 2, allow_busy=busy)
    with project.driven(loop) as engine:
        project.trainer_pid(project.named(loop, "a").id)
        machine.processes[2] = (GpuProcess(pid=2**22 + 1, memory=30 * GIB, here=False),)
        project.gate("a").touch()
        waits = engine.until(lambda: project.state(loop).slot_waits, "the wait")
        assert waits[0].startswith("the memory of the run that ended is not free yet: a process (pid 4194305, 30.0 GiB)")
        assert project.named(loop, "b").state is RunState.QUEUED
        machine.processes[2] = ()
        project.gate("b").touch()
        engine.end()
    assert states(project.runs(loop)) == [RunState.FINISHED] * 2


def test_memory_that_never_comes_back_is_waited_for_so_long_and_no_longer(
    project: EngineProject, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_admission, "RELEASE", 0.1)
    loop = on_gpus(project, machine, "a b", 0)
    with project.driven(loop) as engine:
        project.trainer_pid(project.named(loop, "a").id)
        machine.lost[0] = 3 * GIB
        project.gate("a").touch()
        project.gate("b").touch()
        engine.end()
    assert states(project.runs(loop)) == [RunState.FINISHED] * 2
    assert any("3.0 GiB" in note and "starts anyway" in note for note in project.story(loop, "note"))


def test_a_driver_that_never_answers_blocks_neither_the_engine_nor_the_runs_for_ever(
    project: EngineProject, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = on_gpus(project, machine, "a", 0)
    machine.awake.clear()
    with project.driven(loop) as engine:
        engine.until(lambda: machine.reads, "the question")
        assert engine.done(Pause())  # answered although the driver does not answer
        assert engine.done(Resume())
        assert project.named(loop, "a").state is RunState.QUEUED
        monkeypatch.setattr(gpus, "PATIENCE", 0.0)
        project.gate("a").touch()
        engine.end()
    assert machine.reads == 1
    assert any("cannot see who else uses the GPUs (no answer within" in note for note in project.story(loop, "note"))


def test_a_driver_that_is_gone_is_said_once(project: EngineProject, machine: Machine) -> None:
    loop = on_gpus(project, machine, "a b c", 0)
    machine.error = "no NVML: Driver Not Loaded"
    for name in "abc":
        project.gate(name).touch()
    project.run(loop)
    assert len([note for note in project.story(loop, "note") if "Driver Not Loaded" in note]) == 1


def test_the_driver_is_asked_only_while_a_slot_is_free_and_a_run_is_queued(project: EngineProject, machine: Machine) -> None:
    loop = on_gpus(project, machine, "a b", 0)
    with project.driven(loop) as engine:
        project.trainer_pid(project.named(loop, "a").id)
        asked = machine.reads
        assert engine.done(Pause())  # the engine makes several turns meanwhile
        assert engine.done(Resume())
        assert machine.reads == asked
        project.gate("b").touch()
        project.gate("a").touch()
        engine.end()


def test_a_card_that_the_driver_lists_no_more_is_waited_for(project: EngineProject, machine: Machine) -> None:
    loop = on_gpus(project, machine, "a", 3)
    del machine.processes[3]
    with project.driven(loop) as engine:
        waits = engine.until(lambda: project.state(loop).slot_waits, "the wait")
        assert waits == {0: "the driver no longer lists GPU 3"}


def test_a_run_gets_as_many_gpus_as_were_asked_for_and_waits_for_all_of_them(
    project: EngineProject, machine: Machine
) -> None:
    machine.processes[3] = (ANN,)
    loop = on_gpus(project, machine, "a b", 0, 1, 2, 3, gpus_per_run=2, concurrency=2)
    assert [slot.label for slot in loop.spec.slots] == ["gpu 0,1", "gpu 2,3"]
    with project.driven(loop) as engine:
        engine.until(lambda: 1 in project.state(loop).slot_waits, "the wait of the second slot")
        machine.processes[3] = ()
        engine.until(lambda: project.named(loop, "b").slot == 1, "the start of b")
        for name in "ab":
            project.gate(name).touch()
        engine.end()
    assert sorted(seen(run)["gpus"] for run in project.runs(loop)) == ["0,1", "2,3"]
