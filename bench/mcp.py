"""What `autoloop-tui mcp` costs: its start, its first answer, its memory, and what it takes while nobody asks.

    python bench/mcp.py [--idle SECONDS] [--starts N]

Each start is a fresh process in a project with a past loop, to which plain JSON lines are sent. Times are of the processor
(user and system) as well as of the clock: on a busy machine only the former say something.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}


class Served:
    """A server in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.began, self.number = time.monotonic(), 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "autoloop_tui", "mcp"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--idle", type=float, default=20.0, help="seconds during which nobody asks")
    parser.add_argument("--starts", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        project(folder)
        starts, firsts = [], []
        for _ in range(given.starts):
            served = Served(folder)
            served.ask("initialize", HELLO)
            starts.append(served.spent())
            served.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
            served.ask("tools/list", {})
            served.ask("tools/call", {"name": "status", "arguments": {}})
            firsts.append(served.spent())
            if len(starts) == given.starts:
                before = served.spent()
                time.sleep(given.idle)
                after = served.spent()
                memory = served.looked_at.memory_full_info()
                print(f"idle: {(after[1] - before[1]) / (after[0] - before[0]):.2%} of a core over {given.idle:.0f} s")
                print(f"memory: {memory.rss / 2**20:.0f} MB, of its own {memory.uss / 2**20:.0f} MB")
            served.end()
        for what, times in (("`initialize` answered", starts), ("first `status` answered", firsts)):
            clock, processor = (statistics.median(column) for column in zip(*times, strict=True))
            print(f"{what}: {processor:.2f} s of the processor, {clock:.2f} s by the clock (medians of {len(times)})")


if __name__ == "__main__":
    main()
