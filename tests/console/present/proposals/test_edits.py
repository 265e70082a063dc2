"""Edits as users type them, and the editor for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from autoloop.configs import parse_edit
from autoloop.model import UserError

from autoloop_tui.console.present.proposals.edits import as_edit, editor_command, edits_of_file, split_edits, value_text


def test_a_missing_editor_is_said_and_none_is_run_through_a_shell(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\$EDITOR names nothing-here, which does not exist"):
        editor_command({"EDITOR": "nothing-here -x", "PATH": os.defpath})
    with pytest.raises(UserError, match="No editor found"):
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


@pytest.mark.parametrize(
    ("typed", "suffix", "edit"),
    [
        ("model.amp=True", ".yaml", "model.amp=true"),
        ("lr=.5", ".yaml", "lr=0.5"),
        ("lr@mul=.5", ".yaml", "lr@mul=0.5"),
        ("lr=1.0e-05", ".yaml", "lr=1e-05"),
        ("act=gelu", ".yaml", 'act="gelu"'),
        ("act='gelu new'", ".yaml", 'act="gelu new"'),
        ("act=~", ".yaml", "act=null"),
        ("sizes=[8, wide]", ".yaml", 'sizes=[8, "wide"]'),
        ("act='gelu'", ".toml", 'act="gelu"'),
        ("steps=10_000", ".toml", "steps=10000"),
        ("act=gelu", ".toml", "act=gelu"),  # not a TOML value, so a string, as in every edit
        ("act=False", ".json", "act=False"),  # refused, as in every edit
        ("gone@del", ".yaml", "gone@del"),
        ("a=[1, 2", ".yaml", "a=[1, 2"),
        ("a=1\nb: 2", ".yaml", "a=1\nb: 2"),
        ("a=", ".yaml", "a="),
    ],
)
def test_a_value_may_be_typed_as_the_config_has_it(typed: str, suffix: str, edit: str) -> None:
    assert as_edit(typed, suffix) == edit


@pytest.mark.parametrize("suffix", [".yaml", ".toml", ".json"])
@pytest.mark.parametrize(
    "value", ["auto", "yes", "1e-5", "", "a b", "#x", "@del", "null", 3, 0.1, True, None, [1, "a"], {"k": "v"}]
)
def test_a_value_that_is_not_typed_over_stays_as_it_is(value: Any, suffix: str) -> None:
    edit = as_edit(f"x={value_text(value, suffix)}", suffix)
    assert parse_edit(edit).value == value
    assert type(parse_edit(edit).value) is type(value)


def test_quotes_keep_what_is_typed_in_one_line_together() -> None:
    assert split_edits("a='x y' b=it's c=['p q', 'r']") == ["a='x y'", "b=it's", "c=['p q', 'r']"]
