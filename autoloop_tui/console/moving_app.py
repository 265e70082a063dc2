"""Navigation between screens."""

from __future__ import annotations

from autoloop_tui.console.asking_app import AskingApp
from autoloop_tui.console.screens.base import LoopScreen
from autoloop_tui.console.screens.slots.screen import SlotsScreen


class MovingApp(AskingApp):
    """Slots stays at the bottom of the stack; above it is one main screen, and above that the screens opened from it.
    Screens are imported when they are first shown."""

    def action_slots(self) -> None:
        self._switch(SlotsScreen)

    def action_proposals(self) -> None:
        from autoloop_tui.console.screens.proposals.screen import ProposalsScreen

        self._switch(ProposalsScreen)

    def action_rounds(self) -> None:
        from autoloop_tui.console.screens.rounds.screen import RoundsScreen

        self._switch(RoundsScreen)

    def action_compare(self) -> None:
        """Show the marked runs side by side; `q` returns to the previous screen."""
        from autoloop_tui.console.screens.compare.screen import CompareScreen

        while any(isinstance(screen, CompareScreen) for screen in self.screen_stack[:-1]):
            self.pop_screen()  # Compare is below: return to it instead of stacking a second one
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
        """Show Compare with a metric selected."""
        from autoloop_tui.console.screens.compare.screen import CompareScreen

        self.action_compare()
        if isinstance(self.screen, CompareScreen):
            self.screen.show_metric(metric)

    def open_run(self, run_id: str) -> None:
        """Show a run; `q` returns to the previous screen."""
        from autoloop_tui.console.screens.run.screen import RunScreen

        self.push_screen(RunScreen(run_id))

    def _switch(self, kind: type[LoopScreen]) -> None:
        """Show the screen of `kind` directly above Slots. A kept screen reappears as it was left."""
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
        """Go back, but never quit: terminals and links send stray Esc keys, and it is easily pressed once too often."""
        if not self._step_back():
            self.show_message(f"{self.keys_of('app.back')} quits the console; the loop continues")

    def _step_back(self) -> bool:
        """Go one step back; return False on the first screen."""
        if isinstance(self.screen, LoopScreen) and self.screen.step_back():
            return True
        if len(self.screen_stack) > 2:
            self.pop_screen()
            return True
        return False
