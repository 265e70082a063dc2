"""The user's own commands, `[[command]]` in console.toml: read, checked and filled in from the item under the cursor."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from autoloop.model import Proposal, Round, Run, Slot
from autoloop.model.structs import convert
from autoloop.text.suggest import nearest
from autoloop.text.validation import problem_text

from autoloop_tui.console.actions import shown_key
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.meanings import BY_KEY, DIGITS

MOST_INPUTS = 5
PLACE = re.compile(r"\{(\w+)\}")
VALUES = {
    "project": "any",
    "loop": "any",
    "round": "any",
    "slot": "slot",
    "run": "run",
    "name": "run",
    "config": "run",
    "output": "run",
    "log": "run",
    "proposal": "proposal",
}
"""The placeholders `{…}` and the scope that provides each."""
HAS = {"any": ("any",), "round": ("any",), "slot": ("any", "slot", "run"), "run": ("any", "run")}
HAS["proposal"] = ("any", "proposal")
"""The values available in each scope; a slot has those of its run."""

Subject = Run | Slot | Round | Proposal | None


class UserCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `[[command]]` table."""

    key: str
    label: str
    command: str
    """Split into words as a shell does, but run without a shell unless `shell` is set. Each `{…}` is one argument, whatever
    it contains."""
    scope: Literal["any", "slot", "run", "round", "proposal"] = "any"
    inputs: tuple[str, ...] = ()
    """Values the user is asked for first, one per `{…}`."""
    dangerous: bool = False
    """Disabled under --readonly."""
    confirm: bool = True
    shell: bool = False
    """Run with `sh -c`, with every value quoted."""
    output: Literal["pane", "terminal"] = "pane"
    """Whether its output is shown here, or it takes over the terminal until it ends."""

    def problem(self) -> str | None:
        """Return why the command cannot be used; None if it can."""
        for key in self.key.split(","):
            if key.strip() in BY_KEY or key.strip() in DIGITS:
                means = BY_KEY[key.strip()].means if key.strip() in BY_KEY else "the item with that number"
                return f'the key {shown_key(key.strip())} is already used ("{means}")'
        if len(self.inputs) > MOST_INPUTS:
            return f"{len(self.inputs)} inputs are too many; the limit is {MOST_INPUTS}"
        known = [name for name, scope in VALUES.items() if scope in HAS[self.scope]]
        for name in PLACE.findall(self.command):
            if name not in (*known, *self.inputs):
                near = nearest(name, [*known, *self.inputs])
                meant = f"; did you mean {{{near}}}?" if near else f"; there are {', '.join(known)}"
                return f"{{{name}}} is not available in scope {self.scope}{meant}"
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            return f"its command cannot be split into words: {error}"
        return None if words else "its command is empty"

    def argv(self, values: Mapping[str, str]) -> list[str]:
        """Return the argument list to execute."""
        if self.shell:
            return ["sh", "-c", PLACE.sub(lambda match: shlex.quote(values[match[1]]), self.command)]
        return [PLACE.sub(lambda match: values[match[1]], word) for word in shlex.split(self.command)]


def read(found: Any, text: str, problems: list[str]) -> list[UserCommand]:
    """Return the usable commands; report each of the others in `problems` with its line."""
    if not isinstance(found, list):
        problems.append("console.toml: define your commands under [[command]], with double brackets")
        return []
    lines = [at for at, line in enumerate(text.splitlines(), 1) if re.match(r"\s*\[\[\s*command\s*\]\]", line)]
    commands: list[UserCommand] = []
    for place, each in enumerate(found):
        where = f"console.toml, line {lines[place]}" if place < len(lines) else "console.toml"
        try:
            command = convert(each, UserCommand)
            problem = command.problem()
            taken = [other.label for other in commands if set(other.key.split(",")) & set(command.key.split(","))]
            problem = problem or (f'the key {command.key} is already used by "{taken[0]}"' if taken else None)
        except msgspec.ValidationError as error:
            problem = problem_text(error, UserCommand)
        if problem:
            problems.append(f"{where}: this command is ignored: {problem}")
        else:
            commands.append(command)
    return commands


def values_of(view: View, subject: Subject) -> dict[str, str]:
    """Return the values of the placeholders."""
    loop, round_ = view.loop, view.snapshot.round
    number = subject.number if isinstance(subject, Round) else subject.round if isinstance(subject, Run) else None
    values = {"project": str(view.project), "loop": loop.name, "round": str(number or (round_.number if round_ else 0))}
    run = subject if isinstance(subject, Run) else None
    if isinstance(subject, Slot):
        values["slot"] = str(subject.index)
        run = view.in_slots.get(subject.index)
    if isinstance(subject, Proposal):
        values["proposal"] = str(subject.id)
    if run is not None:
        log = view.log_path(run)
        values |= {"run": run.id, "name": run.name, "config": run.config_path}
        values |= {"output": run.output_dir or "", "log": str(log) if log else ""}
    return values


def lacking(command: UserCommand, values: Mapping[str, str]) -> str:
    """Return why the command cannot be used on the item under the cursor; empty if it can."""
    if command.scope in ("slot", "run", "proposal") and command.scope not in values:
        return f"{command.label}: there is no {command.scope} under the cursor"
    missing = [name for name in PLACE.findall(command.command) if name not in command.inputs and not values.get(name)]
    return f"{command.label}: there is no {missing[0]} here yet" if missing else ""


def shown(argv: list[str], folder: str) -> str:
    return f"$ {shlex.join(argv)}    (in {folder})"
