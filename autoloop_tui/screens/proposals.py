"""Proposals: the queue of what may run next, what each would change and why, and the keys that decide it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.widget import Widget

from autoloop.model import Proposal, ProposalStatus, Run

from autoloop_tui.actions import bindings
from autoloop_tui.drafts import edit_lines
from autoloop_tui.feed import View
from autoloop_tui.paint import clip, plain
from autoloop_tui.proposal_queue import (
    DECIDED,
    UNDECIDED,
    count_pieces,
    entries,
    may_start,
    next_pending,
    of_round,
    what_next,
    why_empty,
)
from autoloop_tui.screens import proposal_writing
from autoloop_tui.screens.base import LoopScreen
from autoloop_tui.screens.dialogs import Ask
from autoloop_tui.widgets.evidence_charts import EvidenceCharts
from autoloop_tui.widgets.proposal_detail import Facts, ProposalDetail
from autoloop_tui.widgets.proposal_list import ProposalList, Queue
from autoloop_tui.widgets.rows import RowPane

if TYPE_CHECKING:
    from autoloop_tui.app import ConsoleApp


class ProposalsScreen(LoopScreen):
    """The queue above, the proposal under the cursor below; it shows and asks, the engine decides."""

    SCOPE = "proposals"
    TITLE = "proposals"
    CSS_PATH = "proposals.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("proposals")  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.marked: set[int] = set()
        self._asked: dict[int, Proposal] = {}
        """As they were when a decision on them was sent: until they differ, it is on its way."""
        self._aside = ""
        """What is said with the engine's next answers."""
        self._runs: Mapping[str, Run] = {}

    def body(self) -> list[Widget]:
        return [
            RowPane(id="head"),
            ProposalList(id="queue"),
            Container(ProposalDetail(id="text"), EvidenceCharts(id="charts"), id="detail"),
        ]

    @property
    def rows(self) -> ProposalList:
        return self.query_one("#queue", ProposalList)

    # ------------------------------------------------------------------------------------------------------- painting

    def show_view(self, view: View) -> None:
        found = view.snapshot.proposals
        by_id = {proposal.id: proposal for proposal in found}
        if self.console.seen_proposals is None:  # Nothing is new to somebody who looks for the first time.
            self.console.seen_proposals = set(by_id)
        self._asked = {number: was for number, was in self._asked.items() if by_id.get(number) == was}
        self.marked &= by_id.keys()
        self._runs = {run.id: run for run in view.snapshot.runs}
        self._paint_queue(view)
        self._paint_head(view)
        self._paint_detail(view)

    def tick(self) -> None:
        view = self.view
        if view is not None:
            self._paint_head(view)  # its countdown
            self.query_one(EvidenceCharts).read(self.console.feed)

    def _paint_queue(self, view: View) -> None:
        round_ = view.snapshot.round
        found = view.snapshot.proposals
        seen = self.console.seen_proposals or set()
        self.rows.show_queue(
            Queue(
                entries=entries(found, round_.number if round_ else 1),
                runs=self._runs,
                marked=self.marked,
                new={proposal.id for proposal in found} - seen,
                asked=self._asked,
                empty=why_empty(view, self.console.keys_of),
            )
        )

    def _paint_head(self, view: View) -> None:
        """What is decided, and what starts when."""
        pane = self.query_one("#head", RowPane)
        mark = "~" if self.console.ascii_only else "…"
        text = clip(what_next(view, self.console.keys_of, time.time()), pane.size.width - 2, mark)
        row = count_pieces(view, len(self.marked), ascii_only=self.console.ascii_only)
        pane.show([row, [(f" {text}", "bold" if view.snapshot.waits_for_decision else "dim")]])

    def _paint_detail(self, view: View) -> None:
        proposal = self.rows.proposal
        detail, charts = self.query_one("#text", ProposalDetail), self.query_one(EvidenceCharts)
        if proposal is None:
            detail.show_facts(None)
            charts.show_evidence(None, None, view.metrics)
            return
        detail.show_facts(Facts(proposal, self._runs, view.snapshot.proposals, view.metrics))
        charts.show_evidence(proposal, self._runs.get(proposal.base_run), view.metrics)
        self._show_command(proposal)

    def _show_command(self, proposal: Proposal) -> None:
        """The command for what one would most likely do with the proposal under the cursor."""
        values = {"proposal": proposal.id, "base": proposal.base_run, "edits": shlex.join(edit_lines(proposal))}
        if proposal.status is ProposalStatus.PENDING:
            self.equivalent("proposals.approve", **values)
        elif proposal.status in DECIDED:
            self.equivalent("proposals.undo", **values)
        elif proposal.status is ProposalStatus.BLOCKED:
            self.equivalent("proposals.edit", **values)
        else:
            self.equivalent("proposals.duplicate", **values)

    def say(self, text: str, look: str = "") -> None:
        super().say(f"{text}; {self._aside}" if self._aside else text, look)

    # --------------------------------------------------------------------------------------------------------- moving

    def _moved(self) -> None:
        """The cursor is on another proposal: it is new no more."""
        view, proposal = self.view, self.rows.proposal
        if view is None or proposal is None:
            return
        self._aside = ""
        if self.console.seen_proposals is not None and proposal.id not in self.console.seen_proposals:
            self.console.seen_proposals.add(proposal.id)
            self._paint_queue(view)
        self._paint_detail(view)

    def _go(self, step: int) -> None:
        self.rows.move(step)
        self._moved()

    def action_down(self) -> None:
        self._go(1)

    def action_up(self) -> None:
        self._go(-1)

    def action_first(self) -> None:
        self._go(-len(self.rows.queue.entries))

    def action_last(self) -> None:
        self._go(len(self.rows.queue.entries))

    def action_page_down(self) -> None:
        self._page(1)

    def action_page_up(self) -> None:
        self._page(-1)

    def _page(self, direction: int) -> None:
        """Half a page of the queue; of the detail where it is alone on the screen."""
        if self.has_class("full"):
            detail = self.query_one("#text", ProposalDetail)
            detail.scroll(direction * detail.half_page)
        else:
            self._go(direction * self.rows.half_page)

    def action_detail_down(self) -> None:
        self.query_one("#text", ProposalDetail).scroll(1)

    def action_detail_up(self) -> None:
        self.query_one("#text", ProposalDetail).scroll(-1)

    def action_log_y(self) -> None:
        self.query_one(EvidenceCharts).toggle_log_y()

    def action_left(self) -> None:
        self.query_one(EvidenceCharts).choose(-1)

    def action_right(self) -> None:
        self.query_one(EvidenceCharts).choose(1)

    def action_open(self) -> None:
        self.toggle_class("full")
        self.call_after_refresh(self.refresh_view)

    def step_back(self) -> bool:
        if not self.has_class("full"):
            return False
        self.action_open()
        return True

    def on_proposal_list_chosen(self, event: ProposalList.Chosen) -> None:
        self.rows.choose(event.proposal)
        self._moved()

    # ------------------------------------------------------------------------------------------------------- deciding

    def action_approve(self) -> None:
        proposal = self._chosen()
        if proposal is None:
            return
        if proposal.blocked:
            self.say(f"proposal {proposal.id} is blocked: {proposal.blocked} Edit it first ({self._key('edit')})", "slot-warn")
        elif proposal.status is ProposalStatus.APPROVED:
            self.say(f"proposal {proposal.id} is approved already")
        else:
            self._decide("approve", [proposal])

    def action_reject(self) -> None:
        proposal = self._chosen()
        if proposal is None:
            return
        if proposal.status is ProposalStatus.REJECTED:
            self.say(f"proposal {proposal.id} is rejected already")
        else:
            self._ask_why(f"Reject proposal {proposal.id}?", plain(proposal.reason[:300]), [proposal])

    def _ask_why(self, what: str, about: str, proposals: Sequence[Proposal]) -> None:
        def answered(reason: str | None) -> None:
            if reason is not None:
                said = {"note": reason.strip()} if reason.strip() else {}
                self._decide("reject", proposals, **said)

        self.app.push_screen(Ask(what, about, placeholder="why (may be empty); esc changes nothing"), answered)

    def action_undo(self) -> None:
        proposal = self._chosen()
        if proposal is None:
            return
        if proposal.status in DECIDED:
            self._decide("undo", [proposal])
        else:
            self.say(f"proposal {proposal.id} is {proposal.status.value}: there is no decision to take back")

    def action_mark(self) -> None:
        view, proposal = self.view, self.rows.proposal
        if view is not None and proposal is not None:
            self.marked ^= {proposal.id}
            self.rows.move(1)
            self._paint_queue(view)
            self._paint_head(view)
            self._moved()

    def action_approve_marked(self) -> None:
        """The marked, else all pending of the round. What is blocked is left out, and said."""
        view = self.view
        if view is None:
            return
        round_ = view.snapshot.round
        chosen = self._marked(view) or [
            p for p in view.snapshot.proposals if round_ and p.round == round_.number and p.status in UNDECIDED
        ]
        blocked = [p for p in chosen if p.blocked]
        fitting = [p for p in chosen if not p.blocked and p.status is not ProposalStatus.APPROVED]
        left_out = f"{len(blocked)} blocked left out, {self._key('edit')} edits" if blocked else ""
        if fitting:
            self._decide("approve", fitting, aside=left_out)
        else:
            self.say("nothing to approve" + (f": {left_out}" if left_out else ""), "slot-warn" if left_out else "")

    def action_reject_marked(self) -> None:
        view = self.view
        chosen = [p for p in self._marked(view) if p.status is not ProposalStatus.REJECTED] if view else []
        if not chosen:
            self.say(f"mark proposals with {self._key('mark')} first")
            return
        count = f"{len(chosen)} marked proposal{'s' if len(chosen) > 1 else ''}"
        numbers = ", ".join(f"#{p.id}" for p in chosen[:12]) + (" …" if len(chosen) > 12 else "")
        self._ask_why(f"Reject {count}?", numbers, chosen)

    def _marked(self, view: View) -> list[Proposal]:
        """The marked ones that can still be decided."""
        open_ = (p for p in view.snapshot.proposals if p.status is not ProposalStatus.LAUNCHED)
        return [p for p in open_ if p.id in self.marked]

    def _decide(self, kind: str, proposals: Sequence[Proposal], *, aside: str = "", **payload: Any) -> None:
        """Send a decision on some proposals; the cursor goes on to the next pending one."""
        view = self.view
        if view is None or view.engine is None:
            self.console.ask(kind)  # says that nobody would answer
            return
        with self.console.feed.store.transaction():  # hundreds at once are one write
            for proposal in proposals:
                self.console.ask(kind, proposal=proposal.id, **payload)
                self._asked[proposal.id] = proposal
        self.marked -= {proposal.id for proposal in proposals}
        if kind != "undo" and self.rows.cursor is not None:
            following = next_pending(self.rows.queue.entries, self.rows.cursor, self._asked)
            if following is not None:
                self.rows.choose(following)
        self._paint_queue(view)
        self._paint_head(view)
        self._moved()
        self._aside = aside

    def _chosen(self) -> Proposal | None:
        """The proposal under the cursor, if it can still be decided or edited; else it is said why not."""
        proposal = self.rows.proposal
        if proposal is None:
            self.say("there is no proposal here")
        elif proposal.status is ProposalStatus.LAUNCHED:
            run = self._runs.get(proposal.run or "")
            name = plain(run.name) if run else proposal.run
            self.say(f"proposal {proposal.id} has become {name}; {self._key('duplicate')} makes a new one of it")
            return None
        return proposal

    def _key(self, action: str) -> str:
        return self.console.keys_of(f"proposals.{action}")

    # -------------------------------------------------------------------------------------------------------- writing

    def action_edit(self) -> None:
        self._edit(proposal_writing.edit_values)

    def action_edit_all(self) -> None:
        self._edit(proposal_writing.edit_in_editor)

    def _edit(self, how: Callable[[ConsoleApp, Proposal, Run], None]) -> None:
        proposal = self._chosen()
        base = self._base(proposal)
        if proposal is not None and base is not None:
            how(self.console, proposal, base)

    def action_new(self) -> None:
        view = self.view
        if view is None or not view.snapshot.runs:
            self.say("there is no run yet to propose a variant of")
            return
        start = self.rows.proposal.base_run if self.rows.proposal else None
        then = partial(proposal_writing.propose_variant, self.console)
        proposal_writing.pick_base(self.console, view, start, then)

    def action_duplicate(self) -> None:
        proposal = self.rows.proposal
        base = self._base(proposal)
        if proposal is not None and base is not None:
            edits = edit_lines(proposal)
            proposal_writing.propose_variant(self.console, base, edits=edits, reason=plain(proposal.reason))

    def _base(self, proposal: Proposal | None) -> Run | None:
        base = self._runs.get(proposal.base_run) if proposal else None
        if proposal is not None and base is None:
            self.say(f"the base of proposal {proposal.id} is not a run of this loop", "slot-failed")
        return base

    # ---------------------------------------------------------------------------------------------------------- round

    def action_start(self) -> None:
        view = self.view
        problem = may_start(view) if view else "the loop is not known yet"
        if view is None or view.snapshot.round is None or problem:
            self.say(problem or "")
            return
        made = of_round(view)
        runs = f"{made['approved']} approved become{'s' * (made['approved'] == 1)} its run{'s' * (made['approved'] > 1)}."
        left = [f"{made[state]} {state}" for state in ("pending", "blocked", "skipped", "rejected") if made[state]]
        behind = f" Left behind, never run: {', '.join(left)}." if left else ""
        paused = " The queue is paused: they wait until it goes on." if view.loop.paused else ""
        number = view.snapshot.round.number + 1
        self.console.confirm(f"Start round {number}?", runs + behind + paused, f"Start round {number}", "start")

    def action_hold(self) -> None:
        view = self.view
        if view is not None:
            self.console.ask("hold", held=not view.loop.held)
