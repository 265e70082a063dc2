"""Creates a planned loop: freezes its configs and other sources, and records it.

After this, an engine can be killed at any instant.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from autoloop.engine.planning.frozen import forget_sources, freeze_sources
from autoloop.engine.planning.limits import deadline
from autoloop.engine.planning.names import fresh_name
from autoloop.engine.planning.plan import LoopPlan
from autoloop.files import write_all
from autoloop.model import EventKind, Loop, LoopState, Round, RoundState, Sender, UserError
from autoloop.store import Store, StoreUnavailableError
from autoloop.text.plural import plural


def create_loop(store: Store, plan: LoopPlan, now: float, sender: Sender | None = None) -> Loop:
    """Freeze the configs, then record the loop, its first round and its queue in one transaction.

    Creates the loop's output folder, which reserves its name; if the planned name has been taken meanwhile, the next free
    one is used. Raises UserError if a disk is full or read-only, and then leaves nothing behind.
    """
    frozen = {planned.run.id: store.places.config(planned.run.id, planned.suffix) for planned in plan.runs}
    folder: Path | None = None
    try:
        write_all([(frozen[planned.run.id], planned.text) for planned in plan.runs])
        with store.transaction():  # no other process of this project can take a name meanwhile
            folder = _take_folder(store, plan)
            freeze_sources(store.places, folder.name, plan.spec, plan.base)
            loop = _record(store, plan, frozen, folder, now, sender)
    except BaseException as error:
        with contextlib.suppress(OSError):
            for path in frozen.values():
                path.unlink(missing_ok=True)
            if folder is not None:
                forget_sources(store.places, folder.name)
                folder.rmdir()
        if isinstance(error, OSError):
            raise UserError(f"Nothing was started: {store.places.home} is not writable ({error.strerror}).") from None
        raise
    with contextlib.suppress(StoreUnavailableError):
        store.checkpoint()  # the database then has the loop even if its -wal file is lost
    return loop


def take_back(store: Store, loop: Loop) -> bool:
    """Delete a loop that was just created and that no engine drives. Returns False if any of its runs has started."""
    with store.transaction():
        if store.loop_attempts(loop.id):
            return False
        configs = [Path(run.config_path) for run in store.runs(loop.id)]
        store.forget_loop(loop.id)
    forget_sources(store.places, loop.name)
    with contextlib.suppress(OSError):
        for path in configs:
            path.unlink(missing_ok=True)
        store.places.lock(loop.name).unlink(missing_ok=True)
        Path(loop.output_dir).rmdir()
    return True


def _take_folder(store: Store, plan: LoopPlan) -> Path:
    """Create the first free folder, beginning with the planned name: loops of other projects may share the output root."""
    root, name = Path(plan.output_dir).parent, plan.name
    names = {loop.name for loop in store.loops()}
    while True:
        name = fresh_name(root, name, names)
        try:
            (root / name).mkdir(parents=True)
            return root / name
        except FileExistsError:
            if not root.is_dir():
                raise UserError(f"Nothing was started: {root} is not a folder; choose another with --output-root.") from None
        except OSError as error:
            raise UserError(f"Nothing was started: {root / name} cannot be created ({error.strerror}).") from None


def _record(store: Store, plan: LoopPlan, frozen: dict[str, Path], folder: Path, now: float, sender: Sender | None) -> Loop:
    loop = Loop(
        id=store.next_id("loops"),
        name=folder.name,
        state=LoopState.ACTIVE,
        spec=plan.spec,
        output_dir=str(folder),
        created_at=now,
        started_by=sender,
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
        EventKind.LOOP_STARTED,
        f"{loop.name}: {plural(len(plan.runs), 'run')}, {plural(plan.spec.rounds, 'round')}, "
        f"{plural(len(plan.spec.slots), 'slot')}, output in {folder}",
    )
    for sentence in plan.live:
        store.add_event(loop.id, EventKind.NOTE, f"live rule {sentence}")
    return loop
