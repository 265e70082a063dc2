"""Reads a trainer's console output: its progress and, as a last resort, its metrics.

Lines described by the launch preset are read with its patterns. The step on such a metric line may be rounded (`step:1K`),
so it is computed from the preceding lines. All other lines are read as those of any trainer (`printed_metrics.py`).
Progress bars end with `\\r`, and log lines may follow them without a line break.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from autoloop.metric_readers.columns import Columns
from autoloop.metric_readers.printed_metrics import PrintedMetrics
from autoloop.metric_readers.tail import Lines
from autoloop.model import Series, UserError
from autoloop.regex import MAX_TEXT, Regex, RegexSet, compile_regex
from autoloop.trainers.presets import GROUPS, Console

SKIM = 4 << 10
"""Bytes at the end of the console log that are read for the progress if the metrics come from elsewhere."""
SKIM_LINES = 16
"""Maximum lines of these, including bars, that are read if earlier ones were skipped: enough for the progress."""

_UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12, "Q": 1e15}
_TOKEN = re.compile(r"([A-Za-z_][^\s:]{0,63}):(\S{1,40})")
_NUMBER = re.compile(r"([-+]?(?:nan|inf|\d+\.?(\d*)(?:e[-+]?\d+)?))([KMBTQ]?)", re.IGNORECASE)


def compiled(patterns: Console) -> dict[str, Regex]:
    """Return a preset's compiled patterns by purpose, without empty ones. Raises UserError if one is invalid."""
    found = {}
    for purpose, groups in GROUPS.items():
        text: str = getattr(patterns, purpose)
        if not text:
            continue
        try:
            found[purpose] = pattern = compile_regex(text)
        except UserError as problem:
            raise UserError(f"console pattern `{purpose}` is not a usable regular expression: {problem}") from None
        missing = groups - pattern.names
        if missing:
            raise UserError(f"console pattern `{purpose}` lacks the group (?P<{min(missing)}>...)")
    return found


