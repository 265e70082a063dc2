"""Which run goes where: the next of the queue to the first free slot, one run to a slot."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from autoloop.model import Run, Slot


def assign(queue: Sequence[Run], slots: Sequence[Slot], busy: Collection[int]) -> list[tuple[Run, Slot]]:
    """Pairs to start now. `queue` is in its order; `busy` are the indices of slots in use.

    A queued run that a slot is kept for comes first and takes it if it is free; else it waits in the queue like others.
    """
    free = [slot for slot in slots if slot.index not in busy]
    kept = {run.slot: run for run in reversed(queue) if run.slot is not None}
    pairs = [(kept[slot.index], slot) for slot in free if slot.index in kept]
    placed = {run.id for run, _ in pairs}
    rest = [run for run in queue if run.id not in placed]
    return pairs + list(zip(rest, [slot for slot in free if slot.index not in kept], strict=False))
