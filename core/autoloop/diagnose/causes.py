"""The table of causes (`causes.toml`, and those of the profiles), which explains log lines and exceptions."""

from __future__ import annotations

import errno
import functools
import tomllib
from collections.abc import Sequence
from importlib import resources

import msgspec

from autoloop import profiles
from autoloop.logs import log_lines
from autoloop.model import Cause
from autoloop.model.structs import convert
from autoloop.regex import compile_regex
from autoloop.trainers import Preset

SHORTAGE = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})
"""Errors for a shortage of processes, memory or file descriptors; the start is tried again later."""
SHORT_CAUSES = frozenset({"short-of-resources", "process-limit", "too-many-open-files"})
"""The causes for such a shortage, either when the command was started or later in the command itself."""
LINE_LENGTH = 300


class CauseRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One cause; the header of causes.toml explains the keys."""

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
    package: str = ""


class CauseTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The causes in the order in which they are tried, those of signals by name, and those of runs that exited with 0."""

    cause: tuple[CauseRule, ...]
    signals: dict[str, CauseRule]
    outcomes: dict[str, CauseRule]


@functools.cache
def cause_table() -> CauseTable:
    """The table, with the more specific causes of the profiles before the general ones."""
    general = tomllib.loads((resources.files("autoloop.diagnose") / "causes.toml").read_text(encoding="utf-8"))
    special = [cause for text in profiles.texts("causes.toml") for cause in tomllib.loads(text)["cause"]]
    return convert({**general, "cause": [*special, *general["cause"]]}, CauseTable)


@functools.cache
def memory_causes() -> frozenset[str]:
    """The ids of the causes that mean, or probably mean, a lack of memory."""
    table = cause_table()
    signals = (name.lower() for name, rule in table.signals.items() if rule.memory)
    return frozenset((*(rule.id for rule in table.cause if rule.memory), *signals))


def rules_for(preset: Preset) -> list[CauseRule]:
    """The causes that apply to a run of the preset: all except those of other trainers' packages."""
    ours = preset.package.name if preset.package else ""
    return [rule for rule in cause_table().cause if rule.package in ("", ours)]


def explain(chain: Sequence[str], preset: Preset) -> Cause:
    """The cause of a chain of exceptions in a run of the preset. `chain`: each as `Type: message`, first raised first, at
    least one."""
    return match(chain, rules=rules_for(preset)) or exception_cause(chain)


def exception_cause(chain: Sequence[str]) -> Cause:
    """The cause for a chain of exceptions that is not in the table."""
    first, last = headline(chain[0]), headline(chain[-1])
    text = short(first)
    if last != first:
        text = f"{text} (then {last.partition(':')[0]})"
    return Cause(id="exception", text=text, line=short(first))


def follows(cause: Cause) -> bool:
    """Whether a cause only means that another process had ended before."""
    return any(rule.follows for rule in cause_table().cause if rule.id == cause.id)


def match(texts: Sequence[str], near: Sequence[str] = (), *, rules: Sequence[CauseRule]) -> Cause | None:
    """The cause of the first rule that matches any of the texts; specific rules come before general ones. `near`: log lines
    searched for a rule's `frames` and `detail`."""
    for rule in rules:
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
            return cause_of(rule, line, {"first": headline(texts[0]), **words})
    return None


def _groups(rule: CauseRule, text: str) -> dict[str, str | None] | None:
    patterns = [rule.pattern] if isinstance(rule.pattern, str) else rule.pattern
    return next((found for each in patterns if (found := compile_regex(each).groups(text)) is not None), None)


def cause_of(rule: CauseRule, line: str, words: dict[str, str | None], text: str | None = None) -> Cause:
    shown = {key: short((value or "").replace("`", "")) for key, value in words.items()}
    return Cause(
        id=rule.id,
        text=short(rule.text.format_map(shown)) if text is None else text,
        line=short(line),
        advice=short(rule.advice.format_map(shown)),
        retry=rule.retry,
        once=rule.once,
        fatal_for_round=rule.fatal,
    )


def headline(exception: str) -> str:
    return exception.partition("\n")[0]


def clean(text: str) -> str:
    return " ".join(log_lines(text.encode("utf-8", "replace")))


def short(text: str) -> str:
    text = clean(text).strip()
    return text if len(text) <= LINE_LENGTH else text[: LINE_LENGTH - 1] + "…"
