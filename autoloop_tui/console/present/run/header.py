"""Texts of a run's page as rows: the header, the changes of its config, and its lineage."""

from __future__ import annotations

from collections.abc import Sequence

from autoloop.configs import Config, diff
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.model import ActorKind, Change, MetricSummary, Proposal, Run, RunState, UserError
from autoloop.text.changes import after_text, before_text
from autoloop.text.values import NOTHING, count, duration

from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import bar, cells, clip, fit, look, number, percent, plain, shown_value
from autoloop_tui.console.drawing.pieces import Piece, wide
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.metric_delta import against
from autoloop_tui.console.present.proposals.queue import why
from autoloop_tui.console.present.rounds.rows import changes_in_short
from autoloop_tui.console.present.run.config_text import REMOVED, config_rows

BAR = (8, 40)
"""Minimum and maximum width of the progress bar in cells."""

# ------------------------------------------------------------------------------------------------------------- header


def header(
    view: View,
    run: Run,
    *,
    step: int,
    rate: float | None,
    reached: MetricSummary | None,
    theirs: MetricSummary | None,
    now: float,
    width: int,
    glyphs: Glyphs,
) -> list[list[Piece]]:
    """Return three rows: the run's identity, its progress, and its origin. `reached`: its figures of the key metric, if any;
    `theirs`: the base's figures to compare with."""
    seen = look(view.state_of(run))
    dot = glyphs.dot
    base = view.base_of(run)
    first: list[list[Piece]] = [
        [(f" {seen.text(glyphs)}  ", f"bold {seen.variable}"), (plain(run.name), "bold")],
        [(f"  {plain(run.id)}", "dim")],
        [(f"{dot}round {run.round}", "")],
    ]
    if run.attempts > 1:
        first.append([(f"{dot}attempt {run.attempts}", "slot-warn")])
    if run.base_run:
        first.append([(f"{dot}base {plain(base.name) if base else plain(run.base_run)}", "")])
        first += [[(f" {plain(run.base_run)}", "dim")]] if base else []
    return [
        whole(first, width, glyphs),
        clipped(_progress(view, run, step, rate, reached, theirs, now, width, glyphs), width, glyphs),
        clipped([(" ", ""), *_origin(view, run, glyphs)], width, glyphs),
    ]


def _progress(
    view: View,
    run: Run,
    step: int,
    rate: float | None,
    reached: MetricSummary | None,
    theirs: MetricSummary | None,
    now: float,
    width: int,
    glyphs: Glyphs,
) -> list[Piece]:
    share = step / run.total_steps if run.total_steps else 0.0
    total = count(run.total_steps) if run.total_steps else "?"
    gap = "  "
    facts: list[list[Piece]] = [[(f" {percent(share)}", "bold")], [(f"  {count(step)}/{total}", "")]]
    if run.state in (RunState.RUNNING, RunState.STOPPING) and run.id not in view.gone:
        if (left := run.seconds_left(step, rate, now)) is not None:
            facts.append([(f"{gap}eta ", "dim"), (duration(left), "")])
        if rate is not None:
            facts.append([(f"{gap}{number(rate, 5)} ", ""), ("steps/s", "dim")])
    if run.started_at:
        facts.append([(f"{gap}took ", "dim"), (duration((run.ended_at or now) - run.started_at), "")])
    slots = view.loop.spec.slots
    if run.slot is not None and run.slot < len(slots):
        attempt = view.snapshot.attempts.get(run.id)
        node = f" on {attempt.node}" if attempt and attempt.node else ""
        facts.append([(f"{gap}{slots[run.slot].label}{node}", "dim")])
    if reached is not None:
        facts.append(key_figure(view, run, reached, theirs, glyphs))
    told = whole(facts, width - BAR[0] - 2, glyphs)
    done, rest = bar(share, max(BAR[0], min(BAR[1], width - 2 - wide(told))), glyphs=glyphs)
    return [(" ", ""), (done, look(run.state.value).variable), (rest, "rule"), *told]


