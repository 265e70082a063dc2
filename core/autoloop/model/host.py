"""Other machines on which attempts run, reached by ssh."""

from typing import Annotated

import msgspec

NAME = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$")]
ADDRESS = Annotated[str, msgspec.Meta(pattern=r"^[^\s-]\S*$")]
"""An SSH destination; a leading hyphen would be an option."""


class HostSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[host]]`: one machine. Paths without `~` are absolute, on that machine."""

    name: NAME
    """Its name in slots, tables and reports; the place of its attempts."""
    address: ADDRESS | None = None
    """An SSH destination: a host from ~/.ssh/config, ann@10.0.0.2, ssh://ann@box:2222. Default: the name."""
    gpus: list[int] = []
    """Its GPUs that runs may use, by CUDA index."""
    max: Annotated[int, msgspec.Meta(ge=1, le=64)] | None = None
    """How many runs at a time. Default: one per GPU (or group of --gpus-per-run); 1 on the CPU."""
    python: str = "python3"
    """The interpreter of the training environment there, 3.9 or newer; it also runs the supervisors."""
    folder: str | None = None
    """The project's folder there. Default: ~/.autoloop/<name of the project>, or with `shared` the same path as here."""
    shared: bool = False
    """Both machines see the project in one shared folder: nothing is copied."""
    data: dict[str, str] = {}
    """Data paths there, by path here: "data/pusht" = "/mnt/pusht"."""
    fetch: list[str] = []
    """Large files to copy back during a run, as shell patterns relative to its output directory. Others stay there until
    `fetch`."""

    @property
    def destination(self) -> str:
        return self.address or self.name

    def groups(self, gpus_per_run: int, *, cpu: bool) -> list[tuple[int, ...]]:
        """The GPUs of each of its slots; empty ones on the CPU."""
        if cpu:
            return [()] * (self.max or 1)
        firsts = range(0, len(self.gpus) - gpus_per_run + 1, gpus_per_run)
        return [tuple(self.gpus[first : first + gpus_per_run]) for first in firsts][: self.max]
