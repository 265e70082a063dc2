"""A client of the server without an SDK: JSON-RPC lines, as any program could write them."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.cli.project import environment
from tests.support.waiting import PATIENCE

HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}}


class Lines:
    """One server and its pipes. `name`: the agent's name, as it reports itself."""

    def __init__(self, folder: Path, name: str = "script") -> None:
        words = [sys.executable, "-m", "autoloop_tui", "mcp"]
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by kill
        self.process = subprocess.Popen(
            words,
            cwd=folder,
            env={**environment(), "PYTHONFAULTHANDLER": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            bufsize=0,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._into, self._out = self.process.stdin.fileno(), self.process.stdout.fileno()
        os.set_blocking(self._into, False)
        self._number, self._read = 0, b""
        self._answers: dict[int, dict[str, Any]] = {}
        self.ask("initialize", {**HELLO, "clientInfo": {"name": name, "version": "1"}})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def call(self, tool: str, **arguments: Any) -> Any:
        """Call a tool and return the result as in the protocol."""
        return self.ask("tools/call", {"name": tool, "arguments": arguments})["result"]

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        return self.answer(self.begin(method, params))

    def begin(self, method: str, params: dict[str, Any]) -> int:
        """Send a request without waiting for the answer, and return its number."""
        self._number += 1
        self.send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        return self._number

    def answer(self, number: int) -> dict[str, Any]:
        while number not in self._answers:
            self._exchange(b"")
        return self._answers.pop(number)

    def send(self, message: object) -> None:
        self.write(json.dumps(message).encode() + b"\n")

    def write(self, raw: bytes) -> None:
        while raw:
            raw = self._exchange(raw)

    def _exchange(self, raw: bytes) -> bytes:
        """Write and read as much as possible, so that neither side waits for the other. Return what is left to write."""
        readable, writable, _ = select.select([self._out], [self._into] if raw else [], [], PATIENCE)
        assert readable or writable, "the server says nothing and reads nothing"
        if readable:
            piece = os.read(self._out, 1 << 20)
            if not piece:
                self._complaints.seek(0)
                raise AssertionError(f"the server has ended ({self.process.wait()}): {self._complaints.read()[-4000:]!r}")
            *lines, self._read = (self._read + piece).split(b"\n")
            for line in filter(None, lines):
                said = json.loads(line)
                if isinstance(said.get("id"), int):
                    self._answers[said["id"]] = said
        return raw[os.write(self._into, raw[: 1 << 16]) :] if writable else raw

    def bite(self, size: int) -> None:
        """Read a few bytes of whatever comes next."""
        deadline = time.monotonic() + PATIENCE
        while size > 0 and time.monotonic() < deadline:
            size -= len(os.read(self._out, size)) or size

    def kill(self) -> None:
        """Die as a client: answers in progress are never read."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        self._complaints.close()

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
