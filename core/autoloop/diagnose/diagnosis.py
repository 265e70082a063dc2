"""Explain why an attempt failed, from its exit record and log.

The order of the checks is defined at the end of this module: RECORDS, then OUTCOMES if the attempt exited with 0, or
REASONS, OTHERS and HINTS if it did not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from autoloop.diagnose.causes import (
    SHORT_CAUSES,
    SHORTAGE,
    CauseRule,
    cause_of,
    cause_table,
    clean,
    exception_cause,
    follows,
    match,
    rules_for,
    short,
)
from autoloop.diagnose.endings import Endings, SignalReport, read_endings
from autoloop.diagnose.losses import last_loss
from autoloop.diagnose.tracebacks import Chain, chains, is_launcher
from autoloop.model import Cause, ExitRecord
from autoloop.regex import compile_regex
from autoloop.trainers import Failure, Preset

FRAMES = 1000
"""Number of lines at the end of a log that hold the last tracebacks of all its processes."""
EARLIER = 50
"""Number of earlier exception chains that are checked if the processes cannot be told apart."""
LAST_WORDS = 60
"""Number of lines at the end of a log that are searched for a cause without an exception."""
ABORTING = 10
"""Number of the last of these lines, in which an aborting program prints its reason."""


@dataclass(frozen=True)
class _Case:
    """An attempt to explain: the arguments of `diagnose`, and data parsed from the log on demand."""

    exit: ExitRecord | None
    lines: Sequence[str]
    success: str | None
    failures: Sequence[Failure]
    stop_reason: str | None
    vanished: str | None
    diverged: Sequence[str]
    rules: Sequence[CauseRule]
    """The causes of the table that apply to the preset."""

    @cached_property
    def exceptions(self) -> list[Chain]:
        return chains(self.lines)

    @cached_property
    def endings(self) -> Endings:
        assert self.exit is not None
        return read_endings(self.lines, self.exit)


_Check = Callable[[_Case], Cause | None]

_NATIVE = re.compile(r"what\(\):|\[E\S* [\d:. ]*\w+\.(cpp|cc):\d+\]")
"""Error lines of C++ and of torch's native libraries."""
_REMARK = re.compile(r"\b(WARN|WARNING|INFO|DEBUG)\b|^wandb: ")
"""Marks of log lines that never explain the end of a program."""


def diagnose(
    exit: ExitRecord | None,
    lines: Sequence[str],
    preset: Preset,
    *,
    device: str | None = None,
    stop_reason: str | None = None,
    vanished: str | None = None,
    diverged: Sequence[str] = (),
) -> Cause | None:
    """The cause of the failure; None if the attempt succeeded.

    `lines`: from `read_log_tail`. `vanished`: the runner's reason if there is no exit record. `stop_reason`: who requested
    the stop and why; it only counts if the exit record shows that the stop took effect. `device` (None if unknown): failure
    patterns of the preset for other devices are ignored. `diverged`: the losses that are NaN or infinite at the end of its
    history.
    """
    failures = [failure for failure in preset.failures if device is None or failure.device in (None, device)]
    case = _Case(exit, lines, preset.success, failures, stop_reason, vanished, diverged, rules_for(preset))
    if (cause := _first(RECORDS, case)) or exit is None:
        return cause
    if exit.code == 0:
        return _first(OUTCOMES, case)
    cause = _first(REASONS, case)
    if cause is None or follows(cause):
        # Without a reason, or if the reason is only that other processes are gone, another process may have ended first.
        cause = _first(OTHERS, case) or cause
    return cause or _first(HINTS, case)


def _first(checks: Sequence[_Check], case: _Case) -> Cause | None:
    return next((cause for check in checks if (cause := check(case))), None)


# ------------------------------------------------------------------------------------------------ the exit record


def _lost(case: _Case) -> Cause | None:
    if case.exit is not None:
        return None
    text = case.vanished or "it disappeared without an exit record"
    return Cause(id="lost", text=text, line=_last_words(case.lines), retry=True)


