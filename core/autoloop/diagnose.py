"""Why an attempt did not succeed, in words, from its exit record and its log. The table of causes is diagnose.toml."""

from __future__ import annotations

import functools
import re
import signal
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Literal

import msgspec

from autoloop.launch import Failure, Preset
from autoloop.model import Cause, ExitRecord
from autoloop.regex import compile_regex

HEAD_BYTES = 128 << 10
"""Enough for what a trainer prints before its first step: device warnings, and the resolved config after them."""
TAIL_BYTES = 512 << 10
LINE_LENGTH = 300
FRAMES = 200
"""Lines at the end of a log: more than its last chain of tracebacks takes."""


class _Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str
    id: str = ""
    pattern: str = ""
    frames: str = ""
    advice: str = ""
    retry: bool = False
    once: bool = False
    fatal: bool = False


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cause: tuple[_Rule, ...]
    signals: dict[str, _Rule]
    outcomes: dict[str, _Rule]


# ----------------------------------------------------------------------------------------------------- the log

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\^_])")
_CONTROLS = {code: None for code in [*range(9), *range(11, 32), *range(127, 160)]} | {9: "    "}


def log_lines(data: bytes) -> list[str]:
    """Text lines as a person would see them: split at \\n and \\r, without escape sequences and control characters."""
    text = _ESCAPES.sub("", data.decode("utf-8", "replace"))
    return [_bounded(line.translate(_CONTROLS).rstrip()) for line in re.split(r"[\r\n]+", text)]


def _bounded(line: str) -> str:
    """Head and tail of a line that no person reads whole; both may matter, and patterns stay quick."""
    return line if len(line) <= 4000 else f"{line[:2000]} … {line[-2000:]}"


def read_log_tail(path: Path, head: int = HEAD_BYTES, tail: int = TAIL_BYTES) -> list[str]:
    """The lines of the first `head` and the last `tail` bytes of a log, however long it is; empty if there is none."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            if size <= head + tail:
                return log_lines(file.read(head + tail))
            first = file.read(head)
            file.seek(size - tail)
            last = file.read(tail)
    except OSError:
        return []
    return [*log_lines(first)[:-1], *log_lines(last)[1:]]


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
        advice = "check --python, --train-script and the folder it is started in"
        return Cause(id="cannot-start", text=_clean(exit.error), advice=advice, fatal_for_round=True)
    if exit.code == 0:
        return _outcome(lines, preset.success, failures, diverged, needed)
    return (
        _by_signal(exit, lines)
        or _by_exception(lines)
        or _by_error_line(lines)
        or _by_failure_pattern(lines, failures)
        or Cause(id="exit-code", text=f"it ended with exit code {exit.code}", line=_last_words(lines))
    )


def explain(chain: Sequence[str]) -> Cause:
    """What the exceptions of one chain (`Type: message`, first raised first, at least one) mean."""
    return _match(chain) or _exception(chain)


def _by_signal(exit: ExitRecord, lines: Sequence[str]) -> Cause | None:
    number, line = exit.signal, None
    if exit.code is not None and 128 < exit.code < 160:  # a shell or container stands between us and the trainer
        number = exit.code - 128
    known = {entry.value: entry.name for entry in signal.Signals}
    name = known.get(number, f"signal {number}") if number is not None else None
    for text in reversed(lines[-40:]):  # accelerate hides it: exit code 1, and this as its last words
        if found := re.search(r"died with <Signals\.(SIG\w+): \d+>", text):
            name, line = found[1], found[0]
            break
    if name is None:
        return None
    table = _table().signals
    if name not in table:  # a crash, which Python or C++ may have had the time to explain
        last_words = [text for text in lines[-40:] if "what():" in text]
        if cause := _match([*_last_chain(lines), *last_words]):
            return cause
    rule = table.get(name, table["other"])
    return Cause(id=name.lower(), text=rule.text.format(signal=name), line=line, advice=rule.advice, retry=rule.retry)


def _by_exception(lines: Sequence[str]) -> Cause | None:
    chain = _last_chain(lines)
    if not chain or (cause := _match(chain, lines[-FRAMES:])):
        return cause if chain else None
    return _exception(chain)


def _exception(chain: Sequence[str]) -> Cause:
    text = _short(chain[0])
    if chain[-1] != chain[0]:
        text = f"{text} (then {chain[-1].partition(':')[0]})"
    return Cause(id="exception", text=text, line=_short(chain[0]))


def _by_error_line(lines: Sequence[str]) -> Cause | None:
    """argparse prints `prog: error: …` after its usage, newer LeRobot `error: …`; the interpreter `can't open file`."""
    for line in reversed(lines):
        found = re.search(r"(?:^|: )(error: .+|can't open file .+|No module named .+)", line)
        if found and not _is_launcher(line):
            return _match([line]) or Cause(id="error-line", text=_short(found[1]), line=_short(line))
    return None


def _by_failure_pattern(lines: Sequence[str], failures: Iterable[Failure]) -> Cause | None:
    for failure in failures:
        pattern = compile_regex(failure.pattern)
        for line in lines:
            if pattern.finds(line):
                rule = next((rule for rule in _table().cause if rule.id == failure.cause), None)
                rule = rule or _Rule(id=failure.cause or "failure-pattern", text=f"its log says: {_short(line)}")
                cause = _cause(rule, failure.text or rule.text, line)
                return msgspec.structs.replace(cause, advice=failure.advice) if failure.advice else cause
    return None


def _outcome(
    lines: Sequence[str], success: str | None, failures: Iterable[Failure], diverged: Sequence[str], needed: str | None
) -> Cause | None:
    """Of an attempt that ended with 0: what makes it a failure all the same."""
    if cause := _by_failure_pattern(lines, failures):
        return cause
    losses = ((found[1], line) for line in reversed(lines) if (found := re.search(r"\bloss[:=] ?(\S+)", line)))
    value, line = next(losses, ("", ""))
    if re.fullmatch(r"[-+]?(nan|inf(inity)?)", value.rstrip(","), re.IGNORECASE):
        return _as_outcome("diverged", f"the last loss is {value.rstrip(',')}", line)
    if diverged:
        return _as_outcome("diverged", f"{', '.join(diverged[:3])} ended as NaN or infinity", None)
    if success is not None and not any(map(compile_regex(success).finds, lines)):
        return _as_outcome("no-success", repr(success), _last_words(lines))
    return _as_outcome("no-metrics", needed, _last_words(lines)) if needed else None


def _as_outcome(id: str, what: str, line: str | None) -> Cause:
    rule = _table().outcomes[id]
    shown = _short(line) if line else None
    return Cause(id=id, text=_short(rule.text.format(what=what)), line=shown, advice=rule.advice)


# -------------------------------------------------------------------------------------------------- tracebacks

_START = "Traceback (most recent call last):"
_LINKS = ("The above exception was the direct cause", "During handling of the above exception")
_BAR = "%|"
"""Marks a line of tqdm, which may be printed in the middle of a traceback."""
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(: .*|:)?$")


def _last_chain(lines: Sequence[str]) -> list[str]:
    """The exceptions of the last chain that is not the launcher's, first raised first, with continuation lines.

    One that wandb alone raised, as it does on its way out of a run that has failed, does not hide the trainer's.
    """
    chain: list[str] = []
    last: list[str] = []
    theirs = last_theirs = True  # whether wandb's own frames are all that the chain passed through
    for link, exception, by_wandb in _tracebacks(lines):
        chain = [*chain, exception] if link == "then" else [exception, *chain] if link == "inside" else [exception]
        theirs = by_wandb and (theirs or not link)
        if _is_launcher(exception):
            chain = []
        elif last_theirs or not theirs:
            last, last_theirs = chain, theirs
    return last


_FRAME = re.compile(r'^\s+File "([^"]+)", line \d+')
_WANDB = re.compile(r"/wandb(_[a-z]+)?/|/(threading|atexit|concurrent/futures/\w+|asyncio/\w+|multiprocessing/\w+)\.py$")
"""wandb's own files, and those of Python that its threads and exit hooks are run by."""


