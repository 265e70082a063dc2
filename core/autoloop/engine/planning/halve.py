"""`--halve STEP`: whether the rounds of a planned loop can be halved there."""

from __future__ import annotations

from collections.abc import Sequence

from autoloop.model import LoopSpec, Run, UserError


def check_halve(spec: LoopSpec, runs: Sequence[Run]) -> list[str]:
    """Warnings about `--halve`. Raises UserError if nothing could be stopped at that step. `runs`: those of round 1."""
    if spec.halve is None or not spec.halve.step:  # 0: the step that past runs show to be safe is not known here
        return []
    step, shortest = spec.halve.step, min(run.total_steps for run in runs)
    if step >= shortest:
        raise UserError(f"--halve {step} must be less than the {shortest} steps of the loop's runs, or it saves nothing.")
    configs = {run.group or run.config_hash for run in runs}
    if len(configs) == 1 and (spec.rounds == 1 or not spec.proposes):
        raise UserError(
            f"--halve {step} stops the worse half of several configs, but this loop has only one; add more with --cfgs "
            "or --grid, or let them be proposed (--rounds 3 with --decide or --propose)."
        )
    if not any(run.group for run in runs):
        return [f"--halve {step}: no config has a known seed key, so the freed slots get no replicates."]
    return []


def halve_text(spec: LoopSpec) -> str | None:
    """`the worse half stops at step 600`; None without --halve."""
    if spec.halve is None:
        return None
    by = f" by {spec.halve.metric}" if spec.halve.metric else ""
    return f"the worse half stops at step {spec.halve.step}{by}"
