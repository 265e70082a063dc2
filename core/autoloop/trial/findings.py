"""The findings of a trial: what is missing, each with the line of `autoloop.toml` that adds it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from autoloop.adoption.arguments import named
from autoloop.adoption.known import known
from autoloop.adoption.script import read_script
from autoloop.engine.planning.own_settings import FOLDERS, own_steps
from autoloop.trainers import Preset, passes, passes_steps
from autoloop.trainers.overrides import leaves
from autoloop.trial.reached import ChangeTrace
from autoloop.trial.running import Outcome
from autoloop.trial.setup import TrialRun
from autoloop.variants.grids import seed_path

_METRICS_FILE = re.compile(
    r"(^|/)(events\.out\.tfevents\.|metrics\.csv$|[^/]*\.jsonl$|trainer_state\.json$)|\.wandb$|(^|/)mlruns?/"
)
_OUTPUT = (*sorted(FOLDERS), "logdir", "log_dir", "outdir", "exp_dir", "root_dir")
_NUMBERED = re.compile(r"\b(?:step|iter|iteration|epoch|update)\b\W{0,3}\d+", re.IGNORECASE)
_LAST_LINES = 20
"""Number of lines at the end of a log in which a trainer says what it rejects."""
_LOG_EVERY = re.compile(r"log\w*(interval|steps|every|freq|period)|(interval|every|freq)\w*log", re.IGNORECASE)


class MissingSetting(msgspec.Struct, frozen=True, kw_only=True):
    """Something missing. `line`: what to add to [trainer] in autoloop.toml; empty if `what` itself says what to do."""

    what: str
    line: str = ""


def missing(run: TrialRun, outcome: Outcome, arrived: Sequence[ChangeTrace]) -> list[MissingSetting]:
    """Return what is missing; empty if everything was found. `arrived`: the changes of all runs."""
    config = dict(leaves(run.planned.config))
    found = [*_output(run, outcome, config), *_metrics(run, outcome, config), *_axis(run, outcome, config)]
    return [*found, *_steps(run, config), *_seed(run, config), *_changes(run, arrived)]


def refused_seed(run: TrialRun, outcome: Outcome) -> str | None:
    """What to do if a failed trainer, which gets its seed as a flag, may have rejected the key of the seed in its config
    file; else None."""
    path = seed_path(run.planned.config, run.preset.seed)
    if outcome.cause is None or path is None or run.preset.config != "file" or not passes(run.preset, "seed"):
        return None
    key = path.rpartition(".")[2]
    named = re.compile(rf"(?<![-.\w]){re.escape(key)}(?![-\w(])")
    if not any(named.search(line) for line in outcome.lines[-_LAST_LINES:] if not line.startswith((" ", "\t"))):
        return None
    return (
        f"If it rejects the key {path} in its config file: change it to ignore that key, or delete the key from the base "
        "and write a number in place of {seed} in autoloop.toml; then --seeds cannot vary the seed."
    )


def _output(run: TrialRun, outcome: Outcome, config: dict[str, Any]) -> Iterator[MissingSetting]:
    stray = [name for name in outcome.elsewhere if _METRICS_FILE.search(name)] or outcome.elsewhere
    if outcome.written or (not stray and passes(run.preset, "output_dir")):
        return
    wrote = f"; it wrote {stray[0]} below the project" if stray else ""
    if passes(run.preset, "output_dir"):
        yield MissingSetting(
            what=f"nothing was written into the run's folder, although the command names it{wrote}: check its flag"
        )
        return
    key = next((key for key in config if key.rpartition(".")[2] in _OUTPUT), "") or _declared(run, known().names.output)
    yield MissingSetting(
        what=f"the run's folder is not passed to the trainer, so runs write over each other{wrote}",
        line=f'flags = {{ {_key(key or "FLAG")} = "{{output_dir}}" }}'
        + ("" if key else "  # FLAG: its flag for the folder"),
    )


def _metrics(run: TrialRun, outcome: Outcome, config: dict[str, Any]) -> Iterator[MissingSetting]:
    if outcome.columns:
        return
    steps = run.spec.steps
    every = next(((k, v) for k, v in config.items() if _LOG_EVERY.search(k) and isinstance(v, int) and v > steps), None)
    if every:
        yield MissingSetting(
            what=f"no metric: {every[0]} is {every[1]}, so nothing is logged in {steps} steps; try --steps {2 * every[1]}"
        )
    elif outcome.stopped and outcome.step == 0:
        yield MissingSetting(what="no metric and no step before it was stopped: allow more time with --seconds")
    elif line := next((line for line in outcome.lines if _NUMBERED.search(line) and re.search(r"\d\.\d", line)), None):
        yield MissingSetting(
            what=f"no metric could be read in what it prints, such as “{line.strip()[:80]}”",
            line="console = { metrics = 'step (?P<step>\\d+)\\W+(?P<rest>.*)' }  # as its lines are",
        )
    else:
        yield MissingSetting(
            what="no metric: let the trainer log to TensorBoard or W&B, or write a JSON object a line, as in "
            '{"step": 3, "loss": 0.1}, to metrics.jsonl in its output folder'
        )


def _axis(run: TrialRun, outcome: Outcome, config: dict[str, Any]) -> Iterator[MissingSetting]:
    """Problems if the metrics' steps do not match the planned steps."""
    if not outcome.columns or outcome.cause or run.preset.step:
        return
    total = run.planned.run.total_steps
    known = passes_steps(run.preset) or own_steps(run.planned.config, run.preset.steps) is not None
    last = max(series.steps[-1] for series in outcome.columns.values())
    counters = [
        name
        for name, series in outcome.columns.items()
        if len(series) > 1 and all(value.is_integer() for value in series.values) and _rises(list(series.values))
    ]
    if known and last > total:
        what = f"the metrics reach step {last}, although {total} were to be made: they are counted otherwise"
        if counters:
            yield MissingSetting(what=what, line=f'step = "{counters[0]}"  # the metric that counts the steps')
        else:
            yield MissingSetting(what=f"{what}; name the metric that counts the steps as step, or another key as steps")
    elif last == 0 or (outcome.stopped is None and counters and known and last < total // 2):
        what = f"the metrics stand on steps 0 to {last}, the numbers of their rows" if last else "the metrics have no step"
        yield MissingSetting(
            what=what,
            line=f'step = "{counters[0] if counters else "METRIC"}"  # the metric that counts the steps',
        )


def _steps(run: TrialRun, config: dict[str, Any]) -> Iterator[MissingSetting]:
    if passes_steps(run.preset) or own_steps(run.planned.config, run.preset.steps) is not None:
        return
    if not (near := _first(config, ("step", "iter", "epoch", "max"))):
        near = _declared(run, (*known().names.steps, *known().names.epochs))
    yield MissingSetting(
        what="the number of steps per run is unknown, so progress is counted up to --steps",
        line=f'steps = "{near or "KEY"}"' + ("" if near else "  # the path in the config"),
    )


def _seed(run: TrialRun, config: dict[str, Any]) -> Iterator[MissingSetting]:
    if seed_path(run.planned.config, run.preset.seed) is None:
        what = "no seed is known, so --seeds cannot vary it"
        if near := _first(config, ("seed",)):
            yield MissingSetting(what=what, line=f'seed = "{near}"')
        elif flag := _declared(run, known().names.seed):
            also = f" and --{flag} {{seed}} to command" if run.preset.config == "file" else ""
            yield MissingSetting(what=f'{what}: the script takes --{flag}, so add "{flag}": 1 to the base{also}')
        else:
            yield MissingSetting(what=what, line='seed = "KEY"  # its path in the config, if the trainer takes one')


def _changes(run: TrialRun, arrived: Sequence[ChangeTrace]) -> Iterator[MissingSetting]:
    seed = seed_path(run.planned.config, run.preset.seed)
    for each in arrived:
        how = _how_seed(run) if each.path == seed else _how(run.preset)
        if each.against:
            yield MissingSetting(what=f"{each.path} did not reach the trainer: {each.against[0]}{how}")
        elif each.had_effect is False and each.path == seed:
            yield MissingSetting(
                what=f"no metric changed with {each.path}, so all seeds may train the same run and the noise between seeds "
                f"would be unknown{how}"
            )
        elif each.had_effect is False and not each.seen:
            yield MissingSetting(
                what=f"{each.path} seems not to reach the trainer: no metric changed with it, and it was seen nowhere{how}"
            )


def _how_seed(run: TrialRun) -> str:
    """What to do about a seed without effect: a config file does not set a seed that the script takes as a flag."""
    if run.preset.config != "file" or passes(run.preset, "seed"):
        return ""
    flag = _declared(run, known().names.seed)
    return f"; the script takes --{flag}: add --{flag} {{seed}} to command" if flag else ""


def _how(preset: Preset) -> str:
    return "; does a flag of command give it too?" if preset.config == "file" else "; does the trainer take that flag?"


def _declared(run: TrialRun, names: Sequence[str]) -> str:
    """The flag, among these names, that the trainer's script declares; empty without one."""
    script = next((word for word in run.preset.argv if word.endswith(".py")), "")
    flags = read_script(Path(run.spec.cwd), script, "").flags.values() if script else []
    return next((flag.key for flag in flags if named(flag.key, names)), "")


def _first(config: dict[str, Any], words: Sequence[str]) -> str:
    whole = [key for key, value in config.items() if isinstance(value, int) and not isinstance(value, bool)]
    return next((key for word in words for key in whole if word in key.rpartition(".")[2].lower()), "")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[\w-]+", key) else f'"{key}"'


def _rises(values: list[float]) -> bool:
    return all(one < other for one, other in pairwise(values))
