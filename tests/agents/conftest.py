"""A loop that waits for decisions, and the project's server, started as an agent's client starts it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.project import LAUNCH, CommandProject, environment

WORDS = (*LAUNCH, "--device", "cpu", "--rounds", "2", "--decide", "--approve", "manual", "--exec", "--no-ui")

STRANGE: list[Any] = [
    None,
    "",
    "x" * 50_000,
    "base",
    "../../../etc/passwd",
    "'; DROP TABLE runs; --",
    "\x00\x1b[2J",
    -1,
    0,
    1,
    3,
    2**80,
    1e308,
    True,
    [],
    ["ot.loss_config.reg=0.5"],
    ["ot.loss_config.reg@mul=0.1"] * 100,
    {"run": "base"},
    [[[]]],
]
"""Arguments that no tool expects."""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[CommandProject]:
    """A project in which two runs have ended and rules have proposed 1 and 2."""
    folder = tmp_path / "project"
    folder.mkdir()
    project = CommandProject(folder)
    project.write("autoloop.toml", "grace = 0\n")
    project.config("base")
    project.config("other", number=2)
    project.start("run", "--cfgs", "base.json", "other.json", *WORDS).hear("waits for a decision on 2 proposals")
    yield project
    project.close()


def client(project: CommandProject) -> Any:
    """Return the SDK's client, which starts the server and talks to it over its standard input and output."""
    from mcp.client.client import Client
    from mcp.client.stdio import StdioServerParameters

    words = ["-m", "autoloop_tui", "mcp"]
    server = StdioServerParameters(command=sys.executable, args=words, cwd=project.folder, env=environment())
    return Client(server)
