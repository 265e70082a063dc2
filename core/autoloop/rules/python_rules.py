"""Rules that users write in Python: a file with `decide(summary) -> [objects with reason and changes]`.

This is the only module of the core that runs users' code; `autoloop.rule_process` calls it in a separate process. An error
in that code becomes one sentence with file and line, and never ends the loop.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeVar

from autoloop.configs import edits_from_mapping, parse_edit
from autoloop.metrics import default_book, parse_expectation, to_json
from autoloop.model import Actor, Evidence, UserError
from autoloop.rules.rule import Criterion, Rule
from autoloop.rules.source import Judgement
from autoloop.rules.view import RunView
from autoloop.variants.request import VariantRequest

_SHAPE = "it must return a list of objects with reason and changes"


T = TypeVar("T")

Asked = tuple[str, list[str], str | None]
"""Reason, edit texts, and the expectation, if any."""

Answer = tuple[list[Asked], list[str]]
"""A file's proposals for a run, and a note for each mistake."""


@dataclass(frozen=True)
class PythonRules:
    """A loaded rules file, as a `RuleSource`. `name`: the file's name; `version`: a hash of its text."""

    name: str
    version: str
    ask: Callable[[dict[str, Any]], Answer]
    """Returns the proposals for a run, whose summary it gets as a copy in plain data."""
    close: Callable[[], object] = lambda: None
    """Ends the process that runs the code; the next `ask` starts it again."""
    rules: tuple[Rule, ...] = ()
    until: Mapping[str, Criterion] = field(default_factory=dict)
    slow: bool = True

    def applies_to(self, config: Mapping[str, object]) -> bool:
        return True

    def judge(self, view: RunView) -> Judgement:
        asked, notes = self.ask(_entry(view))
        evidence = Evidence(rule=self.name, rule_version=self.version, when="decide(summary)")
        author = Actor.rule(self.name)
        requests: list[VariantRequest] = []
        for reason, edits, expect in asked:
            expects = None
            try:
                expects = parse_expectation(expect, view.book) if expect else None
            except UserError as error:  # the project's metric book may use another name
                notes = [*notes, f"{self.name}: expect: {error}"]
            requests.append(VariantRequest(author=author, reason=reason, edits=edits, evidence=evidence, expects=expects))
        return Judgement(requests, notes)

    def lacking(self, view: RunView) -> list[str]:
        """Return an empty list: which metrics the user's code reads is unknown."""
        return []


def _entry(view: RunView) -> dict[str, Any]:
    """The argument of `decide`: the summary; for a run of a loop, each metric also has `runs` (`n` being the number of
    points), `noise`, `verdict` and `better_than_base` over the config's seeds, with None for unknown values."""
    entry = to_json(view.summary)
    if view.against is None:
        return entry
    config = view.among_runs()
    for name in view.summary.metrics:
        verdict, noise = _known(config.verdict, name), _known(config.noise, name)
        entry[name] |= {
            "runs": config.runs,
            "noise": noise and noise.sd,
            "verdict": verdict and verdict.call.value,
            "better_than_base": _known(config.better, name),
        }
    return entry


def _known(ask: Callable[[str], T], metric: str) -> T | None:
    try:
        return ask(metric)
    except LookupError:
        return None


def python_rules(code: str, filename: str) -> PythonRules:
    """Execute the text of a rules file and return its rules. UserError with file and line if that fails."""
    version = hashlib.sha256(code.encode("utf-8", "replace")).hexdigest()[:8]
    # The module must be in sys.modules: dataclasses and pickle look up the classes of the user's file there.
    module = ModuleType(f"autoloop_person_rules_{version}")
    module.__file__ = filename
    try:
        compiled = compile(code, filename, "exec", dont_inherit=True)
        sys.modules[module.__name__] = module
        exec(compiled, module.__dict__)
    except SyntaxError as error:
        if error.filename == filename:
            raise UserError(f"{filename}, line {error.lineno}: not valid Python: {error.msg}") from None
        raise UserError(_blame(error, filename, "loading it")) from None
    except (Exception, SystemExit) as error:
        raise UserError(_blame(error, filename, "loading it")) from None
    decide = getattr(module, "decide", None)
    if not callable(decide):
        raise UserError(f"{filename}: defines no decide(summary); {_SHAPE.replace('it must', 'write one that must')}")
    name = filename.replace("\\", "/").rsplit("/", 1)[-1]
    return PythonRules(name, version, lambda summary: _ask(decide, filename, summary))


def _ask(decide: Callable[[dict[str, Any]], Any], filename: str, summary: dict[str, Any]) -> Answer:
    try:
        answer = decide(summary)
        items = [] if answer is None else list(answer) if isinstance(answer, list | tuple) else None
    except (Exception, SystemExit) as error:
        return [], [_blame(error, filename, "decide(summary)")]
    if items is None:
        return [], [f"{filename}: decide(summary) returned {type(answer).__name__}; {_SHAPE}"]
    asked: list[Asked] = []
    notes: list[str] = []
    for number, item in enumerate(items, 1):
        try:
            asked.append(_proposal(item))
        except UserError as error:
            notes.append(f"{filename}: item {number} of what decide(summary) returned: {error}")
        except (Exception, SystemExit) as error:  # attributes of a user's object are the user's code too
            notes.append(_blame(error, filename, f"item {number} of what decide(summary) returned"))
    return asked, notes


def _proposal(item: Any) -> Asked:
    if isinstance(item, Mapping):
        reason, changes, expect = item.get("reason"), item.get("changes"), item.get("expect")
    else:
        reason, changes = getattr(item, "reason", None), getattr(item, "changes", None)
        expect = getattr(item, "expect", None)
    if not isinstance(reason, str):
        raise UserError(f"its reason is {type(reason).__name__}; give it a text")
    if isinstance(changes, Mapping):
        edits = edits_from_mapping(changes)
    elif isinstance(changes, list | tuple) and all(isinstance(change, str) for change in changes):
        edits = list(changes)
    else:
        raise UserError('its changes must be {"path@op": value} or a list of edits such as "path@op=value"')
    if not edits:
        raise UserError("it has no changes; omit the item or add a change")
    for edit in edits:
        parse_edit(edit)
    if expect is not None:
        if not isinstance(expect, str):
            raise UserError(f'its expect is {type(expect).__name__}; give it a text, as "eval_l1 lower"')
        parse_expectation(expect, default_book())
    return reason, edits, expect


def _blame(error: BaseException, filename: str, doing: str) -> str:
    """One sentence: the last executed line of the user's own file, and the exception."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == filename]
    where = f"{filename}, line {lines[-1]}" if lines else filename
    text = " ".join(str(error).split())
    return f"{where}: {doing} raised {type(error).__name__}{': ' + text if text else ''}"
