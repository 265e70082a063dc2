"""Run by the interpreter of the training environment: what is installed there, and what the trainer's own classes make of
each config.

Reads one JSON object from stdin and writes one to stdout. Standard library only, as nothing else is sure to be there; the
trainer is imported only where it decodes its config with draccus, as LeRobot does.
"""

from __future__ import annotations

import os
import sys

_PATH = list(sys.path)
if __name__ == "__main__":
    # The trainer's import path is for the trainer. What is imported here must be Python's own, whatever lies in the project.
    _given = [sys.path[0], *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    sys.path[:] = [entry for entry in _PATH if entry not in _given]

import ast
import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import platform
import runpy
import typing
from typing import Any

AS = "autoloop_preflight"
"""The trainer's `__name__` while it is looked at: its `if __name__ == "__main__"` does nothing then."""


def main() -> None:
    # What a trainer prints while it is imported must not get into the answer.
    out = os.dup(1)
    os.dup2(2, 1)
    asked = json.load(sys.stdin)
    answer = look(asked)
    with os.fdopen(out, "w", encoding="utf-8") as stream:
        json.dump(answer, stream)
    sys.stdout.flush()
    os._exit(0)  # a library's threads or exit handlers have nothing to do here


def look(asked: dict[str, Any]) -> dict[str, Any]:
    """`asked`: packages, modules, script, module, configs ({config, arguments}), device. The answer has what was found."""
    script = asked.get("script")
    _version("pip")  # whatever Python imports to answer this
    sys.path[:] = _PATH
    sys.path[0] = os.path.dirname(os.path.abspath(script)) if script else os.getcwd()  # as for the trainer itself
    answer: dict[str, Any] = {
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in asked["packages"]},
        "missing": {name: problem for name in asked["modules"] if (problem := _missing(name))},
        "decodes": False,
    }
    if not asked["configs"]:
        return answer
    try:
        path = script or _origin(asked["module"])
        name = _entry(path) if path else None
        if path is None or name is None:
            return answer
        sys.argv = [path]
        space = runpy.run_path(path, run_name=AS) if script else runpy.run_module(asked["module"], run_name=AS)
        for plugins in (key for key in space if key.startswith("register_third_party_")):
            space[plugins]()
        kind = _config_class(space[name])
    except BaseException as error:  # a trainer may well leave with SystemExit
        answer["broken"] = _chain(error)
        return answer
    answer["decodes"] = True
    answer["configs"] = [_decode(kind, each["config"], each["arguments"]) for each in asked["configs"]]
    if asked.get("device") == "cuda":
        import torch

        answer["cuda"] = {"available": torch.cuda.is_available(), "count": torch.cuda.device_count()}
    return answer


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _missing(module: str) -> str | None:
    """Why `-m module` could not be started."""
    try:
        return None if importlib.util.find_spec(module) else f"No module named {module}"
    except Exception as error:  # a package around it that is broken
        return f"{type(error).__name__}: {error}"


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


def _decode(kind: Any, config: dict[str, Any], arguments: list[str]) -> list[str]:
    """The exceptions of the chain, first raised first; empty if the config with the flags over it is taken."""
    import draccus

    try:
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
    except BaseException as error:
        return _chain(error)
    return []


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


def _chain(error: BaseException | None) -> list[str]:
    """`Type: message` of every exception of a chain, first raised first."""
    chain: list[str] = []
    while error is not None and len(chain) < 8:
        chain.append(" ".join(f"{type(error).__name__}: {error}".split())[:600])
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return chain[::-1]


if __name__ == "__main__":
    main()
