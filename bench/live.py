"""Following 64 runs that train, each with 20 metrics in a W&B file of its own: what it costs the engine, and how soon a rule
judges what one of them wrote.

The runs sleep in the slots of the real engine while another process writes their files: nothing for a while, then ten rows
per second each, each flushed at once, then besides one bad row in one run after the other.
`python -m bench.live SECONDS [blind]` measures once; `blind`: the kernel refuses to watch, so that the engine polls.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autoloop.engine import Engine
from autoloop.model import EventKind, LoopEnd, LoopEndKind
from autoloop.store import Store

from bench.loops import sleeping_loop
from bench.measuring import ROOT, RUNS, Result, Target, in_status
from bench.wandb_files import Framed, item, part, records, varint

TITLE = "Live runs"
FOLLOWED, METRICS, PER_SECOND = 64, 20, 10
SECONDS = 10.0
JUDGED = 20
POINT = 16
"""Bytes of a point in memory: its step and its value."""
RULES = """
name = "live"
version = "1"
[[rule]]
id = "bad"
scope = "live"
when = 'metric("loss").max > 5'
reason = "it is bad"
"""
COST = Target(5.0, "the cores are for the trainings")
SOON = Target(250.0, "a hopeless run is to be stopped soon", of="p95")
FLAT = Target(5.0, "runs train for weeks", of="max")


def measure(result: Result) -> None:
    found = [measured() for _ in range(RUNS)]
    table = result.table(f"{FOLLOWED} runs, {METRICS} metrics, {PER_SECOND} rows per second each")
    table.add("processors of the engine, no rows are written", "% of a core", [each["idle"] for each in found])
    table.add("processors of the engine", "% of a core", [each["live"] for each in found], COST)
    delays = [delay for each in found for delay in each["delays"]]
    table.add("bad row flushed → stop recorded", "ms", delays, SOON)
    table.add(f"memory beyond the points, grown in {SECONDS:g} s", "MB", [each["grown"] for each in found], FLAT)
    blind = measured("blind")
    table = result.table("The same on a file system that reports no changes")
    table.add("processors of the engine, no rows are written", "% of a core", [blind["idle"]])
    table.add("processors of the engine", "% of a core", [blind["live"]])
    table.add("bad row flushed → stop recorded", "ms", blind["delays"])


def measured(*how: str) -> dict[str, Any]:
    """What one engine came to, in a process of its own."""
    words = [sys.executable, "-m", "bench.live", str(SECONDS), *how]
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


# ------------------------------------------------------------------------------------------------------------ one engine


def main() -> None:
    seconds = float(sys.argv[1])
    if sys.argv[2:3] == ["blind"]:
        refuse_watching()
    elif sys.argv[2:]:
        write(seconds, Path(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        rules = project / "live.toml"
        rules.write_text(RULES)
        watched = {"rules": str(rules), "live": True, "steps": 10**6, "concurrency": FOLLOWED}
        with Store.open(project, create=True) as store:
            loop = sleeping_loop(store, project, FOLLOWED, 100_000, 'output_dir = "must-exist"', **watched)
            print(json.dumps(Live(Engine(store, loop), seconds).run()))


def refuse_watching() -> None:
    from watchfiles import _rust_notify

    def refuse(*_: Any) -> None:
        raise OSError("the bench refuses it")

    _rust_notify.RustNotify = refuse  # type: ignore[assignment,misc]


class Live:
    """Drives the phases from the engine's turns."""

    def __init__(self, engine: Engine, seconds: float) -> None:
        self.engine = engine
        self.seconds = seconds
        self.stopping: dict[str, float] = {}
        self.found: dict[str, Any] = {}

    def run(self) -> dict[str, Any]:
        phases = self.phases()
        self.engine.run(self.on_event, lambda: next(phases, None))
        return self.found

    def on_event(self, event: Any) -> None:
        if event.kind == EventKind.RUN_STOPPING:
            self.stopping[event.run] = time.time()

    def phases(self) -> Iterator[None]:
        while len(self.engine.execution.executing) < FOLLOWED:
            yield
        active = list(self.engine.execution.executing)
        files = []
        for each in active:
            folder = Path(each.attempt.output_dir) / "wandb" / "offline-run-20261122_080000-bench"
            folder.mkdir(parents=True)
            files.append(str(folder / "run-bench.wandb"))
        named = Path(active[0].attempt.output_dir).with_name("files")
        named.write_text("\n".join(files))
        yield from self.rest(6.0)  # until the folders are settled
        yield from self.processors("idle")
        words = [sys.executable, "-m", "bench.live", str(self.seconds + 6), str(named)]
        writer = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        while not all(each.follower.step > 100 for each in active):
            yield
        memory, points = in_status("VmRSS"), self.points()
        yield from self.processors("live")
        self.found["grown"] = in_status("VmRSS") - memory - (self.points() - points) * POINT / 2**20
        while writer.poll() is None:
            yield
        assert writer.stdout is not None
        written = [line.split() for line in writer.stdout.read().splitlines()]
        judged = [(active[int(number)].run.id, float(when)) for number, when in written]
        while not all(id_ in self.stopping for id_, _ in judged):
            yield
        self.found["delays"] = [(self.stopping[id_] - when) * 1e3 for id_, when in judged]
        self.engine.stop_soon(LoopEnd(kind=LoopEndKind.SIGNAL, text="the bench is over"), kill=True)

    def rest(self, seconds: float) -> Iterator[None]:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            yield

    def processors(self, phase: str) -> Iterator[None]:
        used, begin = time.process_time(), time.monotonic()
        yield from self.rest(self.seconds)
        self.found[phase] = 100 * (time.process_time() - used) / (time.monotonic() - begin)

    def points(self) -> int:
        return sum(len(series) for each in self.engine.execution.executing for series in each.follower.columns.values())


def write(seconds: float, list_of_files: Path) -> None:
    """What the trainings write, for so many seconds; then bad rows, each told with its time on standard output."""
    paths = list_of_files.read_text().splitlines()
    rows = list(records(int((seconds + JUDGED) * PER_SECOND) + 1, METRICS, random.Random(0)))[:-1]
    framed = [Framed() for _ in paths]
    files = [open(path, "ab", buffering=0) for path in paths]  # noqa: SIM115
    for file, frames in zip(files, framed, strict=True):
        file.write(frames.add(rows[0]))
    begin, judged = time.time(), 0
    for index, at in enumerate(range(1, len(rows), 2)):
        for number, (file, frames) in enumerate(zip(files, framed, strict=True)):
            time.sleep(max(0.0, begin + (index + number / len(files)) / PER_SECOND - time.time()))
            file.write(frames.add(rows[at]) + frames.add(rows[at + 1]))
        if judged < JUDGED and time.time() > begin + seconds + judged / 3:
            bad = part(2, item("train/loss", 9.0) + part(2, b"\x08" + varint(index * 10 + 15)))
            files[judged].write(framed[judged].add(bad))
            print(judged, time.time(), flush=True)
            judged += 1
        if judged == JUDGED:
            break


if __name__ == "__main__":
    main()
