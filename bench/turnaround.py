"""How fast a slot is given on: 200 jobs of 0.1 s on 4 slots, through the real engine, store and supervisors.

The floor is 200 / 4 × 0.1 s = 5.0 s of sleep plus the start of 50 processes in a row (about 5.2 s). Run:
`python bench/turnaround.py`. With `python bench/turnaround.py 10000` that many jobs are in the round and the engine leaves
after 200 of them: a job must cost it what it costs in a small round.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from autoloop.engine import Engine
from autoloop.model import RunState
from autoloop.store import Store
from loops import sleeping_loop

JOBS, SLOTS, SECONDS = 200, 4, 0.1


def main() -> int:
    queued = int(sys.argv[1]) if len(sys.argv) > 1 else JOBS
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        with Store.open(project, create=True) as store:
            loop = sleeping_loop(store, project, queued, SECONDS, steps=1, concurrency=SLOTS)
            engine = Engine(store, loop)

            def leave_when_enough() -> None:
                if store.counts(loop.id).get(RunState.FINISHED, 0) >= JOBS:
                    engine.leave("enough")

            cpu, begin = time.process_time(), time.monotonic()
            engine.run(on_turn=leave_when_enough if queued > JOBS else None)
            took, cpu = time.monotonic() - begin, time.process_time() - cpu
            report(store, loop.id, took, cpu)
    return 0


def report(store: Store, loop: int, took: float, cpu: float) -> None:
    by_slot: dict[int, list[tuple[float, float]]] = {}
    finished = 0
    for attempt in store.loop_attempts(loop):
        if attempt.result is None:
            continue
        start = json.loads((Path(attempt.directory) / "start.json").read_text())["started_at"]
        end = json.loads((Path(attempt.directory) / "exit.json").read_text())["ended_at"]
        by_slot.setdefault(attempt.slot, []).append((start, end))
        finished += attempt.result == "finished"
    gaps = []
    for spans in by_slot.values():
        spans.sort()
        gaps += [(later[0] - earlier[1]) * 1e3 for earlier, later in pairwise(spans)]
    gaps.sort()
    print(f"{finished} of {JOBS} jobs of {SECONDS} s finished on {SLOTS} slots")
    print(f"makespan            {took:8.2f} s   (target ≤ 8, floor about 5.2)")
    print(f"exit → next start   {statistics.median(gaps):8.1f} ms  median (target ≤ 50)")
    print(f"                    {gaps[int(len(gaps) * 0.95)]:8.1f} ms  p95")
    print(f"engine CPU          {cpu:8.2f} s   ({cpu / JOBS * 1e3:.1f} ms a job)")


if __name__ == "__main__":
    sys.exit(main())
