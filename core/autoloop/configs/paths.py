"""Dotted paths into a config: their syntax, the places they match, and the nearest existing path.

A path consists of segments joined by dots. A dot within a key (`observation.images.side`) is written as `\\.`; the plain
spelling is found too. `*` matches every list element or key.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from autoloop.configs.text import kind
from autoloop.text import suggest

Keys = tuple[str | int, ...]
"""A place in a config: the keys and list indices that lead to it."""

NEAR = 0.8
"""Similarity (1: equal) from which a new name is taken for a misspelling of an existing one."""


class _Deleted:
    """Placeholder for a deleted value while edits are resolved, so that later list indices stay valid."""

    def __repr__(self) -> str:
        return "(deleted)"


DELETED = _Deleted()

_MOST_PATHS = 5000
"""Maximum number of paths searched for a suggestion, so that a typo in a huge config does not take long."""


def split(path: str) -> tuple[str, ...]:
    """The segments of a path, as written (escapes kept)."""
    segments, start, i = [], 0, 0
    while i < len(path):
        if path[i] == ".":
            segments.append(path[start:i])
            start = i + 1
        i += 2 if path[i] == "\\" else 1
    segments.append(path[start:])
    return tuple(segments)


def key_of(segment: str) -> str:
    """The key that a segment stands for, unescaped."""
    return re.sub(r"\\(.)", r"\1", segment, flags=re.DOTALL)


def written(keys: Keys) -> str:
    """A place as a path; `split` and `key_of` read it back."""
    return ".".join(re.sub(r"([\\.@=*])", r"\\\1", key) if isinstance(key, str) else str(key) for key in keys)


def copied(value: Any) -> Any:
    """A deep copy of JSON data."""
    if isinstance(value, dict):
        return {key: copied(child) for key, child in value.items()}
    if isinstance(value, list):
        return [copied(child) for child in value]
    return value


def without_deleted(value: Any) -> Any:
    """A deep copy without the deleted values."""
    if isinstance(value, dict):
        return {key: without_deleted(child) for key, child in value.items() if child is not DELETED}
    if isinstance(value, list):
        return [without_deleted(child) for child in value if child is not DELETED]
    return value


def children(node: Any) -> list[tuple[str | int, Any]]:
    """The keys or indices that `*` matches inside `node`, with their values."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [(key, child) for key, child in inside if child is not DELETED]


def get(node: Any, keys: Keys) -> Any:
    """The value at a place. Raises KeyError, IndexError or TypeError if there is none."""
    for key in keys:
        node = node[key]
    if node is DELETED:
        raise KeyError(key)
    return node


def exists(node: Any, keys: Keys) -> bool:
    try:
        get(node, keys)
    except (KeyError, IndexError, TypeError):
        return False
    return True


def put(config: dict[str, Any], keys: Keys, value: Any) -> None:
    """Write a value at a place, creating missing parent objects."""
    node: Any = config
    for key in keys[:-1]:
        if isinstance(node, dict) and node.get(key, DELETED) is DELETED:
            node[key] = {}
        node = node[key]
    node[keys[-1]] = value


def places(node: Any, segments: Sequence[str]) -> list[Keys]:
    """Every existing place that the path matches, in the config's order."""
    if not segments:
        return [()]
    if segments[0] == "*":
        return [(key, *rest) for key, child in children(node) for rest in places(child, segments[1:])]
    for key, rest in _steps(node, segments):
        if found := places(node[key], rest):
            return [(key, *tail) for tail in found]
    return []


def places_to_set(node: Any, segments: Sequence[str]) -> list[Keys]:
    """The places of `places`, plus those that can be created: missing keys of objects, with their parents.

    A list never grows, and nothing is created inside a scalar. A null parent can become an object.
    """
    if not segments:
        return [()]
    if segments[0] == "*":
        return [(key, *rest) for key, child in children(node) for rest in places_to_set(child, segments[1:])]
    steps = list(_steps(node, segments))
    for key, rest in steps:  # prefer an existing place over one to create
        if places(node[key], rest):
            return [(key, *tail) for tail in places_to_set(node[key], rest)]
    for key, rest in steps:
        if found := places_to_set(node[key], rest):
            return [(key, *tail) for tail in found]
    if (isinstance(node, dict) and not steps) or node is None:
        new = [key_of(segment) for segment in segments]
        if "*" not in segments and not any(key.isdigit() for key in new[1:]):
            return [tuple(new)]
    return []


