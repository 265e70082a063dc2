"""Checks of every variant before it is created. Each refusal is a sentence for the user, stored with the proposal.

The checks are data: guards.toml of the profiles.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from autoloop import profiles
from autoloop.configs.changes import apply, same
from autoloop.configs.paths import children, exists, get, split, written
from autoloop.configs.text import is_number
from autoloop.model import Change, Config
from autoloop.model.structs import convert
from autoloop.text.values import value_text


class Floor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule, unlike a person, may not lower the number at `path` below `min`."""

    path: str
    min: float


class ExclusiveValues(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No block directly below the path `blocks` may have all of `values`; `fault` and `remedy` explain why, as text."""

    blocks: str
    called: str
    values: dict[str, Any]
    fault: str
    remedy: str


class Replacement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The trainer replaces the top-level `blocks` by values of the block `by`, unless the config's key `unless` is false.

    `agent` names what replaces them, as text.
    """

    blocks: tuple[str, ...]
    by: str
    unless: str
    agent: str

    def holds(self, config: Config) -> bool:
        return isinstance(config.get(self.by), dict) and config.get(self.unless) is not False


class Guards(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """guards.toml: known faults of configs of a method or trainer."""

    floor: tuple[Floor, ...] = ()
    not_both: tuple[ExclusiveValues, ...] = ()
    replaced_by: tuple[Replacement, ...] = ()


@cache
def default_guards() -> Guards:
    """The guards of the profiles that apply."""
    found = [convert(tomllib.loads(text), Guards) for text in profiles.texts("guards.toml")]
    return Guards(
        floor=tuple(each for guards in found for each in guards.floor),
        not_both=tuple(each for guards in found for each in guards.not_both),
        replaced_by=tuple(each for guards in found for each in guards.replaced_by),
    )


def refusals(base: Config, config: Config, *, by_rule: bool) -> list[str]:
    """The reasons why `config`, a variant of `base`, must not run, one sentence each.

    `by_rule`: a rule made it; a person may go below the floors.
    """
    guards = default_guards()
    reasons = [sentence for guard in guards.not_both for sentence in _not_both(base, config, guard)]
    if by_rule:
        reasons += [sentence for guard in guards.floor for sentence in _under_floor(base, config, guard)]
    return reasons


def edits_with_effect(base: Config, changes: Sequence[Change]) -> tuple[list[Change], list[str]]:
    """The changes, resolved on `base`, that have an effect, and a note on each dropped one."""
    kept: list[Change] = []
    notes: list[str] = []
    result = apply(base, changes)
    replacing = {block: each for each in default_guards().replaced_by if each.holds(result) for block in each.blocks}
    for change in changes:
        block = split(change.path)[0]
        if same(change.before, change.after) and not change.created and not change.removed:
            notes.append(f"{change.path} already has this value ({_short(change.after)}); dropped.")
        elif guard := replacing.get(block):
            instead = ".".join([guard.by, "_".join(split(change.path))])
            hint = f"{instead} is used instead" if exists(result, tuple(split(instead))) else ""
            hint = hint or f"set {guard.unless} to false to use it"
            notes.append(f"{change.path} has no effect, because {guard.agent} replaces the {block} ({hint}); dropped.")
        else:
            kept.append(change)
    return kept, notes


def unusable(config: Config) -> list[str]:
    """The reasons why a given config must not run, one sentence each."""
    return [
        f"{guard.called} {_label(key, block)} has {guard.fault}: {guard.remedy}."
        for guard in default_guards().not_both
        for key, block in _faulty(config, guard)
    ]


def _label(key: str | int, block: dict[str, Any]) -> str:
    name = next((block[k] for k in ("name", "key", "feature") if isinstance(block.get(k), str)), None)
    return f"{key} ({name})" if name else str(key)


def _not_both(base: Config, config: Config, guard: ExclusiveValues) -> list[str]:
    sentences = []
    before = [block for _, block in _faulty(base, guard)]
    for key, block in _faulty(config, guard):
        blame = " The base config already has this fault; add an edit that fixes it." if block in before else ""
        path = written((*_keys(guard.blocks), key))
        sentences.append(
            f"{guard.called} {_label(key, block)} would have {guard.fault}: {guard.remedy} ({path}@del).{blame}"
        )
    return sentences


def _faulty(config: Config, guard: ExclusiveValues) -> list[tuple[str | int, Any]]:
    """The blocks, with their keys, that have all the values that the guard forbids in combination."""
    keys = _keys(guard.blocks)
    blocks = children(get(config, keys)) if exists(config, keys) else []
    return [
        (key, block)
        for key, block in blocks
        if isinstance(block, dict) and all(_equals(block.get(name), value) for name, value in guard.values.items())
    ]


def _equals(found: Any, wanted: Any) -> bool:
    """Compare as a trainer does: 0 and 0.0 are equal, 0 and false are not."""
    return found == wanted and is_number(found) == is_number(wanted)


def _under_floor(base: Config, config: Config, guard: Floor) -> list[str]:
    keys = _keys(guard.path)
    if not (exists(base, keys) and exists(config, keys)):
        return []
    before, after = get(base, keys), get(config, keys)
    if is_number(before) and is_number(after) and after < before and after < guard.min:
        fall = f"from {value_text(before)} to {value_text(after)}, under {value_text(guard.min)}"
        return [f"{guard.path} would fall {fall}; no rule may go below that."]
    return []


def _keys(path: str) -> tuple[str | int, ...]:
    return tuple(split(path))


def _short(value: Any) -> str:
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 40 else text[:39] + "…"
