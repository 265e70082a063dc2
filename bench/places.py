"""What places other than this machine cost: the engine with 64 jobs of a Slurm cluster on this machine, beside 64 local
runs and 64 on hosts over ssh; jobs one after the other, beside submitit; and what a loop without places pays for them.

Slurm and munge are needed, as for `make test-slurm`. submitit is compared if `.envs/submitit` is an environment with it
(`python -m venv .envs/submitit; .envs/submitit/bin/pip install submitit`).
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from autoloop.engine import Engine
from autoloop.model import EventKind, HostSpec, RunState, SlurmSpec
from autoloop.runners import procfs
from autoloop.runners.slurm import commands, runner
from autoloop.runners.ssh.connection import Connection
from autoloop.store import Store

from bench.loops import sleeping_loop
from bench.measuring import ROOT, Result, Table, processor
from tests.slurm.cluster import SBIN, Cluster, missing
from tests.ssh.hosts import Lab
from tests.ssh.hosts import missing as no_hosts

TITLE = "Places"
RUNS, SECONDS = 64, 20.0
"""Runs at once, and how long they are watched."""
JOBS, STARTS = 6, 7
"""Jobs one after the other; starts of a process that are compared."""
SUBMITIT = ROOT / ".envs/submitit/bin/python"
EVERYWHERE = "autoloop.runners.slurm.runner, autoloop.runners.ssh.runner, autoloop_tui.console.remote.feed"
"""All that has to do with other machines."""


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[None]:
    made = Cluster(folder / "cluster")
    os.environ |= {"SLURM_CONF": str(made.conf), "PATH": SBIN, "PYTHONPATH": str(ROOT / "core")}
    made.start()
    try:
        yield
        subprocess.run(["scancel", f"--user={os.getuid()}", "--signal=KILL"], check=False)
        while subprocess.run(["squeue", "-h"], capture_output=True, check=False).stdout.strip():
            time.sleep(0.2)
    finally:
        made.stop()


# ---------------------------------------------------------------------------------------------------------------- cost


def cost(result: Result) -> None:
    table = result.table(f"The engine with {RUNS} runs at once, over {SECONDS:.0f} s")
    counted: Counter[str] = Counter()
    real = commands.call

    def call(words: Sequence[str], *given: Any, **more: Any) -> str:
        counted[words[0]] += 1
        return real(words, *given, **more)

    commands.call = runner.call = call  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with cluster(folder):
            for label, spec in (
                ("Slurm", {"slurm": SlurmSpec(partition="gpu", max_jobs=RUNS)}),
                ("local", {"concurrency": RUNS}),
            ):
                (folder / label).mkdir()
                cost_of(table, label, folder / label, counted.copy, **spec)
        if lacking := no_hosts():
            table.note(f"Hosts were not measured: {lacking}.")
        else:
            cost_of_hosts(table, folder / "hosts")


def cost_of_hosts(table: Table, folder: Path) -> None:
    """Over real ssh to three sshd on this machine."""
    made: list[Connection] = []
    real = Connection.open

    def opened(line: Connection, patience: float = 60.0) -> Any:
        made.append(line)
        return real(line, patience)

    def counted() -> Counter[str]:
        return Counter(
            {
                "connections": len(made),
                "bytes sent": sum(each.sent for each in made),
                "bytes received": sum(each.received for each in made),
            }
        )

    lab = Lab(folder / "lab")
    os.environ["PATH"] = f"{lab.bin}:{os.environ['PATH']}"
    try:
        (folder / "project").mkdir()
        hosts = [HostSpec(name=name, max=-(-RUNS // len(lab.hosts))) for name in lab.hosts]
        with mock.patch.object(Connection, "open", opened):
            cost_of(table, "hosts", folder / "project", counted, hosts=hosts)
    finally:
        lab.close()


def cost_of(table: Table, label: str, project: Path, counted: Callable[[], Counter[str]], **spec: Any) -> None:
    with Store.open(project, create=True) as store:
        loop = sleeping_loop(store, project, RUNS, SECONDS + 240, steps=1, **spec)
        engine = Engine(store, loop)
        begun: list[tuple[float, float, float, Counter[str]]] = []
        asked = time.monotonic()

        def look() -> None:
            if not begun and sum(each.started_at is not None for each in store.open_attempts(loop.id)) == RUNS:
                if any(run.waits for run in store.runs(loop.id)):
                    return
                begun.append((time.monotonic(), time.process_time(), commands_called(), counted()))
            elif begun and time.monotonic() - begun[0][0] >= SECONDS:
                engine.leave("measured")

        engine.run(on_turn=look)
        at, own, others, calls = begun[0]
        took = time.monotonic() - at
        table.add(f"{label}: until all run", "s", [at - asked])
        table.add(f"{label}: engine, of a core", "%", [100 * (time.process_time() - own) / took])
        table.add(f"{label}: commands that it calls, of a core", "%", [100 * (commands_called() - others) / took])
        now = counted()
        for name in now:
            table.add(f"{label}: {name}", "", [now[name] - calls[name]])
        table.add(f"{label}: memory", "MB", [memory() / 1024])
        if label == "local":
            for attempt in store.open_attempts(loop.id):
                with contextlib.suppress(OSError, TypeError):
                    os.kill(int((attempt.handle or {})["pid"]), 15)


def commands_called() -> float:
    """Seconds of processors of what this process called: of all that have ended, and of each ssh, which goes on."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    going = 0.0
    for pid, seen in procfs.processes().items():
        if seen.parent == os.getpid():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text() == "ssh\n":
                    going += processor(pid)
    return ended.ru_utime + ended.ru_stime + going