def _steps(node: Any, segments: Sequence[str]) -> Iterator[tuple[str | int, Sequence[str]]]:
    """The possible steps from `node`: each key that the first segments name (several for a key with dots), and the rest."""
    if isinstance(node, dict):
        name = ""
        for width, segment in enumerate(segments, start=1):
            if segment == "*":
                return
            name = f"{name}.{key_of(segment)}" if width > 1 else key_of(segment)
            if node.get(name, DELETED) is not DELETED:
                yield name, segments[width:]
    elif isinstance(node, list) and segments[0].isdecimal() and len(segments[0]) < 10:
        index = int(segments[0])
        if index < len(node) and node[index] is not DELETED:
            yield index, segments[1:]


def near_sibling(node: Any, name: str) -> str | None:
    """The key of `node` that the new key `name` is probably a misspelling of, if any. Names that differ only in numbers
    (`beta1`, `beta2`) are not misspellings."""
    plain, bare = _folded(name), _letters(name)
    for key, _ in children(node)[:_MOST_PATHS] if isinstance(node, dict) else []:
        other = _folded(str(key))
        if bare == _letters(str(key)) and plain != other:
            continue
        if plain == other or (len(plain) > 2 and sorted(plain) == sorted(other)):
            return str(key)
        if difflib.SequenceMatcher(None, plain, other, autojunk=False).ratio() >= NEAR:
            return str(key)
    return None


def _folded(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold())


def _letters(name: str) -> str:
    return re.sub(r"\d+", "0", _folded(name))


def why_no_match(config: dict[str, Any], segments: Sequence[str]) -> str:
    """Why a path matches nothing, with the nearest existing path if there is one: the end of an error sentence."""
    node: Any = config
    done: list[str] = []
    rest: Sequence[str] = segments
    while rest:
        here = ".".join(done) or "the config"
        if not isinstance(node, dict | list):
            return f"{here} is {kind(node)} and has nothing inside"
        if rest[0] == "*":
            inside = [child for _, child in children(node)]
            if not inside:
                return f"{here} is empty, so * matches nothing"
            node = next((child for child in inside if isinstance(child, dict | list)), inside[0])
            done.append("*")
            rest = rest[1:]
            continue
        step = next(iter(_steps(node, rest)), None)
        if step is None and isinstance(node, list):
            if not node:
                return f"{here} is an empty list"
            if rest[0].isdecimal() and int(rest[0][:9]) < len(node):
                return f"{here}.{rest[0]} was deleted by an earlier edit"
            if rest[0].isdecimal():
                elements = "1 element (0)" if len(node) == 1 else f"{len(node)} elements (0 to {len(node) - 1})"
                return f"{here} has {elements}, so there is no {rest[0]}"
            return f"{here} is a list: name an index from 0 to {len(node) - 1}, or *"
        if step is None:
            near = nearest(config, segments)
            hint = f"; the nearest existing path is {near}" if near else ""
            return f"there is no {key_of(rest[0])} in {here}{hint}"
        done.extend(rest[: len(rest) - len(step[1])])
        node, rest = get(node, (step[0],)), step[1]
    return f"{'.'.join(done)} exists, but not in every matched place"


def nearest(config: dict[str, Any], segments: Sequence[str]) -> str | None:
    """The existing path most likely meant by one that does not exist: a similar key at the same place, otherwise the same
    key elsewhere, otherwise a similar path."""
    node: Any = config
    done: list[str] = []
    rest: Sequence[str] = segments
    while rest:
        if rest[0] == "*":
            step: tuple[Any, Sequence[str]] | None = next(((key, rest[1:]) for key, _ in children(node)), None)
            name = "*"
        elif step := next(iter(_steps(node, rest)), None):
            name = ".".join(rest[: len(rest) - len(step[1])])
        else:
            siblings = {str(key): key for key in list(node)[:_MOST_PATHS]} if isinstance(node, dict) else {}
            near = suggest.nearest(key_of(rest[0]), siblings)
            step = (siblings[near], rest[1:]) if near is not None else None
            name = written((near,)) if near is not None else ""
        if step is None:
            break
        done.append(name)
        node, rest = node[step[0]], step[1]
    if not rest or (done and not isinstance(node, dict | list)):
        return ".".join(done)
    wanted = ".".join(segments)
    # Do not suggest the parents: the user named them already.
    paths = [keys for keys in _all_paths(config) if not wanted.startswith(written(keys) + ".")]
    last = key_of(segments[-1])
    namesakes = [written(keys) for keys in paths if keys[-1] == last]
    if namesakes:
        return max(namesakes, key=lambda path: difflib.SequenceMatcher(None, wanted, path).ratio())
    return suggest.nearest(wanted, [written(keys) for keys in paths])


def _all_paths(config: dict[str, Any]) -> Iterator[Keys]:
    queue: list[tuple[Keys, Any]] = [((), config)]
    count = 0
    for keys, node in queue:
        for key, child in children(node):
            if count == _MOST_PATHS:
                return
            count += 1
            yield (*keys, key)
            queue.append(((*keys, key), child))