def _stopped(case: _Case) -> Cause | None:
    if case.exit is None or case.exit.stopped_by is None:
        return None
    verb = "killed" if case.exit.stopped_by == "kill" else "stopped"
    return Cause(id="stopped", text=f"{verb}: {clean(case.stop_reason)}" if case.stop_reason else f"{verb} on request")


def _not_started(case: _Case) -> Cause | None:
    if case.exit is None or case.exit.error is None:
        return None
    if case.exit.errno in SHORTAGE:
        advice = "raise `ulimit -u` and `ulimit -n` (or the container's limits), or use fewer slots"
        text = f"the machine ran out of processes, memory or file descriptors ({os.strerror(case.exit.errno)})"
        return Cause(id="short-of-resources", text=text, advice=advice, retry=True)
    advice = "check --python, --train-script and the working folder"
    return Cause(id="cannot-start", text=clean(case.exit.error), advice=advice, fatal_for_round=True)


# ---------------------------------------------------------------------------------- a nonzero exit status, or a signal


def _declared(case: _Case) -> Cause | None:
    """The reason that a batch system printed at the end of the log; it takes precedence over the rest of the log."""
    words = [line for line in _end_of(case.lines) if line.startswith(("slurmstepd", "srun", "=>> PBS", "TERM_"))]
    return match(list(reversed(words)), rules=_last_rules(case))


def _first_signal(case: _Case) -> Cause | None:
    return _by_signal(case, case.endings.first, case.exceptions)


def _other_signal(case: _Case) -> Cause | None:
    return _by_signal(case, case.endings.other, [])


def _by_signal(case: _Case, ending: SignalReport | None, found: Sequence[Chain]) -> Cause | None:
    if ending is None:
        return None
    table, name = cause_table().signals, ending.name
    if name not in table or name in ("SIGBUS", "SIGINT"):  # a crash that Python or C++ may have explained in the log
        near = case.lines[-FRAMES:]
        last_words = [text for text in near if _NATIVE.search(text)]
        if name == "SIGABRT":
            last_words += [text for text in _end_of(case.lines)[-ABORTING:] if not _REMARK.search(text)]
        cause = match([*(found[-1].raised if found else ()), *last_words], near, rules=case.rules)
        if cause and name == "SIGINT":  # a library short of threads sends it to itself; other exceptions result from it
            cause = cause if cause.id in SHORT_CAUSES else None
        if cause and (name == "SIGABRT" or not follows(cause)):
            return cause
    rule = table.get(name, table["other"])
    text = rule.text.format(signal=name)
    line = short(ending.line) if ending.line else None
    return Cause(id=name.lower(), text=text, line=line, advice=rule.advice, retry=rule.retry)


def _silent_rank(case: _Case) -> Cause | None:
    """The rank that ended first without an exception, if exceptions were printed only by other ranks."""
    endings = case.endings
    ranks = {chain.rank for chain in case.exceptions}
    if endings.rank is None or None in ranks or endings.rank in ranks or not ranks:
        return None
    return Cause(id="exit-code", text=f"rank {endings.rank} exited first, with exit code {endings.code} and no exception")


def _by_exception(case: _Case) -> Cause | None:
    """The exception that ended the run; with several processes, one that is not merely a consequence of another's end."""
    found, endings = case.exceptions, case.endings
    if not found:
        return None
    latest = {chain.writer: chain for chain in found}
    ranks = sorted((chain for chain in latest.values() if chain.rank is not None), key=lambda chain: chain.at)
    ranks.sort(key=lambda chain: chain.rank != endings.rank)
    others = sorted((chain for chain in latest.values() if chain.rank is None), key=lambda chain: -chain.at)
    # If the processes' lines cannot be told apart, check their chains one after the other.
    earlier = [chain for chain in reversed(found[-EARLIER:]) if endings.many and chain not in latest.values()]
    near = case.lines[-FRAMES:]
    candidates = (*ranks, *others, *earlier)
    causes = [match(chain.raised, near, rules=case.rules) or exception_cause(chain.raised) for chain in candidates]
    return next((cause for cause in causes if not follows(cause)), causes[0])


