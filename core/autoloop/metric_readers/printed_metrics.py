"""Extracts metrics and progress from a log of unknown format, line by line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from autoloop.metric_readers.columns import Columns

if TYPE_CHECKING:
    from autoloop.metric_readers.printed_line import Bar, Line

MAX_NAMES = 300
"""Maximum distinct names; more are not metrics but numbers in varying text."""
MAX_WAITING = 1000
"""Maximum values that wait for a step."""

_STEP_ROWS = ("global_step", "total_timesteps", "step", "iterations", "iteration", "epoch")
"""Names of table rows with the step, in order of preference."""


class PrintedMetrics:
    """Puts printed metrics into `columns`. Numbers printed before any step are ignored.

    The step of a number is the one on its line, else that of the training's bar, else the last one stated. If no step is
    ever stated, repeated dicts with the same keys are rows, and the row number is the step. A count that restarts with
    every epoch is continued from the previous epoch. `expected` is the number of steps of the training, if known: a bar
    without a label is the training's if it has that length, and if the trainer announces that number of epochs, epochs
    are the steps.

    `bars` states whether bars are read; if not, the owner states steps with `at`.
    """

    def __init__(self, columns: Columns, *, expected: int | None, names: Mapping[str, str], bars: bool) -> None:
        self.columns = columns
        self.recording = True
        """Whether metrics are put into the columns; progress is tracked in any case."""
        self._expected = expected
        self._renamed = names
        self._bars = bars
        self.clear()

    def clear(self) -> None:
        self.step = 0
        """The largest step so far."""
        self.total: int | None = None
        """The number of steps it will make, if printed."""
        self.rate: float | None = None
        self._last: int | None = None
        self._count: tuple[int, int | None, int | None] | None = None
        """The last printed count, its total, and its epoch."""
        self._epoch: int | None = None
        self._epochs: int | None = None
        self._first_epoch = 1
        self._by_epoch = False
        self._offset = 0
        self._within = False
        self._from_bar = False
        self._bar_length: int | None = None
        self._shown: dict[str, float] = {}
        self._names: set[str] = set()
        self._waiting: list[tuple[str, float]] = []
        self._rows = 0
        self._first_rows: dict[tuple[str, ...], tuple[int, list[tuple[str, float]]]] | None = {}
        """The first row for each set of names; None once a set has appeared twice."""
        self._table: list[tuple[str, float]] = []
        self._section = ""

    def at(self, step: int) -> None:
        """Set the current step, as read by the owner."""
        self._last, self._by_epoch, self._from_bar = step, False, False

    def take(self, text: str) -> bool:
        """Read one complete line. Returns whether it contained metrics or progress."""
        if not text.strip():
            return False
        told = False
        from autoloop.metric_readers.printed_line import parse  # imported late: its patterns are slow to compile

        for index, line in enumerate(parse(text)):
            told |= self._take(line, glued=index > 0)
        return told

    # ------------------------------------------------------------------------------------------------------------ lines

    def _take(self, line: Line, *, glued: bool) -> bool:
        if line.row:
            return self._take_row(line)
        ended = self._end_table()
        return (self._take_bar(line, line.bar) if line.bar is not None else self._take_text(line, glued=glued)) or ended

    def _take_text(self, line: Line, *, glued: bool) -> bool:
        if line.epoch is not None and (line.pairs or line.heading):
            self._see_epoch(line.epoch, line.epochs)
        if line.step is not None and (line.pairs or line.heading):
            self._settle()
            self._reach(self._counted(line.step, line.steps, line.within_epoch), line.steps, line.step)
            self._from_bar = False
        elif not line.pairs:
            self._settle()
            return line.heading
        elif self._from_bar and not glued and line.epoch is None and self._last is not None:
            # The displayed bar may lag behind: output is written above it, and then it is redrawn unchanged.
            self._waiting += line.pairs[: MAX_WAITING - len(self._waiting)]
            return False
        step = self._last if self._last is not None else self._epoch if self._by_epoch else None
        if step is None and line.record:
            return self._take_record(line.pairs)
        if step is not None:
            for name, value in line.pairs:
                self._put(name, step, value)
        return step is not None

    def _take_record(self, pairs: list[tuple[str, float]]) -> bool:
        """Read a dict with no step before it. It may be a config until a dict with the same names appears again."""
        names = tuple(name for name, _ in pairs)
        row, self._rows = self._rows, self._rows + 1
        if self._first_rows is not None and names not in self._first_rows:
            if len(self._first_rows) < MAX_NAMES:
                self._first_rows[names] = (row, pairs)
            return False
        if self._first_rows is not None:
            at, first = self._first_rows[names]
            for name, value in first:
                self._put(name, at, value)
            self._first_rows = None
        self.step = max(self.step, row)
        for name, value in pairs:
            self._put(name, row, value)
        return True

    def _take_bar(self, line: Line, bar: Bar) -> bool:
        if not self._bars or not self._is_training(bar):
            return False
        if line.epoch is not None:
            if bar.from_zero:
                self._first_epoch = 0
            self._see_epoch(line.epoch, None)
        elif bar.label.startswith("epoch"):  # a bar over the epochs
            self._settle()
            self._see_epoch(bar.at, bar.of)
            self._show(line.pairs, self._last if self._last is not None else bar.at)
            return True
        step = self._counted(bar.at, bar.of, bar.within_epoch, bar=True)
        self._settle(step)
        self._reach(step, bar.of, bar.at)
        self._from_bar, self.rate = bar.redrawn and bar.at < bar.of, bar.rate or self.rate
        self._show(line.pairs, step)
        return True

    def _is_training(self, bar: Bar) -> bool:
        """Whether a bar is the training's: bars are also drawn for mapping data sets, loading checkpoints and validating."""
        said = bar.of_training
        if said is None:
            if self._expected is not None and not bar.within_epoch:
                return bar.of == self._expected
            if self._bar_length is None:
                self._bar_length = bar.of
            return bar.of == self._bar_length
        return said

    def _take_row(self, line: Line) -> bool:
        if line.section is not None:
            self._section = line.section + "/"
        self._table += [(self._section + name, value) for name, value in line.pairs][: MAX_WAITING - len(self._table)]
        return False

    def _end_table(self) -> bool:
        if not self._table:
            return False
        rows, self._table, self._section = self._table, [], ""
        steps = {name.rpartition("/")[2].lower(): value for name, value in rows}
        step = next((steps[name] for name in _STEP_ROWS if name in steps), None)
        if step is not None and step == step and 0 <= step < 1e15:
            self._reach(int(step), None)
        if self._last is not None:
            for name, value in rows:
                self._put(name, self._last, value)
        return self._last is not None

    # ------------------------------------------------------------------------------------------------------------ steps

    def _see_epoch(self, epoch: int, epochs: int | None) -> None:
        if self._epoch is None:
            self._first_epoch = min(epoch, self._first_epoch)
        self._epoch, self._epochs = epoch, epochs if epochs is not None else self._epochs
        if self._last is None:
            self._by_epoch = True
            self.step = max(self.step, epoch)
            self.total = self._epochs

    def _counted(self, at: int, of: int | None, within: bool, *, bar: bool = False) -> int:
        """Convert a printed count to a step of the whole training."""
        before, self._count = self._count, (at, of, self._epoch)
        if before is not None and at < before[0]:
            new_epoch = self._epoch is not None and before[2] is not None and self._epoch > before[2]
            again = bar and of == before[1] and of != self._expected
            self._within |= new_epoch
            if new_epoch or again:
                self._offset = self._last or 0
        if (within or self._within) and of is not None and self._epoch is not None:
            self._within = True
            before_it = max(0, self._epoch - self._first_epoch)
            return before_it + 1 if self._epochs_are_steps else before_it * of + at
        return self._offset + at

    @property
    def _epochs_are_steps(self) -> bool:
        return self._within and self._epochs is not None and self._epochs == self._expected

    def _reach(self, step: int, of: int | None, at: int | None = None) -> None:
        """Set the current step. `at` of `of` is the printed count."""
        if self._last is None:  # earlier epochs and rows are not on this axis
            self._by_epoch, self.step, self.total = False, 0, None
        self._last = step
        if self._epochs_are_steps:
            incomplete = at is not None and of is not None and at < of
            self.step, self.total = max(self.step, step - incomplete), self._epochs
            return
        self.step = max(self.step, step)
        if self._within:
            self.total = of * self._epochs if of is not None and self._epochs is not None else None
        elif of is not None and of >= step:
            self.total = of

    # ----------------------------------------------------------------------------------------------------------- values

    def _settle(self, step: int | None = None) -> None:
        """Assign waiting values a step: that of the bar that was redrawn below them, else the last one."""
        waiting, self._waiting = self._waiting, []
        at = self._last if step is None else step
        for name, value in waiting if at is not None else ():
            self._put(name, at or 0, value)

    def _show(self, pairs: list[tuple[str, float]], step: int) -> None:
        """Put values shown by a bar. They stay displayed, so only a changed value is new."""
        for name, value in pairs:
            known = self._shown.get(name)
            if known is None or (known != value and (known == known or value == value)):
                if len(self._shown) < MAX_NAMES:
                    self._shown[name] = value
                self._put(name, step, value)

    def _put(self, name: str, step: int, value: float) -> None:
        if not self.recording:
            return
        if name not in self._names:
            if len(self._names) >= MAX_NAMES:
                return
            self._names.add(name)
        self.columns.put(self._renamed.get(name, name), step, value)
