"""Contents and navigation of the Proposals screen: the queue, the selected proposal and its charts.

It makes no decisions; `screen.py` adds the keys that do.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from typing import ClassVar

from autoloop.model import NoteTarget, Proposal, ProposalStatus, Run
from autoloop.text.plural import plural
from textual.binding import BindingType
from textual.containers import Container
from textual.widget import Widget

from autoloop_tui.console.actions import bindings
from autoloop_tui.console.drawing.paint import cells, clip
from autoloop_tui.console.drawing.pieces import crop
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.notes import notes_on
from autoloop_tui.console.present.proposals.bulk import cost
from autoloop_tui.console.present.proposals.detail import Facts
from autoloop_tui.console.present.proposals.edits import edit_lines
from autoloop_tui.console.present.proposals.queue import count_pieces, entries, what_next, why_empty
from autoloop_tui.console.present.proposals.records import Records
from autoloop_tui.console.screens.base import LoopScreen
from autoloop_tui.console.widgets.proposals.detail import ProposalDetail
from autoloop_tui.console.widgets.proposals.evidence_charts import EvidenceCharts
from autoloop_tui.console.widgets.proposals.list import ProposalList, Queue
from autoloop_tui.console.widgets.row_pane import RowPane

LIKELY = {
    ProposalStatus.PENDING: "approve",
    ProposalStatus.SKIPPED: "approve",
    ProposalStatus.REJECTED: "approve",
    ProposalStatus.APPROVED: "reject",
    ProposalStatus.BLOCKED: "edit",
}
"""The most likely action for a proposal in each status."""


class ProposalBrowser(LoopScreen):
    """Shows the queue above and the selected proposal below; has no key that sends a request."""

    SCOPE = "proposals"
    TITLE = "proposals"
    KEPT = True
    CSS_PATH = "proposals.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("proposals")

    def __init__(self) -> None:
        super().__init__()
        self.marked: set[int] = set()
        self._asked: dict[int, Proposal] = {}
        """Proposals as they were when a decision on them was sent; until they change, it is on its way."""
        self._aside = ""
        """Text appended to the engine's next answers."""
        self._runs: Mapping[str, Run] = {}
        self._records = Records()

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
        if self.console.seen_proposals is None:  # Nothing is new when the user looks for the first time.
            self.console.seen_proposals = set(by_id)
        self._asked = {number: was for number, was in self._asked.items() if by_id.get(number) == was}
        self.marked &= by_id.keys()
        self._runs = {run.id: run for run in view.snapshot.runs}
        self._paint_queue(view)
        wanted = self.rows.rows_wanted(9 if self.size.width < 100 else self.size.height * 2 // 5)
        if self.rows.styles.height is None or self.rows.styles.height.value != wanted:
            self.rows.styles.height = wanted
        self._paint_head(view)
        self._paint_detail(view, moved=False)

    def not_sent(self) -> None:
        self._asked.clear()
        if self.view is not None:
            self._paint_queue(self.view)

    def tick(self) -> None:
        view = self.view
        if view is not None:
            self._paint_head(view)  # it contains a countdown
            self.query_one(EvidenceCharts).read(self.console.feed)

    def _paint_queue(self, view: View) -> None:
        round_ = view.snapshot.round
        found = view.snapshot.proposals
        seen = self.console.seen_proposals or set()
        self.rows.show_queue(
            Queue(
                entries=entries(found, round_.number if round_ else 1),
                runs=self._runs,
                results=view.results,
                records=self._records.of(self.console.feed.store, view),
                marked=self.marked,
                new={proposal.id for proposal in found} - seen,
                asked=self._asked,
                empty=why_empty(view, self.console.keys_of),
            )
        )

    def _paint_head(self, view: View) -> None:
        """Show the decisions so far, and what starts when."""
        pane = self.query_one("#head", RowPane)
        mark = self.console.glyphs.ellipsis
        text = clip(what_next(view, self.console.keys_of, time.time()), pane.size.width - 2, mark)
        row = count_pieces(view, len(self.marked), glyphs=self.console.glyphs)
        if runs := sum(each.trainings for each in [*view.pending, *view.approved] if each.for_round):
            glyphs = self.console.glyphs
            said = cost(view, runs).replace("×", glyphs.of("×", "x")).replace("≈", glyphs.about)
            if sum(cells(text) for text, _ in row) + cells(f"costs {said}") > pane.size.width:
                said = f"{plural(runs, 'run')} {glyphs.about} {said.rpartition(glyphs.about)[2].strip()}"
            row = [*row, (f"costs {said}", "dim")]
            row = crop(row, 0, pane.size.width, mark)
        pane.show([row, [(f" {text}", "bold" if view.snapshot.waits_for_decision else "dim")]])

    def _paint_detail(self, view: View, *, moved: bool = True) -> None:
        proposal = self.rows.proposal
        detail, charts = self.query_one("#text", ProposalDetail), self.query_one(EvidenceCharts)
        if proposal is None:
            detail.show_facts(None)
            charts.show_evidence(None, None, view.metrics)
            return
        record = self._records.of(self.console.feed.store, view).get(proposal.origin)
        proposals, judge = view.snapshot.proposals, view.judge
        notes = notes_on(view.snapshot.notes, NoteTarget.PROPOSAL, str(proposal.id))
        detail.show_facts(Facts(proposal, self._runs, proposals, view.metrics, record, judge, view.results, notes))
        charts.show_evidence(proposal, self._runs.get(proposal.base_run), view.metrics)
        self._show_command(proposal, keep=not moved)

    def _show_command(self, proposal: Proposal, *, keep: bool) -> None:
        """Show the command for the most likely action on the selected proposal; if that is unavailable, the command that
        lists them. `keep`: keep a message that is being shown."""
        values = {"proposal": proposal.id, "base": proposal.base_run, "edits": shlex.join(edit_lines(proposal))}
        action = f"proposals.{LIKELY.get(proposal.status, 'duplicate')}"
        self.equivalent("app.proposals" if self.refusal(action) else action, keep=keep, **values)

    def show_message(self, text: str, look: str = "") -> None:
        super().show_message(f"{text}; {self._aside}" if self._aside else text, look)

    # --------------------------------------------------------------------------------------------------------- moving

    def _moved(self) -> None:
        """Handle a cursor move: the selected proposal is no longer new."""
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
        """Move half a page in the queue, or in the detail if it is shown alone."""
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
