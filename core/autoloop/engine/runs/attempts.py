"""The next attempt of a run, recorded before anything is started: its number, its folders and its command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from autoloop.engine.base.context import Context
from autoloop.engine.base.frozen_config import passed_config
from autoloop.engine.planning.names import output_name
from autoloop.engine.planning.plan import plan_attempt
from autoloop.model import Attempt, LoopSpec, Run, Slot
from autoloop.model.transitions import run_started
from autoloop.trainers import LaunchPlan


@dataclass(frozen=True)
class Intent:
    attempt: Attempt
    run: Run
    """The run while this attempt executes."""
    launch: LaunchPlan
    replaced: Attempt | None
    """The previous attempt with its summary, if the run no longer holds that summary: rewritten reports still need it."""


def next_attempt(context: Context, spec: LoopSpec, run: Run, slot: Slot) -> Intent:
    """The next attempt of `run` in `slot`; writes nothing. `spec`: the loop's spec for an attempt that starts now."""
    number = run.attempts + 1
    attempt_id = f"{run.id}-{number}"
    # Every attempt has its own output directory, unless it continues from the previous attempt's checkpoint.
    kept = run.output_dir if run.resume else None
    name = output_name(run, number, context.store.number_of_runs(context.loop_id))
    output_dir = kept or str(Path(context.loop.output_dir) / name)
    values = passed_config(context.preset, run)
    launch = plan_attempt(context.preset, spec, context.loop.name, run, slot, output_dir, run.config_path, values)
    now = context.clock()
    attempt = Attempt(
        id=attempt_id,
        run=run.id,
        number=number,
        slot=slot.index,
        output_dir=output_dir,
        directory=str(context.places.attempt(attempt_id)),
        created_at=now,
        place=slot.place,
        from_step=run.step if kept else 0,
        argv=list(launch.argv),
    )
    before = context.store.attempts(run.id)[-1:] if run.summary and not kept else []
    executing = run_started(run, attempt, now, resumes=kept is not None)
    replaced = msgspec.structs.replace(before[0], summary=run.summary) if before else None
    return Intent(attempt, executing, launch, replaced)
