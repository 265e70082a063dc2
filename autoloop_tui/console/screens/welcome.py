"""The welcome screen of a project without a loop: what Auto Loop is, what to type, and keys that start the demo or a plan of
the configs found."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, NamedTuple

from autoloop.text.plural import plural
from textual.app import ComposeResult
from textual.binding import BindingType

from autoloop_tui.console.actions import bindings
from autoloop_tui.console.drawing.paint import cells, clip, plain
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.full_screen import FullScreenApp
from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.theming.theme_files import load_themes
from autoloop_tui.console.widgets.row_pane import RowPane

WHAT = (
    "Auto Loop runs short trainings in parallel and judges them by rules.",
    "Rules propose better configs; the ones you approve become the next round.",
)
TYPE = (
    ("autoloop-tui demo", "three rounds of a small real training, on this CPU"),
    ("autoloop-tui init -- python train.py --lr 1e-3", "set up Auto Loop for your training command"),
    ("autoloop-tui run --cfgs configs/*.json", "plan a round of your configs without starting it"),
    ("autoloop-tui run --cfgs configs/*.json --exec", "run it and watch it here"),
    ("autoloop-tui run --help", "steps, GPUs, rounds, rules, W&B and all other options"),
)
"""Commands and their descriptions."""

WIDEST = 92

FOLDERS = ("configs", "config", ".")
KINDS = ("json", "yaml", "yml", "toml")
NO_CONFIGS = {"package.json", "package-lock.json", "tsconfig.json", "pyproject.toml", "autoloop.toml"}
MOST_CONFIGS = 64


class Choice(NamedTuple):
    """An entry that can be started."""

    command: str
    """The command as displayed."""
    what: str
    words: list[str]
    """The arguments of the command after `autoloop-tui`."""


def choices(project: Path) -> list[Choice]:
    """Return the demo, and a plan of the configs found in each usual place."""
    demo, what = TYPE[0]
    found = [Choice(demo, what, ["demo"])]
    for folder in FOLDERS:
        for kind in KINDS:
            pattern = f"*.{kind}" if folder == "." else f"{folder}/*.{kind}"
            with suppress(OSError):
                files = sorted(path for path in project.glob(pattern) if path.is_file() and path.name not in NO_CONFIGS)
                if files and len(files) <= MOST_CONFIGS:
                    names = [str(path.relative_to(project)) for path in files]
                    told = f"plan a round of {plural(len(files), 'config')} found here; asks before starting"
                    found.append(Choice(f"autoloop-tui run --cfgs {pattern}", told, ["run", "--cfgs", *names]))
    return found


class WelcomePane(RowPane):
    """The text in the middle of the screen; on a small screen from the top left."""

    DEFAULT_CSS = "WelcomePane { height: 1fr; }"

    def __init__(self, project: Path) -> None:
        super().__init__()
        self.project = project
        self.choices = choices(project)
        self.cursor = 0

    def move(self, step: int) -> None:
        self.cursor = max(0, min(self.cursor + step, len(self.choices) - 1))
        self.on_resize()

    def on_resize(self) -> None:
        width, height = self.size
        wide = max(1, min(WIDEST, width - 4))
        lines = self.lines(wide)
        while len(lines) > height and [] in lines:  # Blank lines are dropped first, starting with the last.
            del lines[len(lines) - 1 - lines[::-1].index([])]
        left = max(0, (width - wide) // 2)
        above = max(0, (height - len(lines)) // 2)
        self.show([*([] for _ in range(above)), *([(" " * left, ""), *line] for line in lines)])

    def lines(self, width: int) -> list[list[Piece]]:
        """Return the text in rows of `width` cells."""
        mark, rule = self.glyphs.ellipsis, self.glyphs.rule
        rows: list[list[Piece]] = [[("Auto Loop", "bold key")], [(rule * width, "rule")]]
        rows += [[(line, "")] for sentence in WHAT for line in wrapped(sentence, width)]
        rows += [[], [(clip(f"There is no loop in {plain(str(self.project))} yet.", width, mark), "slot-warn")], []]
        arrow = self.glyphs.of("▸", ">")
        for place, choice in enumerate(self.choices):
            here = place == self.cursor
            shown = clip(plain(choice.command), width - 4, mark)
            rows.append([(f"{arrow if here else ' '} $ ", "bold key"), (shown, "bold line" if here else "bold")])
            rows += [[("    ", ""), (line, "dim")] for line in wrapped(choice.what, width - 4)]
            rows.append([])
        offered = [choice.command for choice in self.choices]
        for command, what in [each for each in TYPE if each[0] not in offered]:
            rows.append([("  $ ", "dim"), (clip(command, width - 4, mark), "bold")])
            rows += [[("    ", ""), (line, "dim")] for line in wrapped(what, width - 4)]
            rows.append([])
        rows.append(
            [("j k enter", "bold key"), (f" start the entry at {arrow}   ", "dim"), ("q", "bold key"), (" quits", "dim")]
        )
        return rows


def wrapped(text: str, width: int) -> list[str]:
    """Return `text` in lines of at most `width` cells."""
    lines = [""]
    for word in text.split():
        if lines[-1] and cells(lines[-1]) + 1 + cells(word) > width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return lines


class WelcomeApp(FullScreenApp[int]):
    """The welcome screen. Opens no store and creates no file."""

    CSS = "Screen { background: $background; color: $foreground; }"
    ENABLE_COMMAND_PALETTE = False
    STILL: ClassVar[str] = "nothing was changed"
    BINDINGS: ClassVar[list[BindingType]] = bindings("welcome")

    def __init__(self, project: Path, *, preferences: Preferences | None = None, ascii_only: bool | None = None) -> None:
        super().__init__(project)
        self.chosen: list[str] = []
        """The arguments of the chosen command."""
        self.preferences = preferences or Preferences.load(os.environ)
        self.use_glyphs(
            ascii_only=self.preferences.ascii if ascii_only is None else ascii_only, blocks=self.preferences.blocks
        )
        self.animation_level = "none"

    def compose(self) -> ComposeResult:
        yield WelcomePane(self.project)

    def on_mount(self) -> None:
        self.register_themes(load_themes(self.project).themes.values())
        if self.preferences.theme in self.available_themes:
            self.theme = self.preferences.theme

    def action_down(self) -> None:
        self.query_one(WelcomePane).move(1)

    def action_up(self) -> None:
        self.query_one(WelcomePane).move(-1)

    def action_start(self) -> None:
        pane = self.query_one(WelcomePane)
        self.chosen = pane.choices[pane.cursor].words
        self.exit(0)

    async def action_back(self) -> None:
        self.exit(0)
