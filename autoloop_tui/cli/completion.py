"""Completion scripts for shells: cyclopts' own, which also complete file names wherever they know nothing better.

Most values that are files are texts to the parser (a preset is a name or a file, a command has files among its words), so
the scripts as they come offer nothing for them.
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
    def generate_completion(self, **chosen: Any) -> str:
        """The script for a shell. fish completes file names on its own."""
        script = super().generate_completion(**chosen)
        # bash: readline's own completion, which marks folders and escapes spaces, for all that the function leaves open.
        script = script.replace('COMPREPLY=( $(compgen -f -- "${cur}") )', "COMPREPLY=()")
        script = re.sub(r"^complete -F ", "complete -o bashdefault -o default -F ", script, flags=re.M)
        # zsh: an action for each value that has none, and for the further words of a command that says nothing of them.
        script = re.sub(r"^( +'(?:\*?-.*\]|\*|\d+:?):(?:[^:\n\\]|\\.)+)' \\$", r"\1:_files' \\", script, flags=re.M)
        return re.sub(r"^( +)_arguments \\\n(?:\1 .+\n)+", _with_words, script, flags=re.M)


def _with_words(block: re.Match[str]) -> str:
    if re.search(r"^ +'(\*|\d+):", block[0], flags=re.M):
        return block[0]
    return f"{block[0].rstrip()} \\\n{block[1]}  '*:file:_files'\n"
