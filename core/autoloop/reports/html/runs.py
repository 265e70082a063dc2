"""The sections on runs: lineage, failures, proposals, changes, and the locations of files."""

from __future__ import annotations

from autoloop.model import Proposal, Run, RunState
from autoloop.reports.cells import decision_text
from autoloop.reports.html.contents import Contents
from autoloop.reports.html.elements import Cell, Markup, Row, bullets, code, element, link, table
from autoloop.reports.html.rounds import swatch
from autoloop.text.changes import after_text, before_text, changes_text, extension_text
from autoloop.text.evidence import evidence_text
from autoloop.text.values import NOTHING, number
from autoloop.verdicts.wording import expectation_said, result_texts


def lineage(contents: Contents) -> Markup:
    """The runs as a tree: each below the run that its config was made from. Empty if no config was made from another."""
    children: dict[str, list[Run]] = {}
    for run in contents.runs:
        base = contents.base_of(run)
        children.setdefault(base.id if base and base is not run else "", []).append(run)
    if len(children) < 2:
        return Markup()
    made: dict[str, Markup] = {}
    # From the last to the first, because a run comes after its base: no recursion, even for a long lineage.
    for run in reversed(contents.runs):
        below = [made.pop(child.id) for child in children.get(run.id, ()) if child.id in made]
        made[run.id] = element("li", _node(contents, run), element("ul", below) if below else None)
    return element("ul", [made[run.id] for run in contents.runs if run.id in made], class_="tree")


def _node(contents: Contents, run: Run) -> list[str | Markup]:
    key = next(iter(contents.metrics.key_metrics), "")
    value = run.summary.metrics.get(key) if run.summary else None
    node: list[str | Markup] = [swatch(contents, run), contents.named(run), " "]
    node.append(element("span", run.state.value, class_=f"state {run.state.value}"))
    if value:
        node.append(f" {contents.metrics.short(key)} {number(value.last)}")
    if run.changes:
        node += [" ", element("small", changes_text(run.changes))]
    return node


def failures(contents: Contents) -> Markup:
    """For each run that did not finish: why, the log line that shows it, and what to do."""
    items = []
    for run in contents.runs:
        if run.state not in (RunState.FAILED, RunState.LOST, RunState.STOPPED):
            continue
        attempt = contents.attempts.get(run.id)
        details = attempt.diagnosis.details if attempt and attempt.diagnosis else []
        state = element("span", run.state.value, class_=f"state {run.state.value}")
        items.append([contents.named(run), " ", state, f" {run.reason or ''}", bullets(details)])
    return bullets(items)


def proposals(contents: Contents) -> Markup:
    """A table of all proposals with their reasons, decisions and outcomes."""
    rows: list[Row] = []
    for each in contents.proposals:
        base = contents.by_id.get(each.base_run)
        why = [each.reason]
        if each.evidence and (seen := evidence_text(each.evidence)):
            why.append(f" ({seen})")
        if each.kill_criterion:
            why.append(f" (stopped if {each.kill_criterion})")
        rows.append(
            [
                Cell(str(each.id), each.id),
                Cell(_made_from(each), each.round),
                contents.named(base, len(each.runs)) if base else each.base_run,
                str(each.author),
                why,
                _changes(each),
                decision_text(each),
                contents.named(run) if (run := contents.by_id.get(each.run or "")) else NOTHING,
                _outcome(contents, each),
            ]
        )
    head = ["#", "proposed in", "base", "by", "reason", "changes", "decision", "run", "outcome"]
    return table("Proposals", head, rows) if rows else Markup()


def _outcome(contents: Contents, proposal: Proposal) -> str:
    """The outcome of a proposal, and whether its expectation was met."""
    result = contents.results.of(proposal)
    texts = [result_texts(result)[0]] if result else []
    if proposal.expects:
        texts.append(expectation_said(proposal.expects, result, contents.metrics))
    return "; ".join(texts) or NOTHING


def _made_from(proposal: Proposal) -> str:
    return f"round {proposal.round}" + (f", live at step {proposal.live.step}" if proposal.live else "")


def _changes(proposal: Proposal) -> str:
    if proposal.extend is not None:
        return extension_text(proposal.extend)
    if not proposal.changes:
        return bullets(map(code, proposal.edits))
    return bullets([code(each.path), f" {before_text(each)} → {after_text(each)}"] for each in proposal.changes)


def changes(contents: Contents) -> Markup:
    """A table of each run's changes from its base's config."""
    rows = []
    for run in contents.runs:
        base = contents.base_of(run)
        for each in run.changes:
            row = [contents.named(run), contents.named(base) if base else NOTHING, code(each.path)]
            rows.append([*row, before_text(each), after_text(each), each.note or ""])
    head = ["run", "from", "key", "before", "after", "note"]
    return table("Changes by run", head, rows) if rows else Markup()


def places(contents: Contents) -> Markup:
    """A table of each run's config, output folder, W&B page and notes, and where it ran."""
    where = {run: each.where for run, each in contents.attempts.items() if each.where}
    rows = []
    for run in contents.runs:
        page = link(run.wandb_url) if run.wandb_url else run.wandb_id or NOTHING
        row = [contents.named(run), code(run.source_path), code(run.output_dir or NOTHING), page, bullets(run.notes)]
        rows.append([*row, where.get(run.id, NOTHING)] if where else row)
    if not rows:
        return Markup()
    head = ["run", "config", "output", "W&B", "notes", *(["ran on"] if where else [])]
    inner = table("Configs and outputs", head, rows)
    return element("details", element("summary", "Config and output paths of each run"), inner)
