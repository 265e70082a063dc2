"""Render a draft as autoloop.toml: at most 15 lines, with comments where a key is not self-explanatory."""

from __future__ import annotations

import json
import re
from typing import Any

from autoloop.adoption.draft import Draft
from autoloop.secrets import mask
from autoloop.settings import FILE
from autoloop.trainers import parse_preset

_BARE = re.compile(r"[\w@%+=:,./{}~\[\]-]+")
_KEY = re.compile(r"[A-Za-z0-9_-]+")
_COMMENTS = {
    "overrides": "each config value becomes a command-line argument",
    "dump": "prints the full config, so that edits can find every key",
    "base": "the values that edits can change",
    "steps": "the number of steps per run",
    "output_dir": "each run gets its own folder, created before it starts",
    "processes": "on the CPU; on GPUs one per GPU of the run (--gpus-per-run)",
}


def settings_text(draft: Draft) -> str:
    typed = mask(" ".join(draft.command.typed.split()))
    lines = [f"# Written by `autoloop-tui init` for: {typed[:100]}{'…' if len(typed) > 100 else ''}"]
    head = {"python": draft.python} if draft.python else {}
    lines += [f"{key} = {_value(value)}" for key, value in {**head, **draft.settings}.items()]
    if "preset" in draft.settings:
        return "\n".join(lines) + "\n"
    lines += ["", "[trainer]", f"command = {_value(command_text([*draft.command.start, *draft.words]))}"]
    for key, value in draft.table.items():
        comment = _COMMENTS.get(value if key == "config" else key)
        lines.append(f"{key} = {_value(value)}" + (f"  # {comment}" if comment else ""))
    if draft.flags:
        lines.append(f"flags = {_value(draft.flags)}  # passed to every run; {{…}} is filled in per run")
    if draft.env:
        lines.append(f"env = {_value(draft.env)}")
    return "\n".join(lines) + "\n"


def check(text: str, draft: Draft) -> None:
    """UserError if the settings cannot be read back, because no table can express the command."""
    if "preset" not in draft.settings:
        parse_preset(text, FILE)


def command_text(words: list[str]) -> str:
    """The words joined into one text that splits like a shell command; placeholders are not quoted."""
    return " ".join(word if _BARE.fullmatch(word) else _quoted(word) for word in words)


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\"'\"'") + "'"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(child)}" for key, child in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") if isinstance(value, str) else str(value)


def _key(key: str) -> str:
    return key if _KEY.fullmatch(key) else json.dumps(key)
