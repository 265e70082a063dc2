"""What LeRobot's own classes make of a config. Loaded by preflight/ask_trainer.py in the interpreter of the training
environment: standard library only, and draccus, with which LeRobot decodes its configs.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import runpy
import sys
import typing
from typing import Any

AS = "autoloop_preflight"
"""The trainer's `__name__` while it is looked at: its `if __name__ == "__main__"` does nothing then."""


def config_class(script: str | None, module: str | None) -> Any:
    """The class of the config that the trainer decodes; None if there is none. Importing the trainer may raise anything."""
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
    """The function of the trainer that is called with its decoded config: `@parser.wrap()` stands before it.

    None where there is none, or where importing the file would start it.
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


def decode(kind: Any, config: dict[str, Any], arguments: list[str]) -> None:
    """Decode the config with the flags over it. Whatever is wrong with them is raised by draccus or the trainer."""
    import draccus

    # As the trainer's own parser reads flags: JSON values, else text. What `--policy.path` loads is not looked at.
    with draccus.config_type("json"):
        paths = kind.__get_path_fields__() if hasattr(kind, "__get_path_fields__") else []
        loaded = {name for name in paths if any(word.startswith(f"--{name}.path=") for word in arguments)}
        for key, text in _flags(arguments):
            parts = key.split(".")
            if parts[-1] == "discover_packages_path":
                _import_all(text)
            elif key != "config_path" and parts[0] not in loaded:
                _put(config, parts, draccus.cfgparsing.parse_string(text))
        draccus.decode(kind, config)


def _flags(arguments: list[str]) -> list[tuple[str, str]]:
    """`--a.b=1`, and `--a.b 1` as two words."""
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
    """A plugin registers its classes when it is imported."""
    import pkgutil

    module = importlib.import_module(package)
    for _, name, _ in pkgutil.iter_modules(module.__path__, f"{package}."):
        importlib.import_module(name)
