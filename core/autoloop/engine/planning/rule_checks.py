"""Checks that a loop has rules, and that the metrics and config keys in them match what is known.

Which metrics a trainer logs is known only from the project's earlier runs with the same preset and script.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from autoloop import profiles
from autoloop.configs import Config, FieldTypes
from autoloop.configs.paths import written
from autoloop.metrics import MetricBook, canonical_columns, found_as, main_names
from autoloop.model import LoopSpec, RunState, UserError
from autoloop.rules import Expression, Rule, RuleSource
from autoloop.store import Store
from autoloop.text.suggest import did_you_mean
from autoloop.variants.check import applicable

OUTPUTS = (
    "outputs",
    "output",
    "logs",
    "log",
    "runs",
    "results",
    "lightning_logs",
    "wandb",
    "mlruns",
    "work_dirs",
    "trackio",
)
"""Folders of a project in which trainers usually store their runs."""
LOOKED_AT = 10
"""Maximum runs on disk that are read."""
RUNS, LOOPS = 20, 50
"""Maximum newest runs per state, and newest loops, that are searched for a trainer's metrics."""
RATES = ("learning_rate", "lr", "optimizer_lr", "base_lr", "max_lr")


def logged_before(store: Store, spec: LoopSpec) -> set[str]:
    """The canonical names of the metrics in the project's newest loop with the same trainer; empty if there is none."""
    for loop in store.loops(LOOPS):
        if (loop.spec.preset, loop.spec.train_script) == (spec.preset, spec.train_script):
            runs = [run for state in (RunState.FINISHED, RunState.STOPPED) for run in store.newest_in(loop.id, state, RUNS)]
            if found := {name for run in runs if run.summary for name in run.summary.metrics}:
                return found
    return set()


def check_decidable(spec: LoopSpec, configs: Sequence[Config], metrics: MetricBook, found: set[str]) -> None:
    """Raise UserError for `--decide` without any rules, with an example that uses a metric the trainer is known to log."""
    if not spec.decide or spec.rules is not None or spec.methods:
        return
    shipped = " or ".join(f"a block {block}" for block in profiles.blocks_of_methods().values())
    columns, _ = main_names([found or _logged_on_disk(spec, metrics)], metrics)
    raise UserError(
        f"--decide needs rules, and the built-in ones are only for configs with {shipped}; write a rule book and pass it "
        "with --rules FILE.toml.",
        example=_example(columns[0] if columns else None, metrics, configs[0] if configs else {}),
    )


def _logged_on_disk(spec: LoopSpec, metrics: MetricBook) -> set[str]:
    """The metrics of the newest run on disk in the project that has any; empty if there is none."""
    # Imported here because only this error message reads histories.
    from autoloop.run_archive import FoundRun, find_runs, read_history

    runs: list[FoundRun] = []
    for folder in dict.fromkeys((spec.output_root, *OUTPUTS)):
        with contextlib.suppress(UserError):
            runs += find_runs(Path(spec.cwd, folder))
    for run in sorted(runs, key=lambda run: -run.modified)[:LOOKED_AT]:
        if found := set(canonical_columns(read_history(run).columns, metrics)):
            return found
    return set()


def named_metrics(rules: RuleSource, until: Expression | None) -> list[str]:
    """The metrics used by `--until` and by the rules, in this order."""
    names = sorted(until.metrics) if until else []
    names += [name for rule in rules.rules for name in sorted(rule.when.metrics)]
    return list(dict.fromkeys(names))


def misspelt(
    spec: LoopSpec,
    rules: RuleSource,
    until: Expression | None,
    configs: Sequence[Config],
    fields: FieldTypes,
    metrics: MetricBook,
    found: set[str],
) -> list[str]:
    """One sentence for each metric in the rules that no earlier run of this trainer logged, and for each edit that fits no
    config."""
    if spec.rules is None and until is None:
        return []
    given = list(rules.rules) if spec.rules is not None else []
    conditions = [("--until", until)] if until else []
    conditions += [(f"rule {rule.id}", rule.when) for rule in given]
    said = [
        f"{who} uses {name}, which no earlier run of this trainer logged{_hint(name, found)}"
        for who, when in conditions
        for name in sorted(when.metrics)
        if found and name not in metrics.derived and found_as(name, metrics, found) not in found
    ]
    for rule in given:
        said += [f"rule {rule.id}: {why}" for edit in _edits(rule) if (why := _fits_none(edit, configs, fields))]
    return said


def _hint(name: str, found: set[str]) -> str:
    near = did_you_mean(name, found, quote='"')
    return f"; {near}" if near else f"; they logged {', '.join(sorted(found)[:8])}{', …' if len(found) > 8 else ''}"


def _edits(rule: Rule) -> list[str]:
    turns = rule.watch.turns if rule.watch else (rule.changes,)
    return list(dict.fromkeys(edit for turn in turns for edit in turn))


def _fits_none(edit: str, configs: Sequence[Config], fields: FieldTypes) -> str | None:
    """Why an edit does not fit the first config, if it fits none of them. None if it fits one, or without configs."""
    whys = [applicable([edit], config, fields)[1] for config in configs]
    return whys[0][0].removeprefix("left out: ").rstrip(".") if whys and all(whys) else None


def _example(metric: str | None, metrics: MetricBook, config: Config) -> str:
    """An example rule book for `metric`; if that is None, for a placeholder name that the user has to replace."""
    short = "loss" if metric is None else metrics.short(metric)
    good = "low" if metric is None else metrics.direction(metric)
    plain = all(part.isidentifier() for part in short.split("/"))
    name = short if plain else f'metric("{short}")'
    when, reason = {
        "low": (f"{name}.pct > -1", "barely falls"),
        "high": (f"{name}.pct < 1", "barely rises"),
        None: (f"{name}.last > 1", "is above 1"),
    }[good]
    about = "a metric of this project's earlier runs"
    return f"""\
name = "mine"
version = "1"

[[rule]]
id = "first"
when = '{when}'  # {f'replace "{short}" with a metric that your trainer logs' if metric is None else about}
reason = "{short} {reason}: lower the learning rate"
changes = ["{_rate(config)}@mul=0.5"]"""


def _rate(config: Config) -> str:
    """The path of the config's learning rate; `learning_rate` if it has none under a known name."""
    rates = [(keys, RATES.index(str(keys[-1]))) for keys in _numbers(config, ()) if keys[-1] in RATES]
    return written(min(rates, key=lambda each: (len(each[0]), each[1]))[0]) if rates else RATES[0]


def _numbers(node: object, keys: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(node, dict):
        for key, child in node.items():
            yield from _numbers(child, (*keys, key))
    elif keys and isinstance(node, int | float) and not isinstance(node, bool) and math.isfinite(node):
        yield keys
