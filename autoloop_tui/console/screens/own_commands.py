"""Running a user command: asking for its inputs, confirming the exact command, showing its output."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

from textual.app import App, SuspendNotSupported

from autoloop_tui.console.drawing.paint import plain
from autoloop_tui.console.screens.dialogs import Ask, Confirm, Notice
from autoloop_tui.console.user_commands import UserCommand, shown

MOST_OUTPUT = 200
"""Maximum number of output lines shown, the last ones."""


def run_command(app: App[int], folder: str, command: UserCommand, values: Mapping[str, str]) -> None:
    """Ask for the command's inputs, then start it in `folder`."""
    known = dict(values)

    def ask(left: tuple[str, ...]) -> None:
        if not left:
            confirm()
            return

        def answered(text: str | None) -> None:
            if text is not None:
                known[left[0]] = text
                ask(left[1:])

        app.push_screen(Ask(command.label, f"{left[0]} (Enter continues, Esc cancels)"), answered)

    def confirm() -> None:
        argv = command.argv(known)
        if not command.confirm:
            start(argv)
            return

        def answered(agreed: bool | None) -> None:
            if agreed:
                start(argv)

        app.push_screen(Confirm(f"{command.label}?", plain(shown(argv, folder)), "Run it"), answered)

    def start(argv: list[str]) -> None:
        if command.output == "terminal":
            try:
                with app.suspend():
                    subprocess.run(argv, cwd=folder, check=False)
            except OSError as error:
                app.push_screen(Notice(command.label, [(f"{argv[0]} cannot be started: {error.strerror}", "problem")]))
            except SuspendNotSupported:
                app.push_screen(Notice(command.label, [("cannot run a command in this terminal", "problem")]))
        else:
            app.run_worker(lambda: captured(argv), thread=True, group="own command", exit_on_error=False)

    def captured(argv: list[str]) -> None:
        try:
            done = subprocess.run(
                argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
            )
        except OSError as error:
            lines, code = [f"{argv[0]} cannot be started: {error.strerror}"], None
        else:
            lines, code = done.stdout.decode(errors="replace").splitlines()[-MOST_OUTPUT:], done.returncode
        told = [(plain(line), "") for line in lines]
        ended = [(f"exit code {code}", "problem" if code else "why")] if code is not None else []
        app.call_from_thread(app.push_screen, Notice(command.label, [(plain(shown(argv, folder)), "why"), *told, *ended]))

    ask(command.inputs)
