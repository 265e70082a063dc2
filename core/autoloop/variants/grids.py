"""Grids and seeds: every combination of some values of a config, each with a name that shows the values.

The name of an axis may be short: it stands for the only path with that ending. `axes` describes their syntax.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from autoloop.configs import Config, FieldTypes, apply, edits_with_effect, parse_edit, parse_edits, refusals, resolve, same
from autoloop.configs.formats import JSON, unwritable
from autoloop.configs.paths import Keys, children, get, key_of, places, split, written
from autoloop.model import UserError
from autoloop.text.names import safe_name
from autoloop.text.suggest import nearest
from autoloop.text.values import value_text
from autoloop.variants.axes import SEED, Axis, Grid
from autoloop.variants.policy import VariantPolicy

_SHORT = {"lr": "learning_rate", "bs": "batch_size", "wd": "weight_decay"}
"""Common abbreviations of keys that trainers spell out."""


_MADE = re.compile(r"(_r\d+_\d+)?(_live\d+(-\d+)?)?$")
"""The suffixes that the engine adds to a run's name."""


@dataclass(frozen=True)
class Point:
    """One combination. `name`: `lr=3e-3,seed=2`."""

    name: str
    config: Config


def points(config: Config, grid: Grid, policy: VariantPolicy, *, seed: str = "", suffix: str = JSON) -> Iterator[Point]:
    """Yield each combination of the grid with `config`. The seed varies fastest, then the last axis.

    `seed`: the path of the seed; by default the only key called seed. UserError for a name that is not a path or matches
    several, for values that do not fit the config, and for paths that the command line sets for all runs.
    """
    axes = [(axis, *place(config, axis.name, policy.overridden)) for axis in grid.axes]
    labels = _labels(axes)
    columns = [
        [(f"{label}={_shown(value)}", f"{path}{operation}={value}") for value in axis.values]
        for label, (axis, path, operation) in zip(labels, axes, strict=True)
    ]
    rows: Iterator[tuple[tuple[str, str], ...]] = zip(*columns, strict=True) if grid.zipped else itertools.product(*columns)
    seeds: list[list[tuple[str, str]]] = [[]]
    if grid.seeds:
        path = seed_path(config, seed)
        if path is None:
            raise UserError(f"--seeds: {_no_seed(config, seed)}")
        if path in [path for _, path, _ in axes]:
            raise UserError(f"--grid gives {path} already; omit --seeds.")
        _refuse_overridden(path, policy.overridden, "--seeds")
        seeds = [[(f"{SEED}={number}", f"{path}={number}")] for number in grid.seeds]
    for row in rows:
        for chosen in seeds:
            named = [*row, *chosen]
            name = ",".join(name for name, _ in named)
            yield Point(name, _varied(config, [edit for _, edit in named], policy, name, suffix))


def seed_path(config: Config, named: str = "") -> str | None:
    """Return the path of the config's seed: the one that the preset names, or else the only key called seed; None without
    one."""
    if named:
        found = places(config, split(named))
        return written(found[0]) if len(found) == 1 else None
    found = _ending(config, (SEED,))
    top = [keys for keys in found if len(keys) == 1]
    chosen = top or found
    return written(chosen[0]) if len(chosen) == 1 else None


def renamed(name: str, before: Config, after: Config) -> str:
    """Return the name of a grid's run with the values of another config: `lr=0.006_r2_1` for `lr=3e-3_r2_1` if the value has
    doubled. Values that are equal in both stay as typed, and so do parts that name no path. The name becomes part of paths,
    so values are shortened accordingly."""
    given = _MADE.sub("", name)
    parts = [_with_value(part, before, after) for part in given.split(",")]
    now = ",".join(parts)
    return name if now == given else safe_name(now) + name[len(given) :]


def _with_value(part: str, before: Config, after: Config) -> str:
    label, equals, _ = part.partition("=")
    try:
        keys = places(before, split(place(before, label, ())[0])) if equals else []
    except UserError:
        return part
    if len(keys) != 1 or keys[0] not in _all(after):
        return part
    value = get(after, keys[0])
    return part if same(get(before, keys[0]), value) else f"{label}={_shown(value_text(value))}"


def seed_of(config: Config, policy: VariantPolicy) -> str:
    """Return the value of the config's seed as text; empty without a seed, or if it is no number or text."""
    path = seed_path(config, policy.seed)
    value = None if path is None else get(config, places(config, split(path))[0])
    return "" if value is None or isinstance(value, bool | dict | list) else str(value)


def group_of(config: Config, policy: VariantPolicy) -> str:
    """Return a hash that is equal for trainings that differ only in the seed; empty if the config has no seed."""
    path = seed_path(config, policy.seed)
    return "" if path is None else policy.hash(apply(config, resolve(config, parse_edits([f"{path}@del"]))))


# ---------------------------------------------------------------------------------------------------------- finding


