"""Reads the W&B log of a run (`run-<id>.wandb`) while W&B is writing it: rows, config and exit code.

Its records are the protobuf message `Record` of wandb_internal.proto, unchanged since wandb 0.10. They are parsed here
because wandb has had no Python reader since 0.30.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autoloop.metric_readers import native
from autoloop.metric_readers.columns import MAX_KEYS, Columns
from autoloop.metric_readers.compiled_rows import CompiledRows
from autoloop.metric_readers.json_value import decoded
from autoloop.metric_readers.protobuf import MalformedError, fields, signed
from autoloop.metric_readers.record_log import RecordLog
from autoloop.metric_readers.wandb_rows import VALUE, WandbRows
from autoloop.metric_readers.wandb_summary import WandbSummary, behind_number, path_and_text

_HISTORY, _SUMMARY = 0x12, 0x1A
_PASSED_OVER = frozenset((0x32, 0x3A, 0x6A))  # files, stats, output_raw
_STEP_VALUE = b"_step" + VALUE


class WandbLog:
    """One segment of a run.

    `columns` has every logged number, without W&B's own keys (`_step`, `_runtime` ...); members of a dictionary have dotted
    keys. `summary` has the numbers of W&B's summary at `summary_step`, with the same keys; many of them are in no row.
    `step` is the largest step seen; `name` and `config` are the run's; `exit_code` is None until W&B has recorded the end
    (255: interrupted). `times` are the last (step, Unix seconds) pairs. `defined` contains the definitions by
    `define_metric`: metric or `prefix*` -> the metric that counts its steps.
    """

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path = path
        self.columns = columns
        self._log = RecordLog(path, self._take)
        self._rows = CompiledRows(columns, native.compiled) if native.compiled is not None else WandbRows(columns)
        self.more = False
        """Whether the last poll stopped because of its budget."""
        self._clear()

    def _clear(self) -> None:
        self._rows.clear()
        self.name = ""
        self.started: float | None = None
        self.config: dict[str, Any] = {}
        self._summary = WandbSummary()
        self._newest_summary: bytes | None = None
        self.exit_code: int | None = None
        self.defined: dict[str, str] = {}
        self._other_news = 0
        self._malformed = 0

    @property
    def rows(self) -> int:
        return self._rows.count

    @property
    def summary(self) -> dict[str, float]:
        return self._summary.values

    @property
    def summary_step(self) -> int:
        return self._summary.step

    @property
    def step(self) -> int:
        return self._rows.step

    @property
    def times(self) -> deque[tuple[int, float]]:
        return self._rows.times

    @property
    def restarts(self) -> int:
        """How often the file was replaced; each time, the earlier contents of `columns` are discarded."""
        return self._log.tail.restarts

    @property
    def damaged(self) -> int:
        """The number of places that could not be read and were skipped."""
        return self._log.damaged + self._malformed

    @property
    def _news(self) -> int:
        return self._other_news + self.rows

    @property
    def problems(self) -> list[str]:
        found = self._log.tail.problems
        if self._log.strange:
            found.append(f"{self.path} does not begin as a W&B log does; what could be recognised was read")
        if self.damaged:
            found.append(f"{self.path} is damaged: {self.damaged} places could not be read and were skipped")
        return found

    def poll(self, budget: int = 4 << 20) -> bool:
        """Read at most `budget` (at least 64 KiB) bytes. Returns whether anything was new or there may be more."""
        before = self._news
        if self._log.look():
            self.columns.clear()
            self._clear()
            before = -1
        self.more = self._log.read(budget)
        if not self.more and self._newest_summary is not None:
            self._summarise(self._newest_summary)
            self._newest_summary = None
        return self.more or self._news != before

    # ------------------------------------------------------------------------------------------------ records

    def _take(self, records: list[bytes]) -> None:
        if not isinstance(self._rows, CompiledRows):
            self._take_by_python(records)
            return
        at = 0
        while at < len(records):
            before = at
            at, newest = self._rows.take_records(records, at)
            self._newest_summary = newest or self._newest_summary
            many = self._rows.by_python
            if at == before or many > 1:
                self._take_by_python(records[at : at + many])
                at += many

    def _take_by_python(self, records: Sequence[bytes]) -> None:
        rows: list[bytes] = []
        for record in records:
            first = behind_number(record)
            kind = record[first] if first < len(record) else 0
            if kind == _HISTORY:
                rows.append(record[first:])
            elif kind == _SUMMARY:
                self._pass_summary(record)
            elif kind not in _PASSED_OVER:
                self._rows.take(rows, self._take_apart)
                rows = []
                self._take_apart(record)
        self._rows.take(rows, self._take_apart)

    def _take_apart(self, data: bytes) -> None:
        try:
            for number, first, last in fields(data, 0, len(data)):
                if number == 2:
                    self._rows.add(data, first, last)
                elif number == 3:  # sent by the script: other fields may come before it
                    self._pass_summary(data)
                elif number == 5:
                    self._configure(data, first, last)
                elif number == 12:
                    self._define(data, first, last)
                elif number == 17:
                    for inner, a, b in fields(data, first, last):
                        if inner == 4:
                            self._configure(data, a, b)
                        elif inner == 8 and b >= 0:
                            self.name = data[a:b].decode("utf-8", "replace")
                        elif inner == 17:
                            self.started = _timestamp(data, a, b)
                elif number == 18:
                    code = 0
                    for inner, a, b in fields(data, first, last):
                        if inner == 1 and b < 0:
                            code = signed(a)
                    self.exit_code = code
                    self._other_news += 1
        except (MalformedError, IndexError):
            self._malformed += 1

    def _pass_summary(self, data: bytes) -> None:
        """Read a summary record, or keep it if it may be superseded.

        Half of a file of wandb 0.31 is summaries that repeat each row and contain its `_step`. Of those, and of the one
        that older versions write at the end, only the newest is parsed. Values set by the script are separate records.
        """
        if _STEP_VALUE in data:
            self._newest_summary = data
        elif data.find(b"_wandb", 0, 20) < 0:  # not W&B's own clock, which follows every row
            self._summarise(data)

    def _summarise(self, data: bytes) -> None:
        self._malformed += not self._summary.take(data)
        self._other_news += 1

    def _configure(self, data: bytes, start: int, stop: int) -> None:
        """Apply a ConfigRecord: values set (1) and removed (2), each under a key or a path of keys."""
        for number, first, last in fields(data, start, stop):
            if number not in (1, 2):
                continue
            path, text = path_and_text(data, first, last)
            if not path or path[0] == "_wandb":
                continue
            self._other_news += 1
            place = self.config
            for name in path[:-1]:
                below = place.get(name)
                if not isinstance(below, dict):
                    below = place[name] = {}
                place = below
            if number == 2:
                place.pop(path[-1], None)
            else:
                place[path[-1]] = decoded(text)

    def _define(self, data: bytes, start: int, stop: int) -> None:
        """Read a MetricRecord: name (1) or glob (2), and the metric that counts its steps (4)."""
        texts = {
            number: data[a:b].decode("utf-8", "replace")
            for number, a, b in fields(data, start, stop)
            if b >= 0 and number < 5
        }
        name = texts.get(1) or texts.get(2)
        if name and texts.get(4) and len(self.defined) < MAX_KEYS:
            self.defined[name] = texts[4]
            self._other_news += 1


def _timestamp(data: bytes, start: int, stop: int) -> float:
    """Convert a google.protobuf.Timestamp to Unix seconds."""
    parts = {number: signed(value) for number, value, end in fields(data, start, stop) if end < 0}
    return parts.get(1, 0) + parts.get(2, 0) / 1e9
