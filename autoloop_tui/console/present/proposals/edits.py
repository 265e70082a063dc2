"""Edits of a proposal before they are sent: checking them with the engine's own code, and their text form for the user's
editor. Independent of Textual."""

from __future__ import annotations

import dataclasses
import json
import shlex
import shutil
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from autoloop.configs import FieldTypes, default_fields, parse_value_as, split_edit, suffix_of
from autoloop.configs.formats import JSON, TOML, YAML
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.engine.planning.frozen import preset_of
from autoloop.engine.planning.variant_policies import loop_policy
from autoloop.model import Change, Loop, Proposal, Run, UserError
from autoloop.settings import load_settings
from autoloop.store import Store
from autoloop.variants.check import CheckedVariant, check
from autoloop.variants.policy import VariantPolicy
from autoloop.variants.request import VariantRequest

from autoloop_tui.console.drawing.paint import plain
from autoloop_tui.console.loop_view import TROUBLE
from autoloop_tui.console.present.flat_config import flatten


class EditCheck:
    """Checks what edits of a base would produce, exactly as the engine will."""

    def __init__(self, base: Run, policy: VariantPolicy) -> None:
        """Raises UserError if the base's config cannot be read."""
        self.config = frozen_config(base)
        self.suffix = suffix_of(base.config_path)
        """The format of the base's config; values may be typed in that format."""
        self._policy = policy
        self._alone: dict[str, str] = {}

    def __call__(self, edits: Sequence[str]) -> CheckedVariant:
        if not edits:
            return CheckedVariant(self.config, blocked="Write at least one edit: path=value or path@op=value.")
        return self._check(edits, self._policy)

    def alone(self, edit: str) -> str:
        """Return why an edit is invalid regardless of the others; empty if it is valid."""
        if edit not in self._alone:
            of_its_own = dataclasses.replace(self._policy, duplicate=lambda _: None)
            self._alone[edit] = self._check([edit], of_its_own).blocked or ""
        return self._alone[edit]

    @property
    def fields(self) -> FieldTypes:
        return self._policy.fields or default_fields()

    @cached_property
    def flat(self) -> dict[str, Any]:
        """Every value of the base's config by its path."""
        return flatten(self.config)

    def _check(self, edits: Sequence[str], policy: VariantPolicy) -> CheckedVariant:
        try:
            return check(self.config, VariantRequest(reason="", edits=list(edits)), policy, self.suffix)
        except TROUBLE as error:  # the check queries the store for duplicates
            return CheckedVariant(self.config, blocked=str(error))


def edit_check(store: Store, loop: Loop, base: Run, round_: int, instead_of: Proposal | None = None) -> EditCheck:
    """Return the check for edits of `base`. `instead_of`: the proposal that they replace, which does not count as a
    duplicate. Raises UserError if the base's config, the loop's preset or the project's settings cannot be read."""
    preset, fields = preset_of(store.places, loop), load_settings(Path(loop.spec.cwd)).field_types()
    made_from, besides = (instead_of.round, instead_of.id) if instead_of else (round_, 0)
    return EditCheck(base, loop_policy(store, loop.id, loop.spec, preset, fields, made_from, besides=besides))


# ----------------------------------------------------------------------------------------------------------- writing


def json_text(value: Any) -> str:
    """Return a value as editable JSON that parses to an equal value; characters a terminal does not show are escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return text if plain(text) == text else json.dumps(value)


def value_text(value: Any, suffix: str) -> str:
    """Return a value as editable text in the config's format; in YAML, strings that need no quotes have none."""
    if suffix in YAML and isinstance(value, str) and plain(value) == value:
        try:
            if parse_value_as(value, suffix) == value:
                return value
        except UserError:
            pass
    return json_text(value)


def as_edit(typed: str, suffix: str) -> str:
    """Convert an edit with a value in the config's format to JSON. An invalid value is returned unchanged and is reported by
    the check like that of any edit."""
    parts = split_edit(typed)
    if suffix == JSON or parts is None:
        return typed
    try:
        return f"{parts[0]}={_json(parse_value_as(parts[1], suffix))}"
    except UserError:
        return typed


