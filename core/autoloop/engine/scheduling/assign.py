"""Assigns queued runs to free slots: the next run to the first free slot, one run per slot."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from autoloop.model import Run, Slot


def assign(
    queue: Sequence[Run],
    slots: Sequence[Slot],
    busy: Collection[int],
    fits: Callable[[Run, Slot], bool] = lambda run, slot: True,
) -> list[tuple[Run, Slot]]:
    """The pairs to start now. `queue` is in queue order; `busy` has the indices of slots in use; `fits` returns whether a
    run can execute in a slot at all.

    A queued run with a reserved slot goes first and takes that slot if it is free; otherwise it waits in the queue like
    others.
    """
    free = [slot for slot in slots if slot.index not in busy]
    kept = {run.slot: run for run in reversed(queue) if run.slot is not None}
    pairs = [(run, slot) for slot in free if (run := kept.get(slot.index)) is not None and fits(run, slot)]
    placed = {run.id for run, _ in pairs}
    free = [slot for slot in free if slot.index not in kept]
    for run in queue:
        if run.id not in placed and (slot := next((each for each in free if fits(run, each)), None)) is not None:
            pairs.append((run, slot))
            free.remove(slot)
    return pairs
