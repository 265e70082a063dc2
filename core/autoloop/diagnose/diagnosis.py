"""Why an attempt did not succeed, in words, from its exit record and its log. The table of causes is causes.toml."""

from __future__ import annotations

import errno
import functools
import os
import re
import tomllib
from collections.abc import Iterable, Sequence
from importlib import resources

import msgspec

from autoloop import profiles
from autoloop.diagnose.endings import Endings, Signalled, read_endings
from autoloop.diagnose.losses import last_loss
from autoloop.diagnose.tracebacks import Chain, chains, is_launcher
from autoloop.logs import log_lines
from autoloop.model import Cause, ExitRecord
from autoloop.regex import compile_regex
from autoloop.trainers import Failure, Preset

SHORTAGE = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})
"""No process, memory or descriptor to be had: a start that meets one waits."""
SHORT_CAUSES = frozenset({"short-of-resources", "process-limit", "too-many-open-files"})
"""Causes that say the same: of the command that could not be started, and of one that was and met it itself."""
LINE_LENGTH = 300
FRAMES = 1000
"""Lines at the end of a log: more than the last tracebacks of all its processes take."""
EARLIER = 50
"""Chains of exceptions before the last that are looked at where nothing tells the processes apart."""
LAST_WORDS = 60
"""Lines at the end of a log where a cause without an exception may stand."""


class _Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str
    id: str = ""
    pattern: str | tuple[str, ...] = ""
    detail: str = ""
    frames: str = ""
    advice: str = ""
    retry: bool = False
    once: bool = False
    fatal: bool = False
    memory: bool = False
    follows: bool = False
    last: bool = False


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cause: tuple[_Rule, ...]
    signals: dict[str, _Rule]
    outcomes: dict[str, _Rule]


# --------------------------------------------------------------------------------------------------- diagnosis


def diagnose(
    exit: ExitRecord | None,
    lines: Sequence[str],
    preset: Preset,
    *,
    device: str | None = None,
    stop_reason: str | None = None,
    vanished: str | None = None,
    diverged: Sequence[str] = (),
    needed: str | None = None,
) -> Cause | None:
    """None if the attempt succeeded. Asked in order: our own stop, the start, signal, exceptions, error lines, outcome.

    `lines` come from `read_log_tail`. `vanished` is the runner's reason where there is no exit record. `stop_reason`
    says who asked to stop it and why; it counts only if the exit record says that the stop took effect. `device` (None:
    not known) leaves out the preset's failure patterns of other devices. `diverged` are the losses that its history leaves
    at NaN or infinity; `needed` says which metrics were needed and are not there (None: nothing is missing).
    """
    failures = [failure for failure in preset.failures if device is None or failure.device in (None, device)]
    if exit is None:
        text = vanished or "it vanished without an exit record"
        return Cause(id="lost", text=text, line=_last_words(lines), retry=True)
    if exit.stopped_by is not None:
        verb = "killed" if exit.stopped_by == "kill" else "stopped"
        return Cause(id="stopped", text=f"{verb}: {_clean(stop_reason)}" if stop_reason else f"{verb} on request")
    if exit.error is not None:
        if exit.errno in SHORTAGE:
            advice = "raise `ulimit -u` and `ulimit -n` (or the container's limits), or use fewer slots"
            text = f"the machine had no process, memory or file descriptor to spare ({os.strerror(exit.errno)})"
            return Cause(id="short-of-resources", text=text, advice=advice, retry=True)
        advice = "check --python, --train-script and the folder it is started in"
        return Cause(id="cannot-start", text=_clean(exit.error), advice=advice, fatal_for_round=True)
    if exit.code == 0:
        return _outcome(lines, preset.success, failures, diverged, needed)
    found, endings = chains(lines), read_endings(lines, exit)
    cause = _by_last_words(lines, declared=True) or _by_signal(endings.first, found, lines)
    cause = cause or _by_exception(found, endings, lines)
    if cause is None or _follows(cause):
        # Whoever names no reason, or only that the others are gone, may have been left by one that a signal ended.
        cause = _by_signal(endings.other, [], lines) or _in_silence(found, endings) or cause
    return (
        cause
        or _by_error_line(lines)
        or _by_failure_pattern(lines, failures)
        or _by_last_words(lines)
        or Cause(id="exit-code", text=f"it ended with exit code {exit.code}", line=_last_words(lines))
    )


