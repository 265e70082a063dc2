"""Many short jobs on a few slots: until all have ended, and from a job's exit to the start of the next one in its slot.

Ours is the real engine with its store, supervisors and records, synced as always, from the start of Python, the making of
its loop included, to the loop's end; of a peer it is the whole command. Processor time is the engine's, from its first turn.
The floor is one shell that starts each job when another has ended.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path

from autoloop.engine import Engine
from autoloop.store import Store

from bench.loops import sleeping_loop
from bench.measuring import ROOT, RUNS, CommandFailed, Result, Sample, Table, Target, command, in_status, interleaved

Peer = Callable[[int, int, float], Sample]
TITLE = "Scheduler"
SHAPES = ((200, 4, 0.1), (1000, 64, 0.0))
"""Jobs, slots, seconds of each job."""
TIMES = 1.05
"""Of the best peer's makespan."""
EXIT_TO_START = Target(50, "a slot that waits trains nothing")
PEERS = ROOT / ".envs" / "schedulers"
PACKAGES = ("submitit", "simple_gpu_scheduler")
DEBIAN = {"parallel": "parallel", "tsp": "task-spooler"}
FEW = (20, 4, 0.1)
"""For a peer that needs seconds for each job."""
RAY = (
    "Ray is not measured: it installs 285 MB and keeps about 1 GB of memory in its own cluster, and has no call that runs "
    "a command in a slot."
)


def measure(result: Result) -> None:
    install(result)
    for jobs, slots, seconds in SHAPES:
        compare(result.table(title(jobs, slots, seconds)), {"a shell (floor)": xargs, **KINDS}, jobs, slots, seconds)
    compare(result.table(title(*FEW)), {"submitit, local": submitit}, *FEW)
    result.notes.append(RAY)


def title(jobs: int, slots: int, seconds: float) -> str:
    return f"{jobs} jobs of {seconds:g} s on {slots} slots"


def compare(table: Table, peers: Mapping[str, Peer], jobs: int, slots: int, seconds: float) -> None:
    told: list[dict[str, float]] = []
    works: dict[str, Callable[[], Sample | None]] = {"Auto Loop": partial(ours, jobs, slots, seconds, told)}
    for name, peer in peers.items():
        try:
            peer(min(jobs, 2 * slots), slots, 0)
        except CommandFailed as error:
            table.note(f"{name} is not here: {error}")
        else:
            works[name] = partial(peer, jobs, slots, seconds)
    found = interleaved(works, RUNS, warm=0)
    medians = {name: statistics.median(each.wall for each in found[name]) for name in found if name in KINDS}
    best = min(medians.items(), key=lambda each: each[1], default=None)
    for name, samples in found.items():
        target = Target(round(TIMES * best[1], 3), f"{TIMES} × {best[0]}") if best and name == "Auto Loop" else None
        table.add(f"{name}: until all have ended", "s", [each.wall for each in samples], target, ours=name == "Auto Loop")
    table.add("processor time of engine, supervisor and job", "ms", [1e3 * each.cpu / jobs for each in found["Auto Loop"]])
    table.add("exit → next start, median of a run", "ms", [each["gap"] for each in told], EXIT_TO_START)
    table.add("exit → next start, p95 of a run", "ms", [each["gap95"] for each in told])
    table.add("the engine's part of it", "ms", [each["engine"] for each in told])
    table.add("the engine's memory", "MB", [each["memory"] for each in told])


# ----------------------------------------------------------------------------------------------------------------- ours


def ours(jobs: int, slots: int, seconds: float, told: list[dict[str, float]]) -> Sample:
    with tempfile.TemporaryDirectory() as place:
        answer = Path(place) / "answer.json"
        words = [sys.executable, "-m", "bench.scheduler", str(jobs), str(slots), str(seconds), str(answer)]
        subprocess.run([*words, str(time.monotonic())], cwd=ROOT, check=True)
        said = json.loads(answer.read_text())
    told.append(said)
    return Sample(said["wall"], said["cpu"], said["memory"])


def run_jobs(jobs: int, slots: int, seconds: float, began: float) -> dict[str, float]:
    """The jobs as a loop of ours, in this process, which was started at `began` by the clock of the machine."""
    with tempfile.TemporaryDirectory() as place:
        project = Path(place)
        with Store.open(project, create=True) as store:
            loop = sleeping_loop(store, project, jobs, seconds, steps=1, concurrency=slots)
            engine = Engine(store, loop)
            before = os.times()
            engine.run()
            wall, after = time.monotonic() - began, os.times()
            gaps = idle(store, loop.id)
        own = after.user + after.system - before.user - before.system
        children = after.children_user + after.children_system - before.children_user - before.children_system
        return {
            "wall": wall,
            "cpu": own + children,
            "engine": own / jobs * 1e3,
            "memory": in_status("VmRSS"),
            "gap": statistics.median(gaps),
            "gap95": sorted(gaps)[int(len(gaps) * 0.95)],
        }


