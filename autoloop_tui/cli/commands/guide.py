"""`guide`: the page for coding agents."""

from __future__ import annotations

from importlib import resources


def guide() -> int:
    """Print a one-page guide for coding agents that use Auto Loop.

    To save it as a skill file: autoloop-tui guide | tee .claude/skills/autoloop/SKILL.md
    """
    print((resources.files("autoloop_tui.agents") / "SKILL.md").read_text(encoding="utf-8"), end="")
    return 0