@functools.cache
def memory_causes() -> frozenset[str]:
    """The ids of the causes that are, or probably are, too little memory."""
    table = _table()
    signals = (name.lower() for name, rule in table.signals.items() if rule.memory)
    return frozenset((*(rule.id for rule in table.cause if rule.memory), *signals))


def explain(chain: Sequence[str]) -> Cause:
    """What the exceptions of one chain (`Type: message`, first raised first, at least one) mean."""
    return _match(chain) or _exception(chain)


def _follows(cause: Cause) -> bool:
    return any(rule.follows for rule in _table().cause if rule.id == cause.id)


def _by_signal(ending: Signalled | None, found: Sequence[Chain], lines: Sequence[str]) -> Cause | None:
    if ending is None:
        return None
    table, name = _table().signals, ending.name
    if name not in table or name == "SIGBUS":  # a crash, which Python or C++ may have had the time to explain
        last_words = [text for text in lines[-FRAMES:] if "what():" in text]
        cause = _match([*(found[-1].raised if found else ()), *last_words], lines[-FRAMES:])
        if cause and (name == "SIGABRT" or not _follows(cause)):
            return cause
    rule = table.get(name, table["other"])
    text = rule.text.format(signal=name)
    line = _short(ending.line) if ending.line else None
    return Cause(id=name.lower(), text=text, line=line, advice=rule.advice, retry=rule.retry)


def _in_silence(found: Sequence[Chain], endings: Endings) -> Cause | None:
    """The rank that ended first, where every other one has printed an exception and it has not."""
    ranks = {chain.rank for chain in found}
    if endings.rank is None or None in ranks or endings.rank in ranks or not ranks:
        return None
    return Cause(id="exit-code", text=f"rank {endings.rank} ended first, with exit code {endings.code} and no exception")


def _by_exception(found: Sequence[Chain], endings: Endings, lines: Sequence[str]) -> Cause | None:
    """The exception that ended the run: of several processes, the one that was not brought down by another's end."""
    if not found:
        return None
    latest = {chain.writer: chain for chain in found}
    ranks = sorted((chain for chain in latest.values() if chain.rank is not None), key=lambda chain: chain.at)
    ranks.sort(key=lambda chain: chain.rank != endings.rank)
    others = sorted((chain for chain in latest.values() if chain.rank is None), key=lambda chain: -chain.at)
    # Processes whose lines nothing tells apart: one after the other.
    earlier = [chain for chain in reversed(found[-EARLIER:]) if endings.many and chain not in latest.values()]
    near = lines[-FRAMES:]
    causes = [_match(chain.raised, near) or _exception(chain.raised) for chain in (*ranks, *others, *earlier)]
    return next((cause for cause in causes if not _follows(cause)), causes[0])


def _exception(chain: Sequence[str]) -> Cause:
    first, last = _headline(chain[0]), _headline(chain[-1])
    text = _short(first)
    if last != first:
        text = f"{text} (then {last.partition(':')[0]})"
    return Cause(id="exception", text=text, line=_short(first))


def _headline(exception: str) -> str:
    return exception.partition("\n")[0]


def _by_last_words(lines: Sequence[str], declared: bool = False) -> Cause | None:
    """A cause in the last lines of a log. `declared`: only those that the table looks for there, whatever else it holds."""
    words = [line for line in lines[-LAST_WORDS:] if line.strip() and not is_launcher(line)]
    if declared:
        words = [line for line in words if line.startswith(("slurmstepd", "srun"))]
        return _match(list(reversed(words)), rules=[rule for rule in _table().cause if rule.last])
    return _match([line for line in reversed(words) if _ERROR.search(line)], lines[-FRAMES:]) or _match(
        list(reversed(words)), rules=[rule for rule in _table().cause if rule.last]
    )


_ERROR = re.compile(r"(Error\b|Exception\b|\bERROR\b|\bFATAL\b|\b[Ff]atal\b|\berror\b|what\(\):|Errno|\bE\d{4} |\[E\d* ?)")
"""What a line holds that tells of an error, where no exception was printed."""


def _by_error_line(lines: Sequence[str]) -> Cause | None:
    """argparse prints `prog: error: …` after its usage, newer trainers `error: …`; the interpreter `can't open file`."""
    for line in reversed(lines):
        found = re.search(r"(?:^|: )(error: .+|can't open file .+|No module named .+)", line)
        if found and not is_launcher(line):
            return _match([line]) or Cause(id="error-line", text=_short(found[1]), line=_short(line))
    return None


