"""Colour themes as TOML files: finding, parsing, checking and converting to Textual. A bad file affects only itself.

Only `to_textual` imports Textual, so that `autoloop-tui themes` can list and check themes without it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from autoloop.files import decoded, read_regular
from autoloop.text.suggest import nearest
from autoloop.toml import TomlError, read_toml

from autoloop_tui.console.theming.colours import ANSI, FIRST, PALETTE, Depth, hexadecimal, nearest_256, rgb
from autoloop_tui.console.theming.defaults import OWN_DARK, sixteen_defaults, variable_defaults

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
"""Textual variables that a theme may set; each is a colour, optionally with an alpha in percent, or a text style."""

ANSI_COLOURS = frozenset({"ansi_default", *ANSI})
_HEX = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})\Z")
_STYLE_WORDS = frozenset(("none", "not", "bold", "dim", "italic", "underline", "reverse", "strike", "b", "i", "u", "d"))


class Colours(msgspec.Struct, frozen=True):
    """A theme at one colour depth. `variables` is complete: defaults fill in what the file omits."""

    ansi: bool
    """Whether they are the terminal's own colours."""
    colours: dict[str, str]
    variables: dict[str, str]


class ThemeFile(msgspec.Struct, frozen=True):
    """A theme as defined by its file."""

    name: str
    description: str
    path: str
    origin: str
    """`shipped`, `user` or `project`."""
    dark: bool
    ansi: bool
    colour_blind: bool
    """The theme promises that state and chart colours are distinguishable with any colour vision, in 256 colours and 24
    bit."""
    at: dict[Depth, Colours]


class Failure(msgspec.Struct, frozen=True):
    path: str
    sentence: str


class LoadedThemes(msgspec.Struct, frozen=True):
    themes: dict[str, ThemeFile] = {}
    failures: list[Failure] = []


# ------------------------------------------------------------------------------------------------ files


def user_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of the user's themes: `$XDG_CONFIG_HOME/autoloop/themes`, by default under `~/.config`."""
    configured = environment.get("XDG_CONFIG_HOME")
    home = Path(configured) if configured else Path(environment.get("HOME") or Path.home()) / ".config"
    return home / "autoloop" / "themes"


def load_themes(project: Path | None = None, environment: Mapping[str, str] | None = None) -> LoadedThemes:
    """Load the shipped, the user's and the project's themes; a later one replaces an earlier one of the same name."""
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


def find_theme(name: str, project: Path | None, environment: Mapping[str, str]) -> ThemeFile | None:
    """Return the theme that `load_themes` would return under that name, without parsing the others; None if there is no
    valid one."""
    for origin, path in reversed(list(_files(project, user_folder(environment)))):
        try:
            text = theme_text(path)
            if f'"{name}"' in text or f"'{name}'" in text:
                theme = parse_theme(text, str(path), origin)
                if theme.name == name:
                    return theme
        except (OSError, ValueError):
            continue
    return None


def _files(project: Path | None, user: Path) -> Iterator[tuple[str, Path]]:
    shipped = Path(__file__).parents[2] / "themes"
    if not shipped.is_dir():  # In a checkout the themes are beside the package; in a wheel they are inside it.
        shipped = Path(__file__).resolve().parents[3] / "themes"
    for path in sorted(shipped.iterdir(), key=lambda each: each.name):
        if path.name.endswith(".toml"):
            yield "shipped", path
    for origin, folder in (("user", user), ("project", project and project / "themes")):
        if folder is not None and folder.resolve() != shipped:
            for own in sorted(folder.glob("*.toml")):
                yield origin, own


def theme_text(path: Path) -> str:
    """Return the text of a theme file. Raises OSError, or ValueError with a sentence if it is not text."""
    content = read_regular(path)
    try:
        return decoded(content)
    except ValueError as error:
        raise ValueError(f"it {error}") from None


