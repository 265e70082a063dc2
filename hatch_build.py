"""The description for a package index: the README without what an index cannot show.

An index has neither the pictures of the repository nor the files beside the README: what stands between the marks
`<!-- repository -->` is left out, and other relative links become their texts.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

ONLY_HERE = re.compile(r"<!-- repository -->.*?<!-- /repository -->\n*", re.DOTALL)
RELATIVE_LINK = re.compile(r"\[([^\]\n]+)\]\((?!https?://)[^)\n]+\)")


def for_an_index(readme: str) -> str:
    return RELATIVE_LINK.sub(r"\1", ONLY_HERE.sub("", readme))


class Description(MetadataHookInterface):
    """Called by the build backend for every kind of distribution."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": for_an_index(text)}
