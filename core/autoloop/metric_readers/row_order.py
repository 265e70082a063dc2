"""Whether the rows of one file are one run's: what their steps tell when several writers append to it."""

from __future__ import annotations

SOME = 3
"""Returns from which on two writers are suspected; one that stopped and went on has none."""


class RowOrder:
    """Told the step of each row. Two runs that take turns in writing go back and forth between two places. A run that
    goes on from a checkpoint goes back too, but comes again to where it was in its usual strides; and what is logged
    late goes back in metrics of its own only.
    """

    def __init__(self) -> None:
        self.first: int | None = None
        self.last = -1
        self.restarts = 0
        """How often the steps began again from the first."""
        self.returns = 0
        """How often they went back and then leapt to where they had been before."""
        self._top = -1
        self._stride = 0
        self._behind = False

    def add(self, step: int, *, repeats: bool) -> None:
        """`repeats`: every metric of the row is known at a later step already."""
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
        """In words that follow the file's name; None if the rows may well be one run's."""
        told = []
        if self.restarts:
            times = f"{self.restarts} times" if self.restarts > 1 else "once"
            told.append(f"its steps begin again from {self.first} {times}")
        if self.returns >= SOME:
            told.append(f"its steps go back and forth between two places {self.returns} times")
        if not told:
            return None
        return f"{' and '.join(told)}, as if several runs had written to it; of each step the last value is kept"
