"""The keys of a run's page to stop, retry, extend and vary it. `browsing.py` has its contents."""

from __future__ import annotations

from autoloop.model import RunState
from autoloop.protocol import Kill, Retry, Stop

from autoloop_tui.console.drawing.paint import plain
from autoloop_tui.console.present.proposals.permitted import may_propose
from autoloop_tui.console.screens.proposals.writing import propose_variant
from autoloop_tui.console.screens.run.browsing import RunBrowser
from autoloop_tui.console.screens.run.extending import extend_run


class RunScreen(RunBrowser):
    """The page of a run with all its keys."""

    def refusal(self, action: str) -> str:
        if action in ("run.log-y", "run.smooth") and self.part != "charts":
            return f"only for charts: {self.console.keys_of('run.charts')}"
        run = self._run()
        if run is None:
            return "no such run" if action in ("run.stop", "run.retry", "run.extend", "run.variant") else ""
        state = run.state
        if action == "run.stop" and state.ended:
            return f"it is already {state.value}; there is nothing to stop"
        if action == "run.retry" and state not in (RunState.FAILED, RunState.STOPPED, RunState.LOST):
            return f"it is {state.value}: only failed, stopped or lost runs can be retried"
        if action == "run.extend" and not state.ended:
            return f"it is {state.value}: only ended runs can be extended"
        if action == "run.variant" and self.view is not None:
            return may_propose(self.view, self.console.keys_of)
        return ""

    def action_stop(self) -> None:
        run = self._run()
        self.equivalent("run.stop", run=self.run_id)
        if run is None:
            return
        if run.state is RunState.QUEUED:
            self.console.confirm(
                f"Remove {plain(run.name)} from the queue?",
                "It has not started; its config is kept, so you can still propose a variant.",
                "Remove",
                Stop(run=run.id),
            )
        elif run.state is RunState.STOPPING:
            self.console.confirm(
                f"Kill {plain(run.name)} at once?",
                "It is already stopping. Killing does not wait for a checkpoint being written; its log and files are kept.",
                "Kill it",
                Kill(run=run.id),
            )
        else:
            self.console.confirm(
                f"Stop {plain(run.name)} at step {self.console.feed.step(run)} of {run.total_steps}?",
                "It is interrupted, then terminated, then killed. Its log, checkpoints and metrics so far are kept; it "
                "will not be judged. t retries it while its round runs.",
                "Stop the run",
                Stop(run=run.id),
            )

    def action_retry(self) -> None:
        self.equivalent("run.retry", run=self.run_id)
        self.console.ask(Retry(run=self.run_id))

    def action_extend(self) -> None:
        view, run = self.view, self._run()
        if view is not None and run is not None:
            self.equivalent("run.extend", run=run.id, steps=2 * run.step)
            extend_run(self.console, view, run)

    def action_round_chart(self) -> None:
        from autoloop_tui.console.screens.round_chart.screen import RoundChartScreen

        self.equivalent("run.round-chart")
        self.app.push_screen(RoundChartScreen(self.run_id))

    def action_variant(self) -> None:
        view, run = self.view, self._run()
        if view is not None and run is not None:
            self.equivalent("run.variant", run=run.id)
            propose_variant(self.console, run)
