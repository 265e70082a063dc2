"""The answers before a start: a plan, what was checked, and colour themes."""

from __future__ import annotations

from typing import TypedDict

from autoloop.model import HalveSpec, Search
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
