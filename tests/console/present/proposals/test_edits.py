"""Edits as they are typed, and the editor they are typed in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from autoloop.model import UserError

from autoloop_tui.console.present.proposals.edits import editor_command, edits_of_file, split_edits


def test_a_missing_editor_is_said_and_none_is_run_through_a_shell(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\$EDITOR names nothing-here, which is not there"):
        editor_command({"EDITOR": "nothing-here -x", "PATH": os.defpath})
    with pytest.raises(UserError, match="There is no editor here"):
        editor_command({"PATH": str(tmp_path)})
    vi = tmp_path / "vi"
    vi.write_text("")
    vi.chmod(0o755)
    assert editor_command({"PATH": str(tmp_path), "EDITOR": " "}) == [str(vi)]
    assert editor_command({"PATH": str(tmp_path), "VISUAL": "vi -c 'set nu; x'"}) == ["vi", "-c", "set nu; x"]


@pytest.mark.parametrize("value", ["'", "''", "; touch pwned", "$(touch pwned)", "/", "vi`touch pwned`"])
def test_an_editor_that_is_no_program_is_a_sentence(value: str) -> None:
    with pytest.raises(UserError, match=r"^\$EDITOR (cannot be read|names) "):
        editor_command({"PATH": os.defpath, "EDITOR": value})


def test_edits_of_a_line_and_of_a_file_are_told_apart() -> None:
    assert split_edits('a.b=[0, 8] n="x y"  c@mul=2') == ["a.b=[0, 8]", 'n="x y"', "c@mul=2"]
    assert edits_of_file("# a\n\n  a=1 \n# b=2\nb@mul=3") == ["a=1", "b@mul=3"]


@pytest.mark.parametrize(
    ("text", "edits"),
    [
        ("a.b@mul=1.5  c=3", ["a.b@mul=1.5", "c=3"]),
        ("a=1, b=2,", ["a=1", "b=2"]),
        ('a=[1, 2] b={"x": [1, 2]}', ["a=[1, 2]", 'b={"x": [1, 2]}']),
        (r'name="two words \" [" x=1', [r'name="two words \" ["', "x=1"]),
        ("", []),
        ("   ", []),
    ],
)
def test_a_line_of_edits_is_split_outside_of_json(text: str, edits: Any) -> None:
    assert split_edits(text) == edits
