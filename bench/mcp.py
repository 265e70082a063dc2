"""The server for agents (`autoloop-tui mcp`): its start, its first answer, its memory, and its idle cost.

Each start is a fresh process in a project with a past loop, to which plain JSON lines are sent.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from bench.measuring import RUNS, Result, Target, ours

TITLE = "Agents"
PACKAGES = ("mcp",)
IDLE = 15.0
"""Seconds during which nobody asks."""
START = Target(0.6, "an agent starts the server for each session")
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}


class Served:
    """A server in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.began, self.number = time.monotonic(), 0
        self.process = subprocess.Popen(ours("mcp"), cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.looked_at = psutil.Process(self.process.pid)

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        self.number += 1
        self.send({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params})
        assert self.process.stdout is not None
        while True:
            said = json.loads(self.process.stdout.readline())
            if said.get("id") == self.number:
                return said["result"]

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def spent(self) -> tuple[float, float]:
        """Seconds by the clock and of the processor since its start."""
        times = self.looked_at.cpu_times()
        return time.monotonic() - self.began, times.user + times.system

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


def project(folder: Path) -> None:
    from tests.cli.past_loops import PastLoop, curve, open_store

    with open_store(folder) as store:
        loop = PastLoop(store, preset="plain")
        for number in range(8):
            loop.add(f"run{number}", curve(9.0, 1.0 + number, 1.0))


def measure(result: Result) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        project(folder)
        starts, firsts = [], []
        for _ in range(RUNS):
            served = Served(folder)
            served.ask("initialize", HELLO)
            starts.append(served.spent())
            served.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
            served.ask("tools/list", {})
            served.ask("tools/call", {"name": "status", "arguments": {}})
            firsts.append(served.spent())
            if len(starts) == RUNS:
                idle, memory = quiet(served)
            served.end()
    table = result.table("A server in a project with eight past runs")
    for what, times, target in (("`initialize` answered", starts, START), ("first `status` answered", firsts, None)):
        clock, processor = zip(*times, strict=True)
        table.add(what, "s", clock, target)
        table.add(f"{what}, processor", "s", processor)
    table.add("idle, of a core", "%", [idle])
    table.add("memory of its own", "MB", [memory])


def quiet(served: Served) -> tuple[float, float]:
    """What a server takes of a core (%) while nobody asks, and its memory (MB)."""
    before = served.spent()
    time.sleep(IDLE)
    after = served.spent()
    return 100 * (after[1] - before[1]) / (after[0] - before[0]), served.looked_at.memory_full_info().uss / 2**20
