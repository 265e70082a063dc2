"""What `mkdocs build` asks for: the page of the command line, the files of the repository that pages link to, no network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = re.compile(r"\]\(\.\./([\w./-]+)\)")
"""A link from a page to a file of the repository that is no page."""


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
    """The theme would fetch a script so that search works in files; ours is beside the pages."""
    return output.replace("https://unpkg.com/iframe-worker/shim", "worker.js")


def on_post_template(output_content: str, **_: Any) -> str:
    """The same for what is no page: 404.html."""
    return on_post_page(output_content)


def on_page_markdown(markdown: str, **_: Any) -> str:
    return OUTSIDE.sub(r"](source/\1.txt)", markdown)