def _by_error_line(case: _Case) -> Cause | None:
    """An error line: argparse prints `prog: error: …` after the usage, newer trainers `error: …`, and the interpreter
    `can't open file`."""
    for line in reversed(case.lines):
        found = re.search(r"(?:^|: )(error: .+|can't open file .+|No module named .+)", line)
        if found and not is_launcher(line) and not line.startswith(("srun: ", "slurmstepd: ")):
            return match([line], rules=case.rules) or Cause(id="error-line", text=short(found[1]), line=short(line))
    return None


_ERROR = re.compile(
    r"(Error\b|Exception\b|\bERROR\b|\bFATAL\b|\b[Ff]atal\b|\berror\b|what\(\):|Errno|\bE\d{4} |\[E\d* ?|^libgomp: )"
)
"""Marks of error lines, used if no exception was printed."""


def _by_last_words(case: _Case) -> Cause | None:
    words = list(reversed(_end_of(case.lines)))
    errors = [line for line in words if _ERROR.search(line)]
    return match(errors, case.lines[-FRAMES:], rules=case.rules) or match(words, rules=_last_rules(case))


def _exit_code(case: _Case) -> Cause:
    code = case.exit.code if case.exit else None
    return Cause(id="exit-code", text=f"it exited with code {code}", line=_last_words(case.lines))


def _last_rules(case: _Case) -> list[CauseRule]:
    """The causes that are also searched for in the last lines of a log without an exception."""
    return [rule for rule in case.rules if rule.last]


def _end_of(lines: Sequence[str]) -> list[str]:
    return [line for line in lines[-LAST_WORDS:] if line.strip() and not is_launcher(line)]


# ------------------------------------------------------------------------------------------------------- exit status 0


def _by_failure_pattern(case: _Case) -> Cause | None:
    for failure in case.failures:
        pattern = compile_regex(failure.pattern)
        for line in case.lines:
            if pattern.finds(line):
                rule = next((rule for rule in cause_table().cause if rule.id == failure.cause), None)
                rule = rule or CauseRule(id=failure.cause or "failure-pattern", text=f"its log says: {short(line)}")
                cause = cause_of(rule, line, {}, failure.text or rule.text)
                return msgspec.structs.replace(cause, advice=failure.advice) if failure.advice else cause
    return None


def _last_loss(case: _Case) -> Cause | None:
    loss = last_loss(case.lines)
    return _as_outcome("diverged", f"the last loss is {loss.value}", loss.line) if loss and not loss.finite else None


def _diverged(case: _Case) -> Cause | None:
    if not case.diverged:
        return None
    return _as_outcome("diverged", f"{', '.join(case.diverged[:3])} ended as NaN or infinity", None)


def _no_success(case: _Case) -> Cause | None:
    if case.success is None or any(map(compile_regex(case.success).finds, case.lines)):
        return None
    return _as_outcome("no-success", repr(case.success), _last_words(case.lines))


def _as_outcome(id: str, what: str, line: str | None) -> Cause:
    rule = cause_table().outcomes[id]
    shown = short(line) if line else None
    return Cause(id=id, text=short(rule.text.format(what=what)), line=shown, advice=rule.advice)


def _last_words(lines: Sequence[str]) -> str | None:
    """The last line that is not from the launcher."""
    return next((short(line) for line in reversed(lines) if line.strip() and not is_launcher(line)), None)


# ------------------------------------------------------------------------------------------------ the order of checks

RECORDS: tuple[_Check, ...] = (_lost, _stopped, _not_started)
"""Checks of the exit record alone."""
OUTCOMES: tuple[_Check, ...] = (_by_failure_pattern, _last_loss, _diverged, _no_success)
"""Checks that make an attempt a failure although it exited with 0."""
REASONS: tuple[_Check, ...] = (_declared, _first_signal, _by_exception)
"""Checks that find the reason for a nonzero exit status or a signal."""
OTHERS: tuple[_Check, ...] = (_other_signal, _silent_rank)
"""Checks that find the process that ended first, if the reason is missing or only that others had ended."""
HINTS: tuple[_Check, ...] = (_by_error_line, _by_failure_pattern, _by_last_words, _exit_code)
"""Weaker evidence, used if there is no reason."""
