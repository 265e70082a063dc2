"""Whether config values reached the trainer: where a value was seen again, and whether changing it changed a metric."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from autoloop.configs import Config, parse_config, same
from autoloop.configs.paths import get, split
from autoloop.files import read_text
from autoloop.model import Change, Series, UserError
from autoloop.text.values import value_text
from autoloop.trainers import passes
from autoloop.trainers.overrides import leaves
from autoloop.trial.running import Outcome
from autoloop.trial.setup import TrialRun
from autoloop.variants.grids import seed_path

_NOT_OF_THE_TRAINING = re.compile(
    r"time|fps|per_sec|mem|seconds|minutes|speed|throughput|mfu|elapsed|duration|latency|clock"
    r"|(^|[/_.])(s|sec|ms|hours?|dt|eta|[its]ps)$",
    re.IGNORECASE,
)
"""Metrics that differ between any two runs, such as times."""
_CONFIG = (".yaml", ".yml", ".json")
LARGEST = 1 << 20
LOOKED_AT = 50


class ChangeTrace(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a config. `seen`: phrases that say where its new value was found again. `against`: phrases that say
    where another value was found in its place."""

    path: str
    value: Any
    given: str
    """How it is passed: the words of the command, or in the config file."""
    seen: list[str]
    against: list[str]
    had_effect: bool | None = None
    """Whether a metric differs from the run without the change; None if no comparison was possible."""


def reached(run: TrialRun, outcome: Outcome, before: Outcome | None = None) -> list[ChangeTrace]:
    """Return the changes of a run, with the evidence that they reached the trainer. `before`: the outcome of the run without
    them."""
    echoes = list(_echoes(run, outcome))
    effect = None
    if before is not None:
        shared, differing = compared(before.columns, outcome.columns, [change.path for change in run.changes])
        effect = bool(differing) if shared else None
    return [_one(change, run, outcome, echoes, effect) for change in run.changes if not change.removed]


def _one(
    change: Change, run: TrialRun, outcome: Outcome, echoes: list[tuple[str, Config]], effect: bool | None
) -> ChangeTrace:
    key, value = change.path.rpartition(".")[2], change.after
    seen: list[str] = []
    against: list[str] = []
    for where, config in echoes:
        found = _at(config, change.path, key)
        if found is not _NOTHING:
            (seen if same(found, value) else against).append(
                where if same(found, value) else f"{where} has {value_text(found)}"
            )
    printed = re.compile(rf"\b{re.escape(key)}\b\W{{1,4}}{re.escape(str(value))}(?![\w.])")
    if line := next((line for line in outcome.lines if printed.search(line)), None):
        seen.append(f"it printed “{' '.join(line.split())[:80]}”")
    for name, series in outcome.columns.items():
        if name.rpartition("/")[2] in (key, key.rpartition("_")[2]) and len(series) and series.values[0] == value:
            seen.append(f"its metric {name}")
    if outcome.stopped is None and value in (outcome.step, outcome.total_steps):
        seen.append(f"it made {value} steps")
    return ChangeTrace(
        path=change.path, value=value, given=_given(change, run), seen=seen, against=against, had_effect=effect
    )


def _given(change: Change, run: TrialRun) -> str:
    words = run.planned.launch.argv[::-1]  # if a flag is given twice, the last one counts
    name = change.path.replace("_", "[-_]")
    word = next((word for word in words if re.fullmatch(rf"[+-]*{name}(=.*)?", word)), None)
    is_seed = passes(run.preset, "seed") and change.path == seed_path(run.planned.config, run.preset.seed)
    if (run.preset.config != "file" or is_seed) and word is not None:
        place = words.index(word)
        return word if "=" in word or place == 0 else f"{word} {words[place - 1]}"
    return "in its config file"


_NOTHING = object()


def _at(config: Config, path: str, key: str) -> Any:
    """The value in a trainer's config at the path, or else at the only key with that name."""
    try:
        return get(config, split(path))
    except (KeyError, IndexError, TypeError):
        pass
    found = [value for place, value in leaves(config) if place.rpartition(".")[2] == key]
    return found[0] if len(found) == 1 else _NOTHING


def _echoes(run: TrialRun, outcome: Outcome) -> Iterator[tuple[str, Config]]:
    """The configs that the trainer wrote, each with a name for messages."""
    if outcome.config:
        yield f"{outcome.sources[0] if outcome.sources else 'W&B'}'s record of its config", outcome.config
    output = Path(run.planned.output_dir)
    for name in [each for each in outcome.written if each.endswith(_CONFIG)][:LOOKED_AT]:
        try:
            if (output / name).stat().st_size > LARGEST:
                continue
            yield name, parse_config(read_text(output / name, "config"), name)
        except (UserError, OSError):
            continue


def compared(
    columns: Mapping[str, Series], others: Mapping[str, Series], changed: Collection[str] = ()
) -> tuple[int, list[str]]:
    """Return the number of training metrics that two runs have in common at some step, and the names of those that differ
    there. `changed`: the paths whose values differ; a metric with the name of one only repeats that value."""
    keys = {path.rpartition(".")[2] for path in changed}
    shared, differing = 0, []
    for name in sorted(columns.keys() & others.keys()):
        mine, theirs = dict(columns[name]), dict(others[name])
        steps = mine.keys() & theirs.keys()
        if not steps or _NOT_OF_THE_TRAINING.search(name) or name.rpartition("/")[2] in keys:
            continue
        shared += 1
        if any(not _equal(mine[step], theirs[step]) for step in steps):
            differing.append(name)
    return shared, differing


def _equal(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
