"""The blocks of docs/your-trainer.md, by the heading that they stand under."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/your-trainer.md"


def blocks() -> dict[str, list[str]]:
    """The TOML blocks of each section; what stands before the first has the heading ''."""
    heading, *sections = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    texts = {"": heading, **dict(zip(sections[::2], sections[1::2], strict=True))}
    return {name: re.findall(r"```toml\n(.*?)```", text, re.DOTALL) for name, text in texts.items()}


def settings_of(section: str) -> str:
    """The last block of a section: the one with everything that it says."""
    return blocks()[section][-1]
