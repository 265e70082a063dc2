"""The flags and constants that a trainer's script declares. The source is parsed, never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from autoloop.files import read_regular
from autoloop.model import UserError

_NO_VALUE = ("store_true", "store_false", "store_const", "append_const", "count", "help", "version")


class Flag(msgspec.Struct, frozen=True):
    """A flag declared with argparse or click. `key`: its long name without dashes."""

    key: str
    takes_value: bool = True
    many: bool = False
    default: Any = None


class Script(msgspec.Struct, frozen=True):
    """`flags`: by each of their names (`--batch-size`, `-b`). `constants`: the literals at its top level."""

    source: str = ""
    flags: dict[str, Flag] = {}
    constants: dict[str, Any] = {}


def read_script(cwd: Path, script: str, module: str) -> Script:
    """Read a script, or a module in the folder `cwd`. Empty if there is none; only its source if it cannot be parsed."""
    parts = module.replace(".", "/")
    places = [script] if script else [f"{root}{parts}{end}" for root in ("", "src/") for end in (".py", "/__main__.py")]
    path = next((cwd / place for place in places if module + script and (cwd / place).is_file()), None)
    if path is None:
        return Script()
    try:
        source = read_regular(path).decode(errors="replace")
    except (UserError, OSError):
        return Script()
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):  # perhaps written for another version of Python
        return Script(source=source)
    flags = {name: flag for call in ast.walk(tree) for name, flag in _declared(call)}
    return Script(source=source, flags=flags, constants=dict(_constants(tree)))


def constants_of(path: Path) -> dict[str, Any]:
    """The literals at the top level of a Python config file. UserError if it cannot be read as Python."""
    try:
        return dict(_constants(ast.parse(read_regular(path).decode(errors="replace"))))
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        raise UserError(f"{path.name} cannot be read as Python: {error}.") from None


def _declared(node: ast.AST) -> Iterator[tuple[str, Flag]]:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return
    if node.func.attr not in ("add_argument", "option"):
        return
    names = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    long = next((name for name in names if name.startswith("--")), None)
    if long is None:
        return
    told = {word.arg: word.value for word in node.keywords}
    action = _literal(told.get("action"))
    pair = "/" in long or "BooleanOptionalAction" in ast.dump(told["action"]) if "action" in told else "/" in long
    flag = Flag(
        key=long.removeprefix("--").partition("/")[0],
        takes_value=not (pair or action in _NO_VALUE or _literal(told.get("is_flag")) is True),
        many="nargs" in told and _literal(told["nargs"]) not in ("?", None),
        default=_literal(told.get("default")),
    )
    yield from ((name.partition("/")[0], flag) for name in names)


def _constants(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    """The constants in order, up to the `exec` that reads overrides: later ones are computed from those."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            value = _literal(node.value)
            if isinstance(value, bool | int | float | str) and not node.targets[0].id.startswith("_"):
                yield node.targets[0].id, value
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and "exec" in ast.dump(node.value.func):
            return


def _literal(node: ast.expr | None) -> Any:
    if node is None:
        return None
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
