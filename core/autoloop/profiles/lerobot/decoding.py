"""Check configs with LeRobot's own classes. Loaded by preflight/ask_trainer.py in the interpreter of the training
environment, so it uses only the standard library and draccus, with which LeRobot decodes its configs.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.util
import inspect
import runpy
import sys
import types
import typing
from typing import Any

AS = "autoloop_preflight"
"""The trainer's `__name__` while it is inspected, so that its `if __name__ == "__main__"` block does not run."""


def config_class(script: str | None, module: str | None) -> Any:
    """The config class that the trainer decodes; None if there is none. Importing the trainer may raise any exception."""
    path = script or _origin(module)
    name = _entry(path) if path else None
    if path is None or name is None:
        return None
    sys.argv = [path]
    space = runpy.run_path(path, run_name=AS) if script else runpy.run_module(module or "", run_name=AS)
    for plugins in (key for key in space if key.startswith("register_third_party_")):
        space[plugins]()
    return _config_class(space[name])


def _origin(module: str | None) -> str | None:
    spec = importlib.util.find_spec(module) if module else None
    return spec.origin if spec else None


def _entry(path: str) -> str | None:
    """The name of the trainer's function that takes the decoded config, which is decorated with `@parser.wrap()`.

    None if there is none, or if importing the file would start the training.
    """
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read(), path)
    if not any(isinstance(node, ast.If) and "__name__" in ast.unparse(node.test) for node in tree.body):
        return None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.args.args and node.args.args[0].annotation:
            for decorator in node.decorator_list:
                called = decorator.func if isinstance(decorator, ast.Call) else decorator
                if isinstance(called, ast.Attribute) and called.attr == "wrap":
                    return node.name
    return None


def _config_class(wrapped: Any) -> Any:
    function = inspect.unwrap(wrapped)
    first = next(iter(inspect.signature(function).parameters))
    kind = function.__annotations__[first]
    return typing.get_type_hints(function)[first] if isinstance(kind, str) else kind


def faults(kind: Any, config: dict[str, Any], arguments: list[str]) -> list[BaseException]:
    """All faults of the config with the flags applied, as the exceptions that draccus or the trainer raise.

    draccus stops at the first fault, so each field is then decoded separately, and recursively the fields of refused ones.
    """
    import draccus

    # Parse flags like the trainer: as JSON, otherwise as text. Values loaded by `--policy.path` are not checked.
    with draccus.config_type("json"):
        try:
            paths = kind.__get_path_fields__() if hasattr(kind, "__get_path_fields__") else []
            loaded = {name for name in paths if any(word.startswith(f"--{name}.path=") for word in arguments)}
            for key, text in _flags(arguments):
                parts = key.split(".")
                if parts[-1] == "discover_packages_path":
                    _import_all(text)
                elif key != "config_path" and parts[0] not in loaded:
                    _put(config, parts, draccus.cfgparsing.parse_string(text))
        except BaseException as error:
            return [error]
        first = _raised(kind, config)
        if first is None:
            return []
        found = _inside(kind, config, ())
        return found if len(found) > 1 else [first]


def _raised(kind: Any, value: Any) -> BaseException | None:
    import draccus

    try:
        draccus.decode(kind, value)
    except BaseException as error:
        return error
    return None


def _inside(kind: Any, value: Any, path: tuple[str, ...]) -> list[BaseException]:
    """The faults of the parts of a value at `path`; empty if it has no parts, or only the whole value is refused."""
    parts, refused = _parts(kind, value)
    found: list[BaseException] = []
    for name, inner_kind, inner in parts:
        inner_path = (*path, name)
        error = _raised(inner_kind, inner)
        if error is not None:
            found += _inside(inner_kind, inner, inner_path) or [_at(inner_path, error)]
    return found + [_refusal(path, message) for message in refused]


