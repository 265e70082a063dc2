"""Determines the steps of a run's metrics: the trainer's own if they can be identified, else those of the rows.

This is the only place that decides it; all consumers display, judge and compare by the steps of the resulting columns.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise

from autoloop.metric_readers.columns import Columns, as_step
from autoloop.model import Series

AXES = ("global_step", "trainer/global_step", "train/global_step", "iter", "iteration", "epoch")
"""Metrics that count a trainer's steps; the first one that a run has is its axis.

`epoch` is used only if the rows' steps are just row numbers and no metric has two values in one epoch. A metric is not used
if it would put rows without it on the same step.
"""


class StepAxis:
    """Maps the columns of one source from the rows' own steps (W&B's, or row numbers) to the trainer's axis.

    The step of a value is the axis metric in its row, else in the last earlier row that has it. The axis metric itself is
    removed from the metrics. `named` is the axis metric named by the preset; it has precedence over all others.
    """

    def __init__(self, named: str | None = None) -> None:
        self._named = named
        self._raw: Columns | None = None
        self._cleared = 0
        self._unfit: set[str] = set()
        self._checked: dict[str, int] = {}
        self._plan: tuple[str | None, dict[str, str]] = (None, {})
        self._counters: dict[str, _Counter] = {}
        self._mapped: dict[str, tuple[int, int]] = {}
        """By metric: the number of points mapped to the axis, and the step of the last one."""
        self._columns = Columns()

    def update(self, raw: Columns, *, numbered: bool, defined: Mapping[str, str] | None = None) -> None:
        """Map the new points in `raw`. `numbered`: whether its steps are only row numbers. `defined`: the definitions by
        W&B's `define_metric`, metric or `prefix*` -> axis metric."""
        if raw is not self._raw or raw.cleared != self._cleared:
            self._raw, self._cleared = raw, raw.cleared
            self._unfit.clear()
            self._checked.clear()
            self._start()
        if raw.rewritten and self._unfit:  # the reason for the decision may no longer exist
            self._unfit.clear()
            self._start()
        for name in raw.rewritten:
            self._checked.pop(name, None)
        while not self._bring_up(raw, numbered, defined or {}):
            pass
        raw.rewritten.clear()

    @property
    def columns(self) -> Mapping[str, Series]:
        if not self._counters:
            return self._raw.series if self._raw is not None else {}
        return self._columns.series

    def step(self, own: int) -> int:
        """Return the step reached on the axis if the rows' own steps have reached `own`."""
        if not self._counters:
            return own
        ends = [series.steps[-1] for series in self._columns.series.values()]
        return max(0, *ends, *(counter.largest for counter in self._counters.values()))

    def times(self, own: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
        """Convert pairs of (own step, Unix seconds) to pairs with the axis' steps."""
        name = self._plan[0] or next(iter(self._counters), None)
        counter = self._counters.get(name) if name else None
        return [(counter.at(step), time) for step, time in own] if counter else list(own)

    # ------------------------------------------------------------------------------------------------------ which

    def _bring_up(self, raw: Columns, numbered: bool, defined: Mapping[str, str]) -> bool:
        """Map the new points. Returns False if another axis turned out to be needed; the caller then tries again."""
        default = self._default(raw, numbered)
        own = {} if self._named and self._named in raw.series else {k: v for k, v in defined.items() if v in raw.series}
        if (default, own) != self._plan:
            self._plan = default, own
            self._start()
        for name in {default, *own.values()} - {None}:
            assert name is not None
            counter = self._counters.setdefault(name, _Counter())
            if counter.taken and (name in raw.rewritten or not counter.goes_on(raw.series[name])):
                self._start()
                return False
            counter.take(raw.series[name])
        if not self._counters:
            return True
        for key, series in raw.series.items():
            if key not in self._counters:
                self._map(key, series, raw)
                if self._unfit and default in self._unfit:
                    self._start()
                    return False
        return True

    def _default(self, raw: Columns, numbered: bool) -> str | None:
        if self._named and self._named in raw.series:
            return self._named
        for name in AXES:
            if name in raw.series and name not in self._unfit and (name != "epoch" or numbered):
                values = raw.series[name].values
                seen = self._checked.get(name, 0)
                if all(value.is_integer() for value in values[seen:]):
                    self._checked[name] = len(values)
                    return name
                self._unfit.add(name)
        return None

    def _axis_of(self, key: str) -> str | None:
        default, defined = self._plan
        if key in defined:
            return defined[key]
        globs = [name for name in defined if name.endswith("*") and key.startswith(name[:-1])]
        return defined[max(globs, key=len)] if globs else default

    def _start(self) -> None:
        self._counters = {}
        self._mapped = {}
        self._columns.clear()

    # ------------------------------------------------------------------------------------------------------ mapping

    def _map(self, key: str, series: Series, raw: Columns) -> None:
        done, last = self._mapped.get(key, (0, -1))
        if key in raw.rewritten or len(series) < done:
            self._columns.forget(key)
            done, last = 0, -1
        axis = self._axis_of(key)
        steps, values = series.steps[done:], series.values[done:]
        if not values:
            return
        counter = self._counters.get(axis) if axis else None
        mapped = counter.of(steps) if counter else steps
        self._mapped[key] = len(series), mapped[-1]
        guessed = counter is not None and axis != self._named and axis not in self._plan[1].values()
        if guessed and axis is not None and self._merges(axis, steps, mapped, last if done else None):
            self._unfit.add(axis)
            return
        self._put(key, mapped, values)

    def _merges(self, axis: str, steps: array[int], mapped: array[int], last: int | None) -> bool:
        """Whether an axis that neither the preset nor W&B names would put two values of a metric on one step.

        Except for `epoch`, this counts only if the later value's row lacks the axis metric."""
        before = mapped[:-1] if last is None else array("q", [last, *mapped[:-1]])
        after = steps[len(mapped) - len(before) :]
        pairs = zip(before, mapped[len(mapped) - len(before) :], after, strict=True)
        counter = self._counters[axis]
        return any(one == other and (axis == "epoch" or not counter.has(own)) for one, other, own in pairs)

    def _put(self, key: str, steps: array[int], values: array[float]) -> None:
        series = self._columns.slot(key)
        if series is None:
            return
        if (not series.steps or series.steps[-1] < steps[0]) and _rises(steps):
            series.steps.extend(steps)
            series.values.extend(values)
            self._columns.series[key] = series
            return
        for step, value in zip(steps, values, strict=True):
            self._columns.put(key, step, value)


class _Counter:
    """An axis metric as ints, by the own steps of its rows."""

    def __init__(self) -> None:
        self.taken = 0
        self.largest = 0
        self._own = array("q")
        self._steps = array("q")
        self._asked = -1
        """The largest own step that was looked up beyond the last row with the axis."""

    def goes_on(self, series: Series) -> bool:
        """Whether earlier results are still correct for the current series."""
        new = series.steps[self.taken : self.taken + 1]
        return len(series) >= self.taken and (not new or new[0] > self._asked)

    def take(self, series: Series) -> None:
        for own, value in zip(series.steps[self.taken :], series.values[self.taken :], strict=True):
            step = as_step(value)
            if step is not None:
                self._own.append(own)
                self._steps.append(step)
                self.largest = max(self.largest, step)
        self.taken = len(series)

    def at(self, own: int) -> int:
        index = bisect_right(self._own, own) - 1
        if index >= 0:
            return self._steps[index]
        return min(own, self._steps[0]) if self._steps else own

    def has(self, own: int) -> bool:
        """Whether the row at this own step has the axis metric."""
        index = bisect_left(self._own, own)
        return index < len(self._own) and self._own[index] == own

    def of(self, steps: array[int]) -> array[int]:
        if not self._own or steps[-1] > self._own[-1]:
            self._asked = max(self._asked, steps[-1])
        first = bisect_left(self._own, steps[0])
        if self._own[first : first + len(steps)] == steps:  # the usual case: each row has the axis
            return self._steps[first : first + len(steps)]
        return array("q", [self.at(step) for step in steps])


def _rises(steps: array[int]) -> bool:
    return all(a < b for a, b in pairwise(steps))
