"""A Textual terminal driver that tolerates any input bytes."""

from __future__ import annotations

import signal

from textual.drivers.linux_driver import LinuxDriver


class TerminalDriver(LinuxDriver):
    """Invalid bytes and unknown sequences stop neither the input thread nor the app."""

    def run_input_thread(self) -> None:
        """Read input until the app ends. If the terminal is gone, end the app as SIGHUP does."""
        while not self.exit_event.is_set():
            try:
                super().run_input_thread()
            except OSError:
                self._app.call_later(self._app.exit, None, 128 + signal.SIGHUP)
                return
            except Exception:
                continue  # the bytes read with them are lost
