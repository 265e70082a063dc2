"""Makes a run from the changed config of an earlier one: a variant, a replicate, or the same training for more steps."""

from __future__ import annotations

from pathlib import Path

from autoloop.configs import Config, rewrite, suffix_of
from autoloop.engine.base.context import Context
from autoloop.engine.base.frozen_config import frozen_text
from autoloop.engine.planning.names import new_run_id
from autoloop.engine.planning.own_settings import steps_assumed, steps_of
from autoloop.model import Run
from autoloop.variants.grids import group_of, seed_of
from autoloop.variants.policy import launch_policy

Files = list[tuple[Path, str]]
"""Paths with their contents."""


def make_run(
    context: Context, base: Run, config: Config, *, name: str, round_: int, position: int, steps: int | None = None
) -> tuple[Run, Files]:
    """The run of `config`, which was made from the config of `base`, and the files to write before the run is recorded.

    `steps`: the number that the command passes; the loop's by default. The run's base and proposal are not set yet. Raises
    UserError if the config of `base` cannot be read.
    """
    spec, preset = context.spec, context.preset
    steps = steps or spec.steps
    policy = launch_policy(preset, spec.train_script, steps, spec.extra)
    run_id, suffix = new_run_id(), suffix_of(base.config_path)
    frozen = context.places.config(run_id, suffix)
    variant = Path(context.loop.output_dir) / "variants" / f"{name}{suffix}"
    text = rewrite(frozen_text(base), config, suffix)
    run = Run(
        id=run_id,
        loop=context.loop_id,
        round=round_,
        position=position,
        name=name,
        config_path=str(frozen),
        source_path=str(variant),
        config_hash=policy.hash(config),
        group=group_of(config, policy),
        seed=seed_of(config, policy),
        total_steps=steps_of(preset, config, steps),
        total_assumed=steps_assumed(preset, config),
        created_at=context.clock(),
    )
    return run, [(frozen, text), (variant, text)]
