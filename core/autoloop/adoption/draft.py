"""The draft of a project's settings, filled in step by step from a command."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autoloop.adoption.arguments import Argument
from autoloop.adoption.command import Command
from autoloop.adoption.known import Trainer
from autoloop.adoption.script import Script
from autoloop.model import Config
from autoloop.text.names import numbered

Ask = Callable[[str], str]


@dataclass
class Draft:
    command: Command
    cwd: Path
    script: Script
    trainer: Trainer | None
    arguments: list[Argument]
    ask: Ask | None
    python: str = ""
    on_cpu: bool = False
    """The command trains on the CPU."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Keys at the top of autoloop.toml."""
    words: list[str] = field(default_factory=list)
    """The words after the program, in order, for every run."""
    table: dict[str, Any] = field(default_factory=dict)
    """Keys of [trainer], without command, flags and env."""
    flags: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    base: Config = field(default_factory=dict)
    """The values that edits can change."""
    base_file: tuple[str, str] | None = None
    run_flags: list[str] = field(default_factory=list)
    report: list[tuple[str, str]] = field(default_factory=list)

    def free_name(self, suffix: str) -> str:
        """An unused name for a base config."""
        return next(f"{name}{suffix}" for name in numbered("base") if not os.path.lexists(self.cwd / f"{name}{suffix}"))

    def say(self, subject: str, text: str) -> None:
        self.report.append((subject, text))

    def asked(self, question: str) -> str:
        """The user's answer, stripped; empty without a terminal or an answer."""
        return self.ask(question).strip() if self.ask else ""


def put(config: Config, key: str, value: Any) -> bool:
    """Set the value at a dotted key; False if an existing value is where a block is needed, or the reverse."""
    *blocks, last = key.split(".")
    node: Any = config
    for part in blocks:
        if not isinstance(node, dict):
            return False
        node = node.setdefault(part, {})
    if not isinstance(node, dict) or isinstance(node.get(last), dict):
        return False
    node[last] = value
    return True
