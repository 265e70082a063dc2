"""Program for the interpreter of the training environment: report its packages, and check each config with the trainer's
own classes.

Reads one JSON object from stdin and writes one to stdout. Uses only the standard library, because nothing else is guaranteed
to be installed; the trainer is imported only if a profile knows its config classes.
"""

from __future__ import annotations

import os
import sys

_PATH = list(sys.path)
if __name__ == "__main__":
    # The trainer's import path is only for the trainer: the imports here must be Python's own, regardless of the project.
    _given = [sys.path[0], *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    sys.path[:] = [entry for entry in _PATH if entry not in _given]

import importlib.metadata
import importlib.util
import json
import platform
from typing import Any


def main() -> None:
    # Output that the trainer prints on import must not mix with the answer.
    out = os.dup(1)
    os.dup2(2, 1)
    asked = json.load(sys.stdin)
    answer = look(asked)
    with os.fdopen(out, "w", encoding="utf-8") as stream:
        json.dump(answer, stream)
    sys.stdout.flush()
    os._exit(0)  # skip exit handlers, and threads started by libraries


def look(asked: dict[str, Any]) -> dict[str, Any]:
    """Answer a request. `asked`: packages, modules, script, module, configs ({config, arguments}), device, and `decoding`,
    the path of the module that knows the trainer's config classes."""
    script = asked.get("script")
    decoding = _loaded(asked["decoding"])
    _version("pip")  # makes Python import the modules that it needs for this, before the path changes
    sys.path[:] = _PATH
    sys.path[0] = os.path.dirname(os.path.abspath(script)) if script else os.getcwd()  # the same as for the trainer
    answer: dict[str, Any] = {
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in asked["packages"]},
        "missing": {name: problem for name in asked["modules"] if (problem := _missing(name))},
        "decodes": False,
    }
    if not asked["configs"]:
        return answer
    try:
        kind = decoding.config_class(script, asked.get("module"))
    except BaseException as error:  # a trainer may raise SystemExit on import
        answer["broken"] = _chain(error)
        return answer
    if kind is None:
        return answer
    answer["decodes"] = True
    answer["configs"] = [
        [_chain(fault) for fault in decoding.faults(kind, each["config"], each["arguments"])] for each in asked["configs"]
    ]
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
    """Why `-m module` could not be started; None if it could."""
    try:
        return None if importlib.util.find_spec(module) else f"No module named {module}"
    except Exception as error:  # its parent package is broken
        return f"{type(error).__name__}: {error}"


def _loaded(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("autoloop_decoding", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _chain(error: BaseException | None) -> list[str]:
    """`Type: message` of the exceptions of a chain (at most 8), first raised first."""
    chain: list[str] = []
    while error is not None and len(chain) < 8:
        chain.append(" ".join(f"{type(error).__name__}: {error}".split())[:600])
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return chain[::-1]


if __name__ == "__main__":
    main()
