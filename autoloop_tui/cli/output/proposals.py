"""Proposals as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autoloop.engine.planning.kept_metrics import metrics_of
from autoloop.metrics import MetricBook, config_label, for_runs
from autoloop.model import Loop, Note, Proposal, ProposalStatus, RuleRecord, Run, Sender
from autoloop.secrets import mask
from autoloop.store import Store
from autoloop.text.changes import change_text, extension_text
from autoloop.text.evidence import averaged_text, observation_text
from autoloop.verdicts import Judge, Result, Results
from autoloop.verdicts.wording import expectation_said, record_document, record_text, result_document, result_texts, sentence

from autoloop_tui.cli.documents.judging import ProposalDocument
from autoloop_tui.cli.output import printing

UNDECIDED = (ProposalStatus.PENDING, ProposalStatus.SKIPPED, ProposalStatus.REJECTED)
"""Statuses in which a proposal can still be approved."""


def results_of(store: Store, loop: Loop, runs: Sequence[Run]) -> Results:
    """Return the results of a loop's proposals; `runs` are the loop's runs."""
    book = for_runs(metrics_of(store.places, loop), runs)
    return Results(runs, Judge(runs, book, store.replicates_elsewhere(loop.id)))


def records_of(store: Store, loop: Loop) -> dict[str, RuleRecord]:
    """Return the record of each rule's proposals in the project."""
    from autoloop.reports import project_records

    return project_records(store, loop, metrics_of(store.places, loop))


def senders_of(store: Store, proposals: Sequence[Proposal]) -> dict[int, Sender]:
    """Return the sender of each decision, by the number of its command."""
    return {number: store.command(number).sender for number in {each.decision for each in proposals} if number is not None}


def proposal_document(
    proposal: Proposal, result: Result | None, records: Mapping[str, RuleRecord], senders: Mapping[int, Sender]
) -> ProposalDocument:
    """`records`: of rules in the project; `senders`: of decisions, by command number."""
    sender = senders.get(proposal.decision) if proposal.decision is not None else None
    record = record_document(records.get(proposal.origin)) if proposal.author.by_itself else None
    return ProposalDocument.of(proposal, sender, result_document(result) if result else None, record)


def proposal_text(
    proposal: Proposal,
    base: Run,
    result: Result | None,
    book: MetricBook,
    records: Mapping[str, RuleRecord] | None = None,
    senders: Mapping[int, Sender] = {},
    remarks: Sequence[Note] = (),
) -> str:
    where = f"live at step {proposal.live.step}" if proposal.live else f"→ {proposal.round + 1}"
    where = "then" if proposal.extend is not None else where
    state = result_texts(result)[0] if result else proposal.status.value
    head = (
        f"#{proposal.id}  {state}  round {proposal.round} {where}  "
        f"from {config_label(base, len(proposal.runs))}  by {proposal.author}"
    )
    if proposal.approval_hash and proposal.status in UNDECIDED:
        head += f"  {proposal.tag}"
    lines = [head, f"    {proposal.reason}"]
    lines += [f"    {change.path}  {change_text(change)}" for change in proposal.changes] or [
        f"    {mask(edit)}" for edit in proposal.edits
    ]
    if proposal.extend is not None:
        lines.append(f"    {extension_text(proposal.extend)}")
    if proposal.live:
        lines.append(
            "    stops the run" + (" and relaunches it with these edits, in the same slot" if proposal.edits else "")
        )
    if proposal.kill_criterion:
        lines.append(f"    its run is stopped if {proposal.kill_criterion}")
    if proposal.evidence:
        lines += [
            f"    because {observation_text(o)}" + (f"  ({o.n} points, steps {o.first_step}–{o.last_step})" if o.n else "")
            for o in proposal.evidence.observations
            if o.holds
        ]
        if averaged := averaged_text(proposal.evidence):
            lines.append(f"    {averaged}: {', '.join(proposal.runs)}; the variant runs with each of their seeds")
    if records is not None and proposal.author.by_itself:
        name = f"rule {proposal.origin}" if proposal.author.by_rules else proposal.origin
        lines.append(f"    {name}: {record_text(records.get(proposal.origin))}")
    if proposal.expects:
        lines.append(f"    {expectation_said(proposal.expects, result, book)}")
    if result:
        lines.append(f"    runs: {', '.join(f'{run.id} {run.state.value}' for run in result.runs)}")
        if result.verdict and result.metric:
            lines.append(f"    {book.short(result.metric)} against its base: {sentence(result.verdict)}")
    if proposal.decided_by:
        sender = senders.get(proposal.decision) if proposal.decision is not None else None
        lines.append(f"    decided by {proposal.decided_by}" + (f" ({sender.origin})" if sender else ""))
    if proposal.blocked:
        lines.append(f"    blocked: {proposal.blocked}")
    said = {change.note for change in proposal.changes}
    lines += [f"    note: {note}" for note in [*proposal.notes, proposal.note] if note and note not in said]
    lines += [f"    {each.author} notes: {each.text}" for each in remarks if each.about == str(proposal.id)]
    cells = printing.across()
    return "\n".join(
        part
        for line in map(printing.printable, lines)
        for part in printing.wrapped(line, cells, others="        " if line.startswith(" ") else "    ")
    )
