"""Colour themes as TOML files: found, read, checked and handed to Textual. One bad file never costs more than itself.

Only `to_textual` imports Textual, so that `autoloop-tui themes` lists and checks without it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoloop.files import decoded, read_regular
from autoloop.text.suggest import nearest
from autoloop.toml import TomlError, read_toml

if TYPE_CHECKING:
    from textual.theme import Theme

COLOURS = (
    "primary",
    "secondary",
    "accent",
    "foreground",
    "background",
    "surface",
    "panel",
    "boost",
    "success",
    "warning",
    "error",
)
_NEEDED = ("name", "primary", "foreground", "background")

_OWN_DARK = {
    "slot-running": "#56b4e9",
    "slot-queued": "#b0b7c3",
    "slot-finished": "#2fbf94",
    "slot-failed": "#ff7a59",
    "slot-warn": "#f0b429",
    "slot-stopped": "#c9a0dc",
    "slot-lost": "#e08fc0",
    "chart-1": "#56b4e9",
    "chart-2": "#f0b429",
    "chart-3": "#2fbf94",
    "chart-4": "#e08fc0",
    "chart-5": "#ff7a59",
    "chart-6": "#f0e442",
    "chart-base": "#9aa3b2",
    "diff-before": "#f2a65a",
    "diff-after": "#6cb6ff",
    "dim": "#8b94a3",
    "rule": "#5b6472",
    "key": "#f0b429",
    "match-background": "#f0b429",
    "match-foreground": "#14171c",
    "line-background": "#2b3240",
}
_OWN_LIGHT = {
    "slot-running": "#0b5cad",
    "slot-queued": "#5a6270",
    "slot-finished": "#00705a",
    "slot-failed": "#b83a00",
    "slot-warn": "#8a5a00",
    "slot-stopped": "#70419a",
    "slot-lost": "#9c2f70",
    "chart-1": "#0b5cad",
    "chart-2": "#b06000",
    "chart-3": "#00705a",
    "chart-4": "#9c2f70",
    "chart-5": "#b83a00",
    "chart-6": "#5f5a00",
    "chart-base": "#6b7280",
    "diff-before": "#9a4d00",
    "diff-after": "#0b5cad",
    "dim": "#646b78",
    "rule": "#9aa1ad",
    "key": "#0b5cad",
    "match-background": "#ffd866",
    "match-foreground": "#1d2026",
    "line-background": "#dde3ec",
}
_OWN_ANSI = {
    "slot-running": "ansi_bright_blue",
    "slot-queued": "ansi_default",
    "slot-finished": "ansi_green",
    "slot-failed": "ansi_red",
    "slot-warn": "ansi_yellow",
    "slot-stopped": "ansi_magenta",
    "slot-lost": "ansi_bright_magenta",
    "chart-1": "ansi_bright_blue",
    "chart-2": "ansi_yellow",
    "chart-3": "ansi_green",
    "chart-4": "ansi_magenta",
    "chart-5": "ansi_red",
    "chart-6": "ansi_cyan",
    "chart-base": "ansi_default",
    "diff-before": "ansi_yellow",
    "diff-after": "ansi_bright_blue",
    # Bright black is the background itself in some palettes: it may draw rules, but no text.
    "dim": "ansi_default",
    "rule": "ansi_bright_black",
    "key": "ansi_yellow",
    "match-background": "ansi_yellow",
    "match-foreground": "ansi_black",
    "line-background": "ansi_default",
    # Textual's own CSS asks an ANSI theme for these two.
    "ansi-background": "ansi_black",
    "ansi-foreground": "ansi_white",
}

TEXTUAL_VARIABLES = frozenset(
    (
        "ansi-background",
        "ansi-foreground",
        "block-cursor-background",
        "block-cursor-blurred-background",
        "block-cursor-blurred-foreground",
        "block-cursor-blurred-text-style",
        "block-cursor-foreground",
        "block-cursor-text-style",
        "block-hover-background",
        "border",
        "border-blurred",
        "button-color-foreground",
        "button-focus-text-style",
        "button-foreground",
        "footer-background",
        "footer-description-background",
        "footer-description-foreground",
        "footer-foreground",
        "footer-item-background",
        "footer-key-background",
        "footer-key-foreground",
        "input-cursor-background",
        "input-cursor-foreground",
        "input-cursor-text-style",
        "input-selection-background",
        "input-selection-foreground",
        "link-background",
        "link-background-hover",
        "link-color",
        "link-color-hover",
        "link-style",
        "link-style-hover",
        "screen-selection-background",
        "screen-selection-foreground",
        "scrollbar",
        "scrollbar-active",
        "scrollbar-background",
        "scrollbar-background-active",
        "scrollbar-background-hover",
        "scrollbar-corner-color",
        "scrollbar-hover",
        "surface-active",
        "text",
        "text-disabled",
        "text-muted",
    )
)
"""What a theme may set of Textual's own; each is a colour, perhaps with an alpha in percent, or a text style."""

