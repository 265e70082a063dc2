"""The TOML blocks of docs/your-trainer.md, by heading."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/your-trainer.md"


def blocks() -> dict[str, list[str]]:
    """Return the TOML blocks of each section; those before the first heading are under ''."""
    heading, *sections = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    texts = {"": heading, **dict(zip(sections[::2], sections[1::2], strict=True))}
    return {name: re.findall(r"```toml\n(.*?)```", text, re.DOTALL) for name, text in texts.items()}


def settings_of(section: str) -> str:
    """Return the last block of a section, which contains all of its settings."""
    return blocks()[section][-1]