def key_figure(view: View, run: Run, reached: MetricSummary, theirs: MetricSummary | None, glyphs: Glyphs) -> list[Piece]:
    """Return the key metric and its change against the base run; for a run in training, at its current step."""
    key = view.key_metric
    pieces: list[Piece] = [(f"  {view.metrics.short(key)} ", "dim"), (number(reached.last), "bold")]
    if theirs is not None:
        base = view.base_of(run)
        delta = against(reached, theirs, view.judge.between(run, base, key) if base else None)
        at = "" if run.state.ended else f" at step {theirs.last_step}"
        pieces += [(" ", ""), delta.piece(9, glyphs=glyphs), (f" vs base{at}", "dim")]
    return pieces


def _origin(view: View, run: Run, glyphs: Glyphs) -> list[Piece]:
    """Return one line: the proposal and its edits, or the config file given by the user."""
    pieces: list[Piece] = []
    if run.reason and not run.state.ended:  # the full reason of an ended run is shown below
        pieces.append((f"{why(run)}  ", "slot-warn"))
    if run.base_run is None:
        return [*pieces, ("from ", "dim"), (plain(view.said(run.source_path)), "")]
    edits = changes_in_short(run.changes, 4) or "no change"
    pieces.append((_letters(edits, glyphs), "diff-after"))
    if proposal := proposal_of(view, run):
        pieces += [(f"  {maker(proposal)}: ", "dim"), (plain(proposal.reason), "dim")]
    return pieces


def maker(proposal: Proposal) -> str:
    """Return who made a proposal: `by rule more-lr`, `by ada`."""
    author = proposal.author
    return f"by rule {plain(author.name)}" if author.kind is ActorKind.RULE and author.name else f"by {plain(str(author))}"


def _letters(edits: str, glyphs: Glyphs) -> str:
    return edits.replace("→", glyphs.arrow).replace(" ×", glyphs.of(" ×", " x"))


def proposal_of(view: View, run: Run) -> Proposal | None:
    """Return the proposal that became this run."""
    return next((each for each in view.snapshot.proposals if each.id == run.proposal), None)


def whole(facts: Sequence[Sequence[Piece]], width: int, glyphs: Glyphs) -> list[Piece]:
    """Return as many complete facts as fit, from the first on; only the first (such as a name) is clipped if necessary."""
    row = clipped(facts[0], width, glyphs)
    for fact in facts[1:]:
        if wide(row) + wide(fact) > width:
            break
        row += fact
    return row


def clipped(pieces: Sequence[Piece], width: int, glyphs: Glyphs) -> list[Piece]:
    """Return the pieces that fit; if something was cut, the last ends in an ellipsis."""
    row: list[Piece] = []
    used = 0
    for text, names in pieces:
        if used >= width:
            break
        text = clip(text.replace(NOTHING, glyphs.nothing), width - used, glyphs.ellipsis)
        row.append((text, names))
        used += cells(text)
    return row


# ------------------------------------------------------------------------------------------------------------- config


def config_page(view: View, run: Run, *, glyphs: Glyphs) -> list[list[Piece]]:
    """Return the changes of the config against its base, the lineage, and the config line by line."""
    try:
        config = frozen_config(run)
    except UserError as error:
        return [[(" " + plain(str(error)), "slot-failed")]]
    rows = [*_difference(view, run, config, glyphs), [], *lineage(view, run, glyphs=glyphs), []]
    lines = config_rows(run, view.base_of(run))
    length = sum(line[0] != REMOVED for line in lines)
    rows.append(title("The whole config", f"{count(length)} lines, {view.said(run.config_path)}"))
    return rows + lines