ANSI = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
ANSI_COLOURS = frozenset({"ansi_default", *(f"ansi_{c}" for c in ANSI), *(f"ansi_bright_{c}" for c in ANSI)})
_HEX = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})\Z")
_STYLE_WORDS = frozenset(("none", "not", "bold", "dim", "italic", "underline", "reverse", "strike", "b", "i", "u", "d"))


@dataclass(frozen=True)
class ThemeFile:
    """One theme as its file says it; `variables` are complete: what the file leaves out has our default."""

    name: str
    description: str
    path: str
    origin: str
    """`shipped`, `user` or `project`."""
    dark: bool
    ansi: bool
    colours: dict[str, str]
    variables: dict[str, str]


@dataclass(frozen=True)
class Failure:
    path: str
    sentence: str


@dataclass(frozen=True)
class LoadedThemes:
    themes: dict[str, ThemeFile] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)


def variable_defaults(*, dark: bool = True, ansi: bool = False) -> dict[str, str]:
    """Our own variables where a theme does not set them: for `App.get_theme_variable_defaults`, or the CSS breaks."""
    return dict(_OWN_ANSI if ansi else _OWN_DARK if dark else _OWN_LIGHT)


# ------------------------------------------------------------------------------------------------ files


def user_folder(environment: Mapping[str, str]) -> Path:
    """Where a person's own themes are: `$XDG_CONFIG_HOME/autoloop/themes`, by default under `~/.config`."""
    configured = environment.get("XDG_CONFIG_HOME")
    home = Path(configured) if configured else Path(environment.get("HOME") or Path.home()) / ".config"
    return home / "autoloop" / "themes"


def load_themes(project: Path | None = None, environment: Mapping[str, str] | None = None) -> LoadedThemes:
    """Shipped, then the person's, then the project's `themes/`: a later one replaces an earlier of the same name."""
    loaded = LoadedThemes()
    environment = os.environ if environment is None else environment
    for origin, path in _files(project, user_folder(environment)):
        try:
            theme = parse_theme(theme_text(path), str(path), origin)
        except OSError as error:
            loaded.failures.append(Failure(str(path), f"it cannot be read: {error.strerror}"))
        except ValueError as error:
            loaded.failures.append(Failure(str(path), str(error)))
        else:
            loaded.themes[theme.name] = theme
    return loaded


def _files(project: Path | None, user: Path) -> Iterator[tuple[str, Traversable]]:
    shipped = resources.files("autoloop_tui") / "themes"
    if not shipped.is_dir():  # A checkout, where they lie beside the package; in a wheel they are inside it.
        shipped = Path(__file__).resolve().parents[3] / "themes"
    for path in sorted(shipped.iterdir(), key=lambda each: each.name):
        if path.name.endswith(".toml"):
            yield "shipped", path
    for origin, folder in (("user", user), ("project", project and project / "themes")):
        if folder is not None and folder.resolve() != shipped:
            for own in sorted(folder.glob("*.toml")):
                yield origin, own


