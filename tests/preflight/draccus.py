"""The part of draccus that a trainer's parser needs, for tests: `decode` gives the same errors as with LeRobot.

The real one is used in the tests that need a LeRobot environment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import typing


class ParsingError(Exception):
    pass


class DecodingError(ParsingError):
    def __init__(self, key_path, message):
        super().__init__(key_path, message)
        self.key_path, self.message = key_path, message

    def __str__(self):
        return f"`{'.'.join(self.key_path)}`: {self.message}" if self.key_path else self.message


class utils:
    DecodingError = DecodingError


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
    return _decode(kind, raw, ())


def _decode(kind, raw, path):
    if kind is int and isinstance(raw, float):
        try:
            raise ValueError(f"Expected an int, got a float: {raw}")
        except ValueError as error:
            raise DecodingError(path, f"Couldn't parse '{raw}' into an int") from error
    if not dataclasses.is_dataclass(kind):
        return raw
    fields = {field.name: field for field in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    values = {name: _decode(hints[name], raw[name], (*path, name)) for name in fields if name in raw}
    if unknown := [name for name in raw if name not in fields]:
        names = ", ".join(f"`{name}`" for name in unknown)
        raise DecodingError(path, f"The fields {names} are not valid for {kind.__name__}")
    if missing := [name for name in fields if name not in raw and fields[name].default is dataclasses.MISSING]:
        names = ", ".join(f"`{name}`" for name in missing)
        raise DecodingError(path, f"Missing required field(s) {names} for {kind.__name__}")
    try:
        return kind(**values)
    except ValueError as error:
        raise ParsingError(f"Couldn't instantiate class {kind.__name__} using the given arguments.") from error
