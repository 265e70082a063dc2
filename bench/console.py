"""The console under load, measured from outside: 8 runs that write 1 000 log lines a second each, watched in tmux.

For each size the console runs in a tmux pane whose client sits on a pty of ours: what that pty receives is what an SSH link
would carry. A key's latency is the time from writing it to the pty until the cursor arrives in its new row; the details
(log, charts, and last the command for it, at the bottom) follow. The first
paint is the time from asking tmux, which runs already, for a pane with the console in it until the line above and the
names of the runs in the slots have arrived; with bytecode on the disk, as it is once the console was opened before. The
floor is a bare Textual app (`floor.py`) in the same minute.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path

from autoloop.engine import create_loop, plan_loop, spawn
from autoloop.gpus import GpuReport
from autoloop.model import LoopSpec, Run, RunState, Sender, Summary
from autoloop.protocol import Kill
from autoloop.settings import Settings
from autoloop.store import Store

from bench.floor import measure_floor
from bench.measuring import Result, Table, Target

RUNS, LINES_PER_SECOND, PAST_RUNS = 8, 1000, 100
SIZES = ((200, 50), (80, 24))
STARTS = 5
"""First paints measured at each size."""
SECONDS, STRETCHES = 12.0, 6
"""How long each size is watched, and in how many stretches."""
TITLE = "Console"
PACKAGES = ("textual",)
FIRST_PAINT = Target(400, "it is opened over SSH many times a day")
KEY = Target(30, "a key held down must not lag", of="p95")
SOCKET = f"autoloop-bench-{os.getpid()}"

TRAINER = """
import json, math, pathlib, sys, time
out = pathlib.Path(sys.argv[1]); history = out / "wandb/latest-run/files"; history.mkdir(parents=True)
rows = (history / "wandb-history.jsonl").open("w")
begin, sent, step = time.monotonic(), 0, 0
while time.monotonic() - begin < SECONDS:
    due = int((time.monotonic() - begin) * RATE)
    sys.stdout.write("".join(f"INFO line {n} step:{step} loss:{1 / (n + 1):.6f} grdn:1.234 lr:1.0e-03\\n"
                             for n in range(sent, due)))
    sys.stdout.flush(); sent = due; step += 1
    row = {"_step": step, "train/loss": 1 / step, "train/l1_loss": 2 / step, "train/grad_norm": math.sin(step),
           "eval/offline_eval/avg_l1": 1 + 1 / step}
    rows.write(json.dumps(row) + "\\n"); rows.flush()
    time.sleep(0.05)
