"""Make a planned loop real: freeze its configs and record it. After this, an engine can be killed at any instant."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from autoloop.engine import events
from autoloop.engine.budget import deadline
from autoloop.engine.plan import LoopPlan, freeze
from autoloop.model import Loop, LoopState, Round, RoundState, UserError
from autoloop.store import Store


def create_loop(store: Store, plan: LoopPlan, now: float) -> Loop:
    """Record the loop, its first round and its queue in one transaction. The configs are frozen first.

    Makes the loop's output folder, so that its name is taken. UserError if it was taken since the loop was planned, and
    where a disk has no room or is read-only; nothing is left then.
    """
    folder = Path(plan.output_dir)
    frozen = {planned.run.id: store.places.config(planned.run.id) for planned in plan.runs}
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise UserError(f"Another loop took the name {plan.name} this very moment; give the command again.") from None
    except OSError as error:
        raise UserError(f"Nothing was started: {folder} cannot be made ({error.strerror}).") from None
    try:
        for planned in plan.runs:
            freeze(frozen[planned.run.id], planned.config)
        return _record(store, plan, frozen, now)
    except BaseException as error:
        with contextlib.suppress(OSError):
            folder.rmdir()
            for path in frozen.values():
                path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UserError(f"Nothing was started: {store.places.home} cannot be written ({error.strerror}).") from None
        raise


def _record(store: Store, plan: LoopPlan, frozen: dict[str, Path], now: float) -> Loop:
    with store.transaction():
        loop = Loop(
            id=store.next_id("loops"),
            name=plan.name,
            state=LoopState.ACTIVE,
            spec=plan.spec,
            output_dir=plan.output_dir,
            created_at=now,
            deadline=deadline(plan.spec.max_hours, now),
            max_runs=plan.spec.max_runs,
        )
        store.put_loop(loop)
        store.put_round(Round(loop=loop.id, number=1, state=RoundState.RUNNING, started_at=now))
        for planned in plan.runs:
            path = str(frozen[planned.run.id])
            store.put_run(msgspec.structs.replace(planned.run, loop=loop.id, config_path=path))
        store.add_event(
            loop.id,
            events.LOOP_STARTED,
            f"{loop.name}: {len(plan.runs)} runs, {plan.spec.rounds} round{'s' if plan.spec.rounds > 1 else ''}, "
            f"{len(plan.spec.slots)} slot{'s' if len(plan.spec.slots) > 1 else ''}, output in {plan.output_dir}",
        )
        for sentence in plan.live:
            store.add_event(loop.id, events.NOTE, f"live rule {sentence}")
    return loop