def set_edit(path: str, value: Any) -> str:
    return f"{path}@set={_json(value)}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def edit_lines(proposal: Proposal) -> list[str]:
    """Return the proposal as edits that reproduce exactly the changes shown.

    The rule's own edits may not: what it left out, dropped or clamped would reappear, or fail for a user.
    """
    return [change_edit(change) for change in proposal.changes] or list(proposal.edits)


def change_edit(change: Change) -> str:
    """Return the edit that makes this change."""
    if change.removed:
        return f"{change.path}@del"
    return f"{change.path}@new={_json(change.after)}" if change.created else set_edit(change.path, change.after)


# ------------------------------------------------------------------------------------------------------------ editor


def editor_command(environment: Mapping[str, str]) -> list[str]:
    """Return the user's editor as an argument list: $VISUAL, $EDITOR, vi or nano. Raises UserError if there is none."""
    for name in ("VISUAL", "EDITOR"):
        wanted = environment.get(name, "").strip()
        if wanted:
            try:
                command = shlex.split(wanted)
            except ValueError as error:
                raise UserError(f"${name} cannot be read ({error}): {wanted}") from None
            if not shutil.which(command[0], path=environment.get("PATH")):
                raise UserError(f"${name} names {command[0]}, which does not exist; set it to an installed editor.")
            return command
    for usual in ("vi", "nano"):
        if found := shutil.which(usual, path=environment.get("PATH")):
            return [found]
    raise UserError("No editor found: set $EDITOR, or edit in place with e.")


def file_for_editor(proposal: Proposal, base: str, suffix: str = JSON) -> str:
    """Return the text to open in the editor: an explanation, then one edit per line. `suffix`: the config's format."""
    values = "YAML" if suffix in YAML else "TOML" if suffix == TOML else "JSON"
    words = [
        f"Proposal {proposal.id}, a variant of {base}: {' '.join(proposal.reason.split())}",
        "",
        "One edit per line: path=value, or path@op=value with op one of set, new, mul, add, min, max (max sets a lower "
        "bound).",
        "path@del deletes a key or a list element; @new creates a key whose name resembles an existing one.",
        f'Values are {values}: 0.16, true, "text", [0, 8]. Lines that begin with # are ignored.',
        "Save and quit to send them; without changes or edits, nothing is sent.",
        "",
        *(f"{change.path} {_now(change)}" for change in proposal.changes),
    ]
    if proposal.changes:
        words += ["", "As written: " + "  ".join(proposal.edits)]
    comments = [f"# {plain(word)}".rstrip() for word in words]
    return "\n".join([*comments, "", *edit_lines(proposal)]) + "\n"


def _now(change: Change) -> str:
    return "does not exist now" if change.created else f"is {json_text(change.before)} now"


def edits_of_file(text: str, suffix: str = JSON) -> list[str]:
    lines = (line.strip() for line in text.splitlines())
    return [as_edit(line, suffix) for line in lines if line and not line.startswith("#")]


_CLOSING = {"[": "]", "{": "}"}


def split_edits(text: str) -> list[str]:
    """Split a line of edits at spaces (or commas and spaces); values in quotes or brackets may contain spaces."""
    edits, current, open_, quoted, escaped = [], "", list[str](), "", False
    for character in text:
        if character.isspace() and not open_ and not quoted:
            edits.append(current)
            current = ""
            continue
        current += character
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif quoted:
            quoted = "" if character == quoted else quoted
        elif character == '"' or (character == "'" and current.endswith(("='", "['", ", '", ",'"))):
            quoted = character
        elif not quoted and character in _CLOSING:
            open_.append(_CLOSING[character])
        elif not quoted and open_ and character == open_[-1]:
            open_.pop()
    return [edit for each in [*edits, current] if (edit := each.rstrip(","))]
