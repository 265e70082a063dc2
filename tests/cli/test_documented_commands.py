"""Every command in the documents exists and takes the flags shown there."""

import re
import shlex
from pathlib import Path

import pytest

from autoloop_tui.cli import parser
from autoloop_tui.cli.catalogue import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *ROOT.glob("README.*.md"), ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(document: Path) -> list[str]:
    """Return the calls of autoloop-tui in a document: whole lines of its shell blocks, and text in backticks."""
    text = document.read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```(?:sh|bash)\n(.*?)^ *```", text, re.S | re.M)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    inline = re.findall(r"`(autoloop-tui [^`]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.S | re.M))
    found = []
    for line in [*lines, *inline]:
        for part in re.split(r"&&|\|\||;|\| ", line):
            words = shlex.split(part.strip(), comments=True)
            while words and re.fullmatch(r"\w+=.*", words[0]):  # a variable set for this call only
                del words[0]
            if words and words[0].endswith("autoloop-tui"):
                found.append(shlex.join(words[1:]))
    return found


def shown() -> list[tuple[str, str]]:
    return sorted({(document.name, command) for document in DOCUMENTS for command in commands(document)})


@pytest.mark.parametrize(("document", "command"), shown())
def test_a_command_in_a_document_is_understood(document: str, command: str) -> None:
    words = [word for word in shlex.split(command) if "…" not in word and word not in {"FLAGS", "[-f]", "[RUN]"}]
    if words and words[0] == "COMMAND":
        return
    if "…" in command or "FLAGS" in command:  # abbreviated: only the command must exist
        assert words[0] in COMMANDS
        return
    app = parser.command_line(listing=True) if words and words[0] in parser.LISTING else parser.app
    app.parse_args(words, exit_on_error=False, print_error=False)


def test_the_documents_show_commands() -> None:
    assert len(shown()) > 10
