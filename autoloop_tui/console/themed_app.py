"""Themes of the app, from the package, the user and the project, reloaded when their files change."""

from __future__ import annotations

import os
import time
from pathlib import Path

from autoloop_tui.console.drawing.paint import plain
from autoloop_tui.console.full_screen import FullScreenApp
from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.theming import theme_watch
from autoloop_tui.console.theming.theme_files import Failure, ThemeFile, find_theme, load_themes


class ThemedApp(FullScreenApp[int]):
    """Shows the theme that the user chose last. Only that theme is read at startup."""

    def __init__(self, project: Path, preferences: Preferences) -> None:
        super().__init__(project)
        self.preferences = preferences
        self.themes: dict[str, ThemeFile] = {}
        """Shipped, user and project themes, by name."""
        self._bad_themes: list[Failure] = []
        # Before the style sheets are read, because each change of the theme rereads them. The other themes can wait.
        if found := find_theme(self.preferences.theme, project, os.environ):
            self.themes[found.name] = found
            self.register_themes([found])
            self.theme = found.name
        self._themes_stamp = theme_watch.stamp(project, os.environ)
        self._themes_looked_at = time.monotonic()

    def show_message(self, text: str, *, ok: bool = True) -> None:
        """Show a sentence on the last line of the screen."""
        raise NotImplementedError

    def warn(self, title: str, text: str) -> None:
        """Show a warning about one of the user's files in a corner of the screen."""
        self.notify(plain(text), title=title, severity="warning", markup=False)

    def load_theme_files(self) -> None:
        """Reload all themes and choose one; warn about unusable files, once each time a file becomes unusable."""
        loaded = load_themes(self.project)
        for gone in self.themes.keys() - loaded.themes.keys():
            self.unregister_theme(gone)
        self.register_themes(loaded.themes.values())
        before, self.themes = self.themes.get(self.theme), loaded.themes
        chosen = self.preferences.theme
        shown = chosen if chosen in self.available_themes else next(iter(loaded.themes))
        if shown != self.theme:
            self.theme = shown
        elif before != loaded.themes.get(shown):
            self.mutate_reactive(ThemedApp.theme)  # the same name with other colours
        for bad in loaded.failures:
            if bad not in self._bad_themes:
                self.warn("Theme ignored", f"{bad.path}: {bad.sentence}")
        self._bad_themes = loaded.failures

    def watch_theme_files(self) -> None:
        """Reload themes that are edited while the console shows them."""
        now = time.monotonic()
        if now - self._themes_looked_at < theme_watch.EVERY:
            return
        self._themes_looked_at = now
        stamp = theme_watch.stamp(self.project, os.environ)
        if stamp != self._themes_stamp:
            self._themes_stamp = stamp
            self.load_theme_files()

    def action_next_theme(self) -> None:
        names = list(self.themes)
        at = names.index(self.theme) if self.theme in names else -1
        self.use_theme(names[(at + 1) % len(names)])

    def use_theme(self, name: str) -> None:
        """Show a theme now and at the next start."""
        self.theme = name
        self.preferences.remember_theme(name)
        self.show_message(f"theme {name}")
