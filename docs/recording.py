"""A recording of the console as one animated SVG. It plays wherever SVG is shown, including a README, and loads nothing.

Frames are screenshots by `App.export_screenshot`. A row that stays the same over several frames is stored once, with the
time for which it is shown. A recording of twenty frames is therefore about as large as four pictures.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

CELL, ROW = 12.2, 24.4
"""Size of a cell in Textual's pictures."""
MARGIN = 10
SVG = "{http://www.w3.org/2000/svg}"
GROUND = "#12151c"
"""Background of the theme `dark`: rectangles of this colour need not be drawn."""


class Recording:
    """Frames of a console of `columns` × `rows` cells."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self._frames: list[tuple[list[str], float]] = []
        """For each frame: the markup of each row, and the seconds for which it is shown."""
        self._classes: dict[str, str] = {}
        """Style → class name."""
        self._poster = 0

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, picture: str, seconds: float, *, poster: bool = False) -> None:
        """Add a picture that is shown for `seconds`. `poster`: show it if animations are off."""
        rows = self._rows_of(picture)
        if poster:
            self._poster = len(self._frames)
        if self._frames and self._frames[-1][0] == rows:
            rows, before = self._frames.pop()
            seconds += before
        self._frames.append((rows, seconds))

    def _rows_of(self, picture: str) -> list[str]:
        """Return the rows of the picture as rectangles and texts, each positioned relative to its row."""
        styles = dict(re.findall(r"\.(\S+-r\d+) \{(.*?)\}", picture))
        rows: list[list[str]] = [[] for _ in range(self.rows)]
        root = ElementTree.fromstring(picture)
        for element in (each for group in root.iter(f"{SVG}g") if "clip-path" in group.attrib for each in group.iter()):
            at = int(float(element.get("y", "0")) / ROW)
            if at >= self.rows or "x" not in element.attrib:
                continue
            x, wide = f"{float(element.attrib['x']):g}", element.get("width") or element.get("textLength") or "0"
            if element.tag == f"{SVG}rect":
                fill = element.get("fill", "")
                if fill != GROUND:
                    rows[at].append(f'<rect class="{self._class(f"fill:{fill}")}" x="{x}" width="{wide}" height="24.9"/>')
            elif element.tag == f"{SVG}text" and (element.text or "").strip():
                name = self._class(styles.get(element.get("class", ""), "").strip())
                rows[at].append(
                    f'<text class="{name}" x="{x}" y="18.5" textLength="{wide}">{escape(element.text or "")}</text>'
                )
        return ["".join(row) for row in rows]

    def _class(self, style: str) -> str:
        return self._classes.setdefault(style, f"s{len(self._classes)}")

    def write(self, path: Path) -> None:
        """Write an SVG that plays all frames in an endless loop."""
        ends = [0.0]
        for _, seconds in self._frames:
            ends.append(ends[-1] + seconds)
        total, body = ends[-1], list[str]()
        spans: set[tuple[int, int]] = set()
        for y in range(self.rows):
            column = [rows[y] for rows, _ in self._frames]
            start = 0
            for at in range(1, len(column) + 1):
                if at < len(column) and column[at] == column[start]:
                    continue
                if column[start]:
                    shown = f' class="{self._span(spans, start, at)}"' if at - start < len(column) else ""
                    body.append(f'<g transform="translate(0 {y * ROW:.1f})"{shown}>{column[start]}</g>')
                start = at
        width, height = self.columns * CELL + 2 * MARGIN, self.rows * ROW + 2 * MARGIN
        css = [f".{name}{{{style}}}" for style, name in self._classes.items()]
        css += [self._animation(span, ends) for span in sorted(spans)]
        path.write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}"><style>'
            "text{font:20px DejaVu Sans Mono,Menlo,Consolas,monospace;white-space:pre}"
            f".t{{animation:{total:g}s step-end infinite}}.h{{visibility:hidden}}"
            + "".join(css)
            + "@media(prefers-reduced-motion){.t{animation:none}}"
            f'</style><rect width="100%" height="100%" rx="8" fill="{GROUND}"/>'
            f'<g transform="translate({MARGIN} {MARGIN})">' + "".join(body) + "</g></svg>\n",
            encoding="utf-8",
        )

    def _span(self, spans: set[tuple[int, int]], start: int, end: int) -> str:
        """Return the classes for content that is shown from frame `start` to before frame `end`."""
        spans.add((start, end))
        return f"t f{start}-{end}" + ("" if start <= self._poster < end else " h")

    def _animation(self, span: tuple[int, int], ends: list[float]) -> str:
        start, end = span
        name = f"f{start}-{end}"
        steps = [f"0%{{visibility:{'visible' if start == 0 else 'hidden'}}}"]
        if start:
            steps.append(f"{100 * ends[start] / ends[-1]:.3f}%{{visibility:visible}}")
        if end < len(self._frames):
            steps.append(f"{100 * ends[end] / ends[-1]:.3f}%{{visibility:hidden}}")
        else:
            steps.append("100%{visibility:visible}")
        return f".{name}{{animation-name:{name}}}@keyframes {name}{{{''.join(steps)}}}"
