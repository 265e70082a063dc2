"""The console on a large loop: 64 slots, 1 000 past runs, 5 000 proposals, 60 metrics; and `wandb leet` beside our Run page
on one run folder.

Measured in tmux on a pty of ours, as in `console.py`: the store is written by the store module, and the loop's lock is held
here, so the console takes it for driven. A screen is painted when nothing has come for a while; the time is that of its last
byte. For `wandb leet` a run is written by wandb itself; our Run page shows the same folder, as the run of a loop that has
ended.
"""

from __future__ import annotations

import json
import math
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from autoloop.engine.driver.lock import EngineLock
from autoloop.model import (
    Actor,
    Attempt,
    Change,
    Loop,
    LoopSpec,
    LoopState,
    MetricSummary,
    Proposal,
    Round,
    RoundState,
    Run,
    RunState,
    Summary,
)
from autoloop.store import Store

from bench.console import FIRST_PAINT, KEY, Terminal, add_floor, console_pid, end_server, usage
from bench.measuring import RUNS, Result, Table, Target, ours, processor, program

SLOTS, PAST, PROPOSALS, METRICS, POINTS = 64, 1000, 5000, 60, 400
COLUMNS, ROWS = 200, 50
QUIET = 0.15
"""Seconds without a byte after which a screen counts as painted."""
KEYS = 24
TITLE = "Console, large"
PACKAGES = ("textual", "wandb")
SWITCH = Target(80, "a look at another screen")


def history(folder: Path) -> None:
    """What wandb leaves of METRICS metrics over POINTS steps."""
    files = folder / "wandb/latest-run/files"
    files.mkdir(parents=True)
    with (files / "wandb-history.jsonl").open("w") as rows:
        for step in range(1, POINTS + 1):
            values = {
                f"train/group{n // 10}/m{n}": math.exp(-step / 100) + 0.1 * math.sin(n + step / 9) for n in range(METRICS)
            }
            rows.write(json.dumps({"_step": step, **values}) + "\n")


def summary(seed: int) -> Summary:
    last = 0.1 + (seed * 37 % 101) / 1000
    one = MetricSummary(
        first=1.0,
        last=last,
        best=last,
        best_step=POINTS,
        delta=last - 1,
        pct=100 * (last - 1),
        n=POINTS,
        min=last,
        max=1.0,
        tail_mean=last,
        tail_mad=0.01,
        first_step=1,
        last_step=POINTS,
    )
    return Summary(metrics={f"train/group{n // 10}/m{n}": one for n in range(METRICS)}, steps=POINTS)


def fill(project: Path) -> tuple[Store, Loop]:
    """One loop in its third round, with everything at its largest."""
    store = Store.open(project, create=True)
    spec = LoopSpec(configs=["/c/a.json"], device="cpu", concurrency=SLOTS, rounds=4, decide=True, cwd=str(project))
    now = time.time()
    loop = Loop(
        id=1, name=f"loop_{int(now)}", state=LoopState.ACTIVE, spec=spec, output_dir=str(project), created_at=now - 9000
    )
    with store.transaction():
        store.put_loop(loop)
        for number in (1, 2, 3):
            over = number < 3
            state = RoundState.DONE if over else RoundState.RUNNING
            ended = now - 3000 if over else None
            store.put_round(Round(loop=1, number=number, state=state, started_at=now - 9000 + 3000 * number, ended_at=ended))
        for position in range(PAST + SLOTS):
            going = position >= PAST
            name = f"past{position:04}" if not going else f"slot{position - PAST:02}"
            output = project / "outputs" / name
            if going:
                history(output)
            config = project / f"{name}.json"
            config.write_text(json.dumps({"seed": position}))
            store.put_run(
                Run(
                    id=name,
                    loop=1,
                    round=3 if going else 1 + position % 2,
                    position=position,
                    name=f"variant_{name}",
                    config_path=str(config),
                    source_path=str(config),
                    config_hash=name,
                    state=RunState.RUNNING if going else RunState.FINISHED,
                    slot=position - PAST if going else None,
                    attempts=1,
                    output_dir=str(output),
                    step=POINTS // 2 if going else POINTS,
                    total_steps=POINTS,
                    summary=None if going else summary(position),
                    created_at=now - 9000,
                    started_at=now - 600,
                    ended_at=None if going else now - 100,
                )
            )
            folder = store.places.attempt(f"{name}-1")
            if going:
                folder.mkdir(parents=True)
                (folder / "log.txt").write_text("".join(f"INFO step:{n} loss:0.5\n" for n in range(2000)))
            store.put_attempt(
                Attempt(
                    id=f"{name}-1",
                    run=name,
                    number=1,
                    slot=position - PAST if going else position % SLOTS,
                    output_dir=str(output),
                    directory=str(folder),
                    created_at=now - 600,
                    started_at=now - 600,
                    ended_at=None if going else now - 100,
                    result=None if going else RunState.FINISHED,
                ),
                1,
            )
        for number in range(1, PROPOSALS + 1):
            change = Change(path="optimizer.lr", before=1e-3, after=1e-3 * number)
            store.put_proposal(
                Proposal(
                    id=number,
                    loop=1,
                    round=1 + number % 2,
                    base_run=f"past{number % PAST:04}",
                    author=Actor.rule("more"),
                    reason=f"reason {number}",
                    edits=[f"optimizer.lr={number}"],
                    changes=[change],
                    created_at=now - 5000,
                )
            )
    return store, loop