def parse_theme(text: str, source: str, origin: str = "user") -> ThemeFile:
    """Parse a theme. Raises ValueError with a sentence that says what is wrong."""
    try:
        data = read_toml(text)
    except TomlError as error:
        raise ValueError(f"it is not valid TOML: {error}") from None
    tables = {table: data.pop(table, {}) for table in ("variables", "truecolor", "sixteen")}
    for table, content in tables.items():
        if not isinstance(content, dict):
            raise ValueError(f"`{table}` must be a table: [{table}]")
    variables, truecolor, sixteen = tables.values()
    _known(data, {"name", "description", "dark", "ansi", "colour_blind", *COLOURS}, "")
    _known(variables, {*OWN_DARK, *TEXTUAL_VARIABLES}, "variables.")
    for table in ("truecolor", "sixteen"):
        _known(tables[table], {*COLOURS, *OWN_DARK, *TEXTUAL_VARIABLES}, f"{table}.")
    for key in _NEEDED:
        if key not in data:
            raise ValueError(f"`{key}` is missing")
    for key, kind in (("name", str), ("description", str), ("dark", bool), ("ansi", bool), ("colour_blind", bool)):
        if not isinstance(data.get(key, kind()), kind):
            raise ValueError(f"`{key}` must be {'text' if kind is str else 'true or false'}")
    name = data["name"]
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise ValueError(f'`name` must be lower-case letters, digits and hyphens, not "{name}"')
    dark, ansi = data.get("dark", True), data.get("ansi", False)
    stated = {key: _value(key, data[key]) for key in COLOURS if key in data}
    stated = variable_defaults(dark=dark, ansi=ansi) | stated | {key: _value(key, variables[key]) for key in variables}
    full = stated | {key: _value(key, value) for key, value in truecolor.items()}
    few = stated if ansi else sixteen_defaults(dark=dark)
    few = few | {key: _value(key, value, own=True) for key, value in sixteen.items()}
    return ThemeFile(
        name=name,
        description=data.get("description", ""),
        path=source,
        origin=origin,
        dark=dark,
        ansi=ansi,
        colour_blind=data.get("colour_blind", False),
        at={
            Depth.FULL: _colours(full, ansi=ansi),
            Depth.PALETTE: _colours({key: _in_palette(value) for key, value in stated.items()}, ansi=ansi),
            Depth.SIXTEEN: _colours(few, ansi=True),
        },
    )


def _colours(stated: dict[str, str], *, ansi: bool) -> Colours:
    variables = {key: value for key, value in stated.items() if key not in COLOURS}
    return Colours(ansi, {key: stated[key] for key in COLOURS if key in stated}, variables)


def _in_palette(value: str) -> str:
    """Return a colour as the nearest of the 256; a style or a colour of the terminal unchanged."""
    colour, _, alpha = value.partition(" ")
    parts = rgb(colour) if _HEX.match(colour) else None
    return f"{hexadecimal(PALETTE[nearest_256(parts)])} {alpha}".rstrip() if parts else value


def _known(table: Mapping[str, Any], known: set[str], prefix: str) -> None:
    for key in table:
        if key not in known:
            near = nearest(key, known)
            hint = f"; did you mean `{prefix}{near}`?" if near else ""
            raise ValueError(f"`{prefix}{key}` is not a theme key{hint}")


def _value(key: str, value: Any, *, own: bool = False) -> str:
    """Return the value of `key`, with palette numbers as `#rrggbb`. `own`: only the terminal's own colours are allowed."""
    if key in COLOURS or key in OWN_DARK:
        return _colour(key, value, own=own)
    if key.endswith("-style") or key.startswith("link-style"):
        if not isinstance(value, str) or not set(value.split()) <= _STYLE_WORDS:
            raise ValueError(f'`{key}` must be a text style such as `bold` or `not underline`, not "{value}"')
        return value
    if value in ("transparent", "initial"):
        return str(value)
    parts = value.split() if isinstance(value, str) else [value]
    if len(parts) == 2 and re.fullmatch(r"\d{1,3}%", parts[1]):
        number = isinstance(value, str) and parts[0].isascii() and parts[0].isdigit()
        return f"{_colour(key, int(parts[0]) if number else parts[0], own=own)} {parts[1]}"
    return _colour(key, value, own=own)


def _colour(key: str, value: Any, *, own: bool) -> str:
    if isinstance(value, str) and (value in ANSI_COLOURS or (_HEX.match(value) and not own)):
        return value
    if own:
        raise ValueError(f'`sixteen.{key}` must be one of the terminal\'s own colours, `ansi_red` …, not "{value}"')
    if isinstance(value, int) and not isinstance(value, bool):
        if value in PALETTE:
            return hexadecimal(PALETTE[value])
        raise ValueError(f"`{key}` must be a number of the palette from {FIRST} to 255, or `ansi_red` …, not {value}")
    near = nearest(value, ANSI_COLOURS) if isinstance(value, str) else None
    hint = f"; did you mean `{near}`?" if near else ""
    raise ValueError(f'`{key}` must be a colour, {FIRST} … 255, `#rrggbb` or `ansi_…`, not "{value}"{hint}')


def to_textual(theme: ThemeFile, depth: Depth) -> Theme:
    """Convert the theme to Textual's: `App.register_theme(to_textual(theme, depth))`."""
    from textual.theme import Theme

    chosen = theme.at[depth]
    made = Theme(theme.name, chosen.colours["primary"], dark=theme.dark, ansi=chosen.ansi)
    made.variables = dict(chosen.variables)
    for name, colour in chosen.colours.items():
        setattr(made, name, colour)
    return made
