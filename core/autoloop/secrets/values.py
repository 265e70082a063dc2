"""Collects the secret values of an environment or a config, to be masked wherever they appear."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from autoloop.secrets.names import is_secret

SHORTEST = 8
"""The least length, in characters, of values that are masked wherever they appear; shorter ones may occur in words."""

HELD = "AUTOLOOP_SECRET_"
"""The prefix of variables that carry secret values of --extra from the command to the trainer; the store has only their
names."""

_URL = re.compile(r"(?<=://)([^\s:/@\"'<>]*):([^\s/\"'<>]+)(?=@)")


def of_environment(environment: Mapping[str, str]) -> list[str]:
    """Return the secrets in an environment: the values of secret names, and passwords in URLs."""
    return list(_of_variables(tuple(environment.items())))


@lru_cache(maxsize=4)
def _of_variables(variables: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Cached, because an engine needs its own environment's secrets for each run."""
    found = [value for name, value in variables if is_secret(name, value) or name.startswith(HELD)]
    found += [match[2] for _, value in variables for match in _URL.finditer(value)]
    return tuple(long_enough(found))


def of_config(config: object) -> list[str]:
    """Return the values of a config's keys with secret names, at any depth."""
    return long_enough(value for _, value in _secret_places(config, ""))


def secret_keys(config: object) -> list[str]:
    """Return the paths of a config's secrets."""
    return [path for path, _ in _secret_places(config, "")]


def _secret_places(value: object, path: str) -> Iterator[tuple[str, str]]:
    items: Iterable[tuple[object, object]] = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        place = f"{path}.{key}" if path else str(key)
        if isinstance(inner, str) and is_secret(str(key), inner):
            yield place, inner
        elif isinstance(inner, Mapping | list):
            yield from _secret_places(inner, place)


def long_enough(values: Iterable[str]) -> list[str]:
    """Return the values that are long enough to be masked everywhere, stripped and without repeats."""
    return [each for each in dict.fromkeys(value.strip() for value in values) if len(each) >= SHORTEST]