def _by_failure_pattern(lines: Sequence[str], failures: Iterable[Failure]) -> Cause | None:
    for failure in failures:
        pattern = compile_regex(failure.pattern)
        for line in lines:
            if pattern.finds(line):
                rule = next((rule for rule in _table().cause if rule.id == failure.cause), None)
                rule = rule or _Rule(id=failure.cause or "failure-pattern", text=f"its log says: {_short(line)}")
                cause = _cause(rule, line, {}, failure.text or rule.text)
                return msgspec.structs.replace(cause, advice=failure.advice) if failure.advice else cause
    return None


def _outcome(
    lines: Sequence[str], success: str | None, failures: Iterable[Failure], diverged: Sequence[str], needed: str | None
) -> Cause | None:
    """Of an attempt that ended with 0: what makes it a failure all the same."""
    if cause := _by_failure_pattern(lines, failures):
        return cause
    if (loss := last_loss(lines)) and not loss.finite:
        return _as_outcome("diverged", f"the last loss is {loss.value}", loss.line)
    if diverged:
        return _as_outcome("diverged", f"{', '.join(diverged[:3])} ended as NaN or infinity", None)
    if success is not None and not any(map(compile_regex(success).finds, lines)):
        return _as_outcome("no-success", repr(success), _last_words(lines))
    return _as_outcome("no-metrics", needed, _last_words(lines)) if needed else None


def _as_outcome(id: str, what: str, line: str | None) -> Cause:
    rule = _table().outcomes[id]
    shown = _short(line) if line else None
    return Cause(id=id, text=_short(rule.text.format(what=what)), line=shown, advice=rule.advice)


# ------------------------------------------------------------------------------------------------------- words


@functools.cache
def _table() -> _Table:
    """The profiles' causes, which are the more special, before the general ones."""
    general = tomllib.loads((resources.files("autoloop.diagnose") / "causes.toml").read_text(encoding="utf-8"))
    special = [cause for text in profiles.texts("causes.toml") for cause in tomllib.loads(text)["cause"]]
    return msgspec.convert({**general, "cause": [*special, *general["cause"]]}, _Table)


def _match(texts: Sequence[str], near: Sequence[str] = (), rules: Sequence[_Rule] | None = None) -> Cause | None:
    """The first cause of the table that any of the texts shows; the special stand before the general there."""
    for rule in _table().cause if rules is None else rules:
        for text in texts:
            if (words := _groups(rule, text)) is None:
                continue
            if rule.frames and not any(map(compile_regex(rule.frames).finds, near)):
                break
            parts = text.split("\n")
            line = next((part for part in parts if _groups(rule, part) is not None), parts[0])
            if rule.detail:
                detail = compile_regex(rule.detail)
                told = next((part for part in (*parts, *reversed(near)) if detail.finds(part)), None)
                if told is None:
                    continue
                words, line = words | (detail.groups(told) or {}), told
            return _cause(rule, line, {"first": _headline(texts[0]), **words})
    return None


def _groups(rule: _Rule, text: str) -> dict[str, str | None] | None:
    patterns = [rule.pattern] if isinstance(rule.pattern, str) else rule.pattern
    return next((found for each in patterns if (found := compile_regex(each).groups(text)) is not None), None)


def _cause(rule: _Rule, line: str, words: dict[str, str | None], text: str | None = None) -> Cause:
    shown = {key: _short((value or "").replace("`", "")) for key, value in words.items()}
    return Cause(
        id=rule.id,
        text=_short(rule.text.format_map(shown)) if text is None else text,
        line=_short(line),
        advice=_short(rule.advice.format_map(shown)),
        retry=rule.retry,
        once=rule.once,
        fatal_for_round=rule.fatal,
    )


def _last_words(lines: Sequence[str]) -> str | None:
    """The last line that is not the launcher's."""
    return next((_short(line) for line in reversed(lines) if line.strip() and not is_launcher(line)), None)


def _clean(text: str) -> str:
    return " ".join(log_lines(text.encode("utf-8", "replace")))


def _short(text: str) -> str:
    text = _clean(text).strip()
    return text if len(text) <= LINE_LENGTH else text[: LINE_LENGTH - 1] + "…"