def _difference(view: View, run: Run, config: Config, glyphs: Glyphs) -> list[list[Piece]]:
    if run.base_run is None:
        return [title("Changes", ""), [("   baseline, unchanged", "dim")]]
    base = view.base_of(run)
    head = title("Changes", f"against {base.name if base else 'its base'} ({run.base_run})")
    changes = list(run.changes)
    if base is not None:
        try:
            changes = diff(frozen_config(base), config)
        except UserError as error:
            return [head, [("   " + plain(str(error)), "slot-failed")], *change_rows(changes, glyphs)]
    return [head, *(change_rows(changes, glyphs) or [[("   nothing", "dim")]])]


def change_rows(changes: Sequence[Change], glyphs: Glyphs) -> list[list[Piece]]:
    """Return one aligned row per change: a symbol, the path, old and new value."""
    arrow = glyphs.arrow
    paths = [plain(change.path) for change in changes]
    befores = [before_text(change, shown_value) for change in changes]
    wide = min(48, max(map(cells, paths), default=0))
    before_wide = min(24, max(map(cells, befores), default=0))
    rows: list[list[Piece]] = []
    for change, path, before in zip(changes, paths, befores, strict=True):
        sign = "-" if change.removed else "+" if change.created else "~"
        pad = " " * max(0, wide - cells(path))
        rows.append(
            [
                (f" {sign} ", "diff-before" if change.removed else "diff-after"),
                (path + pad, ""),
                (f"  {fit(before, max(before_wide, cells(before)), '>')} ", "dim" if change.created else "diff-before"),
                (f"{arrow} ", "dim"),
                (after_text(change, shown_value), "dim" if change.removed else "bold diff-after"),
            ]
        )
    return rows


def title(text: str, more: str) -> list[Piece]:
    return [(f" {text}", "bold key"), (f"  {plain(more)}" if more else "", "dim")]


# ------------------------------------------------------------------------------------------------------------ lineage


def lineage(view: View, run: Run, *, glyphs: Glyphs) -> list[list[Piece]]:
    """Return the lineage from the oldest ancestor to the run: each with its key metric and the edits that led to the
    next."""
    chain = ancestors(view, run)
    key, turn = view.key_metric, glyphs.of("└ ", "`-")
    rows = [title("Lineage", f"oldest first, with final {view.metrics.short(key)}")]
    wide = min(40, max(cells(plain(each.name)) for each in chain))
    for depth, each in enumerate(chain):
        indent = "   " + "  " * min(depth, 12)
        if each.base_run:
            proposal = proposal_of(view, each)
            edits = changes_in_short(each.changes, 8) or "no change"
            rows.append([(indent + turn, "rule"), (_letters(edits, glyphs), "diff-after")])
            if proposal:
                why = f"{maker(proposal)}: {plain(proposal.reason)}"
                rows.append([(f"{indent}  ", ""), (f"proposal {proposal.id}, {why}", "dim")])
        seen = look(each.state.value)
        reached = each.summary.metrics.get(key) if each.summary else None
        rows.append(
            [
                (f"{indent}{'  ' if each.base_run else ''}{seen.mark(glyphs)} ", seen.variable),
                (fit(each.name, wide), "bold" if each.id == run.id else ""),
                (f"  {plain(each.id)}", "dim"),
                (f"  round {each.round}", "dim"),
                (f"  {number(reached.last) if reached else ''}", "bold"),
                ("  this run" if each.id == run.id else "", "key"),
            ]
        )
    if chain[0].base_run:
        rows.insert(1, [(f"   {plain(chain[0].base_run)} is not a run of this loop", "dim")])
    return rows


def ancestors(view: View, run: Run) -> list[Run]:
    """Return the run and its chain of bases, oldest first."""
    by_id = {each.id: each for each in view.snapshot.runs}
    chain, seen = [run], {run.id}
    while (base := by_id.get(chain[0].base_run or "")) is not None and base.id not in seen:
        chain.insert(0, base)
        seen.add(base.id)
    return chain