def idle(store: Store, loop: int) -> list[float]:
    """Milliseconds from each exit to the next start in its slot."""
    by_slot: dict[int, list[tuple[float, float]]] = {}
    for attempt in store.loop_attempts(loop):
        start = json.loads((Path(attempt.directory) / "start.json").read_text())["started_at"]
        end = json.loads((Path(attempt.directory) / "exit.json").read_text())["ended_at"]
        by_slot.setdefault(attempt.slot, []).append((start, end))
    return [(later[0] - earlier[1]) * 1e3 for spans in by_slot.values() for earlier, later in pairwise(sorted(spans))]


# ---------------------------------------------------------------------------------------------------------------- peers


def install(result: Result) -> None:
    """The peers, into an environment below .envs/. What cannot be had is left out of the tables, with a sentence."""
    tools = PEERS / "debian"
    tools.mkdir(parents=True, exist_ok=True)
    for name, package in DEBIAN.items():
        if not (tools / "usr/bin" / name).exists() and shutil.which("apt-get"):
            with tempfile.TemporaryDirectory() as place:
                subprocess.run(["apt-get", "download", package], cwd=place, capture_output=True, check=False)
                for archive in Path(place).glob("*.deb"):
                    subprocess.run(["dpkg-deb", "-x", str(archive), str(tools)], capture_output=True, check=False)
    python = PEERS / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=False)
        words = [str(python), "-m", "pip", "install", "-q", "submitit", "simple_gpu_scheduler"]
        subprocess.run(words, capture_output=True, check=False)
    for package in PACKAGES:
        ask = f"from importlib.metadata import version; print(version({package!r}))"
        done = subprocess.run([str(python), "-c", ask], capture_output=True, text=True, check=False)
        result.version(package, done.stdout.strip() or "not installed")
    for name, words in {"parallel": ["--version"], "tsp": ["-V"]}.items():
        if found := tool(name):
            done = subprocess.run([found, *words], capture_output=True, text=True, check=False)
            result.version(name, (done.stdout or done.stderr).splitlines()[0])


def tool(name: str) -> str | None:
    found = shutil.which(name, path=str(PEERS / "debian/usr/bin"))
    return found or shutil.which(name, path=str(PEERS / "bin")) or shutil.which(name)


def needed(name: str) -> str:
    if (found := tool(name)) is None:
        raise CommandFailed(f"{name} is not installed")
    return found


def shell(script: str, **env: str) -> Sample:
    """A script with a folder of its own as its home and its working folder."""
    with tempfile.TemporaryDirectory() as place:
        return command(["/bin/sh", "-c", script], Path(place), {**os.environ, "HOME": place, "TMPDIR": place, **env})


def xargs(jobs: int, slots: int, seconds: float) -> Sample:
    return shell(f"seq {jobs} | xargs -P {slots} -I _ /bin/sleep {seconds:g}")


def gnu_parallel(jobs: int, slots: int, seconds: float) -> Sample:
    log = "--joblog log"  # as ours records each job
    return shell(f"seq {jobs} | {needed('parallel')} --will-cite -N0 -j {slots} {log} /bin/sleep {seconds:g}")


def task_spooler(jobs: int, slots: int, seconds: float) -> Sample:
    tsp = needed("tsp")
    script = f"{tsp} -S {slots}; i=0; while [ $i -lt {jobs} ]; do {tsp} -n /bin/sleep {seconds:g} >ids; i=$((i+1)); done; "
    # The server counts what runs or waits; the last that was queued need not be the last to end.
    wait = f"while {tsp} | grep -qE '^[0-9]+ +(running|queued)'; do {tsp} -w $(cat ids) >wait || :; done; {tsp} -K"
    return shell(script + wait, TS_SOCKET="socket", TS_MAXFINISHED=str(2 * slots), TS_MAXCONN="2000")


def simple_gpu_scheduler(jobs: int, slots: int, seconds: float) -> Sample:
    gpus = " ".join(map(str, range(slots)))
    found = needed("simple_gpu_scheduler")
    return shell(f"yes '/bin/sleep {seconds:g}' | head -n {jobs} | {found} --gpus {gpus}")


SUBMITIT = """
import sys, time
import submitit
jobs, slots, seconds = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
executor = submitit.LocalExecutor(folder="jobs")
executor.update_parameters(timeout_min=5)
job = submitit.helpers.CommandFunction(["/bin/sleep", seconds], verbose=False)
running, left = [], jobs
while left or running:
    running = [each for each in running if not each.done()]
    while left and len(running) < slots:
        running.append(executor.submit(job))
        left -= 1
    time.sleep(0.01)
"""
"""It has no slots of its own; each job is a Python process that loads a pickle."""


def submitit(jobs: int, slots: int, seconds: float) -> Sample:
    with tempfile.TemporaryDirectory() as place:
        words = [str(PEERS / "bin/python"), "-c", SUBMITIT, str(jobs), str(slots), f"{seconds:g}"]
        return command(words, Path(place))


KINDS: dict[str, Peer] = {
    "GNU parallel": gnu_parallel,
    "task-spooler": task_spooler,
    "simple_gpu_scheduler": simple_gpu_scheduler,
}


if __name__ == "__main__":
    given = sys.argv
    Path(given[4]).write_text(json.dumps(run_jobs(int(given[1]), int(given[2]), float(given[3]), float(given[5]))))
