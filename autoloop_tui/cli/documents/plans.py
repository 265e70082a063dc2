"""The answers before a start: a plan, what was checked, and colour themes."""

from __future__ import annotations

from typing import TypedDict

from autoloop.backtest.outcome import Ending
from autoloop.hooks.health import Health
from autoloop.hooks.hook import EventName
from autoloop.model import Change, HalveSpec, RunState, Search
from autoloop.preflight import Finding


class Extension(TypedDict):
    extend: int
    """Steps in all."""


class PlannedRun(TypedDict):
    index: int
    name: str
    id: str
    config: str
    slot: str | None
    """Null: the next that is free."""
    output_dir: str
    argv: tuple[str, ...]
    env: dict[str, str]
    """What is set for it; secrets are masked."""


class PlanDocument(TypedDict):
    loop: str
    output_dir: str
    warnings: list[str]
    live_rules: list[str]
    confirming: str | None
    """How what looks better is confirmed."""
    halve: HalveSpec | None
    then: Extension | None
    search: Search | None
    runs: list[PlannedRun]


class FindingsDocument(TypedDict):
    ready: bool
    """No finding is an error."""
    findings: list[Finding]


class AlikeDocument(TypedDict):
    """A past run that is like the variant, and what the loop's rules would have made of it."""

    run: str
    name: str
    loop: str
    state: RunState
    step: int
    differs: list[Change]
    """From its config to the variant's."""
    ending: Ending
    at: int | None
    rule: str | None
    """The live rule that ends it."""
    edits: list[str]
    """With which that rule relaunches it."""
    proposed: list[str]
    """Rules that would propose something after it."""


class CheckDocument(TypedDict):
    base: str
    changes: list[Change]
    config_hash: str
    notes: list[str]
    blocked: str | None
    """Why it must not be run."""
    ready: bool
    """It is not blocked, and no finding is an error."""
    findings: list[Finding]
    past: list[AlikeDocument]
    """The most alike first."""
    left_out: list[str]
    """What was not looked at, and why."""


class ContrastDocument(TypedDict):
    """The least contrast; null where the colours are the terminal's own."""

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
    """Its colours are the terminal's own."""
    contrast: ContrastDocument
    ok: bool
    problems: list[str]


class ThemeFailure(TypedDict):
    path: str
    problem: str


class ThemesDocument(TypedDict):
    themes: list[ThemeDocument]
    failures: list[ThemeFailure]
    """Files that are no themes."""


class HookDocument(TypedDict):
    name: str
    kind: str
    """command, webhook, or the service."""
    calls: str
    """The command or the address, with the names of variables in place of their values; of a written path, only `/…`."""
    events: list[EventName]
    obstacle: str | None
    """Why it cannot work here."""
    health: Health | None
    """How its messages of the newest loop, or of the one that was named, went."""


class HooksDocument(TypedDict):
    hooks: list[HookDocument]
