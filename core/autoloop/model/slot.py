"""A slot: where one run can execute."""

import msgspec

LOCAL = "local"
"""The place name of the engine's own machine."""


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """Capacity for one run at a place. `gpus` are CUDA indices; empty for a CPU slot."""

    index: int
    gpus: tuple[int, ...] = ()
    place: str = LOCAL
    number: int = 0
    of: int = 0
    """If the place assigns GPUs itself, the slot is `number` of `of`. Otherwise `of` is 0 and `number` counts a host's slots
    from 0."""

    @property
    def label(self) -> str:
        if self.of:
            return f"{self.place} {self.number}/{self.of}"
        if self.place != LOCAL:
            return f"{self.place}:gpu{','.join(map(str, self.gpus))}" if self.gpus else f"{self.place}:cpu{self.number}"
        return "gpu " + ",".join(map(str, self.gpus)) if self.gpus else f"cpu {self.index}"
