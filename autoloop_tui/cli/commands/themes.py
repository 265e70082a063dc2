"""`themes`: the available colour themes, and whether each file is valid."""

from __future__ import annotations

from pathlib import Path

from autoloop.model import UserError
from autoloop.text.plural import plural

from autoloop_tui.cli.documents.plans import ThemeDocument, ThemesDocument
from autoloop_tui.cli.output import printing
from autoloop_tui.console.theming import contrast
from autoloop_tui.console.theming.contrast import MARK, TEXT, Fault, Figures
from autoloop_tui.console.theming.theme_files import LoadedThemes, ThemeFile, load_themes, parse_theme, theme_text

SHOWN = 5
"""Maximum number of faults listed per theme."""

PIPED = 80
"""Line width, in cells, if the output is not a terminal."""


def themes(*, check: Path | None = None, json: bool = False) -> int:
    """List the colour themes with their contrast, or check a theme file.

    Themes are built in, or come from ~/.config/autoloop/themes and ./themes; later ones replace earlier ones of the same
    name. The console remembers the theme chosen with T.

    Parameters
    ----------
    check
        Check only this theme file.
    json
        Print JSON.
    """
    if check is not None:
        return _check(check, json)
    loaded = load_themes(Path.cwd())
    if json:
        print(printing.answer("themes", _document(loaded)))
    else:
        _print_themes(loaded)
    return 1 if loaded.failures else 0


def _check(path: Path, json: bool) -> int:
    """Return 0 if the file is a readable theme, 1 if its colours have too little contrast. Raise UserError if it
    is not a theme."""
    try:
        theme = parse_theme(theme_text(path), str(path))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise UserError(f"{path}: {error}.") from None
    faults = contrast.faults(theme)
    if json:
        print(printing.answer("theme", _entry(theme)))
    else:
        print(f"{theme.name}: {_verdict(faults)}")
        print(_figures(contrast.figures(theme)))
        for fault in faults:
            print(f"  {fault}")
    return 1 if faults else 0


def _print_themes(loaded: LoadedThemes) -> None:
    rows = []
    for theme in loaded.themes.values():
        found = contrast.figures(theme)
        rows.append(
            [
                theme.name,
                theme.origin,
                _ground(theme),
                _number(found.text),
                _number(found.mark),
                _verdict(contrast.faults(theme)),
            ]
        )
    cells = printing.across() or PIPED
    head, rule, *lines = printing.table(["theme", "from", "ground", "text", "marks", ""], rows).splitlines()
    print(f"{head}\n{rule}")
    for line, theme in zip(lines, loaded.themes.values(), strict=True):
        told = printing.wrapped(printing.printable(theme.description), cells, first="  ", others="  ")
        print("\n".join([line, *told] if theme.description else [line]))
    print()
    legend = (
        f"Lowest contrast of text and of state marks, in 24-bit, 256 and 16 colours; text needs at least {TEXT:g}, "
        f"marks {MARK:g}."
    )
    _say(legend, cells)
    for theme in loaded.themes.values():
        faults = contrast.faults(theme)
        for fault in faults[:SHOWN]:
            _say(f"{theme.name}: {fault}", printing.across())
        if len(faults) > SHOWN:
            more = f"{len(faults) - SHOWN} more; `autoloop-tui themes --check {theme.path}` lists them"
            _say(f"{theme.name}: {more}", printing.across())
    for failure in loaded.failures:
        _say(printing.printable(f"left out: {failure.path}: {failure.sentence}"), printing.across())
    _say("Choose one with T in the console, or for one session with `autoloop-tui --theme NAME`.", cells)


def _say(text: str, cells: int | None) -> None:
    print("\n".join(printing.wrapped(text, cells, others="  ")))


def _ground(theme: ThemeFile) -> str:
    return "terminal" if theme.ansi else "dark" if theme.dark else "light"


def _verdict(faults: list[Fault]) -> str:
    return "ok" if not faults else plural(len(faults), "fault")


def _figures(found: Figures) -> str:
    if found.text is None and found.mark is None:
        return "  it uses the terminal's own colours, whose contrast is unknown"
    return f"  lowest contrast: text {_number(found.text)}, marks {_number(found.mark)} ({found.faintest})"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _document(loaded: LoadedThemes) -> ThemesDocument:
    return {
        "themes": [_entry(theme) for theme in loaded.themes.values()],
        "failures": [{"path": failure.path, "problem": failure.sentence} for failure in loaded.failures],
    }


def _entry(theme: ThemeFile) -> ThemeDocument:
    found = contrast.figures(theme)
    faults = contrast.faults(theme)
    return {
        "name": theme.name,
        "description": theme.description,
        "path": theme.path,
        "origin": theme.origin,
        "dark": theme.dark,
        "ansi": theme.ansi,
        "contrast": {"text": found.text, "marks": found.mark, "faintest": found.faintest},
        "ok": not faults,
        "problems": [str(fault) for fault in faults],
    }
