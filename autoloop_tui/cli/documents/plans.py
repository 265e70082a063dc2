"""Answers before a start: plans, checks, and colour themes."""

from __future__ import annotations

from typing import TypedDict

from autoloop.backtest.outcome import Ending
from autoloop.hooks.health import Health
from autoloop.hooks.hook import EventName
from autoloop.model import Change, HalveSpec, RunState, Search
from autoloop.preflight import Finding


class Extension(TypedDict):
    extend: int
    """Total steps."""


class PlannedRun(TypedDict):
    index: int
    name: str
    id: str
    config: str
    slot: str | None
    """Null for the next free slot."""
    output_dir: str
    argv: tuple[str, ...]
    env: dict[str, str]
    """Environment variables set for it; secrets are masked."""


class PlanDocument(TypedDict):
    loop: str
    output_dir: str
    warnings: list[str]
    live_rules: list[str]
    confirming: str | None
    """How promising configs are confirmed."""
    halve: HalveSpec | None
    then: Extension | None
    search: Search | None
    runs: list[PlannedRun]


class FindingsDocument(TypedDict):
    ready: bool
    """No finding is an error."""
    findings: list[Finding]


class AlikeDocument(TypedDict):
    """A past run similar to the variant, and how the loop's rules would have judged it."""

    run: str
    name: str
    loop: str
    state: RunState
    step: int
    differs: list[Change]
    """Differences from its config to the variant's."""
    ending: Ending
    at: int | None
    rule: str | None
    """The live rule that would end it."""
    edits: list[str]
    """The edits of that rule's relaunch."""
    proposed: list[str]
    """Rules that would propose something afterwards."""


class CheckDocument(TypedDict):
    base: str
    changes: list[Change]
    config_hash: str
    notes: list[str]
    blocked: str | None
    """Why it cannot run."""
    ready: bool
    """It is not blocked, and no finding is an error."""
    findings: list[Finding]
    past: list[AlikeDocument]
    """Most similar first."""
    left_out: list[str]
    """Skipped checks, and why."""


class ContrastDocument(TypedDict):
    """The lowest contrast; null for the terminal's own colours."""

    text: float | None
    marks: float | None
    faintest: str


class ThemeDocument(TypedDict):
    name: str
    description: str
    path: str
    origin: str
    dark: bool
    ansi: bool
    """It uses the terminal's own colours."""
    contrast: ContrastDocument
    ok: bool
    problems: list[str]


class ThemeFailure(TypedDict):
    path: str
    problem: str


class ThemesDocument(TypedDict):
    themes: list[ThemeDocument]
    failures: list[ThemeFailure]
    """Invalid theme files."""


class HookDocument(TypedDict):
    name: str
    kind: str
    """command, webhook, or the service."""
    calls: str
    """The command or address, with variable names instead of values; literal paths are shortened to `/…`."""
    events: list[EventName]
    obstacle: str | None
    """Why it cannot work here."""
    health: Health | None
    """Its deliveries for the newest or the given loop."""


class HooksDocument(TypedDict):
    hooks: list[HookDocument]
