"""Which run goes where: the next of the queue to the first free slot, one run to a slot."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from autoloop.model import Run, Slot


def assign(queue: Sequence[Run], slots: Sequence[Slot], busy: Collection[int]) -> list[tuple[Run, Slot]]:
    """Pairs to start now. `queue` is in its order; `busy` are the indices of slots in use."""
    free = [slot for slot in slots if slot.index not in busy]
    return list(zip(queue, free, strict=False))
