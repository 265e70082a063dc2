"""The rows of a proposal in full: its changes, the reason, and how earlier proposals of the same rule turned out. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoloop.metrics import MetricBook, config_label
from autoloop.model import ActorKind, Change, Note, Observation, Proposal, ProposalStatus, RuleRecord, Run
from autoloop.text.changes import after_text, before_text, extension_text
from autoloop.text.evidence import averaged_text
from autoloop.text.plural import plural
from autoloop.verdicts import Call, Judge, Results
from autoloop.verdicts.wording import expectation_said, record_text, result_texts, sentence

from autoloop_tui.console.drawing.cutting import LONG, tail, wrapped
from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import cells, clip, fit, look, number, plain, shown_value
from autoloop_tui.console.drawing.pieces import Piece, crop
from autoloop_tui.console.present.notes import note_rows
from autoloop_tui.console.present.proposals.outcome import result_look
from autoloop_tui.console.present.proposals.queue import (
    MetricChange,
    earlier_uses,
    reached,
    state_of,
    telling_metrics,
)

Rows = list[list[Piece]]

EARLIER = 8
"""Maximum number of earlier uses of a rule listed."""


@dataclass(frozen=True)
class Facts:
    """A proposal and what is shown with it."""

    proposal: Proposal
    runs: Mapping[str, Run]
    proposals: Sequence[Proposal]
    metrics: MetricBook
    record: RuleRecord | None = None
    """The project-wide record of its rule."""
    judge: Judge | None = None
    """Decides which config is better; without it no run is called better."""
    results: Results | None = None
    """The results of the proposals."""
    notes: Sequence[Note] = ()
    """Notes of people and agents on the proposal."""


def build(facts: Facts, width: int, *, glyphs: Glyphs) -> Rows:
    """Return all rows of a proposal, `width` cells wide."""
    parts = [
        _what(facts, width, glyphs),
        _changes(facts.proposal, width, glyphs),
        note_rows(facts.notes, width),
        _why(facts.proposal, width, glyphs),
        _became(facts, width, glyphs),
        _earlier(facts, width, glyphs),
    ]
    rows: Rows = []
    for part in parts:
        if part:
            rows += [[], *part] if rows else part
    return rows


def _what(facts: Facts, width: int, glyphs: Glyphs) -> Rows:
    proposal = facts.proposal
    base = facts.runs.get(proposal.base_run)
    rows: Rows = []
    if proposal.blocked:
        seen = look("blocked")
        text = f"{seen.mark(glyphs)} blocked: {proposal.blocked}"
        rows += [[(line, f"bold {seen.variable}")] for line in wrapped(text, width)]
    rows += [[(line, "bold")] for line in wrapped(proposal.reason or "no reason given", width)]
    name = config_label(base, len(proposal.runs)) if base else f"{proposal.base_run} (not of this loop)"
    author = f"rule {proposal.origin}" if proposal.author.kind is ActorKind.RULE else f"by {proposal.author}"
    if proposal.evidence and not proposal.author.by_itself:
        made = proposal.origin if proposal.evidence.searched else f"rule {proposal.origin}"
        author = f"{made}, edited by {proposal.author}"
    text = f"from {name}, {author}, round {proposal.round}"
    if proposal.priority and not proposal.repeats:  # replicates come first; no one has set that priority
        text += f", priority {proposal.priority}"
    if proposal.live:
        text = f"live {author}, fired at step {proposal.live.step} of {name}, round {proposal.round}"
    rows += [[(line, "dim")] for line in wrapped(text, width)]
    if proposal.expects:
        result = facts.results.of(proposal) if facts.results else None
        rows += [[(line, "")] for line in wrapped(expectation_said(proposal.expects, result, facts.metrics), width)]
    if proposal.kill_criterion:
        rows += [[(line, "slot-warn")] for line in wrapped(f"its run is stopped if {proposal.kill_criterion}", width)]
    if proposal.decided_by:
        done = "stopped" if proposal.status is ProposalStatus.DONE else proposal.status.value
        by = "automatically" if proposal.live and proposal.decided_by.by_rules else f"by {proposal.decided_by}"
        said = f"{done} {by}" + (f": {proposal.note}" if proposal.note else "")
        rows += [[(line, look(proposal.status.value).variable)] for line in wrapped(said, width)]
    elif proposal.note:
        note = f"lapsed: {proposal.note}" if proposal.lapsed else proposal.note
        rows += [[(line, "dim")] for line in wrapped(note, width)]
    return rows


# ---------------------------------------------------------------------------------------------------------- changes


def _changes(proposal: Proposal, width: int, glyphs: Glyphs) -> Rows:
    if proposal.live and not proposal.edits:
        return [[("asked for", "bold key")], [("  stop the run", "")]]
    if proposal.extend is not None:
        return [[("asked for", "bold key")], [("  " + extension_text(proposal.extend), "")], *_notes(proposal, width)]
    if not proposal.changes:
        rows: Rows = [[("asked for", "bold key")]]
        return rows + [[("  " + line, "")] for edit in proposal.edits for line in wrapped(edit, width - 2)]
    return [[("changes", "bold key")], *change_rows(proposal.changes, width, glyphs), *_notes(proposal, width)]


def change_rows(changes: Sequence[Change], width: int, glyphs: Glyphs) -> Rows:
    """Return rows of `path   before → after` in columns; what is too long goes below its path. Notes are indented."""
    mark, arrow = glyphs.ellipsis, glyphs.of(" → ", " -> ")
    texts = [(before_text(c, shown_value), after_text(c, shown_value)) for c in changes]
    paths = [plain(change.path[-LONG:]) for change in changes]
    room = max(8, width - 2)
    wide = min(max(map(cells, paths)), room * 3 // 5)
    before_wide = max((cells(b) for b, a in texts if wide + 2 + cells(b) + 4 + cells(a) <= room), default=0)
    rows: Rows = []
    for change, path, (before, after) in zip(changes, paths, texts, strict=True):
        before_look = "dim" if change.created else "diff-before"
        if wide + 2 + max(before_wide, cells(before)) + 4 + cells(after) <= room:
            rows.append(
                [
                    ("  " + tail(path, wide, mark) + "  ", ""),
                    (fit(before, before_wide, ">"), before_look),
                    (arrow, "dim"),
                    (after, "bold diff-after"),
                ]
            )
        else:
            rows.append([("  " + tail(path, room, mark).rstrip(), "")])
            rows += [
                [("  - " if at == 0 else "    ", "diff-before"), (line, before_look)]
                for at, line in enumerate(wrapped(before, room - 4)[:4])
            ]
            rows += [
                [("  + " if at == 0 else "    ", "diff-after"), (line, "bold diff-after")]
                for at, line in enumerate(wrapped(after, room - 4)[:4])
            ]
        if change.note:
            rows += [[("      " + line, "dim")] for line in wrapped(change.note, room - 4)]
    return rows


def _notes(proposal: Proposal, width: int) -> Rows:
    """Return the notes that no change carries: what was left out or dropped."""
    told = {change.note for change in proposal.changes}
    return [
        [(("  note  " if at == 0 else "        "), "slot-warn"), (line, "dim")]
        for note in proposal.notes
        if note not in told
        for at, line in enumerate(wrapped(note, width - 8))
    ]


# --------------------------------------------------------------------------------------------------------- evidence


def _why(proposal: Proposal, width: int, glyphs: Glyphs) -> Rows:
    evidence = proposal.evidence
    if evidence is None:
        return []
    book, _, edition = evidence.rule_version.rpartition(" ")  # `mine 4`, or `4` for a book without a name
    version = f" (rule book {f'{book} ' if book else ''}v{edition})" if edition else ""
    made = f"{evidence.rule}, version {evidence.rule_version}" if evidence.searched else f"rule {evidence.rule}{version}"
    rows: Rows = [[("evidence", "bold key"), (clip(f"  {made}", width - 8), "dim")]]
    if averaged := averaged_text(evidence):
        rows += [[("  " + line, "")] for line in wrapped(f"{averaged}; the variant runs with each seed", width - 4)]
    when, label = " ".join(evidence.when.split()), "over" if evidence.searched else "when"
    if when:
        rows += [
            [((f"  {label}  " if at == 0 else "        "), "dim"), (line, "")]
            for at, line in enumerate(wrapped(when, width - 8))
        ]
    elif not evidence.observations:
        rows += [[("  it fires if no other rule does", "dim")]]
    names = [plain(o.name[:LONG]) for o in evidence.observations]
    values = [_value(o.value) for o in evidence.observations]
    tests = [plain(f"{o.op} {_value(o.threshold)}") for o in evidence.observations]
    name_wide = min(max(map(cells, names), default=0), max(8, width * 2 // 5))
    value_wide, test_wide = (min(max(map(cells, column), default=0), 16) for column in (values, tests))
    mark = glyphs.ellipsis
    for observation, name, value, test in zip(evidence.observations, names, values, tests, strict=True):
        seen = look("finished" if observation.holds else "idle")
        row: list[Piece] = [
            ("  " + seen.mark(glyphs) + " ", seen.variable),
            (fit(name, name_wide, mark=mark) + "  ", ""),
            (fit(value, value_wide, ">", mark=mark), "bold"),
            (" " + fit(test, test_wide, mark=mark), "" if observation.holds else "dim"),
        ]
        basis = _basis(observation, glyphs)
        left = width - sum(cells(text) for text, _ in row) - 2
        if cells(basis) <= left:
            rows.append([*row, ("  " + basis, "dim")])
        else:
            rows += [row, [("      " + clip(basis, width - 6, mark), "dim")]] if basis else [row]
        rows += [[("      " + line, "dim")] for line in wrapped(observation.words or "", width - 6) if line]
    return rows


def _basis(observation: Observation, glyphs: Glyphs) -> str:
    """Return what a comparison is based on: points, steps and noise."""
    dot, dash = glyphs.of(" · ", ", "), glyphs.of("–", "-")
    parts = []
    if observation.n is not None:
        parts.append(plural(observation.n, "point"))
    if observation.first_step is not None and observation.last_step is not None:
        parts.append(f"steps {observation.first_step}{dash}{observation.last_step}")
    if observation.noise is not None:
        parts.append(f"{glyphs.of('±', '+-')} {number(observation.noise)}")
    if not observation.holds:
        parts.append("false")
    return dot.join(parts)


def _value(value: object) -> str:
    if isinstance(value, str):
        return plain(value[:LONG])
    return number(value) if isinstance(value, float) else shown_value(value)


# ------------------------------------------------------------------------------------------------ outcome


def _became(facts: Facts, width: int, glyphs: Glyphs) -> Rows:
    """Return the outcome of a launched proposal, with each of its runs."""
    result = facts.results.of(facts.proposal) if facts.results else None
    if result is None:
        return []
    mark, names = result_look(result, glyphs)
    rows: Rows = [[("outcome", "bold key"), (f"  {mark} {clip(result_texts(result)[0], width - 11)}", names)]]
    if result.verdict and result.metric:
        said = f"{facts.metrics.short(result.metric)} against its base: {sentence(result.verdict)}"
        rows += [[("  " + line, "")] for line in wrapped(said, width - 4)]
    for run in result.runs[:EARLIER]:
        rows += _use(facts, facts.proposal, width, glyphs, of=run.id)
    if len(result.runs) > EARLIER:
        rows.append([(f"  and {len(result.runs) - EARLIER} more runs", "dim")])
    return rows


def _earlier(facts: Facts, width: int, glyphs: Glyphs) -> Rows:
    """Return how earlier launched proposals of the same rule or author did against their bases."""
    uses = earlier_uses(facts.proposal, facts.proposals)
    rows: Rows = [[("other uses of " + clip(facts.proposal.origin, width - 14), "bold key")]]
    if facts.proposal.author.by_itself:
        rows += [[("  " + line, "")] for line in wrapped(record_text(facts.record), width - 2)]
        if not (facts.record and facts.record.ran):
            return rows
    if not uses:
        return [*rows, [("  none of its proposals has run in this loop", "dim")]]
    for use in uses[:EARLIER]:
        rows += _use(facts, use, width, glyphs)
    if len(uses) > EARLIER:
        rows.append([(f"  and {len(uses) - EARLIER} before these", "dim")])
    return rows


def _use(facts: Facts, use: Proposal, width: int, glyphs: Glyphs, *, of: str | None = None) -> Rows:
    """Return a run of a proposal (by default its first) against its base."""
    run = facts.runs.get(of or use.run or "")
    if run is None:
        return [[(f"  r{use.round + 1} run {plain(use.run or '?')} is not of this loop", "dim")]]
    mark = glyphs.ellipsis
    seen = look(run.state.value)
    head: list[Piece] = [
        (f"  {seen.mark(glyphs)} ", seen.variable),
        (f"r{run.round} {clip(run.name, max(8, width // 3), mark)}  ", ""),
    ]
    names = telling_metrics(facts.proposal, facts.metrics)
    found = reached(run, facts.runs.get(run.base_run or ""), names, facts.metrics, facts.judge)
    if not found:
        return [crop([*head, (state_of(run), seen.variable)], 0, width, mark)]
    rows: Rows = [head]
    used = sum(cells(text) for text, _ in head)
    parts = [_reached(each, glyphs) for each in found]
    if unsure := [each.delta for each in found if each.delta and each.delta.change and each.delta.call is Call.NOT_ENOUGH]:
        parts.append([(unsure[0].words, "dim")])
    for part in parts:
        length = sum(cells(text) for text, _ in part)
        if used + length > width and len(rows[-1]) > 1:
            rows.append([("    ", "")])
            used = 4
        rows[-1] = [*rows[-1], *part]
        used += length
    return [crop(row, 0, width, mark) for row in rows]


def _reached(each: MetricChange, glyphs: Glyphs) -> list[Piece]:
    """Return `ot_pi_sum 3.4e-11 → 2.4e-3 better (n 4, 4)`; the verdict is omitted if there are too few runs."""
    name: Piece = (f"{each.name} ", "dim")
    if each.delta is None or each.base is None:
        return [name, (number(each.value), "bold"), ("  ", "")]
    word, names = ("same", "dim") if each.delta.change == 0 else (each.delta.words, each.delta.look)
    if word != "same" and each.delta.call is Call.NOT_ENOUGH:
        word = ""
    arrow = glyphs.of(" → ", " -> ")
    return [name, (number(each.base), ""), (arrow, "dim"), (number(each.value), f"bold {names}"), (f" {word}  ", names)]


# ------------------------------------------------------------------------------------------------------------- text
