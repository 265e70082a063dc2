"""What the engine watches for in every run, regardless of rules: a trainer that fell back to the CPU, and one that does not
exit although its training is complete."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from autoloop.engine.base.context import Context
from autoloop.engine.runs.execution import ActiveAttempt, Execution
from autoloop.logs import HEAD_BYTES, log_lines
from autoloop.model import Attempt, RunState, StopCause, StopKind
from autoloop.regex import compile_regex
from autoloop.secrets import mask_bytes


class Watchdog:
    """Owned by the engine; `look` is called at each turn."""

    def __init__(self, context: Context, execution: Execution) -> None:
        self.context = context
        self.execution = execution
        self._heads: dict[str, bytes] = {}
        """The beginning of each attempt's log, as far as it has been read."""
        self._complete: dict[str, float] = {}
        """When each attempt's training was found complete, in monotonic seconds."""
        self._patterns = [
            compile_regex(failure.pattern)
            for failure in context.preset.failures
            if failure.device is not None and failure.device == context.spec.device
        ]

    def look(self) -> None:
        active = [each for each in self.execution.executing if each.run.state is not RunState.STOPPING]
        for known in (self._heads, self._complete):
            for gone in known.keys() - {each.attempt.id for each in active}:
                del known[gone]
        for each in active:
            if self._patterns and (line := self._fallen_back(each)):
                text = f"it fell back from the GPU to the CPU: {line}"
                self.execution.stop(each.run.id, StopCause(kind=StopKind.CPU_FALLBACK, text=text))
            elif waited := self._overstays(each):
                text = f"its training was complete, but its process did not exit within {waited:g} s"
                self.execution.stop(each.run.id, StopCause(kind=StopKind.OVERSTAYED, text=text))

    def _fallen_back(self, each: ActiveAttempt) -> str | None:
        """The log line that shows the fallback, or None. It comes before the first step, so only the beginning of the log is
        read."""
        head = self._heads.get(each.attempt.id, b"")
        if len(head) >= HEAD_BYTES:
            return None
        try:
            with open(Path(each.attempt.directory) / "log.txt", "rb") as log:
                log.seek(len(head))
                new = log.read(HEAD_BYTES - len(head))
        except OSError:
            return None
        if not new:
            return None
        self._heads[each.attempt.id] = head = head + new
        for line in log_lines(mask_bytes(head, self.context.secrets(each.run))):
            if any(pattern.finds(line) for pattern in self._patterns):
                return line.strip()[-300:]
        return None

    def _overstays(self, each: ActiveAttempt) -> float | None:
        """The grace period in seconds if the process has outlived its completed training by more than that, else None."""
        complete = each.follower.complete or (each.follower.ended and not each.run.resume)
        if not complete:
            self._complete.pop(each.attempt.id, None)
            return None
        now = time.monotonic()
        since = self._complete.setdefault(each.attempt.id, now)
        grace = self.context.preset.finish_grace
        return grace if now - since > grace else None


def as_judged(attempt: Attempt) -> Attempt:
    """The attempt for judging: if the watchdog stopped it, it is treated as if it had exited normally, so that the log
    decides."""
    stop, exit = attempt.stop, attempt.exit
    if exit is None or exit.stopped_by is None or stop is None or not stop.judged_by_log:
        return attempt
    return msgspec.structs.replace(attempt, exit=msgspec.structs.replace(exit, stopped_by=None, code=0, signal=None))
