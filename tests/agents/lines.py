"""A client of the server that is no SDK: JSON-RPC in lines, as any program could write them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.cli.project import environment

HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "script", "version": "1"}}


class Lines:
    """One server and its pipes. `name`: the agent that it says it is."""

    def __init__(self, folder: Path, name: str = "script") -> None:
        words = [sys.executable, "-m", "autoloop_tui", "mcp"]
        self.process = subprocess.Popen(
            words, cwd=folder, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._number = 0
        self.ask("initialize", {**HELLO, "clientInfo": {"name": name, "version": "1"}})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def call(self, tool: str, **arguments: Any) -> Any:
        """The result of a tool as the protocol has it."""
        return self.ask("tools/call", {"name": tool, "arguments": arguments})["result"]

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        return self.answer(self.begin(method, params))

    def begin(self, method: str, params: dict[str, Any]) -> int:
        """Send a request and wait for no answer; its number."""
        self._number += 1
        self.send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        return self._number

    def answer(self, number: int) -> dict[str, Any]:
        assert self.process.stdout is not None
        while True:
            line = self.process.stdout.readline()
            assert line, "the server has ended"
            said: dict[str, Any] = json.loads(line)
            if said.get("id") == number:
                return said

    def send(self, message: object) -> None:
        self.write(json.dumps(message).encode() + b"\n")

    def write(self, raw: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(raw)
        self.process.stdin.flush()

    def kill(self) -> None:
        """As a client that dies: nobody reads an answer that is under way."""
        self.process.kill()
        self.process.communicate()

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
