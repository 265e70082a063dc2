"""`guide`: the page for coding agents."""

from __future__ import annotations

from importlib import resources


def guide() -> int:
    """Print how a coding agent uses Auto Loop well, on one page.

    It is a skill file: autoloop-tui guide | tee .claude/skills/autoloop/SKILL.md
    """
    print((resources.files("autoloop_tui.agents") / "SKILL.md").read_text(encoding="utf-8"), end="")
    return 0
