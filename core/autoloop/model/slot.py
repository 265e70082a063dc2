"""Where a run can execute: a slot of a place."""

from __future__ import annotations

import msgspec

LOCAL = "local"
"""The place that is the engine's own machine."""


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """Room for one run at a place. `gpus` are CUDA indices; empty for a CPU slot."""

    index: int
    gpus: tuple[int, ...] = ()
    place: str = LOCAL

    @property
    def label(self) -> str:
        return "gpu " + ",".join(map(str, self.gpus)) if self.gpus else f"cpu {self.index}"
