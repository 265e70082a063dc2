"""Detects from the steps of a file's rows whether several runs have written to it."""

from __future__ import annotations

SOME = 3
"""The number of `returns` from which two writers are suspected; a run that stopped and resumed has none."""


class RowOrder:
    """Receives the step of each row. If two runs write alternately, the steps jump back and forth between two ranges. A run
    that resumes from a checkpoint goes back too, but reaches its old step in its usual strides. Late rows go back too, but
    contain metrics that no later row has.
    """

    def __init__(self) -> None:
        self.first: int | None = None
        self.last = -1
        self.restarts = 0
        """How often the steps restarted from the first."""
        self.returns = 0
        """How often they went back and then jumped to beyond the previous maximum."""
        self._top = -1
        self._stride = 0
        self._behind = False

    def add(self, step: int, *, repeats: bool) -> None:
        """Add a row's step. `repeats`: every metric of the row already has a value at a later step."""
        last, top, stride = self.last, self._top, step - self.last
        if self.first is None:
            self.first, stride = step, 0
        elif step <= self.first < last:
            self.restarts += 1
        if self._behind and step > top:
            self.returns += last < top and stride > 2 * max(self._stride, step - top)
            self._behind = False
        elif step < last:
            self._behind = repeats
        elif stride > 0:
            self._stride = stride
        self.last, self._top = step, max(top, step)

    @property
    def problem(self) -> str | None:
        """The problem as text to follow the file's name; None if the rows may belong to one run."""
        told = []
        if self.restarts:
            times = f"{self.restarts} times" if self.restarts > 1 else "once"
            told.append(f"its steps begin again from {self.first} {times}")
        if self.returns >= SOME:
            told.append(f"its steps go back and forth between two places {self.returns} times")
        if not told:
            return None
        return f"{' and '.join(told)}, as if several runs had written to it; the last value of each step is kept"
