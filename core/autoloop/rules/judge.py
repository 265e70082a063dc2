"""Judges a run that has ended: which rules fire on it, in which order, and on what evidence."""

from __future__ import annotations

from dataclasses import dataclass, field

from autoloop.metrics import to_json
from autoloop.model import Evidence, Observation
from autoloop.rules.book import RuleBook
from autoloop.rules.clamp import Clamp
from autoloop.rules.expressions import evaluate
from autoloop.rules.python_rules import PythonRules
from autoloop.rules.view import RunView

RuleSource = RuleBook | PythonRules


@dataclass(frozen=True)
class Firing:
    """A rule that fired on a run (`default` for the default) and the edits, as texts not yet resolved, it asks for."""

    rule: str
    reason: str
    edits: list[str]
    priority: int
    evidence: Evidence
    clamp: Clamp = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """Firings, highest priority first and then in the order of the book; and why a rule could not be decided."""

    firings: list[Firing]
    notes: list[str]


def judge(source: RuleSource, view: RunView) -> Judgement:
    """Every rule of scope `end` on its own; the default, with what the rules looked at as evidence, where none fired.

    Of a run without any metric nothing is known, so the default is not proposed for it.
    """
    if isinstance(source, PythonRules):
        return _judge_python(source, view)
    firings: list[Firing] = []
    notes: list[str] = []
    seen: list[Observation] = []
    version = f"{source.name} {source.version}"
    for rule in source.rules:
        if rule.watch is not None:
            continue
        verdict = evaluate(rule.when, view)
        notes += [f"rule {rule.id}: {note}" for note in verdict.notes]
        seen += verdict.observations
        if verdict.holds:
            evidence = Evidence(rule=rule.id, rule_version=version, when=rule.when.text, observations=verdict.observations)
            firings.append(Firing(rule.id, rule.reason, list(rule.changes), rule.priority, evidence, rule.clamp))
    firings.sort(key=lambda firing: -firing.priority)
    if not firings and source.default is not None:
        if view.summary.metrics or view.summary.not_finite:
            evidence = Evidence(rule="default", rule_version=version, when="no rule fired", observations=seen)
            firings.append(Firing("default", source.default.reason, list(source.default.changes), 0, evidence))
        else:
            notes.append("the run has no metric at all, so the default is not proposed either")
    return Judgement(firings, notes)


def _judge_python(source: PythonRules, view: RunView) -> Judgement:
    asked, notes = source.ask(to_json(view.summary))
    return Judgement(
        [
            Firing(
                rule=source.name,
                reason=reason,
                edits=edits,
                priority=0,
                evidence=Evidence(rule=source.name, rule_version=source.version, when="decide(summary)"),
            )
            for reason, edits in asked
        ],
        notes,
    )