class ConsoleLog:
    """The MetricReader of one log file.

    `step`, `total_steps` and `rate` (steps/s) are the progress. `ended`: the trainer printed that it is complete.

    The steps of `columns` are approximate if the trainer rounds them, and values have few digits. A resumed trainer's bar
    counts from 0: the offset is the announced total minus the bar's total.

    Bars are also drawn for other work (mapping data sets, loading checkpoints, validating batches). If `total_steps` is
    given, and until the trainer announces its own total, only a bar of that length counts as the progress.

    A line that matches `metrics` or `evaluation` of the preset is read only by that pattern. If the preset has a `progress`
    pattern, progress comes only from it.
    """

    kind = "console"

    def __init__(
        self,
        path: Path,
        patterns: Console,
        log_freq: int | None = None,
        total_steps: int | None = None,
    ) -> None:
        self.path = path
        self._columns = Columns()
        self._lines = Lines(path, returns=True, bounded=True)
        self._log_freq = log_freq
        self._expected = total_steps
        self._patterns = patterns
        self._regexes = list(compiled(patterns).items())
        self._any = RegexSet(regex.pattern for _, regex in self._regexes)
        self._restarts = 0
        self._printed = PrintedMetrics(self._columns, expected=total_steps, names=patterns.names, bars=not patterns.progress)
        self._clear()

    def _clear(self) -> None:
        self._printed.clear()
        self.step = 0
        self.rate: float | None = None
        self.ended = False
        self._announced: int | None = None
        self._bar: tuple[int, int] | None = None
        self._line_step: int | None = None
        self._spacing: int | None = None
        self._changes = 0

    @property
    def total_steps(self) -> int | None:
        if self._announced is not None:
            return self._announced
        return self._bar[1] if self._bar else self._printed.total

    @property
    def columns(self) -> Mapping[str, Series]:
        """Every printed metric, by the trainer's name for it in W&B. The Series grow in place with `poll`."""
        return self._columns.series

    @property
    def problems(self) -> list[str]:
        return self._lines.problems

    def skip(self, keep: int) -> None:
        """Skip all but the last `keep` bytes of the unread part."""
        self._lines.skip(keep)

    @property
    def files(self) -> Iterable[Path]:
        return [self.path]

    @property
    def more(self) -> bool:
        return self._lines.more

    def poll(self, budget: int = 4 << 20, *, look: bool = True) -> bool:
        """Read at most `budget` bytes (more if a line is longer). Returns whether anything was new or there may be more."""
        return self._take_all(self._lines.read(budget))

    def _take_all(self, lines: list[bytes]) -> bool:
        before = self._changes
        if self._lines.tail.restarts != self._restarts:
            self._restarts = self._lines.tail.restarts
            self._columns.clear()
            self._clear()
            before = -1
        for line in lines:
            self.take(line)
        return self._lines.more or self._changes != before

    def skim(self, budget: int = 4 << 20, *, look: bool = True) -> bool:
        """Read only the end of the log for the progress, because parsing all lines for it would cost too much."""
        passed = self._lines.skip(SKIM)
        self._printed.recording = False
        lines = self._lines.read(budget)
        new = self._take_all(lines[-SKIM_LINES:] if passed else lines)
        self._printed.recording = True
        return new

    def take(self, line: bytes) -> None:
        """Parse one complete line of the log; the owner may have read it from the file."""
        if not line:
            return
        text = line[: 4 * MAX_TEXT].decode("utf-8", "replace")
        described = False
        for index in self._any.which(text):  # one pass for all patterns, because most lines match none
            name, pattern = self._regexes[index]
            found = pattern.groups(text)
            if found is None:
                continue
            self._changes += 1
            described |= name in ("metrics", "evaluation")
            if name == "progress":
                self._progress(found)
            elif name == "metrics":
                self._metrics(found["step"] or "", found["rest"] or "")
            elif name == "total":
                self._announced = _whole(found["total"])
            elif name == "checkpoint":
                self._reached(_whole(found["step"]))
            elif name == "evaluation":
                step, value = _whole(found["step"]), _number(found["value"] or "")
                if step is not None and value is not None:
                    self._columns.put(self._name(found["name"] or "", "eval/"), step, value)
            else:
                self.ended = True
                self._reached(self.total_steps)
        if not described and self._printed.take(text):
            self._changes += 1
            if not self._patterns.progress:
                self._reached(self._printed.step)
                self.rate = self._printed.rate or self.rate

    def _progress(self, found: dict[str, str | None]) -> None:
        done, total = _whole(found["step"]), _whole(found["total"])
        if done is None or total is None:
            return
        if self._announced is None and self._expected is not None and total != self._expected:
            return
        self._bar = (done, total)
        self._reached(self._offset + done)
        self._printed.at(self._offset + done)
        rate, period = _number(found.get("rate") or ""), _number(found.get("period") or "")
        if rate is not None:
            self.rate = rate
        elif period:
            self.rate = 1 / period

    def _metrics(self, token: str, rest: str) -> None:
        step = self._place(token)
        if step is None:
            return
        self._line_step = step
        self._reached(step)
        self._printed.at(step)
        tokens = [(name, value) for name, text in _TOKEN.findall(rest) if (value := _number(text)) is not None]
        if not tokens:
            from autoloop.metric_readers.printed_line import named_numbers

            tokens = named_numbers(rest)
        for name, value in tokens:
            self._columns.put(self._name(name, self._patterns.prefix), step, value)

    def _place(self, token: str) -> int | None:
        """Return the step of a metric line: as printed if it is not rounded, else one interval after the previous line."""
        before = self._line_step
        if token.isdecimal():
            step = _whole(token)
            if step is None:
                return None
            gap = step - (self._offset if before is None else before)
            if gap > 0 and (before is not None or self._log_freq is None):
                self._spacing = gap if self._spacing is None else min(self._spacing, gap)
            return step
        low = _rounded_from(token)
        if low is None:
            return None
        spacing = self._spacing or self._log_freq
        if not spacing:  # resumed late: the bar lags a little, but is all we have
            step = max(low, self._offset + self._bar[0] if self._bar else low)
            return step if before is None or step > before else None
        step = (self._offset // spacing * spacing if before is None else before) + spacing
        return max(step, math.ceil(low / spacing) * spacing)  # the latter if lines were lost

    def _name(self, printed: str, prefix: str) -> str:
        return self._patterns.names.get(printed, prefix + printed)

    def _reached(self, step: int | None) -> None:
        if step is not None and step > self.step:
            self.step = step

    @property
    def _offset(self) -> int:
        if self._announced is None or self._bar is None:
            return 0
        return max(0, self._announced - self._bar[1])


def _whole(text: str | None) -> int | None:
    return int(text) if text and len(text) <= 15 and text.isdecimal() else None


def _number(text: str) -> float | None:
    """Return the value of a printed number; `12K` is 12000."""
    match = _NUMBER.fullmatch(text[:41])
    return float(match[1]) * _UNITS[match[3].upper()] if match else None


def _rounded_from(token: str) -> int | None:
    """Return the smallest whole step that prints as `token`, e.g. 500 for `1K`; None if it is not such a number."""
    match = _NUMBER.fullmatch(token)
    if match is None or not match[3]:
        return None
    low = (float(match[1]) - 0.5 * 10.0 ** -len(match[2] or "")) * _UNITS[match[3].upper()]
    return math.ceil(low) if 0 <= low < 1e15 else None
