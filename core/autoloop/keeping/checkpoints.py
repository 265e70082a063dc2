"""The checkpoints of a run: what its preset's patterns match below its output folder. No link is followed."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from autoloop.keeping.usage import Usage, measure

ANY_DEPTH = "**"
DEEPEST = 12
"""Folders below each other that are looked into."""


class Checkpoint(NamedTuple):
    """A file or a folder, with the links beside it that lead to it."""

    path: str
    usage: Usage
    links: tuple[str, ...] = ()


def find_checkpoints(folder: str, patterns: Sequence[str]) -> list[Checkpoint]:
    """Those below `folder`, the oldest first: by the numbers in their names, and of equals by the time of their last change.

    A pattern is a path below the folder whose parts may have `*`, `?` and `[…]`; `**` stands for any number of folders.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        found |= dict.fromkeys(_matching(folder, pattern.split("/"), DEEPEST))
    links: dict[str, list[str]] = {}
    for path in [path for path in found if os.path.islink(path)]:
        links.setdefault(os.path.realpath(path), []).append(path)
        del found[path]
    paths = sorted((path for path in found if not _within(path, found)), key=_age)
    return [Checkpoint(path, measure(path), tuple(links.get(os.path.realpath(path), ()))) for path in paths]


def _within(path: str, found: Container[str]) -> bool:
    """Whether it lies in another one that was found."""
    above = os.path.dirname(path)
    while len(above) > 1 and above not in found:
        above = os.path.dirname(above)
    return above in found


def _matching(folder: str, parts: Sequence[str], deepest: int) -> Iterator[str]:
    """Paths below `folder`, links among them, which are not looked into."""
    part, rest = parts[0], parts[1:]
    if deepest < 0:
        return
    if part == ANY_DEPTH and rest:
        yield from _matching(folder, rest, deepest)
    try:
        with os.scandir(folder) as scanned:
            entries = sorted(scanned, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):  # the trash on another disk is one
            continue
        inside = not entry.is_symlink() and entry.is_dir(follow_symlinks=False)
        if part == ANY_DEPTH:
            if inside and rest:
                yield from _matching(entry.path, parts, deepest - 1)
        elif fnmatchcase(entry.name, part):
            if not rest:
                yield entry.path
            elif inside:
                yield from _matching(entry.path, rest, deepest - 1)


def _age(path: str) -> tuple[list[int], int, str]:
    numbers = [int(number) for number in re.findall(r"\d{1,15}", os.path.basename(path))]
    try:
        return numbers, os.lstat(path).st_mtime_ns, path
    except OSError:
        return numbers, 0, path
