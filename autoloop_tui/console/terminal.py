"""Textual's driver of a terminal, which goes on whatever bytes come from it."""

from __future__ import annotations

import signal

from textual.drivers.linux_driver import LinuxDriver


class TerminalDriver(LinuxDriver):
    """Bytes that are no text, and sequences that no terminal sends, end neither the reading nor the app."""

    def run_input_thread(self) -> None:
        """Hand on what is typed until the app ends, or the terminal is gone: then the app ends as by SIGHUP."""
        while not self.exit_event.is_set():
            try:
                super().run_input_thread()
            except OSError:
                self._app.call_later(self._app.exit, None, 128 + signal.SIGHUP)
                return
            except Exception:
                continue  # what was read with them is lost
