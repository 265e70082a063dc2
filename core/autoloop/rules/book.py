"""Rule books: TOML files, written by users, with conditions on a run and the edits to propose when they hold.

Keys, conditions and edits are all checked when a book is read, so a mistake is an error at the start instead of a rule that
silently never fires.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import msgspec

from autoloop import profiles
from autoloop.configs import Bounds, parse_edit
from autoloop.metrics import MetricBook, default_book, parse_expectation
from autoloop.model import Evidence, Expectation, Observation, UserError
from autoloop.rules.expressions import Expression, compile_expression, evaluate
from autoloop.rules.rule import Criterion, Default, LiveSchedule, Rule, Scope
from autoloop.rules.source import Judgement, RuleSource
from autoloop.rules.view import RunView
from autoloop.text.suggest import did_you_mean
from autoloop.toml import parse_toml, read_table
from autoloop.variants.request import VariantRequest

MAX_RULES = 1000
MAX_BOOK = 1 << 20
"""Characters. More than any user writes, and still quick to read and to judge every run by."""


@dataclass(frozen=True)
class RuleBook:
    name: str
    version: str
    rules: tuple[Rule, ...]
    default: Default | None = None
    until: Mapping[str, Criterion] = field(default_factory=dict)
    method: str | None = None
    """The method whose configs a shipped book applies to; None for a user's book, which applies to all."""

    slow = False

    def applies_to(self, config: Mapping[str, object]) -> bool:
        return self.method is None or not config or self.method in profiles.methods_of(config)

    def judge(self, view: RunView) -> Judgement:
        """Judge by every rule of scope `end` independently. If none fires, request the default, with all observations as
        evidence.

        Without any metric nothing is known about a run, so the default is not requested.
        """
        if not self.applies_to(view.config):
            block = profiles.blocks_of_methods().get(self.method or "")
            return Judgement([], [f"the rules {self.name} are for configs with a block {block}, which this one lacks"])
        requests: list[VariantRequest] = []
        notes: list[str] = []
        seen: list[Observation] = []
        version = f"{self.name} {self.version}"
        for rule in self.rules:
            if rule.watch is not None:
                continue
            verdict = evaluate(rule.when, view)
            notes += [f"rule {rule.id}: {note}" for note in verdict.notes]
            seen += verdict.observations
            if verdict.holds:
                evidence = Evidence(
                    rule=rule.id, rule_version=version, when=rule.when.text, observations=verdict.observations
                )
                requests.append(rule.request(evidence))
        requests.sort(key=lambda request: -request.priority)
        if not requests and self.default is not None:
            if view.summary.metrics or view.summary.not_finite:
                evidence = Evidence(rule="default", rule_version=version, when="no rule fired", observations=seen)
                requests.append(self.default.request(evidence))
            else:
                notes.append("the run has no metrics, so the default is not proposed either")
        return Judgement(requests, notes)

    def lacking(self, view: RunView) -> list[str]:
        if not self.applies_to(view.config):
            return []
        verdicts = [evaluate(rule.when, view) for rule in self.rules if rule.watch is None]
        if any(verdict.holds or not verdict.missing for verdict in verdicts):
            return []
        return sorted({name for verdict in verdicts for name in verdict.missing})

    def close(self) -> None:
        """Do nothing: a book holds no resources."""


