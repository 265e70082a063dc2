"""What a rule source would propose for a run that no loop looks after: a summary and a config in, resolved changes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from autoloop.configs import FieldTypes, check_variant, parse_edit, parse_edits, resolve
from autoloop.model import Change, Config, UserError
from autoloop.rules.clamp import clamp_changes
from autoloop.rules.judge import Firing, RuleSource, judge
from autoloop.rules.view import RunView


@dataclass(frozen=True)
class Suggestion:
    """One firing on one run. `changes` is empty where the run's config is not known; `blocked`: why it must not be run."""

    rule: str
    reason: str
    edits: list[str]
    changes: list[Change]
    notes: list[str]
    blocked: str | None = None

    def to_json(self) -> dict[str, Any]:
        """`{reason, changes: {"path@op": value}}` as people's scripts read it, with what was resolved beside it."""
        return {
            "reason": self.reason,
            "changes": edits_as_mapping(self.edits),
            "rule": self.rule,
            "resolved": [
                {"path": change.path, "before": change.before, "after": change.after}
                | ({"removed": True} if change.removed else {})
                for change in self.changes
            ],
            "notes": self.notes,
            "blocked": self.blocked,
        }


def suggestions(rules: RuleSource, view: RunView, fields: FieldTypes) -> tuple[list[Suggestion], list[str]]:
    """What `rules` propose for a run, and why a rule could not be decided. Nothing is proposed without a metric."""
    judgement = judge(rules, view)
    return [_suggestion(firing, view.config, fields) for firing in judgement.firings], judgement.notes


def _suggestion(firing: Firing, config: Config, fields: FieldTypes) -> Suggestion:
    if not config:
        return Suggestion(firing.rule, firing.reason, firing.edits, [], [])
    edits, notes = applicable(firing.edits, config, fields)
    try:
        changes = clamp_changes(resolve(config, parse_edits(edits), fields), firing.clamp)
        guarded = check_variant(config, changes, by_rule=True, seen=lambda _: None)
    except UserError as error:
        return Suggestion(firing.rule, firing.reason, firing.edits, [], notes, str(error))
    notes = [*notes, *guarded.notes, *(change.note for change in guarded.changes if change.note)]
    return Suggestion(firing.rule, firing.reason, firing.edits, guarded.changes, notes, guarded.blocked)


def applicable(edits: Sequence[str], config: Config, fields: FieldTypes) -> tuple[list[str], list[str]]:
    """The edits that `config` can take, and a note on each that it cannot.

    A rule book serves many configs, so what one of them does not have is left out and said. A person's edit that matches
    nothing is an error instead: it was meant.
    """
    fitting: list[str] = []
    notes: list[str] = []
    for edit in edits:
        try:
            resolve(config, parse_edits([*fitting, edit]), fields)
        except UserError as error:
            notes.append(f"left out: {error}")
        else:
            fitting.append(edit)
    return fitting, notes


def edits_as_mapping(edits: Sequence[str]) -> dict[str, Any]:
    """{"path@op": value}, so that f"{key}={value}" is an edit."""
    return {f"{'.'.join(edit.path)}@{edit.op}": edit.value for edit in map(parse_edit, edits)}