def place(config: Config, name: str, overridden: Collection[str], *, said: str = "--grid") -> tuple[str, str]:
    """Return the path that an axis name stands for, and its operation (`@mul`) or an empty text. UserError if the name
    matches no path or several, or a path that a flag sets. `said`: the source of the name, for errors."""
    edit = parse_edit(f"{name}=1")
    operation = "" if edit.op == "set" and "@" not in name else f"@{edit.op}"
    path = ".".join(edit.path)
    _refuse_overridden(path, overridden, said)
    if places(config, edit.path) or edit.op == "new":
        return path, operation
    found = _ending(config, edit.path)
    if not found and len(edit.path) == 1:
        short = key_of(edit.path[0])
        found = _ending(config, (_SHORT.get(short, short),)) or _ending_in(config, short)
    if len(found) == 1:
        path = written(found[0])
        _refuse_overridden(path, overridden, said)
        return path, operation
    if found:
        several = ", ".join(map(written, found[:6])) + (" …" if len(found) > 6 else "")
        raise UserError(f"{said} {name} could be several paths: {several}; write the one that is meant.")
    near = nearest(path, [written(keys) for keys in _all(config)]) or _similar_end(config, edit.path)
    hint = f"the nearest path is {near}" if near else "name a path of the config"
    raise UserError(f"{said} {name}: the config has no {path}; {hint}, or write {path}@new=… for a new key.")


def _refuse_overridden(path: str, overridden: Collection[str], flag: str) -> None:
    if path in overridden:
        raise UserError(f"{flag} {path}: a flag of the command line gives it for all runs, so it cannot be varied.")


def _all(config: Config) -> list[Keys]:
    """Every place in the config, including blocks."""
    found: list[Keys] = []
    todo: list[tuple[Keys, Any]] = [((), config)]
    for keys, node in todo:
        for key, child in children(node):
            found.append((*keys, key))
            todo.append(((*keys, key), child))
    return found


def _ending(config: Config, path: Sequence[str]) -> list[Keys]:
    wanted = [key_of(segment).replace("-", "_") for segment in path]
    return [keys for keys in _all(config) if [str(key).replace("-", "_") for key in keys[-len(wanted) :]] == wanted]


def _similar_end(config: Config, path: Sequence[str]) -> str | None:
    """The only path with a last key that is close to a short name, which is probably a typo of it; else None."""
    word = nearest(key_of(path[-1]), [str(keys[-1]) for keys in _all(config)]) if len(path) == 1 else None
    found = _ending(config, (word,)) if word else []
    return written(found[0]) if len(found) == 1 else None


def _ending_in(config: Config, short: str) -> list[Keys]:
    """Places whose last key ends with the short name: `optimizer_lr` for lr."""
    return [keys for keys in _all(config) if str(keys[-1]).replace("-", "_").endswith(f"_{short}")]


def _no_seed(config: Config, named: str) -> str:
    advice = 'name its path as seed = "…" in [trainer]'
    if named:
        return f"the config has no {named}, which the preset names as its seed; {advice.replace('name', 'correct', 1)}."
    found = _ending(config, (SEED,))
    if found:
        return f"the config has several seeds ({', '.join(map(written, found))}); {advice}."
    return f"the config has no key called seed; add it, or {advice}."


def _labels(axes: Sequence[tuple[Axis, str, str]]) -> list[str]:
    """The labels of the axes in run names: a short name as typed; for a path, its shortest unambiguous ending."""
    paths = [path for _, path, _ in axes]
    if twice := next((path for path in paths if paths.count(path) > 1), None):
        raise UserError(f"--grid names {twice} twice; give all its values at once, as {twice}=1,2,3.")
    labels = []
    for axis, path, _ in axes:
        parts = split(path)
        if len(split(axis.name)) == 1 < len(parts) or axis.name in _SHORT:
            labels.append(axis.name.partition("@")[0])
            continue
        ends = (".".join(parts[-width:]) for width in range(1, len(parts) + 1))
        alone = (end for end in ends if sum(f".{other}".endswith(f".{end}") for other in paths) == 1)
        labels.append(next(alone, path))
    return labels


def _shown(value: str) -> str:
    """A value as shown in a name: a list as `1x2`, a path by its last part."""
    if value[:1] in "[{(":
        return re.sub(r"[\s\"\[\]{}()]", "", value).replace(",", "x")
    return value.strip('"').rstrip("/").rpartition("/")[2].replace(",", "x")


def _varied(config: Config, edits: Sequence[str], policy: VariantPolicy, name: str, suffix: str) -> Config:
    """`config` with one combination applied. Unlike in an edit, a value that the config already has is valid."""
    fields: FieldTypes | None = policy.fields
    try:
        changes = resolve(config, parse_edits(edits), fields)
        base = policy.trained(config)
        for change in changes:
            kept, notes = edits_with_effect(base, [change])
            if not kept and not same(change.before, change.after):
                raise UserError(" ".join(notes).replace("; dropped.", "."))
        result = apply(config, changes)
    except UserError as error:
        raise UserError(f"--grid {name}: {error}") from None
    reasons = [*refusals(base, policy.trained(result), by_rule=False), *filter(None, [unwritable(result, suffix)])]
    if reasons:
        raise UserError(f"--grid {name}: {' '.join(reasons)}")
    return result
