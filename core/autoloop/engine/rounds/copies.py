"""A run that trains the config of another one again, with little changed: its seed, or how many steps it makes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autoloop.configs import apply, rewrite, suffix_of
from autoloop.engine.base.context import Context
from autoloop.engine.base.frozen_config import frozen_config, frozen_text
from autoloop.engine.planning.names import new_run_id, safe_name
from autoloop.files import write_all
from autoloop.model import Change, Run
from autoloop.variants.grids import group_of, seed_of
from autoloop.variants.policy import launch_policy


def write_copy(context: Context, base: Run, changes: Sequence[Change], *, name: str, round_: int, steps: int) -> Run:
    """A run of `steps` steps with the config of `base` and these changes, which is written; nothing is recorded yet. It has
    neither a base nor a proposal. UserError if the config cannot be read."""
    config = apply(frozen_config(base), changes)
    policy = launch_policy(context.preset, context.spec.train_script, steps, context.spec.extra)
    run_id, suffix, name = new_run_id(), suffix_of(base.config_path), safe_name(name)
    frozen = context.places.config(run_id, suffix)
    variant = Path(context.loop.output_dir) / "variants" / f"{name}{suffix}"
    text = rewrite(frozen_text(base), config, suffix)
    write_all([(frozen, text), (variant, text)])
    return Run(
        id=run_id,
        loop=context.loop_id,
        round=round_,
        position=context.store.number_of_runs(context.loop_id),
        name=name,
        config_path=str(frozen),
        source_path=str(variant),
        config_hash=policy.hash(config),
        group=group_of(config, policy),
        seed=seed_of(config, policy),
        total_steps=steps,
        created_at=context.clock(),
    )
