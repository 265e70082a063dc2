"""A note on a loop, round, run or proposal. It has no effect."""

from enum import StrEnum

import msgspec

from autoloop.model.actor import Actor

LONGEST_NOTE = 1000
"""Characters."""


class NoteTarget(StrEnum):
    LOOP = "loop"
    ROUND = "round"
    RUN = "run"
    PROPOSAL = "proposal"


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """One line of printable text, without secrets."""

    id: int
    loop: int
    target: NoteTarget
    about: str = ""
    """The number of the round or the proposal, or the id of the run; empty for the loop."""
    text: str
    author: Actor
    at: float
    command: int
    """Number of the request that created it."""

    @property
    def where(self) -> str:
        """`round 2`, `run h5ktqxph`, `loop`."""
        return f"{self.target.value} {self.about}".rstrip()
