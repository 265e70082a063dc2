"""What it costs to follow runs that train, and how soon a rule judges what one of them wrote.

64 runs sleep in the slots of the real engine while another process writes their W&B files: nothing for a while, then ten
rows of 20 metrics a second each, each flushed at once, then besides one bad row in one run after the other. Run:
`python bench/watching.py [RUNS] [SECONDS]`. With AUTOLOOP_BENCH_BLIND=1 the kernel refuses to watch anything, so that
every file is looked at five times a second; with AUTOLOOP_BENCH_PYTHON=1 nothing compiled reads.
"""

from __future__ import annotations

import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from autoloop.engine import Engine
from autoloop.metric_readers import native
from autoloop.model import EventKind
from autoloop.store import Store
from loops import sleeping_loop
from wandb_files import Framed, item, part, records, varint

RULES = """
name = "live"
version = "1"
[[rule]]
id = "bad"
scope = "live"
when = 'metric("loss").max > 5'
reason = "it is bad"
"""
JUDGED = 20
METRICS, PER_SECOND = 20, 10
LIMIT, SOON = 5.0, 250.0
"""Percent of a core; milliseconds, of 95 in 100."""


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 20.0
    if len(sys.argv) > 3:
        return write(runs, seconds, Path(sys.argv[3]))
    if os.environ.get("AUTOLOOP_BENCH_BLIND"):
        refuse_watching()
    if os.environ.get("AUTOLOOP_BENCH_PYTHON"):
        native.compiled = None
    print(f"the compiled reader is {'' if native.compiled else 'not '}in use")
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        rules = project / "live.toml"
        rules.write_text(RULES)
        watched = {"rules": str(rules), "live": True, "steps": 10**6, "concurrency": runs}
        with Store.open(project, create=True) as store:
            loop = sleeping_loop(store, project, runs, 100_000, 'output_dir = "must-exist"', **watched)
            engine = Engine(store, loop)
            Bench(engine, runs, seconds).run()
    return 0


def write(runs: int, seconds: float, list_of_files: Path) -> int:
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
            time.sleep(max(0.0, begin + (index + number / runs) / PER_SECOND - time.time()))
            file.write(frames.add(rows[at]) + frames.add(rows[at + 1]))
        if judged < JUDGED and time.time() > begin + seconds + judged / 2:
            bad = part(2, item("train/loss", 9.0) + part(2, b"\x08" + varint(index * 10 + 15)))
            files[judged].write(framed[judged].add(bad))
            print(judged, time.time(), flush=True)
            judged += 1
        if judged == JUDGED:
            break
    return 0


def refuse_watching() -> None:
    from watchfiles import _rust_notify

    def refuse(*_: Any) -> None:
        raise OSError("the bench refuses it")

    _rust_notify.RustNotify = refuse  # type: ignore[assignment,misc]


class Bench:
    """Drives the phases from the engine's turns."""

    def __init__(self, engine: Engine, runs: int, seconds: float) -> None:
        self.engine = engine
        self.runs = runs
        self.seconds = seconds
        self.phases = self.steps()
        self.stopping: dict[str, float] = {}

    def run(self) -> None:
        self.engine.run(self.on_event, lambda: next(self.phases, None))

    def on_event(self, event: Any) -> None:
        if event.kind == EventKind.RUN_STOPPING:
            self.stopping[event.run] = time.time()

    def steps(self) -> Any:
        while len(self.engine.execution.executing) < self.runs:
            yield
        active = list(self.engine.execution.executing)
        files = []
        for each in active:
            folder = Path(each.attempt.output_dir) / "wandb" / "offline-run-20261122_080000-bench"
            folder.mkdir(parents=True)
            files.append(str(folder / "run-bench.wandb"))
        named = Path(active[0].attempt.output_dir).with_name("files")
        named.write_text("\n".join(files))
        yield from self.rest(3.0)
        yield from self.measured("idle")
        words = [sys.executable, __file__, str(self.runs), str(self.seconds + 3), str(named)]
        writer = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        yield from self.rest(2.0)
        before = memory()
        yield from self.measured(f"{PER_SECOND} rows a second each", LIMIT)
        print(f"memory, before and after {before:11.1f} MB, {memory():.1f} MB")
        while writer.poll() is None:
            yield
        yield from self.rest(2.0)
        assert writer.stdout is not None
        written = dict(line.split() for line in writer.stdout.read().splitlines())
        ids = [each.run.id for each in active]
        delays = sorted((self.stopping[ids[int(at)]] - float(when)) * 1e3 for at, when in written.items())
        late = delays[math.ceil(len(delays) * 0.95) - 1]
        print(
            f"flush → stop recorded   {statistics.median(delays):8.1f} ms  median, {late:.1f} ms of 95 in 100 (≤ {SOON:g})"
        )
        self.engine.stop_soon(stopped(), kill=True)
        while True:
            yield

    def rest(self, seconds: float) -> Any:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            yield

    def measured(self, what: str, limit: float | None = None) -> Any:
        cpu, begin = time.process_time(), time.monotonic()
        yield from self.rest(self.seconds)
        share = (time.process_time() - cpu) / (time.monotonic() - begin)
        target = f" (≤ {limit:g})" if limit else ""
        print(f"{self.runs} runs, {what:<22} {share * 100:6.1f} %  of one core{target}", flush=True)


def memory() -> float:
    return float(psutil.Process().memory_info().rss) / 1e6


def stopped() -> Any:
    from autoloop.model import LoopEnd, LoopEndKind

    return LoopEnd(kind=LoopEndKind.SIGNAL, text="the bench is over")


if __name__ == "__main__":
    sys.exit(main())
