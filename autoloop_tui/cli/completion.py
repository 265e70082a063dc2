"""Shell completion scripts: those of cyclopts, extended to complete file names whenever nothing better is known.

To the parser, most values that are files are plain strings (a preset is a name or a file, a command contains file names),
so the scripts of cyclopts offer no completions for them.
"""

from __future__ import annotations

import re
from typing import Any

from cyclopts import App

HELP = (
    "Install completion for bash, zsh or fish (--shell; by default yours): a script in your home folder and, for bash "
    "and zsh, a line in ~/.bashrc or ~/.zshrc that loads it."
)


class CompletingApp(App):
    def help_print(self, *words: Any, **chosen: Any) -> None:
        if self.help_formatter is None:
            from autoloop_tui.cli.flowing_help import FlowingHelp  # imports Rich, which commands must not load

            self.help_formatter = FlowingHelp()
        super().help_print(*words, **chosen)

    def generate_completion(self, **chosen: Any) -> str:
        """Return the completion script for a shell. fish needs no changes: it completes file names on its own."""
        script = super().generate_completion(**chosen)
        # bash: use readline's own completion, which marks folders and escapes spaces, for everything that the function does
        # not complete.
        script = script.replace('COMPREPLY=( $(compgen -f -- "${cur}") )', "COMPREPLY=()")
        script = re.sub(r"^complete -F ", "complete -o bashdefault -o default -F ", script, flags=re.M)
        # zsh: add an action to each value that has none, and to the remaining words of a command that defines none for them.
        script = re.sub(r"^( +'(?:\*?-.*\]|\*|\d+:?):(?:[^:\n\\]|\\.)+)' \\$", r"\1:_files' \\", script, flags=re.M)
        return re.sub(r"^( +)_arguments \\\n(?:\1 .+\n)+", _with_words, script, flags=re.M)


def _with_words(block: re.Match[str]) -> str:
    if re.search(r"^ +'(\*|\d+):", block[0], flags=re.M):
        return block[0]
    return f"{block[0].rstrip()} \\\n{block[1]}  '*:file:_files'\n"