def theme_text(path: Traversable) -> str:
    """The text of a theme's file. OSError; ValueError with a sentence, as `parse_theme`, for what is no text."""
    content = read_regular(path) if isinstance(path, Path) else path.read_bytes()
    try:
        return decoded(content)
    except ValueError as error:
        raise ValueError(f"it {error}") from None


def parse_theme(text: str, source: str, origin: str = "user") -> ThemeFile:
    """Read one theme. ValueError with one sentence says what is wrong with it."""
    try:
        data = read_toml(text)
    except TomlError as error:
        raise ValueError(f"it is not valid TOML: {error}") from None
    variables = data.pop("variables", {})
    if not isinstance(variables, dict):
        raise ValueError("`variables` must be a table: [variables]")
    _known(data, {"name", "description", "dark", "ansi", *COLOURS}, "")
    _known(variables, {*_OWN_DARK, *TEXTUAL_VARIABLES}, "variables.")
    for key in _NEEDED:
        if key not in data:
            raise ValueError(f"`{key}` is missing")
    for key, kind in (("name", str), ("description", str), ("dark", bool), ("ansi", bool)):
        if not isinstance(data.get(key, kind()), kind):
            raise ValueError(f"`{key}` must be {'text' if kind is str else 'true or false'}")
    name = data["name"]
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise ValueError(f'`name` must be lower-case letters, digits and hyphens, not "{name}"')
    for key in COLOURS:
        if key in data:
            _check_colour(key, data[key])
    for key, value in variables.items():
        _check_variable(key, value)
    dark, ansi = data.get("dark", True), data.get("ansi", False)
    return ThemeFile(
        name=name,
        description=data.get("description", ""),
        path=source,
        origin=origin,
        dark=dark,
        ansi=ansi,
        colours={key: data[key] for key in COLOURS if key in data},
        variables=variable_defaults(dark=dark, ansi=ansi) | variables,
    )


def _known(table: Mapping[str, Any], known: set[str], prefix: str) -> None:
    for key in table:
        if key not in known:
            near = nearest(key, known)
            hint = f"; did you mean `{prefix}{near}`?" if near else ""
            raise ValueError(f"`{prefix}{key}` is not a key of a theme{hint}")


def _check_colour(key: str, value: Any) -> None:
    if isinstance(value, str) and (_HEX.match(value) or value in ANSI_COLOURS):
        return
    near = nearest(value, ANSI_COLOURS) if isinstance(value, str) else None
    hint = f"; did you mean `{near}`?" if near else ""
    raise ValueError(f'`{key}` must be a colour, `#rrggbb` or `ansi_…`, not "{value}"{hint}')


def _check_variable(key: str, value: Any) -> None:
    if key in _OWN_DARK:
        _check_colour(key, value)
    elif key.endswith("-style") or key.startswith("link-style"):
        if not isinstance(value, str) or not set(value.split()) <= _STYLE_WORDS:
            raise ValueError(f'`{key}` must be a text style such as `bold` or `not underline`, not "{value}"')
    elif value not in ("transparent", "initial"):
        parts = value.split() if isinstance(value, str) else [value]
        if len(parts) == 2 and re.fullmatch(r"\d{1,3}%", parts[1]):
            parts = parts[:1]
        _check_colour(key, parts[0] if len(parts) == 1 else value)


def to_textual(theme: ThemeFile) -> Theme:
    """The theme as Textual takes it: `App.register_theme(to_textual(theme))`."""
    from textual.theme import Theme

    made = Theme(theme.name, theme.colours["primary"], dark=theme.dark, ansi=theme.ansi)
    made.variables = dict(theme.variables)
    for name, colour in theme.colours.items():
        setattr(made, name, colour)
    return made
