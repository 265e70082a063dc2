"""What all benches share: how something is measured, and what is kept of it.

A part of the bench is a module with `TITLE`, a docstring that says what it measures, and `measure(result)`, which puts
tables and growths into the result. Everything that is compared is measured in turn, in one run: `interleaved`. A command
is measured with `command`, from outside of a process as small as Python can be.
"""

from __future__ import annotations

import json
import math
import os
import platform
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
from autoloop.text.values import number

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "docs" / "performance"
"""One JSON file for each part, and the charts made of them."""
RUNS = 5
"""Of each thing that is compared."""
WORSE_THAN_LINEAR = 1.1


class Sample(NamedTuple):
    """Seconds by the clock, seconds of processors, and the most memory (MB) of one process."""

    wall: float
    cpu: float
    memory: float


class Target(msgspec.Struct, frozen=True, omit_defaults=True):
    """A figure must not be above `limit`."""

    limit: float
    why: str
    of: Literal["median", "p95", "max"] = "median"


class Figure(msgspec.Struct, omit_defaults=True):
    """Values of one thing, each from a run of its own. `ours` is false for a peer or a floor."""

    name: str
    unit: str
    values: list[float]
    target: Target | None = None
    ours: bool = True

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def judged(self) -> float:
        """What the target is about."""
        if self.target is None or self.target.of == "median":
            return self.median
        return max(self.values) if self.target.of == "max" else percentile(self.values, 0.95)

    @property
    def reached(self) -> bool:
        return self.target is None or self.judged <= self.target.limit


class Table(msgspec.Struct, omit_defaults=True):
    """Figures that were measured in turn, in one run."""

    title: str
    figures: list[Figure] = []
    notes: list[str] = []

    def add(
        self, name: str, unit: str, values: Sequence[float], target: Target | None = None, *, ours: bool = True
    ) -> Figure:
        figure = Figure(name, unit, [rounded(value) for value in values], target, ours)
        self.figures.append(figure)
        wanted = f"   (≤ {target.limit:g}{'' if figure.reached else ': missed'})" if target else ""
        low, high = min(figure.values), max(figure.values)
        spread = " ".join(f"{number(value):>10}" for value in (low, figure.median, high))
        print(f"  {name:<44} {spread} {unit}{wanted}", flush=True)
        return figure

    def note(self, text: str) -> None:
        """A sentence, as of a peer that is not here."""
        self.notes.append(text)
        print(f"  {text}", flush=True)


