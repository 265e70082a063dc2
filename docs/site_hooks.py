"""Hooks for `mkdocs build`: add the command line page and the repository files that pages link to; use no network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = re.compile(r"\]\(\.\./([\w./-]+)\)")
"""A link from a page to a file of the repository that is not a page."""


def on_files(files: Any, config: Any) -> Any:
    from mkdocs.structure.files import File

    from docs.make_cli_page import page

    files.append(File.generated(config, "cli.md", content=page()))
    texts = [
        (ROOT / "docs" / file.src_uri).read_text(encoding="utf-8")
        for file in files.documentation_pages()
        if file.abs_src_path
    ]
    for path in sorted({path for text in texts for path in OUTSIDE.findall(text)}):
        files.append(File.generated(config, f"source/{path}.txt", content=(ROOT / path).read_text(encoding="utf-8")))
    return files


def on_post_page(output: str, **_: Any) -> str:
    """Use our copy of a script beside the pages. The theme would download it to make search work without a server."""
    return output.replace("https://unpkg.com/iframe-worker/shim", "worker.js")


def on_post_template(output_content: str, **_: Any) -> str:
    """The same for files that are not pages: 404.html."""
    return on_post_page(output_content)


def on_page_markdown(markdown: str, **_: Any) -> str:
    return OUTSIDE.sub(r"](source/\1.txt)", markdown)
