"""The secret values that an environment or a config holds, as they are masked wherever they appear."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from autoloop.secrets.names import is_secret

SHORTEST = 8
"""Characters of a value that is masked wherever it appears; shorter ones could be part of an ordinary word."""

HELD = "AUTOLOOP_SECRET_"
"""Variables that carry the secret values of --extra from the command to the trainer; the store has their names only."""

_URL = re.compile(r"(?<=://)([^\s:/@\"'<>]*):([^\s/\"'<>]+)(?=@)")


def of_environment(environment: Mapping[str, str]) -> list[str]:
    """The secrets that an environment holds: the values of secret names, the passwords in URLs."""
    return list(_of_variables(tuple(environment.items())))


@lru_cache(maxsize=4)
def _of_variables(variables: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Remembered, since an engine asks about its own environment for each run."""
    found = [value for name, value in variables if is_secret(name, value) or name.startswith(HELD)]
    found += [match[2] for _, value in variables for match in _URL.finditer(value)]
    return tuple(long_enough(found))


def of_config(config: object) -> list[str]:
    """The values of a config's secret-named keys, at any depth."""
    return long_enough(value for _, value in _secret_places(config, ""))


def secret_keys(config: object) -> list[str]:
    """The paths of a config's secret-named keys that hold something."""
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
    """Those that can be masked wherever they stand, each once."""
    return [each for each in dict.fromkeys(value.strip() for value in values) if len(each) >= SHORTEST]
