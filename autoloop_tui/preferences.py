"""A person's own settings of the console: `~/.config/autoloop/console.toml`, and what the console remembers beside it."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from autoloop_tui.actions import BY_ID
from autoloop_tui.pane_keys import IDS
from autoloop_tui.theme_files import user_folder


class Preferences(msgspec.Struct, kw_only=True):
    """Every key of console.toml with its default. `[keys]` maps an action's id to keys (`"slots.stop" = "ctrl+x"`)."""

    theme: str = "dark"
    ascii: bool = False
    mouse: bool = True
    notify: str = "off"
    """`off`, `bell`, or `osc9`: when a round waits for approval or a run fails."""
    keys: dict[str, str] = {}
    problems: list[str] = []
    """What could not be used; shown once."""
    remember_in: str = ""

    @classmethod
    def load(cls, environment: Mapping[str, str], project: Path) -> Preferences:
        """The user's file, or the defaults; a bad file or key is a problem to be shown, never an error."""
        folder = user_folder(environment).parent
        found, problems = _read(folder / "console.toml")
        keys = {k: v for k, v in found.pop("keys", {}).items() if isinstance(v, str)}
        known = [*BY_ID, *IDS]
        for unknown in [key for key in keys if key not in known]:
            near = difflib.get_close_matches(unknown, known, 1)
            problems.append(f"console.toml: no action {unknown!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
            del keys[unknown]
        remembered = folder / "remembered.toml"
        last, _ = _read(remembered)
        found.setdefault("theme", last.get("theme", cls.__struct_defaults__[0]))
        try:
            chosen = msgspec.convert(found, cls)
        except msgspec.ValidationError as error:
            problems.append(f"console.toml: {error}")
            chosen = cls()
        chosen.keys, chosen.problems, chosen.remember_in = keys, problems, str(remembered)
        return chosen

    def remember_theme(self, theme: str) -> None:
        """Keep the choice for next time; a folder that cannot be written is no reason to disturb anybody."""
        self.theme = theme
        if self.remember_in:
            path = Path(self.remember_in)
            temporary = path.with_suffix(f".{os.getpid()}.tmp")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary.write_text(f'theme = "{theme}"\n', encoding="utf-8")
                os.replace(temporary, path)
            except OSError:
                temporary.unlink(missing_ok=True)


def _read(path: Path) -> tuple[dict[str, Any], list[str]]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), []
    except FileNotFoundError:
        return {}, []
    except (OSError, ValueError) as error:
        return {}, [f"{path.name} is left out: {error}"]