"""


class Terminal:
    """A tmux client on a pty of ours."""

    def __init__(self, columns: int, rows: int, command: str, cwd: Path) -> None:
        self.received = 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color")
            os.environ.pop("COLORTERM", None)  # as it is over SSH and in tmux: 256 colours
            os.chdir(cwd)
            size = ["-x", str(columns), "-y", str(rows)]
            os.execvp("tmux", ["tmux", "-L", SOCKET, "-f", "/dev/null", "new-session", *size, command])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds: float, until: Sequence[str] = ()) -> float | None:
        """Take what comes for `seconds`, or until all of some words have come; when they had."""
        end, seen = time.perf_counter() + seconds, b""
        while (left := end - time.perf_counter()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                break
            try:
                data = os.read(self.fd, 1 << 16)
            except OSError:
                break
            self.received += len(data)
            seen = (seen + data)[-100_000:]
            if until and all(word.encode() in seen for word in until):
                return time.perf_counter()
        return None

    def close(self) -> None:
        """Quit the console, and take the client down with it."""
        self.press(b"q")
        self.read(1.0)
        os.close(self.fd)
        os.waitpid(self.pid, 0)

    def press(self, key: bytes) -> float:
        at = time.perf_counter()
        os.write(self.fd, key)
        return at


def console_pid(project: Path) -> int:
    """The console among the processes of the tmux server's session."""
    panes = subprocess.run(
        ["tmux", "-L", SOCKET, "list-panes", "-a", "-F", "#{session_id} #{pane_pid}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return int(panes[-1].split()[1])


def usage(pid: int) -> tuple[float, float]:
    """CPU seconds so far and resident MB."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    (rss,) = re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(rss) / 1024


def make_project(project: Path, seconds: float) -> tuple[Store, int]:
    """A loop with PAST_RUNS ended runs and RUNS that write; driven by a real engine."""
    script = project / "trainer.py"
    script.write_text(TRAINER.replace("SECONDS", str(seconds)).replace("RATE", str(LINES_PER_SECOND)))
    preset = project / "bench.toml"
    preset.write_text(
        f'name = "bench"\ntitle = "writes a lot"\nargv = ["{{python}}", "{script}", "{{output_dir}}", "{{config}}"]\n'
        'override_style = "file-only"\n'
    )
    configs = []
    for number in range(RUNS):
        path = project / f"config{number}.json"
        path.write_text(json.dumps({"seed": number}))
        configs.append(str(path))
    spec = LoopSpec(
        configs=configs,
        steps=int(seconds * 20),
        device="cpu",
        concurrency=RUNS,
        preset=str(preset),
        python=sys.executable,
        cwd=str(project),
        output_root=str(project / "outputs"),
        summary_out=str(project / "reports/summary.json"),
        markdown_out=str(project / "reports/report.md"),
    )
    store = Store.open(project, create=True)
    plan = plan_loop(spec, Settings(), GpuReport(), os.environ, store.where_run, time.time())
    loop = create_loop(store, plan, time.time())
    import msgspec

    first = store.runs(loop.id)[0]
    with store.transaction():
        for number in range(PAST_RUNS):
            store.put_run(
                msgspec.structs.replace(
                    first,
                    id=f"past{number:04}",
                    name=f"past_{number}",
                    position=1000 + number,
                    state=RunState.FINISHED,
                    summary=Summary(),
                    started_at=time.time() - 1000,
                    ended_at=time.time(),
                )
            )
    return store, loop.id


def opened(project: Path, columns: int, rows: int, runs: list[Run]) -> tuple[Terminal, float]:
    """A console, and how many ms its first full frame took."""
    console = shutil.which("autoloop-tui", path=os.path.dirname(sys.executable)) or "autoloop-tui"
    begin = time.perf_counter()
    terminal = Terminal(columns, rows, f"exec {console}", project)
    # With tmux's own line, 80×24 has no row for the last of eight slots.
    painted = terminal.read(10, until=["queue", *(run.name for run in runs[:-1])])
    return terminal, ((painted or time.perf_counter()) - begin) * 1e3


def repainted(old: str, new: str) -> str:
    """The longest part of `new` that a terminal which paints only what has changed must be sent, where `old` stood."""
    parts = "".join(after if before != after else " " for before, after in zip(old, new, strict=True)).split()
    return max(parts, key=len)


def key_delays(terminal: Terminal, ids: list[str] | None) -> list[float]:
    """ms from a key that moves the cursor in Slots, in ascending order: until the cursor stands in its new row, or with the
    ids of the runs from the first slot on, until the line of the command at the bottom names the run."""
    delays = []
    for turn in range(2 * (RUNS - 1) * 2):
        place = turn % (RUNS - 1)
        down = (turn // (RUNS - 1)) % 2 == 0
        left, reached = (place, place + 1) if down else (RUNS - 1 - place, RUNS - 2 - place)
        expected = "›" if ids is None else repainted(ids[left], ids[reached])
        pressed = terminal.press(b"j" if down else b"k")
        arrived = terminal.read(2, until=[expected])
        delays.append(((arrived or pressed + 2) - pressed) * 1e3)
        terminal.read(0.13)
    return sorted(delays)


def measure_size(table: Table, project: Path, size: tuple[int, int], runs: list[Run]) -> None:
    starts = []
    for turn in range(STARTS + 1):
        terminal, took = opened(project, *size, runs)
        starts.append(took)
        if turn < STARTS:
            terminal.close()
    name = f"{size[0]}×{size[1]}"
    table.add(f"first paint, {name}", "ms", starts, FIRST_PAINT)
    terminal.read(4)
    cpu, sent, memory = watched(terminal, console_pid(project))
    table.add(f"processor, {name}", "%", cpu, Target(6, "a core of the machine that trains"))
    table.add(f"sent, {name}", "kB/s", sent, Target(20 if size[0] == 200 else 2, "a slow link"))
    table.add(f"memory, {name}", "MB", [memory], Target(90, "it stays open for weeks"))
    table.add(f"key → cursor, {name}", "ms", key_delays(terminal, None), KEY)
    table.add(f"key → all details, {name}", "ms", key_delays(terminal, [run.id for run in runs]))
    terminal.close()


def watched(terminal: Terminal, pid: int) -> tuple[list[float], list[float], float]:
    """% of a core and kB/s in each of several stretches, and MB at the end."""
    shares, rates = [], []
    for _ in range(STRETCHES):
        (cpu, _), received, at = usage(pid), terminal.received, time.perf_counter()
        terminal.read(SECONDS / STRETCHES)
        took = time.perf_counter() - at
        after, rss = usage(pid)
        shares.append((after - cpu) / took * 100)
        rates.append((terminal.received - received) / took / 1e3)
    return shares, rates, rss


def measure(result: Result) -> None:
    if shutil.which("tmux") is None:
        result.notes.append("Not measured: tmux is not installed.")
        return
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        store, loop = make_project(project, len(SIZES) * (SECONDS + 30 + 2 * STARTS))
        try:
            spawn(store, store.loop(loop))
            Terminal(80, 24, "exec sleep 3600", project).read(2)  # the tmux server
            while (
                len(runs := [run for run in store.runs(loop) if run.slot is not None and run.state is RunState.RUNNING])
                < RUNS
            ):
                time.sleep(0.1)
            runs.sort(key=lambda run: run.slot or 0)
            table = result.table(f"{RUNS} runs × {LINES_PER_SECOND} lines/s, {PAST_RUNS} past runs")
            add_floor(table, project, (80, 24))
            for size in SIZES:
                measure_size(table, project, size, runs)
            store.send(loop, Kill(), Sender(user="bench", terminal="none"))
            time.sleep(4)
            terminal, _ = opened(project, *SIZES[0], runs)
            terminal.read(4)
            cpu, sent, _ = watched(terminal, console_pid(project))
            table.add("processor, idle", "%", cpu, Target(1, "it stays open for weeks"))
            table.add("sent, idle", "kB/s", sent)
            terminal.close()
        finally:
            store.send(loop, Kill(), Sender(user="bench", terminal="none"))
            time.sleep(2)
            store.close()
            end_server()


def add_floor(table: Table, project: Path, size: tuple[int, int]) -> None:
    floor = measure_floor(project, lambda command: Terminal(*size, command, project))
    table.add("floor: Python alone", "ms", floor.python, ours=False)
    table.add("floor: first paint of a bare Textual app", "ms", floor.first_paint, ours=False)
    table.add("floor: its key → paint", "ms", floor.key, ours=False)


def end_server() -> None:
    subprocess.run(["tmux", "-L", SOCKET, "kill-server"], capture_output=True, check=False)
