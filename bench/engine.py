"""What an engine costs by the number of runs that it has driven: processor time and memory, for jobs that take no time on
64 slots. A day of short runs on one machine is a few thousand.
"""

from __future__ import annotations

from bench.measuring import Result
from bench.scheduler import ours

TITLE = "Engine over many runs"
JOBS = (250, 1000, 4000)
TIMES = 2
SLOTS = 64


def measure(result: Result) -> None:
    told: dict[float, list[dict[str, float]]] = {}
    for _ in range(TIMES):
        for jobs in JOBS:
            said: list[dict[str, float]] = []
            ours(jobs, SLOTS, 0.0, said)
            told.setdefault(jobs, []).extend(said)
    time = result.growth("Processor time of the engine", "runs", "s")
    time.add("all of its runs", {jobs: [each["engine"] * jobs / 1e3 for each in found] for jobs, found in told.items()})
    memory = result.growth("Memory of the engine", "runs", "MB")
    memory.add("at the end", {jobs: [each["memory"] for each in found] for jobs, found in told.items()})
