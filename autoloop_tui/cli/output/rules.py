"""The rules of a book with their records in a project, as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from autoloop.model import RuleRecord
from autoloop.rules import Rule, RuleSource, describe
from autoloop.text.plural import plural
from autoloop.verdicts.wording import record_document, record_text

from autoloop_tui.cli.documents.judging import RulesDocument
from autoloop_tui.cli.output import printing

Records = Mapping[str, RuleRecord]

NO_RULES = (
    "No active rules: autoloop.toml names no rule book and the newest loop has no rules; `autoloop-tui rules BOOK` lists "
    "the rules of a file."
)


class _RuleRow(NamedTuple):
    """A rule for display. `scope`: end, live, default, or python for a file whose rules cannot be listed."""

    id: str
    scope: str
    when: str
    action: str
    reason: str
    edits: list[list[str]]


def text(source: RuleSource | None, records: Records, cells: int | None) -> str:
    listed = _listed(source)
    if source is None or not listed:
        return "\n".join([NO_RULES, *_others(listed, records, cells)])
    lines = [printing.printable(f"{source.name} {source.version}: {plural(len(listed), 'rule')}")]
    for each in listed:
        lines += ["", printing.printable(each.id)]
        for head, said in (
            ("when", each.when),
            ("then", each.action),
            ("why", each.reason),
            ("record", _record(records.get(each.id))),
        ):
            if said:
                lines += printing.wrapped(printing.printable(said), cells, first=f"  {head:<8}", others=" " * 10)
    return "\n".join([*lines, *_others(listed, records, cells)])


def document(source: RuleSource | None, records: Records) -> RulesDocument:
    listed = _listed(source)
    mine = {each.id for each in listed}
    return {
        "name": source.name if source and listed else None,
        "version": source.version if source and listed else None,
        "rules": [
            {
                "id": each.id,
                "scope": each.scope,
                "when": each.when,
                "reason": each.reason,
                "edits": each.edits,
                "record": record_document(records.get(each.id)),
            }
            for each in listed
        ],
        "others": {rule: record_document(record) for rule, record in records.items() if rule not in mine},
    }


def _listed(source: RuleSource | None) -> list[_RuleRow]:
    if source is None:
        return []
    found = [_rule(rule) for rule in source.rules]
    default = getattr(source, "default", None)
    if default is not None:
        edits = list(default.changes)
        found.append(_RuleRow("default", "default", "no rule fired", " ".join(edits), default.reason, [edits]))
    if source.slow:
        found.append(_RuleRow(source.name, "python", "decide(summary)", "what it returns", "", []))
    return found


def _rule(rule: Rule) -> _RuleRow:
    if rule.watch is None:
        return _RuleRow(rule.id, "end", rule.when.text, " ".join(rule.changes), rule.reason, [list(rule.changes)])
    action = describe(rule).removeprefix(f"{rule.id}: ")
    turns = [list(turn) for turn in rule.watch.turns]
    return _RuleRow(rule.id, "live", rule.when.text, f"live, {action}", rule.reason, turns)


def _record(record: RuleRecord | None) -> str:
    said = record_text(record)
    if record is None or not record.ran:
        return said
    decided = f"{record.approved} approved, {record.rejected} rejected, {record.ran} ran"
    return f"fired {plural(record.proposed, 'time')}, {decided}; {said}"


def _others(listed: list[_RuleRow], records: Records, cells: int | None) -> list[str]:
    mine = {each.id for each in listed}
    rest = [record for rule, record in records.items() if rule not in mine]
    if not rest:
        return []
    lines = ["", "Also in this project:"]
    for each in rest:
        lines += printing.wrapped(
            printing.printable(f"{'' if each.searched else 'rule '}{each.rule}: {_record(each)}"),
            cells,
            first="  ",
            others="    ",
        )
    return lines
