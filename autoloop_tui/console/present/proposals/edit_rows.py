"""Rows of the table to type edits in: path, current value and new value; and completions. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from autoloop.configs import OPS, FieldTypes, parse_edit, split_edit
from autoloop.configs.paths import Keys, get, key_of, places, split
from autoloop.configs.text import kind
from autoloop.metrics import MetricBook
from autoloop.model import Change, Config, Proposal, UserError
from autoloop.text.changes import before_text

from autoloop_tui.console.drawing.paint import shown_value
from autoloop_tui.console.present.proposals.edits import as_edit, value_text

DELETES = "@del"
"""Shown, and accepted as input, in place of a value for a key or element to delete."""

_OPERATION = re.compile(rf"@(?:(?:{'|'.join(OPS)})\s*=.*|del)", re.DOTALL)
_PATH_AND_OP = re.compile(r"((?:\\.|[^\\@])*)@\s*(\w+)", re.DOTALL)


@dataclass
class EditRow:
    """A row for an edit. `text`: a value, or an operation such as `@mul=0.5`. `created`: the key is new on purpose."""

    path: str
    text: str = ""
    created: bool = False
    given: str | None = None
    """The initial text of a row added by the user: until it is changed, the row is incomplete."""

    @property
    def untouched(self) -> bool:
        return self.given is not None and self.text.strip() == self.given

    def edit(self, suffix: str) -> str:
        """Return the edit to send; invalid input is returned as typed. `suffix`: the format of the base's config."""
        text = self.text.strip()
        if _OPERATION.fullmatch(text):
            return as_edit(f"{self.path}{text}", suffix)
        start = f"{self.path}@{'new' if self.created else 'set'}="
        typed = as_edit(start + text, suffix)
        try:
            return start + json.dumps(parse_edit(typed).value, ensure_ascii=False)
        except UserError:
            return typed


def rows_of(proposal: Proposal, suffix: str) -> list[EditRow]:
    """Return the changes of a proposal as rows; if it has no resolved changes, its edits."""
    changes = [
        EditRow(each.path, DELETES if each.removed else value_text(each.after, suffix), each.created)
        for each in proposal.changes
    ]
    return changes or [row_of(edit) for edit in proposal.edits]


def row_of(typed: str) -> EditRow:
    """Return the row for an edit or a path."""
    left, value = split_edit(typed) or (typed.strip(), "")
    found = _PATH_AND_OP.fullmatch(left)
    path, op = (found[1].strip(), found[2]) if found else (left, "set")
    if op in ("set", "new"):
        return EditRow(path, value, op == "new")
    return EditRow(path, f"@{op}={value}" if "=" in typed else f"@{op}")


def row_for(typed: str, config: Config, suffix: str) -> EditRow:
    """Return the row for typed text: an edit as it is, a path with its current value for the user to change."""
    row = row_of(typed)
    if not row.text:
        found = _found(config, row.path)
        row.text = row.given = value_text(get(config, found[0]), suffix) if len(found) == 1 else ""
    return row


def present_text(config: Config, row: EditRow) -> str:
    """Return the current value at the row's path."""
    found = _found(config, row.path)
    if len(found) > 1:
        return f"({len(found)} places)"
    if not found:
        return "(new)"
    return before_text(Change(path=row.path, before=get(config, found[0]), after=None), lambda value: shown_value(value, 40))


def _found(config: Config, path: str) -> list[Keys]:
    segments = split(path)
    return places(config, segments) if all(segments) else []


# -------------------------------------------------------------------------------------------------------- completion


@dataclass(frozen=True)
class Completion:
    text: str
    about: str = ""
    """Its type and current value."""


def path_completions(typed: str, flat: Mapping[str, Any], fields: FieldTypes, taken: Iterable[str]) -> list[Completion]:
    """Return the paths of a flattened config that contain the typed text: those that start with it first, then those with a
    key that does."""
    wanted, but = typed.strip().casefold(), set(taken)
    ranked: list[tuple[int, str]] = []
    for path in flat:
        folded = path.casefold()
        if wanted in folded and path not in but:
            begins = folded.startswith(wanted)
            ranked.append((0 if begins else 1 if f".{wanted}" in folded else 2, path))
    ranked.sort(key=lambda each: each[0])  # paths of equal rank stay in config order
    return [Completion(path, f"{_type(path, flat[path], fields)}, {shown_value(flat[path], 40)}") for _, path in ranked]


def _type(path: str, value: Any, fields: FieldTypes) -> str:
    keys = tuple(key_of(segment) for segment in split(path))
    return "whole number" if fields.is_integer(keys, value) else kind(value).removeprefix("a ")


def expectation_completions(typed: str, book: MetricBook) -> list[Completion]:
    """Return completions such as `eval_l1 lower`, key metrics first and the better direction first."""
    wanted = typed.strip().casefold()
    names = {book.short(name): book.direction(name) for name in [*book.key_metrics, *book.names]}
    every: list[str] = []
    for name, good in names.items():
        every += [f"{name} {way}" for way in (("higher", "lower") if good == "high" else ("lower", "higher"))]
    return [Completion(each) for each in every if wanted in each.casefold() and wanted != each.casefold()]
