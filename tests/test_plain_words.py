"""Documents, help and messages contain none of the phrases that no native engineer would write."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]

INSTEAD = {
    "a person's": "the user's",
    "all the same": "anyway",
    "anew": "again",
    "anybody": "anyone",
    "as it should": "what is wrong",
    "as it was given": "unchanged",
    "ask for nothing": "send no requests",
    "book version": "rule book v2",
    "by itself": "automatically",
    "by themselves": "automatically",
    "cannot be understood": "is malformed, is invalid",
    "does not hold": "false",
    "enter on nothing": "empty: …",
    "for a night": "unattended",
    "for want of": "because of too little",
    "forget the marks": "clear marks",
    "gives the slot on": "releases the slot",
    "has no such": "does not have this",
    "in force": "active",
    "in passing": "secondary",
    "is let end": "finishes first",
    "is no axis": "is not an axis",
    "is no number": "is not a number",
    "is no valid": "is not a valid",
    "is said": "is reported",
    "is told": "is reported",
    "its round is done": "its round has finished",
    "kept from before": "earlier",
    "last words": "the completion message, the last lines",
    "leave away": "omit",
    "leaves away": "omits",
    "leaves it as it was": "cancels",
    "left away": "omitted",
    "left behind, never run": "rejected",
    "let a person": "ask a person to",
    "line an event": "line per event",
    "look at it again": "review it again",
    "looked at": "read, checked, polled",
    "makes no sense": "what the value must be",
    "match before": "previous match",
    "may be empty); enter": "optional",
    "mend it": "fix it",
    "mend that": "fix that",
    "mended": "fixed",
    "no engine drives it": "the engine has stopped",
    "nobody": "no one, no user",
    "not there any more": "no longer exists",
    "of earlier times": "earlier",
    "one's own": "your own",
    "passed over": "skipped",
    "put it round": "put it around",
    "put right": "fix",
    "puts it right": "fixes it",
    "so many": "at most N",
    "so often": "at most N times",
    "somebody": "someone, a user",
    "stands first": "is the best, ranks first",
    "stands twice": "appears twice",
    "started by hand": "held",
    "take it up again": "resume it",
    "taken up again": "resumed",
    "takes it up again": "continues it",
    "the queue goes on": "queue resumed",
    "then it is done": "then it is finished",
    "there any more": "no longer there",
    "torn": "incomplete",
    "trained on to": "continued to",
    "trains it on": "continues it",
    "turn the order round": "reverse the order",
    "turned round": "reversed",
    "waits for nothing": "is not waiting for anything",
    "wall": "guard",
    "walls": "guards",
    "what answers": "the server there",
    "what became of": "the outcome of",
    "what it came to": "its result",
    "which alone": "only … is",
    "white space": "whitespace",
    "whoever": "anyone who",
    "wrong call": "usage error",
}
"""Phrases to avoid, and what to write instead."""

PHRASE = re.compile("|".join(rf"\b{re.escape(phrase).replace(chr(92) + ' ', chr(92) + 's+')}\b" for phrase in INSTEAD), re.I)

OTHERS_TEXTS = {"core/autoloop/store/sentences.py"}
"""Sentences written by an older version, as found in its stores."""


def of_markdown(path: Path) -> Iterator[tuple[int, str]]:
    yield from enumerate(path.read_text(encoding="utf-8").splitlines(), 1)


def of_python(path: Path) -> Iterator[tuple[int, str]]:
    """Yield every string except docstrings, which users do not see. Those of commands are included: they are the help."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    docstrings: set[int] = set()
    if "commands" not in path.parts or "cli" not in path.parts:
        for node in nodes:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                docstrings.add(id(node.value))
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def of_toml(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the strings in it, but not its comments; the line number is unknown and given as 0."""

    def texts(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, list | dict):
            for item in value.values() if isinstance(value, dict) else value:
                yield from texts(item)

    for text in texts(tomllib.loads(path.read_text(encoding="utf-8"))):
        yield 0, text


READERS = {".md": of_markdown, ".py": of_python, ".toml": of_toml}
PLACES = {
    "documents": ("*.md", "docs/**/*.md", "recipes/**/*.md", ".github/**/*.md"),
    "core": ("core/**/*.py", "core/**/*.toml"),
    "command line and console": ("autoloop_tui/**/*.py",),
    "themes": ("themes/*.toml",),
}


@pytest.mark.parametrize("place", PLACES)
def test_no_text_holds_a_phrase_of_the_list(place: str) -> None:
    files = [path for pattern in PLACES[place] for path in sorted(ROOT.glob(pattern))]
    assert files
    found = []
    for path in files:
        name = str(path.relative_to(ROOT))
        for line, text in READERS[path.suffix](path):
            if name not in OTHERS_TEXTS and (phrase := PHRASE.search(text)):
                found.append(f"{name}:{line}: write {INSTEAD[' '.join(phrase[0].lower().split())]!r}: {text.strip()[:200]}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("text", ["The next round starts by\nitself.", "Somebody else's", "TORN"])
def test_a_phrase_is_found_across_lines_and_in_any_case(text: str) -> None:
    assert PHRASE.search(text)


def test_a_word_that_only_holds_a_phrase_is_no_phrase() -> None:
    assert not PHRASE.search("firewall, tornado, inpassing")
