"""The user's settings of the console in `~/.config/autoloop/console.toml`, and values that the console remembers beside
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
    """All keys of console.toml with their defaults. `[keys]` maps action ids to keys (`"slots.stop" = "ctrl+x"`)."""

    theme: str = "dark"
    ascii: bool | None = None
    """Whether to draw with ASCII characters only; None: depends on the terminal."""
    blocks: bool | None = None
    """Whether to draw charts and bars with block characters instead of braille; None: depends on the terminal."""
    charts: Literal["line", "filled"] = "line"
    """Whether the area below the first line of a chart is filled."""
    mouse: bool = True
    notify: Literal["off", "bell", "osc9"] = "off"
    """Ring the terminal's bell or send a desktop notification when a round awaits approval or a run fails."""
    keys: dict[str, str] = {}
    commands: list[UserCommand] = []
    """The user's own commands."""
    problems: list[str] = []
    """Settings that could not be used; shown once."""
    remember_in: str = ""
    pins: dict[str, list[str]] = {}
    """The pinned metrics by project; their charts come first. The most recently used project is last."""

    @classmethod
    def load(cls, environment: Mapping[str, str]) -> Preferences:
        """Load the user's file, or the defaults; a bad file or key is reported in `problems`, not raised."""
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
        """Save the theme for the next start; a folder that cannot be written is ignored."""
        self.theme = theme
        self._remember({"theme": theme})

    def pinned(self, project: Path) -> list[str]:
        """Return the metrics pinned in a project."""
        return self.pins.get(str(project), [])

    def remember_pins(self, project: Path, metrics: Sequence[str]) -> None:
        """Save the pinned metrics of a project for the next start."""
        self.pins = {key: value for key, value in self.pins.items() if key != str(project)} | {str(project): list(metrics)}
        self._remember({"pins": {str(project): list(metrics)}})

    def _remember(self, new: dict[str, Any]) -> None:
        """Save new values without losing what another console has written meanwhile; a folder that cannot be written is
        ignored."""
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
"""Number of projects whose pins are kept, the most recently used ones."""


def _pins(found: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the pins in a parsed file of unknown content."""
    try:
        return convert(found.get("pins", {}), dict[str, list[str]])
    except msgspec.ValidationError:
        return {}


def _quoted(text: str) -> str:
    """Return the text as a TOML string."""
    return json.dumps(text.encode("utf-8", "replace").decode()).replace("\x7f", "\\u007f")


SETTINGS = {
    name: kind
    for name, kind in get_type_hints(Preferences).items()
    if name not in ("keys", "commands", "problems", "remember_in", "pins")
}
"""The settings of console.toml other than `[keys]`, with their types."""


RENAMED = {
    "proposals.new": "proposals.variant",
    "rounds.clone": "rounds.variant",
    "run.clone": "run.variant",
    "run.next-pane": "run.next-part",
}
"""Action names of 0.1.0 and their current names."""


def _keys(found: Any, problems: list[str]) -> dict[str, str]:
    """Return the usable keys of `[keys]`; report the others in `problems`."""
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
    """Return the file's contents, why it cannot be used, and its text."""
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
