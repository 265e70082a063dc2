"""Find the checkpoints of a run: the matches of its preset's patterns below its output folder. Links are not followed."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from autoloop.keeping.usage import Usage, measure

ANY_DEPTH = "**"
DEEPEST = 12
"""Maximum depth of the folders searched."""


class Checkpoint(NamedTuple):
    """A file or folder, with the links that were found to it."""

    path: str
    usage: Usage
    links: tuple[str, ...] = ()


def find_checkpoints(folder: str, patterns: Sequence[str]) -> list[Checkpoint]:
    """The checkpoints below `folder`, oldest first: by the numbers in their names, then by their modification time.

    A pattern is a path relative to the folder; its parts may contain `*`, `?` and `[…]`, and `**` matches any number of
    folders.
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
    """Whether the path is inside another one in `found`."""
    above = os.path.dirname(path)
    while len(above) > 1 and above not in found:
        above = os.path.dirname(above)
    return above in found


def _matching(folder: str, parts: Sequence[str], deepest: int) -> Iterator[str]:
    """The matching paths below `folder`, including links, which are not followed."""
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
        if entry.name.startswith("."):  # such as the trash on another disk
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