def _by_wandb(frames: Sequence[str]) -> bool:
    files = [found[1] for frame in frames if (found := _FRAME.match(frame))]
    return any("/wandb" in file for file in files) and all(_WANDB.search(file) for file in files)


def _tracebacks(lines: Sequence[str]) -> Iterator[tuple[Literal["", "then", "inside"], str, bool]]:
    """Each traceback's exception, how it hangs together with the one before it (not, raised after it, or its cause
    printed inside it by a data loader worker), and whether all its frames are wandb's."""
    linked = False
    index = 0
    while index < len(lines):
        line = lines[index]
        index += 1
        linked = linked or line.strip().startswith(_LINKS)
        if _START not in line:  # searched, because a progress bar may stand before it on the line
            continue
        link: Literal["", "then", "inside"] = "inside" if f"Original {_START}" in line else "then" if linked else ""
        begin = index
        while index < len(lines) and (not lines[index] or lines[index].startswith(" ") or _BAR in lines[index]):
            index += 1
        linked, by_wandb = False, _by_wandb(lines[begin:index])
        if index == len(lines):
            return
        exception = lines[index]
        index += 1
        if not _EXCEPTION.match(exception):
            continue
        while index < len(lines) and _continues(lines[index]):
            exception += " " + lines[index].strip()
            index += 1
        yield link, exception, by_wandb


def _continues(line: str) -> bool:
    return line.startswith("    ") and _START not in line


def _is_launcher(line: str) -> bool:
    """accelerate's and torchrun's own last words: they hold the whole command, and never the reason."""
    return bool(re.search(r"CalledProcessError: Command .*(returned non-zero|died with)|ChildFailedError", line))


# ------------------------------------------------------------------------------------------------------- words


@functools.cache
def _table() -> _Table:
    text = (resources.files("autoloop") / "diagnose.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _Table)


def _match(chain: Sequence[str], near: Sequence[str] = ()) -> Cause | None:
    """The first cause of the table that any text of the chain shows; the special stand before the general there."""
    for rule in _table().cause:
        if rule.frames and not any(map(compile_regex(rule.frames).finds, near)):
            continue
        for text in chain:
            if (found := compile_regex(rule.pattern).groups(text)) is not None:
                words = {key: _short((value or "").replace("`", "")) for key, value in found.items()}
                return _cause(rule, _short(rule.text.format_map({"first": _short(chain[0]), **words})), text)
    return None


def _cause(rule: _Rule, text: str, line: str) -> Cause:
    return Cause(
        id=rule.id,
        text=text,
        line=_short(line),
        advice=rule.advice,
        retry=rule.retry,
        once=rule.once,
        fatal_for_round=rule.fatal,
    )


def _last_words(lines: Sequence[str]) -> str | None:
    """The last line that is not the launcher's."""
    return next((_short(line) for line in reversed(lines) if line.strip() and not _is_launcher(line)), None)


def _clean(text: str) -> str:
    return " ".join(log_lines(text.encode("utf-8", "replace")))


def _short(text: str) -> str:
    text = _clean(text).strip()
    return text if len(text) <= LINE_LENGTH else text[: LINE_LENGTH - 1] + "…"