def memory() -> int:
    """KiB of this process that are not shared."""
    return sum(
        int(line.split()[1]) for line in Path("/proc/self/smaps_rollup").read_text().splitlines() if "Private" in line
    )


# ------------------------------------------------------------------------------------------------------------- latency


def latency(result: Result) -> None:
    table = result.table(f"{JOBS} Slurm jobs of 2 s, one after the other")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with cluster(folder):
            project = folder / "project"
            project.mkdir()
            with Store.open(project, create=True) as store:
                loop = sleeping_loop(store, project, JOBS, 2.0, steps=1, slurm=SlurmSpec(partition="gpu", max_jobs=1))
                Engine(store, loop).run()
                ends = {each.run: each.at for each in store.events(loop.id) if each.kind is EventKind.RUN_ENDED}
                starts, seen = [], []
                for attempt in store.loop_attempts(loop.id):
                    directory = Path(attempt.directory)
                    starts.append(told(directory / "start.json", "started_at") - attempt.created_at)
                    seen.append(ends[attempt.run] - told(directory / "exit.json", "ended_at"))
                assert store.counts(loop.id) == {RunState.FINISHED: JOBS}
            table.add("from submit to start", "s", starts)
            table.add("from the end until it is known", "s", seen)
            if not SUBMITIT.exists():
                table.note("submitit is not in `.envs/submitit`, so nothing was compared with it.")
                return
            words = [str(SUBMITIT), str(ROOT / "bench/submitit_jobs.py"), str(folder / "submitit"), str(JOBS), "2"]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            starts, seen = map(list, zip(*json.loads(done.stdout.splitlines()[-1]), strict=True))
            table.add("submitit: from submit to start", "s", starts, ours=False)
            table.add("submitit: from the end until it is known", "s", seen, ours=False)


def told(path: Path, name: str) -> float:
    return float(json.loads(path.read_text())[name])


# --------------------------------------------------------------------------------------------------------------- local


def local(result: Result) -> None:
    table = result.table("A loop without places, as it is and with the modules of all places loaded, in turn")
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        with Store.open(project, create=True) as store:
            Engine(store, sleeping_loop(store, project, 1, 0.1, steps=1, concurrency=1)).run()
        engine = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom bench.places import one_run; one_run()"
        status = "import sys; from autoloop_tui.cli.main import main; main(['status'])"
        for label, code in (("status", status), ("engine", engine)):
            for _ in range(2):  # the first time compiles
                once(project, code)
            found: dict[str, list[tuple[float, int]]] = {"as it is": [], "with all places": []}
            for _ in range(STARTS):
                found["as it is"].append(once(project, code))
                found["with all places"].append(once(project, f"import {EVERYWHERE}\n{code}"))
            for which, each in found.items():
                table.add(f"{label}, {which}, processor", "ms", [cpu * 1e3 for cpu, _ in each])
                table.add(f"{label}, {which}, memory", "MB", [peak / 1024 for _, peak in each])


TELL = """
import atexit
atexit.register(lambda: print(*(line for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr))
"""


def once(project: Path, code: str) -> tuple[float, int]:
    """CPU seconds and the most memory (KiB) of a fresh process; what wait4 says of memory may be its parent's."""
    words = [sys.executable, "-c", f"import sys{TELL}{code}"]
    with subprocess.Popen(words, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said
    return used.ru_utime + used.ru_stime, int(said.rpartition("VmHWM:")[2].split()[0])


def one_run() -> None:
    """An engine for a loop of one short run, in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        with Store.open(project, create=True) as store:
            Engine(store, sleeping_loop(store, project, 1, 0.1, steps=1, concurrency=1)).run()


def measure(result: Result) -> None:
    local(result)
    if lacking := missing():
        result.notes.append(f"Slurm was not measured: {lacking}")
        return
    cost(result)
    latency(result)
