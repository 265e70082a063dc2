"""The way from screen to screen, and back."""

from __future__ import annotations

from autoloop_tui.console.asking_app import AskingApp
from autoloop_tui.console.screens.base import LoopScreen
from autoloop_tui.console.screens.slots.screen import SlotsScreen


class MovingApp(AskingApp):
    """Slots stays at the bottom of the stack; one other screen is above it, and what was opened from there. Screens are
    imported when they are first shown."""

    def action_slots(self) -> None:
        self._switch(SlotsScreen)

    def action_proposals(self) -> None:
        from autoloop_tui.console.screens.proposals.screen import ProposalsScreen

        self._switch(ProposalsScreen)

    def action_rounds(self) -> None:
        from autoloop_tui.console.screens.rounds.screen import RoundsScreen

        self._switch(RoundsScreen)

    def action_compare(self) -> None:
        """The marked runs side by side; `q` comes back to where one was."""
        from autoloop_tui.console.screens.compare.screen import CompareScreen

        while any(isinstance(screen, CompareScreen) for screen in self.screen_stack[:-1]):
            self.pop_screen()  # it is below: back to it, not a second one above
        if not isinstance(self.screen, CompareScreen):
            self.push_screen(CompareScreen())

    def action_finish(self) -> None:
        from autoloop_tui.console.screens.finish.screen import FinishScreen

        self._switch(FinishScreen)

    def action_agents(self) -> None:
        from autoloop_tui.console.screens.agents.screen import AgentsScreen

        self._switch(AgentsScreen)

    def action_logs(self) -> None:
        from autoloop_tui.console.screens.logs.screen import LogsScreen

        self._switch(LogsScreen)

    def action_help(self) -> None:
        from autoloop_tui.console.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.scope))

    def compare_metric(self, metric: str) -> None:
        """Show Compare on a metric."""
        from autoloop_tui.console.screens.compare.screen import CompareScreen

        self.action_compare()
        if isinstance(self.screen, CompareScreen):
            self.screen.show_metric(metric)

    def open_run(self, run_id: str) -> None:
        """Show one run; `q` comes back to where one was."""
        from autoloop_tui.console.screens.run.screen import RunScreen

        self.push_screen(RunScreen(run_id))

    def _switch(self, kind: type[LoopScreen]) -> None:
        """Show the screen of `kind` right above Slots, which stays at the bottom; as it was left, if it is a kept one."""
        while len(self.screen_stack) > 3 and not isinstance(self.screen, kind):
            self.pop_screen()
        if isinstance(self.screen, kind):
            return
        if kind is SlotsScreen:
            self.pop_screen()
            return
        if kind.KEPT and not self.is_screen_installed(kind.SCOPE):
            self.kept.append(kind())
            self.install_screen(self.kept[-1], kind.SCOPE)
        screen = kind.SCOPE if kind.KEPT else kind()
        if len(self.screen_stack) > 2:
            self.switch_screen(screen)
        else:
            self.push_screen(screen)

    @property
    def scope(self) -> str:
        return self.screen.SCOPE if isinstance(self.screen, LoopScreen) else "app"

    async def action_back(self) -> None:
        if not self._step_back():
            self.exit(0)

    def action_escape(self) -> None:
        """Back, but never out: terminals and links send an Esc of their own, and fingers one too many."""
        if not self._step_back():
            self.show_message(f"{self.keys_of('app.back')} quits the console; the loop continues")

    def _step_back(self) -> bool:
        """One step back; False on the first screen."""
        if isinstance(self.screen, LoopScreen) and self.screen.step_back():
            return True
        if len(self.screen_stack) > 2:
            self.pop_screen()
            return True
        return False
