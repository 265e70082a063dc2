"""Proposals in the Markdown report: the proposals with their decisions, and in the next round's part their outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autoloop.metrics import MetricBook, config_label, expectation_text, for_runs
from autoloop.model import Change, Proposal, ProposalStatus, Run
from autoloop.reports.cells import decision_text
from autoloop.reports.inert import code, inert
from autoloop.text.changes import after_text, before_text, extension_text
from autoloop.text.evidence import evidence_text
from autoloop.text.values import number
from autoloop.verdicts import Judge, Result, Results, SharedResults
from autoloop.verdicts.wording import expectation_said, result_texts, sentence


def proposal_table(by_id: Mapping[str, Run], proposals: Sequence[Proposal], metrics: MetricBook) -> list[str]:
    """A table of proposals with their decisions. `by_id`: the base runs."""
    rows = ["| # | base | by | reason | changes | decision |", "|---|---|---|---|---|---|"]
    return rows + [_row(by_id, proposal, metrics) for proposal in proposals]


def _row(by_id: Mapping[str, Run], proposal: Proposal, metrics: MetricBook) -> str:
    base = by_id[proposal.base_run]
    changes = "; ".join(map(_change, proposal.changes)) or "; ".join(map(code, proposal.edits))
    changes = changes if proposal.extend is None else extension_text(proposal.extend)
    expects = f" (expects {expectation_text(proposal.expects, metrics)})" if proposal.expects else ""
    stopped = f" (stopped if {proposal.kill_criterion})" if proposal.kill_criterion else ""
    cells = [
        str(proposal.id),
        inert(config_label(base, len(proposal.runs))),
        inert(str(proposal.author)),
        inert(f"{proposal.reason}{expects}{stopped}"),
        changes,
        inert(decision_text(proposal)),
    ]
    return "| " + " | ".join(cells) + " |"


def result_table(
    before: Sequence[Run],
    runs: Sequence[Run],
    proposals: Sequence[Proposal],
    metrics: MetricBook,
    seen: SharedResults | None = None,
) -> list[str]:
    """A table of the outcomes, at the end of a round with `runs`, of the proposals that led to it, each with all its runs.

    `before`: the runs of earlier rounds, and replicates in other loops; `seen`: the results shared with judges of earlier
    rounds."""
    proposals = [each for each in proposals if each.live is None]
    if not proposals:
        return []
    loop = {run.loop for run in runs}
    mine = [*(run for run in before if run.loop in loop), *runs]
    judge = Judge(mine, for_runs(metrics, runs), [run for run in before if run.loop not in loop], seen=seen)
    results = Results(mine, judge)
    found = [(each, result) for each in proposals if (result := results.of(each))]
    if not found:
        return []
    rows = ["| # | runs | outcome | expectation |", "|---|---|---|---|"]
    for proposal, result in found:
        expected = expectation_said(proposal.expects, result, metrics).removeprefix("expects ") if proposal.expects else "–"
        cells = [str(proposal.id), inert(_runs(result, metrics)), inert(_outcome(result)), inert(expected)]
        rows.append("| " + " | ".join(cells) + " |")
    return ["", "Outcomes of the proposals:", "", *rows]


def _runs(result: Result, metrics: MetricBook) -> str:
    """`ab12cd34, eval_l1 0.31`; for several runs, their mean: `3 runs (…), mean eval_l1 0.31`."""
    ids = ", ".join(run.id for run in result.runs)
    text = f"{len(result.runs)} runs ({ids})" if len(result.runs) > 1 else ids
    reached = [run.summary.metrics.get(result.metric or "") for run in result.finished if run.summary]
    values = [metric.tail_mean for metric in reached if metric]
    if not values or result.metric is None:
        return text
    of = " mean" if len(values) > 1 else ""
    return f"{text},{of} {metrics.short(result.metric)} {number(sum(values) / len(values))}"


def _outcome(result: Result) -> str:
    verdict = result.verdict
    return f"ran, {sentence(verdict)}" if verdict and verdict.interval else result_texts(result)[0]


def live_row(by_id: Mapping[str, Run], proposal: Proposal) -> str:
    """`- baseline (ab12cd34), step 340: pi-vanished (ot_pi_sum.last = 3.4e-11 < 1e-06): launched, run …`, and the edits."""
    base = by_id[proposal.base_run]
    seen = evidence_text(proposal.evidence) if proposal.evidence else ""
    step = proposal.live.step if proposal.live else base.step
    text = f"- {inert(base.name)} ({base.id}), step {step}: {inert(proposal.origin)} ({inert(seen or proposal.reason)}): "
    text += "stopped" if proposal.status is ProposalStatus.DONE else proposal.status.value
    if proposal.decided_by and not proposal.decided_by.by_rules:
        text += f" by {inert(str(proposal.decided_by))}"
    if proposal.run:
        text += f", run {proposal.run}"
    if proposal.changes:
        text += " with " + ", ".join(map(_change, proposal.changes))
    if proposal.blocked or proposal.note:
        text += f": {inert(proposal.blocked or proposal.note or '')}"
    return text


def _change(change: Change) -> str:
    return f"{code(change.path)} {inert(before_text(change))} → {inert(after_text(change))}"