def painted(terminal: Terminal, since: float, patience: float = 10.0) -> float:
    """Ms from `since` to the last byte before QUIET seconds without one."""
    last, end = since, time.perf_counter() + patience
    while time.perf_counter() < end and select.select([terminal.fd], [], [], QUIET if last > since else 2.0)[0]:
        try:
            terminal.received += len(os.read(terminal.fd, 1 << 16))
        except OSError:
            break
        last = time.perf_counter()
    return (last - since) * 1e3


def presses(terminal: Terminal, pid: int, keys: str, times: int) -> tuple[list[float], float]:
    """Ms of painting what `keys` change, in turn, without keys that painted nothing; and the mean ms of the processor."""
    before = processor(pid)
    took = [painted(terminal, terminal.press(keys[turn % len(keys)].encode())) for turn in range(times)]
    return [ms for ms in took if ms] or [0.0], (processor(pid) - before) * 1e3 / times


def come_to_rest(terminal: Terminal) -> None:
    """Until it has read what it shows: two seconds without a byte."""
    for _ in range(30):
        before = terminal.received
        terminal.read(2.0)
        if terminal.received == before:
            return


def idle(terminal: Terminal, tree: list[int]) -> tuple[float, float, float]:
    """% of a core, kB/s and MB of some processes while nobody types."""
    before, received, at = sum(usage(each)[0] for each in tree), terminal.received, time.perf_counter()
    terminal.read(8.0)
    took = time.perf_counter() - at
    used = [usage(each) for each in tree]
    cpu = (sum(each[0] for each in used) - before) / took * 100
    return cpu, (terminal.received - received) / took / 1e3, sum(each[1] for each in used)


def measure_console(table: Table, project: Path) -> None:
    firsts = []
    for turn in range(RUNS):
        begin = time.perf_counter()
        terminal = Terminal(COLUMNS, ROWS, f"exec {ours()[0]}", project)
        terminal.read(20, until=["variant_slot00"])
        firsts.append((time.perf_counter() - begin) * 1e3)
        pid = console_pid(project)
        first = processor(pid) * 1e3
        if turn < RUNS - 1:
            terminal.close()
    table.add("first paint", "ms", firsts, FIRST_PAINT)
    table.add("first paint, processor", "ms", [first])
    come_to_rest(terminal)

    def keys(name: str, pressed: str, times: int, target: Target) -> None:
        took, used = presses(terminal, pid, pressed, times)
        table.add(name, "ms", took, target)
        table.add(f"{name}, processor", "ms", [used])

    keys("key in Slots", "jjjjkk", KEYS, KEY)
    for key, name in (("r", "Rounds"), ("p", "Proposals")):
        keys(f"first look at {name}", key, 1, SWITCH)
        keys(f"key in {name}", "jjjjkk", KEYS, KEY)
    terminal.press(b"r")  # once: where it is already, the key paints nothing, and the clock's next paint would count
    come_to_rest(terminal)
    keys("a run opened, and back", "\rq", 12, SWITCH)
    keys("switching screens", "spr", KEYS, SWITCH)
    terminal.press(b"s")
    come_to_rest(terminal)
    cpu, sent, memory = idle(terminal, [pid])
    table.add("processor, idle", "%", [cpu], Target(1, "it stays open for weeks"))
    table.add("sent, idle", "kB/s", [sent])
    table.add("memory", "MB", [memory], Target(90, "it stays open for weeks"))
    terminal.close()


def write_run(project: Path) -> Path:
    """A run of METRICS metrics × POINTS points in wandb's own folder."""
    code = (
        "import math, wandb\nrun = wandb.init(mode='offline', project='p')\n"
        f"for step in range({POINTS}):\n"
        f"    run.log({{f'train/group{{n // 10}}/m{{n}}': math.exp(-step / 100) + math.sin(n) for n in range({METRICS})}})\n"
        "run.finish()\n"
    )
    output = project / "output"
    output.mkdir(parents=True)
    environment = {**os.environ, "WANDB_SILENT": "true", "WANDB_DIR": str(output)}
    subprocess.run([sys.executable, "-c", code], cwd=project, env=environment, check=True, capture_output=True)
    return output