class Curve(msgspec.Struct, omit_defaults=True):
    """What some work costs by its size: each point a size and the values of its runs."""

    name: str
    points: list[tuple[float, list[float]]] = []
    ours: bool = True

    @property
    def medians(self) -> list[tuple[float, float]]:
        return [(size, statistics.median(values)) for size, values in sorted(self.points)]

    @property
    def exponents(self) -> tuple[float, float]:
        """Over all sizes, and over the upper half of them, where what is fixed counts less."""
        found = self.medians
        return exponent(found), exponent(found[len(found) // 2 :] if len(found) > 3 else found[-2:])

    @property
    def worse_than_linear(self) -> bool:
        return self.exponents[1] > WORSE_THAN_LINEAR


class Growth(msgspec.Struct, omit_defaults=True):
    """Costs in `unit` over the size of `work`, as in "runs"."""

    title: str
    work: str
    unit: str
    curves: list[Curve] = []

    def add(self, name: str, points: Mapping[float, Sequence[float]], *, ours: bool = True) -> Curve:
        kept = [(float(size), [rounded(value) for value in values]) for size, values in points.items()]
        curve = Curve(name, kept, ours)
        self.curves.append(curve)
        whole, upper = curve.exponents
        costs = ", ".join(f"{size:g}: {value:.4g}" for size, value in curve.medians)
        print(f"  {name}: {costs} {self.unit}; exponent {whole:.2f}, upper half {upper:.2f}", flush=True)
        return curve


class Result(msgspec.Struct, omit_defaults=True):
    """What one part came to, where and when."""

    part: str
    title: str
    what: str
    commit: str
    date: str
    machine: str
    load: list[float]
    """Of the machine over a minute, before and after."""
    versions: dict[str, str] = {}
    seconds: float = 0.0
    tables: list[Table] = []
    growths: list[Growth] = []
    notes: list[str] = []

    def table(self, title: str) -> Table:
        self.tables.append(Table(title))
        print(f"\n{title}\n  {'':<44} {'minimum':>10} {'median':>10} {'maximum':>10}", flush=True)
        return self.tables[-1]

    def growth(self, title: str, work: str, unit: str) -> Growth:
        self.growths.append(Growth(title, work, unit))
        print(f"\n{title} ({unit} over {work})", flush=True)
        return self.growths[-1]

    def version(self, name: str, value: str) -> None:
        """A program beside which this was measured."""
        self.versions[name] = value


def begin(part: str, title: str, what: str, packages: Sequence[str] = ()) -> Result:
    versions = {"Python": platform.python_version(), **{name: installed(name) for name in packages}}
    date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return Result(part, title, what, commit(), date, machine(), [round(os.getloadavg()[0], 2)], versions)


def keep(result: Result, folder: Path = KEPT) -> Path:
    result.load.append(round(os.getloadavg()[0], 2))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.part}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    return path


# ------------------------------------------------------------------------------------------------------------ measuring


def interleaved(
    works: Mapping[str, Callable[[], Sample | None]], times: int = RUNS, warm: int = 1
) -> dict[str, list[Sample]]:
    """Each work `times` times, in turn; each round begins with another one. The first `warm` rounds do not count. A work
    that returns None is timed here."""
    names, found = list(works), {name: list[Sample]() for name in works}
    for turn in range(-warm, times):
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            sample = timed(works[name])
            if turn >= 0:
                found[name].append(sample)
    return found


def timed(work: Callable[[], Sample | None]) -> Sample:
    """What `work` says, or else its time and memory in this process and in those for which it has waited."""
    forget_peak()
    cpu, start = processors(), time.perf_counter()
    said = work()
    wall, cpu = time.perf_counter() - start, processors() - cpu
    return said or Sample(wall, cpu, peak())


def processors() -> float:
    """Seconds of processors of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def processor(pid: int) -> float:
    """Seconds of processors that a process has had which goes on."""
    return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def peak() -> float:
    """The most memory of this process since `forget_peak`, in MB."""
    return in_status("VmHWM")


def in_status(name: str, pid: int | str = "self") -> float:
    """A size in /proc/PID/status, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


SPAWN = """
import json, os, signal, sys, time
answer, limit, *words = sys.argv[1:]
start = time.perf_counter()
pid = os.posix_spawnp(words[0], words, os.environ)
signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, 9))
signal.alarm(int(limit))
_, status, used = os.wait4(pid, 0)
took = time.perf_counter() - start
said = [took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)]
with open(answer, "w") as file:
    json.dump(said, file)
"""


class CommandFailed(Exception):
    """With a sentence."""


def command(
    words: Sequence[str],
    cwd: Path,
    env: Mapping[str, str] | None = None,
    *,
    out: Path | None = None,
    seconds: int = 300,
    exit_codes: Sequence[int] = (0,),
) -> Sample:
    """A command and the processes for which it waits. Its output goes to `out`, or nowhere.

    It is started by a small process of its own: memory that Linux reports of a process includes that of the one which
    started it.
    """
    answer = cwd / f".measured-{os.getpid()}"
    with open(out or os.devnull, "wb") as output:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", SPAWN, str(answer), str(seconds), *words],
            cwd=cwd,
            env=dict(env if env is not None else os.environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )
    if not answer.exists():
        raise CommandFailed(f"{words[0]} could not be started: {last_line(done.stderr)}")
    wall, cpu, memory, code = json.loads(answer.read_text())
    answer.unlink()
    if code not in exit_codes:
        raise CommandFailed(f"`{' '.join(words)[:200]}` ended with {code}: {last_line(done.stderr)}")
    return Sample(wall, cpu, memory)


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it printed nothing"])[-1]


def ours(*arguments: str) -> list[str]:
    """Our command line, as a user starts it."""
    return [str(Path(sys.executable).with_name("autoloop-tui")), *arguments]


# -------------------------------------------------------------------------------------------------------------- figures


def rounded(value: float) -> float:
    """Four significant digits keep the files small."""
    return float(f"{value:.4g}")


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """Of a power law through sizes and costs: least squares over their logarithms."""
    logs = [(math.log(size), math.log(max(cost, 1e-12))) for size, cost in points]
    if len(logs) < 2:
        return 0.0
    return statistics.linear_regression(*zip(*logs, strict=True)).slope


# -------------------------------------------------------------------------------------------------------- where and when


def commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "core", "autoloop_tui", "bench", "pyproject.toml")
    return f"{git('rev-parse', '--short', 'HEAD') or 'unknown'}{', changed' if changed else ''}"


def machine() -> str:
    """The machine in one line."""
    names = [
        line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} × {names[0] if names else platform.machine()}, {memory:.0f} GiB, Linux {platform.release()}"


def installed(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def program(name: str) -> str | None:
    """A peer's program: beside our Python, in an environment below .envs/, or on PATH."""
    places = [Path(sys.executable).parent, *sorted((ROOT / ".envs").glob("*/bin"))]
    return next((found for place in places if (found := shutil.which(name, path=str(place)))), shutil.which(name))


def end_group(process: subprocess.Popen[Any]) -> None:
    """Kill a process that leads a session, with all that is in it."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
