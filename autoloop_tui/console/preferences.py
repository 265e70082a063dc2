"""A person's own settings of the console: `~/.config/autoloop/console.toml`, and what the console remembers beside
it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_type_hints

import msgspec
from autoloop.files import decoded, read_regular, write_atomically
from autoloop.model.structs import convert
from autoloop.text.suggest import nearest
from autoloop.text.validation import problem_text
from autoloop.text.values import value_text
from autoloop.toml import TomlError, read_toml

from autoloop_tui.console.actions import BY_ID
from autoloop_tui.console.theming.theme_files import user_folder
from autoloop_tui.console.user_commands import UserCommand, read


class Preferences(msgspec.Struct, kw_only=True):
    """Every key of console.toml with its default. `[keys]` maps an action's id to keys (`"slots.stop" = "ctrl+x"`)."""

    theme: str = "dark"
    ascii: bool | None = None
    """Whether to draw with ASCII only; None: as the terminal needs it."""
    blocks: bool | None = None
    """Whether charts and bars are of blocks, not braille; None: as the terminal needs it."""
    charts: Literal["line", "filled"] = "line"
    """Whether the area below the first line of a chart is filled."""
    mouse: bool = True
    notify: Literal["off", "bell", "osc9"] = "off"
    """The terminal's bell, or a notification of the desktop, when a round waits for approval or a run fails."""
    keys: dict[str, str] = {}
    commands: list[UserCommand] = []
    """The user's own."""
    problems: list[str] = []
    """What could not be used; shown once."""
    remember_in: str = ""
    pins: dict[str, list[str]] = {}
    """The metrics whose charts come first, by project; the project that was looked at last is the last one."""

    @classmethod
    def load(cls, environment: Mapping[str, str]) -> Preferences:
        """The user's file, or the defaults; a bad file or key is a problem to be shown, never an error."""
        folder = user_folder(environment).parent
        found, problems, text = _read(folder / "console.toml")
        chosen = cls(problems=problems, remember_in=str(folder / "remembered.toml"))
        chosen.keys = _keys(found.pop("keys", {}), problems)
        if "command" in found:
            chosen.commands = read(found.pop("command"), text, problems)
        last, *_ = _read(folder / "remembered.toml")
        chosen.pins = _pins(last)
        if isinstance(theme := last.get("theme"), str):
            chosen.theme = theme
        for key, value in found.items():
            if key not in SETTINGS:
                problems.append(f'console.toml: no setting "{key}"{_meant(key, SETTINGS)}')
                continue
            try:
                setattr(chosen, key, convert(value, SETTINGS[key]))
            except msgspec.ValidationError as error:
                problems.append(
                    f"console.toml: {key} = {value_text(value, 80)} is ignored: {problem_text(error, SETTINGS[key])}"
                )
        return chosen

    def remember_theme(self, theme: str) -> None:
        """Keep the choice for next time; a folder that cannot be written is no reason to disturb anybody."""
        self.theme = theme
        self._remember({"theme": theme})

    def pinned(self, project: Path) -> list[str]:
        """The metrics that are pinned in a project."""
        return self.pins.get(str(project), [])

    def remember_pins(self, project: Path, metrics: Sequence[str]) -> None:
        """Keep the pins of a project for next time."""
        self.pins = {key: value for key, value in self.pins.items() if key != str(project)} | {str(project): list(metrics)}
        self._remember({"pins": {str(project): list(metrics)}})

    def _remember(self, new: dict[str, Any]) -> None:
        """Write what is new beside what another console may have written meanwhile; if the folder cannot be written,
        nobody need be disturbed."""
        if not self.remember_in:
            return
        known, *_ = _read(Path(self.remember_in))
        theme = new.get("theme", known.get("theme"))
        pins = _pins(known)
        for project, metrics in new.get("pins", {}).items():
            pins.pop(project, None)
            pins[project] = metrics
        kept = {project: metrics for project, metrics in list(pins.items())[-MOST_PROJECTS:] if metrics}
        lines = [f"theme = {_quoted(theme)}"] if isinstance(theme, str) else []
        lines += ["", "[pins]"] if kept else []
        lines += [f"{_quoted(project)} = [{', '.join(map(_quoted, metrics))}]" for project, metrics in kept.items()]
        with contextlib.suppress(OSError):
            write_atomically(Path(self.remember_in), "\n".join(lines) + "\n")


MOST_PROJECTS = 100
"""Projects whose pins are remembered: those that were looked at last."""


def _pins(found: Mapping[str, Any]) -> dict[str, list[str]]:
    """The pins of a file that anything may stand in."""
    try:
        return convert(found.get("pins", {}), dict[str, list[str]])
    except msgspec.ValidationError:
        return {}


def _quoted(text: str) -> str:
    """As a string of TOML."""
    return json.dumps(text.encode("utf-8", "replace").decode()).replace("\x7f", "\\u007f")


SETTINGS = {
    name: kind
    for name, kind in get_type_hints(Preferences).items()
    if name not in ("keys", "commands", "problems", "remember_in", "pins")
}
"""What console.toml may set beside `[keys]`, with its type."""


RENAMED = {
    "proposals.new": "proposals.variant",
    "rounds.clone": "rounds.variant",
    "run.clone": "run.variant",
    "run.next-pane": "run.next-part",
}
"""Actions of 0.1.0 by their names of today."""


def _keys(found: Any, problems: list[str]) -> dict[str, str]:
    """The keys of `[keys]` that can be used; the others are problems."""
    if not isinstance(found, dict):
        problems.append('console.toml: [keys] must be a table such as "slots.stop" = "ctrl+x"')
        return {}
    if not found:
        return {}
    from autoloop_tui.console.pane_bindings import IDS

    keys: dict[str, str] = {}
    known = [*BY_ID, *IDS]
    for given, wanted in found.items():
        action = RENAMED[given] if given in RENAMED else str(given)
        if action != given:
            both = action in found
            what = (
                f'"{action}" is set too and takes precedence; delete "{given}"'
                if both
                else "its key still works; rename it in the file"
            )
            problems.append(f'console.toml: the action "{given}" is now called "{action}"; {what}')
            if both:
                continue
        if action not in known:
            problems.append(f'console.toml: no action "{action}"{_meant(action, known)}')
        elif not isinstance(wanted, str) or not wanted.strip():
            problems.append(f'console.toml: the keys of "{action}" must be text such as "ctrl+x"')
        else:
            keys[action] = ",".join(key.strip() for key in wanted.split(","))
    for action, wanted in keys.items():
        for key in wanted.split(","):
            for other in BY_ID.values():
                taken = keys.get(other.id, other.keys).split(",")
                if other.id != action and other.scope == action.partition(".")[0] and key in taken:
                    problems.append(f'console.toml: "{action}" and "{other.id}" both use the key {key}')
    return keys


def _meant(word: str, known: Iterable[str]) -> str:
    near = nearest(word, known)
    return f'; did you mean "{near}"?' if near else ""


def _read(path: Path) -> tuple[dict[str, Any], list[str], str]:
    """What is in the file, why it cannot be used, and its text."""
    try:
        text = decoded(read_regular(path))
        return read_toml(text), [], text
    except FileNotFoundError:
        return {}, [], ""
    except OSError as error:
        return {}, [f"{path.name} is ignored: {error.strerror}"], ""
    except TomlError as error:
        return {}, [f"{path.name} is ignored: invalid TOML: {error}"], ""
    except ValueError as error:
        return {}, [f"{path.name} is ignored: it {error}"], ""
