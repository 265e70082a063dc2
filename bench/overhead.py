"""A real training (the demo's, torch on the CPU) with Auto Loop and without it, in turn: steps per second of its loop.

With it: engine, supervisor, live rules after each row that it logs, and the console on a terminal of 160 × 45. Without it:
the very same command, output into a file.

On a machine whose runs differ by more than the product could cost, the pairs cannot show a loss of 1 %. So the processor
time of engine, supervisor and console during the training is measured too: as a share of all cores, it is what the training
loses where it would use all of them itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
from autoloop.demo import project as demo
from autoloop.engine import LoopPlan, create_loop, plan_loop, spawn
from autoloop.gpus import GpuReport
from autoloop.metric_readers import follow
from autoloop.model import LoopSpec, LoopState, RunState
from autoloop.settings import Settings
from autoloop.store import Store
from autoloop.trainers import environment

from bench.measuring import RUNS, Result, Sample, Target, interleaved, ours

TITLE = "Overhead"
PACKAGES = ("torch", "accelerate", "wandb")
STEPS, LOG_FREQ, EVAL_FREQ = 2000, 20, 2000
SIZE = (45, 160)
LEFT_OUT = 20
"""Rows at the start, in which torch warms up and the console opens."""
RULES = """
name = "overhead"
version = "1"
[[rule]]
id = "loss-not-finite"
scope = "live"
when = 'diverged("loss")'
reason = "The loss is NaN or infinite"
[[rule]]
id = "grad-norm-not-finite"
scope = "live"
when = 'diverged("grad_norm", 5)'
reason = "The gradient norm has been NaN or infinite five times in a row"
[[rule]]
id = "grad-norm-exploding"
scope = "live"
when = "grad_norm.last > 1e6 and grad_norm.last > 1000 * grad_norm.min"
reason = "The gradient norm explodes"
[[rule]]
id = "numerical-errors"
scope = "live"
when = 'log_matches("(?i)numerical errors at iteration")'
reason = "The log reports numerical errors"
"""
"""Judged after each row and each line of the log, and true of no sound training: a run that a rule stops is not measured."""
AT_MOST = Target(1.0, "what watches a training must not slow it down")


def measure(result: Result) -> None:
    speeds: dict[str, list[float]] = {"with": [], "without": []}
    shares: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as place:
        number = iter(range(10_000))

        def turn(name: str, work: Callable[[LoopPlan, Path], float]) -> Sample | None:
            folder = Path(place) / f"{name}{next(number)}"
            speeds[name].append(work(planned(folder), folder))
            return None

        def watched(plan: LoopPlan, folder: Path) -> float:
            speed, share = trained(plan, folder)
            shares.append(share)
            return speed

        taken = interleaved({"with": partial(turn, "with", watched), "without": partial(turn, "without", alone)}, RUNS)
    kept = {name: found[-RUNS:] for name, found in speeds.items()}
    table = result.table(f"{STEPS} steps of the demo's training")
    for name, found in kept.items():
        table.add(f"{name} Auto Loop", "steps/s", found, ours=name == "with")
    lost = [100 * (1 - ours / bare) for ours, bare in zip(kept["with"], kept["without"], strict=True)]
    table.add("slower by, of each pair", "%", lost)
    for name in shares[0]:
        table.add(f"{name}, share of {os.cpu_count()} cores", "%", [share[name] for share in shares[-RUNS:]])
    table.add(f"all three, share of {os.cpu_count()} cores", "%", [sum(share.values()) for share in shares[-RUNS:]], AT_MOST)
    table.add("the command without Auto Loop, processors", "s", [each.cpu for each in taken["without"]], ours=False)
    spread = 100 * statistics.stdev(kept["without"]) / statistics.mean(kept["without"])
    table.note(f"Without Auto Loop, runs differ by {spread:.1f} % (standard deviation).")


def planned(folder: Path) -> LoopPlan:
    folder.mkdir()
    rules = folder / "rules.toml"
    rules.write_text(RULES)
    spec = LoopSpec(
        configs=[str(demo.write_project(folder)[0])],
        steps=STEPS,
        log_freq=LOG_FREQ,
        eval_freq=EVAL_FREQ,
        device="cpu",
        concurrency=1,
        live=True,
        rules=str(rules),
        preset="lerobot",
        train_script=str(Path(demo.__file__).with_name("train.py")),
        python=sys.executable,
        cwd=str(folder),
        output_root=str(folder / "outputs"),
        summary_out=str(folder / "reports/summary.json"),
        markdown_out=str(folder / "reports/report.md"),
    )
    return plan_loop(spec, Settings(), GpuReport(gpus=()), os.environ, lambda _: None, time.time())


def trained(plan: LoopPlan, folder: Path) -> tuple[float, dict[str, float]]:
    """Steps per second of a run of ours; the percentage of all cores that each of our processes took meanwhile."""
    with Store.open(folder, create=True) as store:
        loop = create_loop(store, plan, time.time())
        with console(folder) as watching:
            processes = {"engine": psutil.Process(spawn(store, loop).pid), "console": psutil.Process(watching)}
            taken: list[tuple[float, dict[str, float]]] = []
            while store.loop(loop.id).state is LoopState.ACTIVE:
                time.sleep(0.2)
                (run,) = store.runs(loop.id)
                if run.state is RunState.RUNNING and run.step > LEFT_OUT * LOG_FREQ:
                    (attempt,) = store.loop_attempts(loop.id)
                    processes.setdefault("supervisor", psutil.Process((attempt.handle or {})["pid"]))
                    with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
                        taken.append((time.monotonic(), {name: used(each) for name, each in processes.items()}))
    (began, first), (ended, last) = taken[0], taken[-1]
    cores = (os.cpu_count() or 1) * (ended - began)
    return speed(Path(attempt.output_dir)), {name: 100 * (last[name] - first[name]) / cores for name in first}


def used(process: psutil.Process) -> float:
    """Seconds of processors, without those of its children."""
    times = process.cpu_times()
    return float(times.user + times.system)


def alone(plan: LoopPlan, folder: Path) -> float:
    """The same of the command that a user would type."""
    launch = plan.runs[0].launch
    Path(launch.output_dir).parent.mkdir(parents=True, exist_ok=True)
    with open(folder / "log.txt", "wb") as log:
        env = environment(launch, os.environ)
        subprocess.run(launch.argv, cwd=launch.cwd, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)
    return speed(Path(launch.output_dir))


def speed(output_dir: Path) -> float:
    """Steps per second of the training loop, from the means that the trainer logs over the steps between two rows."""
    follower = follow(output_dir)
    while follower.poll():
        pass
    taken = [follower.columns[f"train/{name}"].values[LEFT_OUT:] for name in ("update_s", "dataloading_s")]
    follower.close()
    return 1 / sum(map(statistics.mean, taken))


@contextlib.contextmanager
def console(folder: Path) -> Iterator[int]:
    """The console on a terminal of its own, which is read all the time; its process id."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.environ["TERM"] = "xterm-256color"
        os.execv(ours()[0], ours())
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            if select.select([terminal], [], [], 0.2)[0]:
                with contextlib.suppress(OSError):
                    os.read(terminal, 1 << 16)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        over.set()
        reader.join()
        os.close(terminal)