def ended_loop(project: Path, output: Path) -> Store:
    """A loop whose only run wrote `output`."""
    store, now = Store.open(project, create=True), time.time()
    spec = LoopSpec(configs=["/c/a.json"], device="cpu", cwd=str(project))
    config = project / "a.json"
    config.write_text("{}")
    directory = store.places.attempt("alone-1")
    directory.mkdir(parents=True)
    with store.transaction():
        store.put_loop(
            Loop(id=1, name="loop", state=LoopState.FINISHED, spec=spec, output_dir=str(project), created_at=now - 900)
        )
        store.put_round(Round(loop=1, number=1, state=RoundState.DONE, started_at=now - 900, ended_at=now - 100))
        store.put_run(
            Run(
                id="alone",
                loop=1,
                round=1,
                position=0,
                name="alone",
                config_path=str(config),
                source_path=str(config),
                config_hash="alone",
                state=RunState.FINISHED,
                attempts=1,
                output_dir=str(output),
                step=POINTS,
                total_steps=POINTS,
                summary=summary(0),
                created_at=now - 900,
                started_at=now - 800,
                ended_at=now - 100,
            )
        )
        store.put_attempt(
            Attempt(
                id="alone-1",
                run="alone",
                number=1,
                slot=0,
                output_dir=str(output),
                directory=str(directory),
                created_at=now - 800,
                started_at=now - 800,
                ended_at=now - 100,
                result=RunState.FINISHED,
            ),
            1,
        )
    return store


class Viewer(NamedTuple):
    """A program that shows the charts of a run. `opened`: the key that leads there; `pages`: to the next page and back."""

    name: str
    command: str
    pages: str
    opened: str = ""


def first_chart(viewer: Viewer, project: Path) -> tuple[Terminal, float]:
    """The program, and how many ms its first chart took."""
    begin = time.perf_counter()
    terminal = Terminal(COLUMNS, ROWS, f"exec {viewer.command}", project)
    if viewer.opened:
        terminal.read(20, until=["alone"])
        terminal.press(viewer.opened.encode())
    shown = terminal.read(20, until=["m0"])
    return terminal, ((shown or time.perf_counter()) - begin) * 1e3


def beside_leet(result: Result, project: Path) -> None:
    """`wandb leet` and our Run page on the same folder, in turn."""
    table = result.table(f"A run of {METRICS} metrics × {POINTS} points, {COLUMNS}×{ROWS}")
    wandb = program("wandb")
    if wandb is None or subprocess.run([wandb, "leet", "--help"], capture_output=True, check=False).returncode:
        table.note("`wandb leet` is not installed here, so nothing was compared with it.")
        return
    project.mkdir()
    output = write_run(project)
    (folder,) = (output / "wandb").glob("offline-run-*")
    ended_loop(project, output).close()
    viewers = (
        Viewer("our Run page", ours()[0], "\x04\x15", opened="\r"),
        Viewer("wandb leet", f"{wandb} leet {folder}", "NP"),
    )
    firsts: dict[str, list[float]] = {viewer.name: [] for viewer in viewers}
    pages: dict[str, list[float]] = {viewer.name: [] for viewer in viewers}
    rest: dict[str, tuple[float, float, float]] = {}
    for turn in range(RUNS):
        for viewer in viewers if turn % 2 else reversed(viewers):
            terminal, took = first_chart(viewer, project)
            firsts[viewer.name].append(took)
            come_to_rest(terminal)
            pid = console_pid(project)
            pages[viewer.name] += presses(terminal, pid, viewer.pages, 4)[0]
            if turn == RUNS - 1:
                children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
                rest[viewer.name] = idle(terminal, [pid, *map(int, children.stdout.split())])
            terminal.close()
    for viewer in viewers:
        mine = viewer.name.startswith("our")
        table.add(f"{viewer.name}: first chart", "ms", firsts[viewer.name], ours=mine)
        table.add(f"{viewer.name}: next page", "ms", pages[viewer.name], ours=mine)
        for what, unit, value in zip(("idle", "idle, sent", "memory"), ("%", "kB/s", "MB"), rest[viewer.name], strict=True):
            table.add(f"{viewer.name}: {what}", unit, [value], ours=mine)


def measure(result: Result) -> None:
    if shutil.which("tmux") is None:
        result.notes.append("Not measured: tmux is not installed.")
        return
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        store, loop = fill(project)
        lock = EngineLock(store.places.lock(loop.name))
        lock.acquire()
        try:
            Terminal(80, 24, "exec sleep 3600", project).read(2)  # the tmux server
            what = f"{SLOTS} slots, {PAST} past runs, {PROPOSALS} proposals, {METRICS} metrics, {COLUMNS}×{ROWS}"
            table = result.table(what)
            add_floor(table, project, (COLUMNS, ROWS))
            measure_console(table, project)
            beside_leet(result, project / "beside")
        finally:
            lock.release()
            store.close()
            end_server()
