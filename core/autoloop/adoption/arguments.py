"""Parse a trainer's arguments into flags with values, switches, overrides and positional words."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from autoloop.adoption.known import known, plain
from autoloop.adoption.script import Flag
from autoloop.configs.text import parse_value

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
_WHOLE = re.compile(r"-?(0|[1-9]\d*)")
_OVERRIDE = re.compile(r"([+~]*[A-Za-z_][\w./@-]*)=(.*)", re.DOTALL)
_FILE = re.compile(r"[^=]*\.(ya?ml|json|toml|py)", re.IGNORECASE)


class Argument(msgspec.Struct, frozen=True, kw_only=True):
    """`words`: its words in the command. `texts`: its values, empty for a switch."""

    kind: Literal["flag", "switch", "short", "override", "word"]
    key: str = ""
    texts: tuple[str, ...] = ()
    words: tuple[str, ...]
    joined: bool = False
    """Written with `=`."""

    @property
    def text(self) -> str:
        return self.texts[-1] if self.texts else ""

    @property
    def names_file(self) -> bool:
        """Whether its value looks like a config file."""
        return len(self.texts) == 1 and _FILE.fullmatch(self.text) is not None


def read_arguments(words: Sequence[str], flags: Mapping[str, Flag]) -> list[Argument]:
    """Parse the words. `flags`: the flags that the script declares, by each of their names."""
    switches = {plain(each) for each in known().names.switches}
    for trainer in known().trainer:
        switches |= {plain(each) for each in trainer.switches}
    found: list[Argument] = []
    place = 0
    while place < len(words):
        word = words[place]
        place += 1
        if match := _OVERRIDE.fullmatch(word):
            found.append(Argument(kind="override", key=match[1], texts=(match[2],), words=(word,), joined=True))
            continue
        if not word.startswith("-") or word == "-" or _NUMBER.fullmatch(word):
            found.append(Argument(kind="word", texts=(word,), words=(word,)))
            continue
        name, equals, text = word.partition("=")
        long = name.startswith("--")
        declared = flags.get(name)
        key = declared.key if declared else name.lstrip("-")
        if equals:
            found.append(Argument(kind="flag" if long else "short", key=key, texts=(text,), words=(word,), joined=True))
            continue
        end = place + _values(words[place:], key, declared, switches)
        kind: Literal["flag", "switch", "short"] = "short" if not long and not declared else "flag"
        kind = kind if end > place else "switch"
        found.append(Argument(kind=kind, key=key, texts=tuple(words[place:end]), words=tuple(words[place - 1 : end])))
        place = end
    return found


def _values(after: Sequence[str], key: str, declared: Flag | None, switches: set[str]) -> int:
    """The number of words after a flag that are its values."""
    if declared is not None and not declared.takes_value:
        return 0
    count = 0
    for word in after:
        if (word.startswith("-") and not _NUMBER.fullmatch(word)) or _OVERRIDE.fullmatch(word):
            break
        count += 1
    if declared is not None:
        return count if declared.many else min(count, 1)
    if count and (plain(key) in switches or key.startswith("no-")) and not _plain_value(after[0]):
        return 0
    # For an undeclared flag, a file after its first value is not another value but a positional config file.
    return next((place for place, word in enumerate(after[:count]) if place and _FILE.fullmatch(word)), count)


def _plain_value(text: str) -> bool:
    return text.lower() in ("true", "false", "0", "1", "yes", "no", "on", "off")


def value_of(texts: Sequence[str], *, python: bool) -> Any:
    """The config value for a flag's texts: numbers, booleans, JSON lists and objects are parsed; other texts stay as is."""
    values = [_value(text, python=python) for text in texts]
    return values[0] if len(values) == 1 else values


def _value(text: str, *, python: bool) -> Any:
    if _WHOLE.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text) and not re.fullmatch(r"[-+]?0\d.*|\+.*", text) and math.isfinite(float(text)):
        return float(text) if re.search(r"[.e]", text, re.IGNORECASE) else text
    if text in (("True", "False") if python else ("true", "false")):
        return text.lower() == "true"
    if text.startswith(("[", "{")) and not python:
        try:
            return parse_value(text)
        except ValueError:
            return text
    return text


def spelt_in_python(arguments: Sequence[Argument]) -> bool:
    return any(text in ("True", "False") for each in arguments for text in each.texts)


def named(key: str, names: Sequence[str]) -> bool:
    return plain(key) in {plain(name) for name in names}
