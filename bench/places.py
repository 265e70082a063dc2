"""What places other than this machine cost. Run as `python bench/places.py PART`:

* `cost [SECONDS]`: the engine with 64 runs at once, as jobs of a Slurm cluster on this machine and as local processes, over
  so many seconds in which all of them run: CPU of the engine and of Slurm's commands, calls of these, memory.
* `latency [JOBS]`: jobs one after the other; from submit to start, and from the end of a job until it is known. Beside
  submitit on the same cluster, if `.envs/submitit` is an environment with it
  (`python -m venv .envs/submitit; .envs/submitit/bin/pip install submitit`).
* `local`: a loop without places: CPU seconds and memory of `status` and of an engine, as they are and with the modules of
  all places loaded.

`cost` and `latency` need Slurm and munge, as `make test-slurm` does.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(1, str(ROOT))

from autoloop.engine import Engine  # noqa: E402
from autoloop.model import EventKind, RunState, SlurmSpec  # noqa: E402
from autoloop.runners.slurm import commands, runner  # noqa: E402
from autoloop.store import Store  # noqa: E402
from loops import sleeping_loop  # noqa: E402

from tests.slurm.cluster import SBIN, Cluster, missing  # noqa: E402

RUNS = 64
SUBMITIT = ROOT / ".envs/submitit/bin/python"
EVERYWHERE = "autoloop.runners.slurm.runner, autoloop.runners.ssh.runner, autoloop_tui.console.remote.feed"
"""All that has to do with other machines."""


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[None]:
    if lacking := missing():
        raise SystemExit(lacking)
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


def cost(seconds: float) -> None:
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
                ("slurm", {"slurm": SlurmSpec(partition="gpu", max_jobs=RUNS)}),
                ("local", {"concurrency": RUNS}),
            ):
                (folder / label).mkdir()
                measure(label, folder / label, seconds, counted, **spec)


def measure(label: str, project: Path, seconds: float, counted: Counter[str], **spec: Any) -> None:
    with Store.open(project, create=True) as store:
        loop = sleeping_loop(store, project, RUNS, seconds + 240, steps=1, **spec)
        engine = Engine(store, loop)
        begun: list[tuple[float, float, float, Counter[str]]] = []
        asked = time.monotonic()

        def look() -> None:
            if not begun and sum(each.started_at is not None for each in store.open_attempts(loop.id)) == RUNS:
                if spec.get("slurm") and any(run.waits for run in store.runs(loop.id)):
                    return
                begun.append((time.monotonic(), time.process_time(), children(), counted.copy()))
                print(f"{label}: all {RUNS} run {begun[0][0] - asked:.1f} s after the start", flush=True)
            elif begun and time.monotonic() - begun[0][0] >= seconds:
                engine.leave("measured")

        engine.run(on_turn=look)
        at, own, others, calls = begun[0]
        took = time.monotonic() - at
        used = f"the engine used {(time.process_time() - own) / took:.2%} of a core"
        used += f", the commands that it called {(children() - others) / took:.2%}"
        more = f"calls: {dict(counted - calls) or 'none'}; memory {memory() / 1024:.0f} MiB"
        print(f"{label}: over {took:.0f} s {used}; {more}", flush=True)
        if not spec.get("slurm"):
            for attempt in store.open_attempts(loop.id):
                with contextlib.suppress(OSError, TypeError):
                    os.kill(int((attempt.handle or {})["pid"]), 15)


def children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def memory() -> int:
    """KiB of this process that are not shared."""
    return sum(
        int(line.split()[1]) for line in Path("/proc/self/smaps_rollup").read_text().splitlines() if "Private" in line
    )


# ------------------------------------------------------------------------------------------------------------- latency


def latency(jobs: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with cluster(folder):
            project = folder / "project"
            project.mkdir()
            with Store.open(project, create=True) as store:
                loop = sleeping_loop(store, project, jobs, 2.0, steps=1, slurm=SlurmSpec(partition="gpu", max_jobs=1))
                Engine(store, loop).run()
                ends = {each.run: each.at for each in store.events(loop.id) if each.kind is EventKind.RUN_ENDED}
                starts, seen = [], []
                for attempt in store.loop_attempts(loop.id):
                    directory = Path(attempt.directory)
                    starts.append(told(directory / "start.json", "started_at") - attempt.created_at)
                    seen.append(ends[attempt.run] - told(directory / "exit.json", "ended_at"))
                assert store.counts(loop.id) == {RunState.FINISHED: jobs}
            show("autoloop", starts, seen)
            if SUBMITIT.exists():
                words = [str(SUBMITIT), str(ROOT / "bench/submitit_jobs.py"), str(folder / "submitit"), str(jobs), "2"]
                done = subprocess.run(words, capture_output=True, text=True, check=True)
                starts, seen = map(list, zip(*json.loads(done.stdout.splitlines()[-1]), strict=True))
                show("submitit", starts, seen)


def told(path: Path, name: str) -> float:
    return float(json.loads(path.read_text())[name])


def show(label: str, starts: list[float], seen: list[float]) -> None:
    for what, found in (("submit to start", starts), ("end to known", seen)):
        spread = f"from {min(found):.2f} to {max(found):.2f}"
        print(f"{label}: {what}: median {statistics.median(found):.2f} s, {spread} ({len(found)} jobs)", flush=True)


# --------------------------------------------------------------------------------------------------------------- local


def local(times: int = 10) -> None:
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        with Store.open(project, create=True) as store:
            Engine(store, sleeping_loop(store, project, 1, 0.1, steps=1, concurrency=1)).run()
        engine = f"import sys; sys.path.insert(0, {str(ROOT / 'bench')!r})\nfrom places import one_run; one_run()"
        status = "import sys; from autoloop_tui.cli.main import main; main(['status'])"
        for label, code in (("status", status), ("engine", engine)):
            for _ in range(2):  # the first time compiles
                once(project, code)
            found: dict[str, list[tuple[float, int]]] = {"without": [], "with": []}
            for _ in range(times):
                found["without"].append(once(project, code))
                found["with"].append(once(project, f"import {EVERYWHERE}\n{code}"))
            for which, each in found.items():
                cpu, peak = (statistics.median(values) for values in zip(*each, strict=True))
                used = f"{cpu * 1e3:.0f} ms of CPU, {peak / 1024:.1f} MiB at most"
                print(f"{label} {which} the modules of places: {used} (median of {times})", flush=True)


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


def main() -> int:
    match sys.argv[1:]:
        case ["cost", *more]:
            cost(float(more[0]) if more else 60.0)
        case ["latency", *more]:
            latency(int(more[0]) if more else 10)
        case ["local"]:
            local()
        case _:
            print(__doc__)
            return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