def _parts(kind: Any, value: Any) -> tuple[list[tuple[str, Any, Any]], list[str]]:
    """The name, type and value of each part of a value, and draccus' messages about unknown and missing parts."""
    of = typing.get_args(kind)
    if typing.get_origin(kind) in (list, tuple) and isinstance(value, list) and len({*of} - {...}) == 1:
        return [(str(index), of[0], inner) for index, inner in enumerate(value)], []
    if not isinstance(value, dict):
        return [], []
    if typing.get_origin(kind) is dict and len(of) == 2:
        return [(str(key), of[1], inner) for key, inner in value.items()], []
    decoded_as = _dataclass(kind, value)
    if decoded_as is None:
        return [], []
    of_class, given = decoded_as
    try:
        hints = typing.get_type_hints(of_class)
    except Exception:  # a name that exists only for type checkers
        return [], []
    fields = {field.name: field for field in dataclasses.fields(of_class)}
    parts = [(name, hints[name], inner) for name, inner in given.items() if name in fields]
    unknown = [name for name in given if name not in fields]
    missing = [name for name, field in fields.items() if name not in given and _is_needed(field)]
    refused = [f"The fields {_ticked(unknown)} are not valid for {of_class.__name__}"] if unknown else []
    refused += [f"Missing required field(s) {_ticked(missing)} for {of_class.__name__}"] if missing else []
    return parts, refused


def _dataclass(kind: Any, value: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
    """The dataclass that a value of this type is decoded into, and its field values, without `type`, which selects the
    class. None if there is no single one, or it is unknown."""
    if typing.get_origin(kind) in (typing.Union, getattr(types, "UnionType", typing.Union)):
        kinds = [each for each in typing.get_args(kind) if each is not type(None)]
    else:
        kinds = [kind]
    if len(kinds) != 1:
        return None
    (kind,) = kinds
    if hasattr(kind, "get_choice_class"):
        try:
            kind.get_choice_name(kind)
        except ValueError:  # it is the base class of the choices
            try:
                kind = kind.get_choice_class(value.get("type", kind.default_choice_name()))
            except Exception:
                return None
            value = {name: inner for name, inner in value.items() if name != "type"}
    return (kind, value) if dataclasses.is_dataclass(kind) and isinstance(kind, type) else None


def _is_needed(field: Any) -> bool:
    none = dataclasses.MISSING
    return bool(field.init) and field.default is none and field.default_factory is none


def _ticked(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _refusal(path: tuple[str, ...], message: str) -> BaseException:
    import draccus

    error: BaseException = draccus.utils.DecodingError(path, message)
    return error


def _at(path: tuple[str, ...], error: BaseException) -> BaseException:
    """Convert an error from decoding only the value at `path` to the error that decoding the whole config would raise."""
    import draccus

    known: bool = isinstance(error, draccus.ParsingError)
    if not known:
        wrapped = _refusal(path, str(error))
        wrapped.__cause__ = error
        return wrapped
    link: Any = error
    while link is not None:
        if isinstance(link, draccus.utils.DecodingError):
            link.key_path = (*path, *link.key_path)
        link = link.__cause__ or link.__context__
    return error


def _flags(arguments: list[str]) -> list[tuple[str, str]]:
    """The (key, text) pairs of `--a.b=1`, and of `--a.b 1` as two words."""
    flags: list[tuple[str, str]] = []
    for index, word in enumerate(arguments):
        if word.startswith("--"):
            key, equals, text = word[2:].partition("=")
            after = arguments[index + 1] if index + 1 < len(arguments) else "--"
            if equals or not after.startswith("--"):
                flags.append((key, text if equals else after))
    return flags


def _put(config: dict[str, Any], parts: list[str], value: Any) -> None:
    node = config
    for part in parts[:-1]:
        inner = node.get(part)
        node[part] = node = inner if isinstance(inner, dict) else {}
    if isinstance(value, dict) and isinstance(node.get(parts[-1]), dict):
        node[parts[-1]].update(value)
    else:
        node[parts[-1]] = value


def _import_all(package: str) -> None:
    """Import all modules of a package, because plugins register their classes on import."""
    import pkgutil

    module = importlib.import_module(package)
    for _, name, _ in pkgutil.iter_modules(module.__path__, f"{package}."):
        importlib.import_module(name)
