"""What a trainer's parser needs of draccus, for tests: `decode` refuses what LeRobot's refuses, in its words.

The real one is met in the tests that need a LeRobot environment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json


class DecodingError(Exception):
    pass


class cfgparsing:
    @staticmethod
    def parse_string(text):
        try:
            return json.loads(text)
        except ValueError:
            return text


@contextlib.contextmanager
def config_type(_):
    yield


def wrap():
    def outer(function):
        @functools.wraps(function)
        def inner():
            raise SystemExit("the training has started")

        return inner

    return outer


def decode(kind, raw):
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if unknown := [name for name in raw if name not in fields]:
        names = ", ".join(f"`{name}`" for name in unknown)
        raise DecodingError(f"The fields {names} are not valid for {kind.__name__}")
    for name, field in fields.items():
        if name not in raw and field.default is dataclasses.MISSING:
            raise DecodingError(f"Missing required field(s) `{name}` for {kind.__name__}")
        if field.type is int and isinstance(raw.get(name), float):
            try:
                raise ValueError(f"Expected an int, got a float: {raw[name]}")
            except ValueError as error:
                raise DecodingError(f"`{name}`: Couldn't parse '{raw[name]}' into an int") from error
