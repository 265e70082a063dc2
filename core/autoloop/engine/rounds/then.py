"""`--then extend=…`: after a loop's rounds, continues the config that has been shown to be better than the baseline.

The request is a proposal like any other: stored before anything is done, decided by the same policy, and carried out in one
transaction. If an engine is killed between two of these steps, the next one continues from the store.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from autoloop.configs import apply, config_hash
from autoloop.engine.base.context import Context
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.engine.planning.then import resumes_to_steps, with_steps
from autoloop.engine.rounds.deciding import approve_by_policy, start_due
from autoloop.engine.rounds.making import make_run
from autoloop.engine.rounds.proposals import Proposals
from autoloop.engine.runs.resume import refusal
from autoloop.files import write_all
from autoloop.model import (
    POLICY,
    THEN,
    ApprovalMode,
    Config,
    EventKind,
    HookEvent,
    Outcome,
    Proposal,
    ProposalStatus,
    Run,
    RunState,
    UserError,
)
from autoloop.model.transitions import proposal_blocked, proposal_launched, run_extended
from autoloop.reports.result import then_proposal
from autoloop.text.plural import plural
from autoloop.text.values import signed
from autoloop.variants.policy import launch_policy

DECIDED = (ProposalStatus.LAUNCHED, ProposalStatus.BLOCKED)


class WinnerExtension:
    """Owned by the engine, which calls `over` once no run of the loop is left."""

    def __init__(self, context: Context, proposals: Proposals) -> None:
        self.context = context
        self._proposals = proposals
        self._seen: tuple[int, int] | None = None
        self._due: float | None = None
        """`_seen`: the store's mark when the proposal was last checked. `_due`: when it must be checked again even if the
        store has not changed."""
        self._waiting_said = False

    @property
    def proposal(self) -> Proposal | None:
        """The proposal of `--then`; None before it is made, and in a loop without `--then`."""
        return then_proposal(self.context.store, self.context.loop)

    def over(self, keep_result: Callable[[], object]) -> bool:
        """Advance as far as possible without waiting. Returns whether nothing is left to do. `keep_result` records the
        loop's result, which determines the winner, and is called before the proposal is made."""
        context, steps = self.context, self.context.spec.extend_winner
        if steps is None:
            return True
        mark = context.store.mark()
        if mark == self._seen and (self._due is None or context.clock() < self._due):
            return False
        proposal = self.proposal
        if proposal is None:
            keep_result()
            outcome = context.loop.outcome
            if outcome is None or not outcome.better:
                return True
            proposal = self._propose(outcome, steps)
        proposal = self._approve_if_due(proposal)
        if proposal.status in DECIDED:
            return True
        if proposal.status is ProposalStatus.REJECTED:
            due: float | None = (proposal.decided_at or 0.0) + context.spec.grace
        elif proposal.status is ProposalStatus.APPROVED:
            due = start_due(context, [proposal])
        else:
            due = self._decide_by(proposal)
            self._tell_wait(proposal)
        if proposal.status is not ProposalStatus.PENDING and due is not None and context.clock() >= due:
            if proposal.status is ProposalStatus.REJECTED:
                return True
            self._launch(proposal)
            return False
        self._seen, self._due = context.store.mark(), due
        return False

    # -------------------------------------------------------------------------------------------------------- proposing

    def _propose(self, outcome: Outcome, steps: int) -> Proposal:
        """Make and store the proposal."""
        context = self.context
        runs = self._replicates(outcome)
        run, resumes = self._chosen(runs, steps)
        round_ = context.store.last_round(context.loop_id)
        between = outcome.comparison
        effect = f" by {signed(between.effect)}" if between else ""
        metric = context.metrics.short(outcome.metric)
        proposal = Proposal(
            id=0,
            loop=context.loop_id,
            round=round_.number,
            base_run=run.id,
            author=THEN,
            reason=f"its config is better than the baseline{effect} in {metric}",
            edits=[],
            notes=[_which(len(runs)), "from its checkpoint" if resumes else "again, from step 0"],
            extend=steps,
            created_at=context.clock(),
        )
        try:
            config = frozen_config(run)
            changes = [] if resumes else with_steps(context.preset, config, steps)
            if changes is None:
                problem = (
                    f"No run of the config has a checkpoint, and the preset {context.preset.name} cannot set its steps."
                )
                raise UserError(problem)
            hash_ = self._hash(apply(config, changes), steps)
            proposal = msgspec.structs.replace(proposal, changes=changes, base_hash=config_hash(config), config_hash=hash_)
            if not resumes and (where := context.store.where_run(hash_)):
                raise UserError(f"This training has already run: {where}.")
        except UserError as error:
            proposal = proposal_blocked(proposal, str(error))
        with context.store.transaction():
            proposal = self._proposals.add(proposal)
        return proposal

    def _hash(self, config: Config, steps: int) -> str:
        spec = self.context.spec
        return launch_policy(self.context.preset, spec.train_script, steps, spec.extra).hash(config)

    def _replicates(self, outcome: Outcome) -> list[Run]:
        """The finished runs of the winner's config in this loop, best first."""
        context = self.context
        first = context.store.run(outcome.first.run)
        key = first.group or first.config_hash
        found: list[tuple[float, Run]] = []
        for round_ in context.store.rounds(context.loop_id):
            for run in context.store.runs(context.loop_id, round_.number):
                reached = run.summary.metrics.get(outcome.metric) if run.summary else None
                if run.state is RunState.FINISHED and reached and (run.group or run.config_hash) == key:
                    found.append((-reached.tail_mean if outcome.highest else reached.tail_mean, run))
        return [run for _, run in sorted(found, key=lambda each: (each[0], each[1].id))]

    def _chosen(self, runs: list[Run], steps: int) -> tuple[Run, bool]:
        """The run to continue, and whether it resumes from its checkpoint. This is the median run, so that luck does not
        choose it, or the one nearest to it that has a checkpoint. Without any checkpoint, the median run starts again."""
        middle = len(runs) // 2
        if resumes_to_steps(self.context.preset):
            for run in sorted(runs, key=lambda run: abs(runs.index(run) - middle)):
                if refusal(self.context.preset, run, steps) is None:
                    return run, True
        return runs[middle], False

    # --------------------------------------------------------------------------------------------------------- deciding

    def _approve_if_due(self, proposal: Proposal) -> Proposal:
        context = self.context
        due = self._decide_by(proposal)
        auto = context.spec.approve.mode is ApprovalMode.AUTO or (due is not None and context.clock() >= due)
        if proposal.status is not ProposalStatus.PENDING or not auto or context.loop.held:
            return proposal
        with context.store.transaction():
            approve_by_policy(context, [proposal])
        return context.store.proposal(proposal.id)

    def _decide_by(self, proposal: Proposal) -> float | None:
        after = self.context.spec.approve.after
        return None if after is None else proposal.created_at + after

    def _tell_wait(self, proposal: Proposal) -> None:
        if self._waiting_said:
            return
        after = self.context.spec.approve.after
        text = (
            f"the winner waits for a decision: `autoloop-tui approve {proposal.id}` continues it to {proposal.extend} "
            f"steps, `reject {proposal.id}` ends the loop"
        )
        automatic = f"; approved automatically after {after / 60:.0f} min" if after else ""
        told = f"the winner waits for a decision: continue to {proposal.extend} steps, or end the loop{automatic}"
        base, next = self.context.store.run(proposal.base_run), f"autoloop-tui approve {proposal.id}"
        with self.context.store.transaction():
            self.context.log_event(EventKind.WAITING, f"{text}{automatic}", proposal.base_run)
            self.context.tell(HookEvent.ROUND_WAITS, f"then {proposal.id}", told, next=next, round=proposal.round, run=base)
        self._waiting_said = True  # only after writing, which may fail

    # -------------------------------------------------------------------------------------------------------- launching

    def _launch(self, proposal: Proposal) -> None:
        context, steps = self.context, proposal.extend or 0
        base = context.store.run(proposal.base_run)
        rerun: Run | None = None
        try:
            if base.step >= steps:
                raise UserError(f"it has already made {base.step} steps")
            if not (resumes_to_steps(context.preset) and refusal(context.preset, base, steps) is None):
                rerun = self._write_from_scratch(proposal, base, steps)
        except UserError as error:
            with context.store.transaction():
                context.store.put_proposal(proposal_blocked(proposal, str(error)))
                context.log_event(EventKind.DECIDED, f"{base.name} ({base.id}) is not continued: {error}", base.id)
            return
        run = rerun or run_extended(base, steps)
        text = f"{base.name} ({base.id}) is trained again to {steps} steps as {run.name} ({run.id})"
        with context.store.transaction():
            context.store.put_run(run)
            context.store.put_proposal(proposal_launched(proposal, run))
            by = "" if proposal.decided_by == POLICY else f", approved by {proposal.decided_by}"
            text = text if rerun else f"{run.name} ({run.id}) {run.reason}"
            context.log_event(EventKind.RUN_EXTENDED, f"{text} (--then{by})", run.id)

    def _write_from_scratch(self, proposal: Proposal, base: Run, steps: int) -> Run:
        """Write the config of a run that trains the config of `base` from step 0. Returns the run; may raise UserError."""
        context = self.context
        config = frozen_config(base)
        if proposal.base_hash and config_hash(config) != proposal.base_hash:
            raise UserError("its config has changed since it was proposed")
        changes = with_steps(context.preset, config, steps)
        if changes is None:
            raise UserError(f"its checkpoint is gone, and the preset {context.preset.name} cannot set its steps")
        run, files = make_run(
            context,
            base,
            apply(config, changes),
            name=f"{base.name}_to_{steps}",
            round_=proposal.round,
            position=context.store.number_of_runs(context.loop_id),
            steps=steps,
        )
        write_all(files)
        return msgspec.structs.replace(run, base_run=base.id, proposal=proposal.id, changes=changes)


def _which(runs: int) -> str:
    return f"the median of the {plural(runs, 'run')} of its config" if runs > 1 else "the only run of its config"
