"""`--then extend=N`: whether the winner of a planned loop can be trained for N steps, and which changes that needs."""

from __future__ import annotations

from collections.abc import Sequence

from autoloop.configs import Config
from autoloop.configs.paths import get, written
from autoloop.engine.planning.own_settings import steps_place
from autoloop.model import Change, LoopSpec, Run, UserError
from autoloop.trainers import Preset, passes_steps
from autoloop.trainers.presets import PLACEHOLDER

MOST_STEPS = 10**9
"""Maximum steps of a run."""
EXAMPLE = "extend=200000"


def check_then(spec: LoopSpec, preset: Preset, runs: Sequence[Run], configs: Sequence[Config]) -> list[str]:
    """Warnings about `--then`. Raises UserError if the winner could never be extended as it asks. `runs` and `configs`:
    those of round 1."""
    steps = spec.extend_winner
    if steps is None:
        return []
    made = max(run.total_steps for run in runs)
    flag = f"--then extend={steps}"
    if steps <= made:
        raise UserError(
            f"{flag} must be more than the {made} steps of the loop's runs; give the total number, such as {EXAMPLE}."
        )
    if steps > MOST_STEPS:
        raise UserError(f"{flag}: a run makes at most {MOST_STEPS} steps; give a smaller total, as {EXAMPLE}.")
    if not resumes_to_steps(preset) and any(with_steps(preset, config, steps) is None for config in configs):
        raise UserError(
            f"{flag} needs a trainer whose number of steps can be set, but the preset {preset.name} does not pass {{steps}} "
            "and a config has none; pass it in [trainer], or set steps there to its key."
        )
    trainings = {run.group or run.config_hash for run in runs}
    if len(trainings) == 1 and (spec.rounds == 1 or not spec.proposes):
        raise UserError(
            f"{flag} extends a config that is better than the baseline, but this loop has only one config; add more with "
            "--cfgs or --grid, or let them be proposed (--rounds 3 with --decide or --propose)."
        )
    if len(trainings) == len(runs) and not spec.confirms:
        return [
            f"{flag} extends a config only if it is shown to be better than the baseline, which takes several seeds per "
            "config: use --seeds 3, for example."
        ]
    return []


def resumes_to_steps(preset: Preset) -> bool:
    """Whether the trainer accepts a new total number of steps when it resumes."""
    if preset.resume is None:
        return False
    return passes_steps(preset) or any("steps" in PLACEHOLDER.findall(value) for value in preset.resume.flags.values())


def with_steps(preset: Preset, config: Config, steps: int) -> list[Change] | None:
    """The changes that make a new run of `config` train for `steps` steps: none if the command passes the number; None if
    the number cannot be set."""
    if passes_steps(preset):
        return []
    place = steps_place(config, preset.steps)
    return None if place is None else [Change(path=written(place), before=get(config, place), after=steps)]
