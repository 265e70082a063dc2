"""The expected effect of a variant, as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoloop.model import Run
from autoloop.text.changes import change_text, changes_text, without_secrets

from autoloop_tui.cli.output import findings, printing

if TYPE_CHECKING:
    from autoloop.foresight import Foresight, SimilarRun

    from autoloop_tui.cli.documents.plans import AlikeDocument, CheckDocument


def document(base: Run, seen: Foresight) -> CheckDocument:
    variant = seen.variant
    return {
        "base": base.id,
        "changes": [without_secrets(change) for change in variant.changes],
        "config_hash": variant.hash,
        "notes": variant.notes,
        "blocked": variant.blocked,
        "ready": not seen.wrong,
        "findings": findings.without_secrets(seen.findings),
        "past": [_document(each) for each in seen.past],
        "left_out": seen.left_out,
    }


def _document(each: SimilarRun) -> AlikeDocument:
    by = each.outcome.by
    return {
        "run": each.run.id,
        "name": each.run.name,
        "loop": each.loop,
        "state": each.run.state,
        "step": each.run.step,
        "differs": [without_secrets(change) for change in each.differs],
        "ending": each.outcome.ending,
        "at": each.outcome.at,
        "rule": by.rule if by else None,
        "edits": list(each.outcome.edits),
        "proposed": each.proposed,
    }


def text(base: Run, seen: Foresight) -> str:
    cells = printing.across()
    variant = seen.variant
    lines = [f"{base.name} ({base.id}), edited:"]
    lines += [f"  {change.path}  {change_text(change)}" for change in variant.changes]
    lines += [f"  note: {note}" for note in variant.notes]
    if variant.blocked:
        lines.append(f"  must not be run: {variant.blocked}")
    parts = ["\n".join(part for line in lines for part in printing.wrapped(printing.printable(line), cells, others="    "))]
    if seen.findings:
        parts.append(findings.as_text(findings.without_secrets(seen.findings), cells))
    if seen.past:
        rows = [
            [
                printing.printable(each.run.name),
                each.run.id,
                each.run.state.value,
                printing.printable(changes_text(each.differs) or "nothing"),
                printing.printable(each.said),
            ]
            for each in seen.past
        ]
        head = ["like it", "id", "state", "what differs", "by the rules"]
        parts.append(printing.table(head, rows, texts=(3, 4, 0), cells=cells))
    left = [f"left out: {printing.printable(each)}" for each in seen.left_out]
    return "\n\n".join([*parts, *(["\n".join(left)] if left else [])])
