"""Loops whose engines, supervisors and trainers get signals according to a plan drawn from a seed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autoloop.engine import holder
from autoloop.model import Loop, LoopState
from autoloop.protocol import Approve, Hold, Move, Pause, Propose, Request, Resume, Retry, Stop, Variant
from autoloop.runners import procfs
from autoloop.runners.records import read_json
from autoloop.store import Store, take_snapshot

from tests.engine.project import EngineProject
from tests.support.senders import person
from tests.support.waiting import PATIENCE, eventually

ROUNDS, RUNS, SLOTS = 3, 8, 4


@dataclass(frozen=True)
class Fault:
    """One signal after a delay.

    Engines: `delay` seconds after the start or the lock. Supervisors and trainers: `which` selects one of those alive.
    SIGSTOP is followed by SIGCONT after `held` seconds.
    """

    target: str
    signal: int
    delay: float
    from_lock: bool
    which: float
    held: float

    def __str__(self) -> str:
        since = " after its lock" if self.target == "engine" and self.from_lock else ""
        return f"{self.target} {signal.Signals(self.signal).name} {self.delay * 1e3:.0f} ms{since}"


def plan(chance: random.Random, number: int, targets: tuple[str, ...], signals: tuple[int, ...]) -> list[Fault]:
    """Draw the faults of a test before anything runs."""
    faults = []
    for _ in range(number):
        from_lock = chance.random() < 0.75
        longest = chance.choice((0.02, 0.08, 0.4)) if from_lock else 0.6
        faults.append(
            Fault(
                target=chance.choice(targets),
                signal=chance.choice(signals),
                delay=chance.uniform(0, longest),
                from_lock=from_lock,
                which=chance.random(),
                held=chance.uniform(0.05, 0.4),
            )
        )
    return faults


@dataclass
class Console:
    """A client like the console: it continuously takes snapshots and sends commands, whether or not an engine can answer."""

    project: EngineProject
    loop: Loop
    seed: int
    sent: dict[int, Request] = field(default_factory=dict)
    error: BaseException | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._guarded, daemon=True)
        self._thread.start()

    def _guarded(self) -> None:
        try:
            with Store.open(self.project.folder) as store:
                self._use(store)
        except BaseException as error:
            self.error = error

    def _use(self, store: Store) -> None:
        chance = random.Random(self.seed)
        turn = 0
        while not self._stop.is_set():
            snapshot = take_snapshot(store, self.loop.id)
            assert len(snapshot.runs) >= RUNS
            turn += 1
            if turn % 8 == 0:
                run = chance.choice(snapshot.runs)
                requests: list[Request] = [
                    Pause(),
                    Hold(held=True),
                    Move(run=run.id),
                    Approve(proposals=[10**6]),
                    Propose(run=run.id, variants=[Variant(edits=[f"lr={1000 + turn}"])]),
                    Stop(run="nobody"),
                ]
                request = chance.choice(requests)
                self._send(store, request)
                if isinstance(request, Pause | Hold):
                    self._go_on(store)
            time.sleep(0.03)
        self._go_on(store)

    def _go_on(self, store: Store) -> None:
        self._send(store, Resume())
        self._send(store, Hold(held=False))

    def _send(self, store: Store, request: Request) -> None:
        self.sent[store.send(self.loop.id, request, person("console"))] = request

    def close(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        if self.error:
            raise self.error


class Target:
    """One loop, its engines, and what can be hit."""

    ENGINE: tuple[str, ...] = ("-m", "autoloop.engine.driver.process")
    ROUNDS, RUNS = ROUNDS, RUNS
    LONGEST = 0.25
    """Maximum duration of a training, in seconds."""

    def __init__(self, project: EngineProject, chance: random.Random, *, console: bool = False, retries: int = 50) -> None:
        self.project = project
        number = len(project.store.loops())
        configs = [
            project.config(f"l{number}c{i}", **self.behaviour(chance), stubborn=chance.random() < 0.1)
            for i in range(self.RUNS)
        ]
        self.loop = project.loop(configs, rounds=self.ROUNDS, decide=True, retries=retries, **self.place())
        self.console = Console(project, self.loop, chance.randrange(1 << 30)) if console else None
        self.engine: subprocess.Popen[bytes] | None = None
        self.begun = 0.0
        self.delivered: list[Fault] = []

    def behaviour(self, chance: random.Random) -> dict[str, Any]:
        """Return the behaviour of a trainer."""
        return {"seconds": round(chance.uniform(0.02, self.LONGEST), 3)}

    def place(self) -> dict[str, Any]:
        """Return the settings for where the loop's runs run."""
        return {"concurrency": SLOTS}

    @property
    def over(self) -> bool:
        return self.project.state(self.loop).state is LoopState.FINISHED

    def hit_by(self, faults: list[Fault]) -> None:
        """Deliver faults, taking them from the front of the list, until there are none left or the loop has finished."""
        deadline = time.monotonic() + 4 * PATIENCE
        while faults and not self.over:
            assert time.monotonic() < deadline, self.project.story(self.loop)[-8:]
            self.awake()
            fault = faults[0]
            if self.deliver(fault):
                self.delivered.append(faults.pop(0))

    def awake(self) -> subprocess.Popen[bytes]:
        """Return the running engine; start one if there is none."""
        if self.engine is None or self.engine.poll() is not None:
            self.retry_a_lost_round()
            places = self.project.store.places
            with places.engine_log(self.loop.name).open("ab") as log:
                folder = str(self.project.folder)
                self.engine = subprocess.Popen(
                    [sys.executable, *self.ENGINE, "--project", folder, self.loop.name],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self.begun = time.monotonic()
        return self.engine

    def retry_a_lost_round(self) -> None:
        """Retry the round as a user would, if the loop stopped because no run of its round had finished."""
        store = self.project.store
        if self.project.state(self.loop).state is LoopState.STOPPED and not store.queued(self.loop.id):
            last = store.rounds(self.loop.id)[-1].number
            for run in store.runs(self.loop.id, last):
                store.send(self.loop.id, Retry(run=run.id), person("ada"))

    def deliver(self, fault: Fault) -> bool:
        """Deliver a fault. Return False if there was nothing to hit."""
        engine = self.awake()
        if fault.target == "engine" and fault.from_lock:
            self.await_lock(engine)
        time.sleep(fault.delay)
        pids = self.victims(fault)
        if not pids:
            return self.over
        for pid, start_time in pids:
            procfs.send(pid, start_time, fault.signal)
        if fault.signal == signal.SIGSTOP:
            time.sleep(fault.held)
            for pid, start_time in pids:
                procfs.send(pid, start_time, signal.SIGCONT)
        return True

    def await_lock(self, engine: subprocess.Popen[bytes]) -> None:
        lock = self.project.store.places.lock(self.loop.name)
        deadline = time.monotonic() + PATIENCE
        while engine.poll() is None:
            found = holder(lock)
            if found and found.pid == engine.pid:
                return
            assert time.monotonic() < deadline, "the engine does not take its lock"
            time.sleep(0.001)

    def victims(self, fault: Fault) -> list[tuple[int, int]]:
        """Return (pid, start time) of the processes to hit."""
        found = []
        engine = self.engine
        if fault.target in ("engine", "engine and supervisor") and engine and engine.poll() is None:
            seen = procfs.process(engine.pid)
            found += [(engine.pid, seen.start_time)] if seen else []
        if fault.target in ("supervisor", "engine and supervisor"):
            found += self.one_of(fault.which, "claim", "pid", "start_time")
        if fault.target == "trainer":
            found += self.one_of(fault.which, "start.json", "child_pid", "child_start_time")
        return found

    def one_of(self, which: float, name: str, pid_key: str, time_key: str) -> list[tuple[int, int]]:
        alive = []
        for path in sorted(self.project.folder.glob(f".autoloop/attempts/*/{name}")):
            if (path.parent / "exit.json").exists():
                continue
            try:
                record: dict[str, Any] = read_json(str(path))
                pid, start_time = int(record[pid_key]), int(record[time_key])
            except (OSError, ValueError, KeyError, TypeError):
                continue
            seen = procfs.process(pid)
            if seen and seen.start_time == start_time and seen.state not in procfs.DEAD:
                alive.append((pid, start_time))
        return [alive[int(which * len(alive))]] if alive else []

    def finish(self) -> None:
        """Let the loop end without further faults."""
        if self.console:
            self.console.close()
        deadline = time.monotonic() + 4 * PATIENCE
        while not self.over:
            assert time.monotonic() < deadline, self.project.story(self.loop)[-8:]
            self.await_end(self.awake())
        if self.engine is not None:
            self.await_end(self.engine)

    def await_end(self, engine: subprocess.Popen[bytes]) -> None:
        engine.wait(2 * PATIENCE)
        log = Path(self.project.store.places.engine_log(self.loop.name)).read_text()
        assert "Traceback" not in log, log[-3000:]

    def close(self) -> None:
        if self.console:
            self.console.close()
        if self.engine is not None and self.engine.poll() is None:
            self.engine.kill()
            self.engine.wait()
        eventually(lambda: self.engine is None or self.engine.poll() is not None, "the end of the engine")