class _BookTable(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    version: str | int
    rule: list[Any] = []
    default: dict[str, Any] | None = None
    until: dict[str, Any] = {}


class _RuleTable(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    when: str
    reason: str
    changes: list[str | list[str]] = []
    priority: int = 0
    clamp: dict[str, Any] = {}
    expect: str | None = None
    scope: Scope = "end"
    at: int | None = None
    between: list[int] | None = None
    after: int | None = None
    window: int | None = None
    relaunches: int | None = None
    ask: bool | None = None


class _DefaultTable(msgspec.Struct, forbid_unknown_fields=True):
    reason: str
    changes: list[str]
    expect: str | None = None


class _UntilTable(msgspec.Struct, forbid_unknown_fields=True):
    description: str
    when: str


def parse_book(text: str, source: str, metrics: MetricBook | None = None) -> RuleBook:
    """Read a rule book. `source`: its name in errors; `metrics`: the names for conditions (default: the shipped ones).

    UserError in one sentence: the file, the rule, the key, what is wrong, and the nearest valid alternative.
    """
    if len(text) > MAX_BOOK:
        raise UserError(f"{source}: the book is larger than {MAX_BOOK >> 20} MiB; is it the right file?")
    top = read_table(parse_toml(text, source), _BookTable, source)
    if len(top.rule) > MAX_RULES:
        raise UserError(
            f"{source}: the book holds {len(top.rule)} rules, but the limit is {MAX_RULES}; every rule judges every run, "
            "so combine generated rules into fewer conditions"
        )
    rules: list[Rule] = []
    ids: set[str] = set()
    for number, table in enumerate(top.rule, 1):
        rule = _rule(table, number, source, metrics)
        if rule.id in ids:
            raise UserError(f'{source}: two rules have the id "{rule.id}"; ids must be unique')
        ids.add(rule.id)
        rules.append(rule)
    default = None
    if top.default is not None:
        fallback = read_table(top.default, _DefaultTable, f"{source}: [default]")
        where = f"{source}: [default]"
        expects = _expectation(fallback.expect, where, metrics)
        default = Default(fallback.reason, _edits(fallback.changes, where), expects)
    if not rules and default is None and not top.until:
        raise UserError(f"{source}: the book contains no [[rule]], no [default] and no [until.…]; write at least one")
    until = {}
    for name, table in top.until.items():
        where = f"{source}: [until.{name}]"
        criterion = read_table(table, _UntilTable, where)
        until[name] = Criterion(name, criterion.description, _condition(criterion.when, where, metrics))
    return RuleBook(top.name, str(top.version), tuple(rules), default, until)


def default_rules(methods: tuple[str, ...] = profiles.METHODS) -> RuleBook:
    """Return the shipped rule book of the first of these methods that has one; otherwise an empty book."""
    return next((book for method in methods if (book := _shipped(method))), RuleBook("none", "", ()))


@cache
def _shipped(method: str) -> RuleBook | None:
    texts = profiles.texts("rules.toml", [method])
    return replace(parse_book(texts[0], "the shipped rules.toml"), method=method) if texts else None


def criterion(
    text: str,
    rules: RuleSource | None = None,
    metrics: MetricBook | None = None,
    methods: tuple[str, ...] = profiles.METHODS,
) -> Criterion:
    """Return the criterion of `--until`: one named in `rules` or in the shipped book of `methods`, otherwise a condition."""
    named = {**default_rules(methods).until, **(rules.until if rules else {})}
    if text in named:
        return named[text]
    try:
        return Criterion(text, "", compile_expression(text, metrics))
    except UserError as error:
        hint = did_you_mean(text, named, quote='"')
        what = f'there is no criterion "{text}"; {hint}' if hint else str(error)
        raise UserError(f"--until: {what}") from None


def _rule(table: Any, number: int, source: str, metrics: MetricBook | None) -> Rule:
    name = table.get("id") if isinstance(table, dict) else None
    where = f'{source}: rule "{name}"' if isinstance(name, str) and name else f"{source}: rule {number}"
    rule = read_table(table, _RuleTable, where)
    if not rule.id or rule.id == "default" or not rule.id.isprintable():
        raise UserError(f'{where}: id: a rule needs a unique id, and "default" is reserved')
    turns = _turns(rule, where)
    if rule.scope == "end":
        _refuse_live_keys(rule, where)
        if not turns:
            raise UserError(f"{where}: changes: a rule for a run that has ended needs at least one edit")
    elif rule.expect is not None:
        raise UserError(f"{where}: expect: a live rule stops its run, so there is no result to compare; omit it")
    clamp = {path: _bounds(bounds, f'{where}: clamp "{path}"') for path, bounds in rule.clamp.items()}
    return Rule(
        id=rule.id,
        when=_condition(rule.when, where, metrics, live=rule.scope == "live"),
        reason=rule.reason,
        changes=turns[0] if turns else (),
        priority=rule.priority,
        clamp=clamp,
        expects=_expectation(rule.expect, where, metrics),
        watch=None if rule.scope == "end" else _watch(rule, turns, where),
    )


LIVE_KEYS = ("at", "between", "after", "window", "relaunches", "ask")
RELAUNCHES = 2
"""The default limit of a live rule's relaunches per lineage."""


def _refuse_live_keys(rule: _RuleTable, where: str) -> None:
    for key in LIVE_KEYS:
        if getattr(rule, key) is not None:
            raise UserError(f'{where}: {key}: only a rule with scope = "live" can have it')
    if any(isinstance(edit, list) for edit in rule.changes):
        raise UserError(f'{where}: changes: only a rule with scope = "live" can have several lists; write one list of edits')


def _turns(rule: _RuleTable, where: str) -> tuple[tuple[str, ...], ...]:
    """The lists of edits that a rule tries one after the other; a single list is the only turn."""
    lists = [edits for edits in rule.changes if isinstance(edits, list)]
    if not lists:
        edits = _edits([edit for edit in rule.changes if isinstance(edit, str)], where)
        return (edits,) if edits else ()
    if len(lists) < len(rule.changes) or not all(lists):
        raise UserError(f"{where}: changes: write one list of edits, or several non-empty lists to try in turn")
    return tuple(_edits(edits, where) for edits in lists)


def _watch(rule: _RuleTable, turns: tuple[tuple[str, ...], ...], where: str) -> LiveSchedule:
    given = [key for key in ("at", "between", "after") if getattr(rule, key) is not None]
    if len(given) > 1:
        raise UserError(f"{where}: {given[1]}: {given[0]} already says when it judges; keep one of them")
    for key, least in (("at", 0), ("after", 0), ("window", 1), ("relaunches", 1)):
        value = getattr(rule, key)
        if value is not None and value < least:
            raise UserError(f"{where}: {key} must be at least {least}, not {value}")
    if rule.relaunches is not None and not turns:
        raise UserError(f"{where}: relaunches: the rule has no changes, so it stops runs and cannot relaunch them")
    first, last = rule.at or rule.after or 0, None
    if rule.between is not None:
        match rule.between:
            case [low, high] if 0 <= low <= high:
                first, last = low, high
            case _:
                raise UserError(f"{where}: between: write two steps in ascending order, as in [300, 500]")
    return LiveSchedule(
        first=first,
        last=last,
        once=rule.at is not None,
        window=rule.window,
        turns=turns,
        relaunches=(RELAUNCHES if rule.relaunches is None else rule.relaunches) if turns else 0,
        ask=bool(rule.ask),
    )


def _bounds(table: Any, where: str) -> Bounds:
    bounds = read_table(table, Bounds, where)
    limits = [bound for bound in (bounds.min, bounds.max) if bound is not None]
    if not limits or not all(map(math.isfinite, limits)) or limits != sorted(limits):
        raise UserError(f"{where}: give a min, a max or both, finite and in ascending order")
    return bounds


def _condition(text: str, where: str, metrics: MetricBook | None, *, live: bool = False) -> Expression:
    try:
        return compile_expression(text, metrics, live=live)
    except UserError as error:
        raise UserError(f"{where}: when: {error}") from None


def _expectation(text: str | None, where: str, metrics: MetricBook | None) -> Expectation | None:
    try:
        return None if text is None else parse_expectation(text, metrics or default_book())
    except UserError as error:
        raise UserError(f"{where}: expect: {error}") from None


def _edits(texts: Sequence[str], where: str) -> tuple[str, ...]:
    for text in texts:
        try:
            parse_edit(text)
        except UserError as error:
            raise UserError(f"{where}: changes: {error}") from None
    return tuple(texts)
