"""States change only in `model/transitions.py`, and no decision depends on a message. Both are checked in the source.

A change of state elsewhere is a call with the argument `state` or `status` that creates no new value (the callee's name is
not that of a class); values are frozen, so nothing can be assigned. A decision depends on a message if text from an
attribute that holds one is compared with, or searched for, a literal.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import autoloop
import pytest

import autoloop_tui

SOURCES = [
    path
    for package in (autoloop, autoloop_tui)
    for path in sorted(Path(package.__file__ or "").parent.rglob("*.py"))
    if path.parts[-2:] not in (("model", "transitions.py"), ("store", "sentences.py"))
]
SHOWN = {("autoloop", "as_of.py"), ("rounds", "arranging.py")}
"""Modules that create values only for display: a loop at an earlier time, and one row for several runs."""
STATES = {"state", "status"}
MESSAGES = {"reason", "stop_reason", "note", "blocked", "cause", "answer"}
SPEAKERS = {"event", "end", "stop", "diagnosis", "requeue", "lapse"}
"""Names and attributes whose `.text` is a message."""
SEARCHES = {"startswith", "endswith", "find", "index", "count", "partition", "rpartition"}
"""Not removeprefix, which only shortens what is displayed."""
PATTERNS = {"match", "search", "fullmatch", "findall", "finditer"}


def called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""


def changes_of_state(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = called(node)
            made_new = name[:1].isupper()
            if not made_new and STATES & {keyword.arg for keyword in node.keywords}:
                yield node.lineno


def is_message(node: ast.AST, names: set[str]) -> bool:
    """Return whether an expression has a message: such an attribute, or a call, conditional or concatenation with one."""
    if isinstance(node, ast.Attribute):
        if node.attr in MESSAGES:
            return True
        if node.attr == "text":
            owner = node.value
            name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
            return name in SPEAKERS
        return False
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.BoolOp):
        return any(is_message(each, names) for each in node.values)
    if isinstance(node, ast.Call):
        on = [node.func.value] if isinstance(node.func, ast.Attribute) else []
        return any(is_message(each, names) for each in [*on, *node.args])
    return isinstance(node, ast.IfExp) and (is_message(node.body, names) or is_message(node.orelse, names))


def is_text(node: ast.AST) -> bool:
    """Return whether an expression is a literal string, or a constant that stands for one."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and node.value != ""
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return any(is_text(each) for each in node.elts)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Name) and node.id.isupper())


def messages_that_decide(tree: ast.Module) -> Iterator[int]:
    everything = list(ast.walk(tree))
    yield from decisions(everything, set())
    if named_messages(everything):
        for function in (node for node in everything if isinstance(node, ast.FunctionDef)):
            nodes = list(ast.walk(function))
            if names := named_messages(nodes):
                yield from decisions(nodes, names)


def named_messages(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the variables to which a message is assigned."""
    return {
        target.id
        for node in nodes
        if isinstance(node, ast.Assign) and is_message(node.value, set())
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def decisions(nodes: Iterable[ast.AST], names: set[str]) -> Iterator[int]:
    """Yield the lines where text decides; `names`: variables that hold a message."""
    for node in nodes:
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(is_message(side, names) for side in sides) and any(map(is_text, sides)):
                yield node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            searched = node.func.attr in SEARCHES and is_message(node.func.value, names)
            matched = node.func.attr in PATTERNS and any(is_message(each, names) for each in node.args)
            if searched or matched:
                yield node.lineno


@pytest.mark.parametrize("rule", [changes_of_state, messages_that_decide], ids=lambda rule: rule.__name__)
def test_the_source_keeps_to_it(rule: Callable[[ast.Module], Iterator[int]]) -> None:
    found = []
    for path in SOURCES:
        if rule is changes_of_state and path.parts[-2:] in SHOWN:
            continue
        lines = path.read_text().splitlines()
        for number in sorted(set(rule(ast.parse("\n".join(lines))))):
            found.append(f"{path}:{number}: {lines[number - 1].strip()}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "replace(run, state=RunState.QUEUED)",
        "context.update_loop(status=x)",
    ],
)
def test_a_change_of_state_is_found(source: str) -> None:
    assert list(changes_of_state(ast.parse(source))) == [1]


@pytest.mark.parametrize(
    "source",
    [
        'loop.reason == "the loop was stopped"',
        "attempt.stop_reason == LOOP_STOP",
        '(loop.reason or "").startswith("stopped by ")',
        '"resume" not in loop.end.text',
        'event.text.startswith("Wrote variant: ")',
        'def f(loop):\n    text = loop.reason or ""\n    return "resume" in text',
        "re.match(PATTERN, proposal.note)",
    ],
)
def test_a_message_that_decides_is_found(source: str) -> None:
    assert list(messages_that_decide(ast.parse(source)))
