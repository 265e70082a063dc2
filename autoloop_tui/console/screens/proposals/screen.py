"""The keys of the Proposals screen that decide, edit and start. `browsing.py` has its contents and navigation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from autoloop.model import Proposal, ProposalStatus, Round, Run
from autoloop.protocol import Approve, Hold, Reject, Start, Undo
from autoloop.text.plural import plural

from autoloop_tui.console.drawing.paint import plain
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.proposals import permitted
from autoloop_tui.console.present.proposals.bulk import choice, question
from autoloop_tui.console.present.proposals.queue import next_pending
from autoloop_tui.console.screens.base import ConsoleHost
from autoloop_tui.console.screens.dialogs import Ask, Confirm
from autoloop_tui.console.screens.proposals import writing
from autoloop_tui.console.screens.proposals.browsing import ProposalBrowser


class ProposalsScreen(ProposalBrowser):
    """Decides on the selected or marked proposals; decisions can be undone until the round starts."""

    # ------------------------------------------------------------------------------------------------------- deciding

    def action_approve(self) -> None:
        self._decide_one(ProposalStatus.APPROVED)

    def action_reject(self) -> None:
        self._decide_one(ProposalStatus.REJECTED)

    def action_approve_marked(self) -> None:
        self._decide_many(ProposalStatus.APPROVED)

    def action_reject_marked(self) -> None:
        self._decide_many(ProposalStatus.REJECTED)

    def subject(self, view: View) -> Proposal | Round | None:
        return self.rows.proposal or view.snapshot.round

    def refusal(self, action: str) -> str:
        if self.view is None:
            return ""
        name, deciding = action.partition(".")[2], bool(self._asked)
        return permitted.refusal(name, self.view, self.rows.proposal, self.console.keys_of, deciding=deciding)

    def _decide_one(self, decision: ProposalStatus) -> None:
        """Decide on the selected proposal; a rejection asks for the reason."""
        proposal = self.rows.proposal
        if proposal is None:
            return
        if decision is ProposalStatus.REJECTED:
            self.equivalent("proposals.reject", proposal=proposal.id)
            self._ask_why(f"Reject proposal {proposal.id}?", plain(proposal.reason[:300]), [proposal])
        else:
            self._decide(_approval([proposal]), [proposal])

    def _decide_many(self, decision: ProposalStatus) -> None:
        """Decide on the marked proposals, or on all pending ones, after asking; a rejection also asks for the reason."""
        view = self.view
        if view is None:
            return
        chosen = choice(view, decision, self.marked)
        proposals, count = chosen.proposals, len(chosen.proposals)
        aside = f"{chosen.blocked} blocked left out, {self._key('edit')} edits" if chosen.blocked else ""
        verb = "Approve" if decision is ProposalStatus.APPROVED else "Reject"
        if not proposals:
            nothing = f"nothing to {verb.lower()}"
            self.show_message(f"{nothing}: {aside}" if aside else nothing, "slot-warn" if aside else "")
            return

        def answered(agreed: bool | None) -> None:
            if not agreed:
                return
            if decision is ProposalStatus.APPROVED:
                self._decide(
                    _approval(proposals),
                    proposals,
                    aside=aside,
                )
            else:
                numbers = ", ".join(f"#{p.id}" for p in proposals[:12]) + (" …" if count > 12 else "")
                self._ask_why(f"Reject {plural(count, 'proposal')}: why?", numbers, proposals)

        asked = question(view, decision, chosen, aside=aside)
        self.app.push_screen(Confirm(asked.what, asked.why, f"{verb} {count}"), answered)

    def _ask_why(self, what: str, about: str, proposals: Sequence[Proposal]) -> None:
        def answered(reason: str | None) -> None:
            if reason is None:
                if (current := self.rows.proposal) is not None:
                    self._show_command(current, keep=False)
            else:
                numbers = [proposal.id for proposal in proposals]
                self._decide(Reject(proposals=numbers, note=reason.strip() or None), proposals)

        self.app.push_screen(Ask(what, about, placeholder="Reason (optional). Enter rejects, Esc cancels."), answered)

    def action_undo(self) -> None:
        """Undo the last decision, wherever the cursor is; the engine knows which one it was and reports it."""
        self._aside = ""
        self.console.ask(Undo())

    def action_mark(self) -> None:
        view, proposal = self.view, self.rows.proposal
        if view is not None and proposal is not None:
            self.marked ^= {proposal.id}
            self.rows.move(1)
            self._paint_queue(view)
            self._paint_head(view)
            self._moved()

    def action_clear(self) -> None:
        self.marked.clear()
        if self.view is not None:
            self._paint_queue(self.view)
            self._paint_head(self.view)
        self.show_message("all marks cleared")

    def _decide(self, request: Approve | Reject, proposals: Sequence[Proposal], *, aside: str = "") -> None:
        """Send one decision on several proposals, which is undone as one; move the cursor to the next pending proposal."""
        view = self.view
        if not self.console.ask(request) or view is None:
            return
        self._asked |= {proposal.id: proposal for proposal in proposals}
        self.marked -= set(request.proposals)
        if self.rows.cursor is not None:
            following = next_pending(self.rows.queue.entries, self.rows.cursor, self._asked)
            if following is not None:
                self.rows.choose(following)
        self._paint_queue(view)
        self._paint_head(view)
        self._moved()
        self._aside = aside

    def _key(self, action: str) -> str:
        return self.console.keys_of(f"proposals.{action}")

    # -------------------------------------------------------------------------------------------------------- writing

    def action_edit(self) -> None:
        self._edit(writing.edit_values)

    def action_edit_all(self) -> None:
        self._edit(writing.edit_in_editor)

    def _edit(self, how: Callable[[ConsoleHost, Proposal, Run], None]) -> None:
        proposal = self.rows.proposal
        base = self._base(proposal)
        if proposal is not None and base is not None:
            how(self.console, proposal, base)

    def action_variant(self) -> None:
        view = self.view
        if view is None or not view.snapshot.runs:
            self.show_message("there is no run yet to make a variant of")
            return
        start = self.rows.proposal.base_run if self.rows.proposal else None
        then = partial(writing.propose_variant, self.console)
        writing.pick_base(self.console, view, start, then)

    def action_duplicate(self) -> None:
        proposal = self.rows.proposal
        base = self._base(proposal)
        if proposal is not None and base is not None:
            writing.propose_variant(self.console, base, proposal)

    def _base(self, proposal: Proposal | None) -> Run | None:
        base = self._runs.get(proposal.base_run) if proposal else None
        if proposal is not None and base is None:
            self.show_message(f"the base of proposal {proposal.id} is not a run of this loop", "slot-failed")
        return base

    # ---------------------------------------------------------------------------------------------------------- round

    def action_start(self) -> None:
        view = self.view
        if view is None or view.snapshot.round is None:
            return
        made = view.decisions
        if view.snapshot.round.start_at is not None and not made["pending"] and not (view.loop.held or view.loop.paused):
            self.console.ask(Start())  # it starts in seconds anyway, and a question would outlast that
            return
        which = f"{made['approved']} approved proposals become its runs."
        if made["approved"] == 1:
            which = "1 approved proposal becomes its run."
        left = [f"{made[state]} {state}" for state in ("pending", "blocked", "skipped", "rejected") if made[state]]
        behind = f" Not run: {', '.join(left)}." if left else ""
        paused = " The queue is paused: they wait until it continues." if view.loop.paused else ""
        number = view.snapshot.round.number + 1
        self.console.confirm(f"Start round {number}?", which + behind + paused, f"Start round {number}", Start())

    def action_hold(self) -> None:
        view = self.view
        if view is not None:
            self.console.ask(Hold(held=not view.loop.held))


def _approval(proposals: Sequence[Proposal]) -> Approve:
    """Return an approval of the proposals as shown; one that has been edited meanwhile is not approved."""
    return Approve(proposals=[each.id for each in proposals], seen=[each.approval_hash for each in proposals])
