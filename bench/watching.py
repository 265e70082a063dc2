"""What it costs to follow runs that train, and how soon a rule judges what one of them wrote.

64 runs sleep in the slots of the real engine while another process writes their rows: none for a while, then one a
second each, then one bad row in one run after the other. Run: `python bench/watching.py [RUNS] [SECONDS]`. With
AUTOLOOP_BENCH_BLIND=1 the kernel refuses to watch anything, so that every file is looked at five times a second.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from autoloop.engine import Engine
from autoloop.model import EventKind
from autoloop.store import Store
from loops import sleeping_loop

RULES = """
name = "live"
version = "1"
[[rule]]
id = "bad"
scope = "live"
when = 'metric("loss").last > 5'
reason = "it is bad"
"""
WRITER = """
import json, sys, time
seconds = float(sys.argv[1])
files = [open(path, "a", buffering=1) for path in sys.argv[2:]]
begin, step = time.time(), 0
while time.time() < begin + seconds:
    step += 1
    for file in files:
        file.write(json.dumps({"_step": step, "loss": 1.0}) + "\\n")
        time.sleep(1 / len(files))
"""
JUDGED = 10


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 20.0
    if os.environ.get("AUTOLOOP_BENCH_BLIND"):
        refuse_watching()
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
        self.written: dict[str, float] = {}
        self.delays: list[float] = []

    def run(self) -> None:
        self.engine.run(self.on_event, lambda: next(self.phases, None))

    def on_event(self, event: Any) -> None:
        if event.kind == EventKind.RUN_STOPPING and event.run in self.written:
            self.delays.append(time.time() - self.written.pop(event.run))

    def steps(self) -> Any:
        while len(self.engine.execution.executing) < self.runs:
            yield
        active = self.engine.execution.executing
        files = [Path(each.attempt.output_dir) / "wandb-history.jsonl" for each in active]
        for file in files:
            file.write_text('{"_step": 0, "loss": 1.0}\n')
        yield from self.rest(3.0)
        yield from self.measured("idle")
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(self.seconds + 2), *map(str, files)])
        yield from self.rest(1.0)
        yield from self.measured("1 row a second each")
        writer.wait()
        for each, file in list(zip(active, files, strict=True))[:JUDGED]:
            before = len(self.delays)
            with file.open("a") as out:
                out.write('{"_step": 999999, "loss": 9.0}\n')
            self.written[each.run.id] = time.time()
            while len(self.delays) == before:
                yield
            yield from self.rest(0.33)
        delays = sorted(delay * 1e3 for delay in self.delays)
        middle = statistics.median(delays)
        print(f"flush → stop recorded   {middle:8.1f} ms  median, {delays[-1]:.1f} ms longest of {len(delays)}")
        self.engine.stop_soon(stopped(), kill=True)
        while True:
            yield

    def rest(self, seconds: float) -> Any:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            yield

    def measured(self, what: str) -> Any:
        cpu, begin = time.process_time(), time.monotonic()
        yield from self.rest(self.seconds)
        share = (time.process_time() - cpu) / (time.monotonic() - begin)
        print(f"{self.runs} runs, {what:<20} {share * 100:6.1f} %  of one core", flush=True)


def stopped() -> Any:
    from autoloop.model import LoopEnd, LoopEndKind

    return LoopEnd(kind=LoopEndKind.SIGNAL, text="the bench is over")


if __name__ == "__main__":
    sys.exit(main())
