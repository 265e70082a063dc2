"""Charts of figures as SVG files that stand alone, readable on light and on dark paper."""

from __future__ import annotations

import math
from collections.abc import Sequence

from autoloop.reports.html.elements import Markup, element
from autoloop.text.values import number

from bench.measuring import Figure, Growth

WIDTH = 720
STYLE = """
svg { font: 13px system-ui, sans-serif; fill: #1f2328; color: #1f2328; }
.ours, .c0 { fill: #0969da; stroke: #0969da; } .other { fill: #8c959f; stroke: #8c959f; }
.c1 { fill: #bc4c00; stroke: #bc4c00; } .c2 { fill: #1a7f37; stroke: #1a7f37; } .c3 { fill: #8250df; stroke: #8250df; }
.c4 { fill: #cf222e; stroke: #cf222e; } .c5 { fill: #6e7781; stroke: #6e7781; }
.line { fill: none; stroke-width: 2; } .grid { stroke: #d0d7de; } .spread { stroke: currentColor; stroke-width: 1.5; }
.limit { stroke: #cf222e; stroke-width: 2; stroke-dasharray: 4 3; } .quiet { fill: #59636e; } text { stroke: none; }
@media (prefers-color-scheme: dark) {
svg { fill: #f0f6fc; color: #f0f6fc; } .grid { stroke: #3d444d; } .quiet { fill: #9198a1; } .limit { stroke: #ff7b72; }
.ours, .c0 { fill: #4493f8; stroke: #4493f8; } .other { fill: #656c76; stroke: #656c76; }
.c1 { fill: #f0883e; stroke: #f0883e; } .c2 { fill: #3fb950; stroke: #3fb950; } .c3 { fill: #a371f7; stroke: #a371f7; }
.c4 { fill: #ff7b72; stroke: #ff7b72; } .c5 { fill: #9198a1; stroke: #9198a1; }
}
"""
COLOURS = 6
LABELS, BAR, VALUES = 230, 26, 90
"""Of a chart of bars: room for names, the height of a bar with its gap, and room for values."""
LEFT, RIGHT, TOP, BOTTOM, HEIGHT = 70, 190, 16, 44, 330
"""Of a chart of curves."""


def bars(title: str, figures: Sequence[Figure]) -> str:
    """Medians as bars, with a line from the minimum to the maximum, and limits. All figures have one unit."""
    limits = [figure.target.limit for figure in figures if figure.target]
    highest = max([max(figure.values) for figure in figures] + limits) or 1.0
    scale = (WIDTH - LABELS - VALUES) / highest
    made: list[Markup] = []
    for place, figure in enumerate(figures):
        top, unit = place * BAR + 6, figure.unit
        middle = top + BAR / 2 - 3
        made.append(element("text", figure.name, x=LABELS - 8, y=middle + 4, text_anchor="end"))
        size = {"x": LABELS, "y": top, "width": _short(figure.median * scale), "height": BAR - 6}
        made.append(element("rect", class_="ours" if figure.ours else "other", **size))
        low, high = (_short(LABELS + end(figure.values) * scale) for end in (min, max))
        made.append(element("path", d=f"M{low} {middle}H{high}M{low} {middle - 4}v8M{high} {middle - 4}v8", class_="spread"))
        if figure.target:
            limit = _short(LABELS + figure.target.limit * scale)
            made.append(element("path", d=f"M{limit} {top - 2}v{BAR - 2}", class_="limit"))
        said = f"{number(figure.median, 3)} {unit}"
        made.append(element("text", said, x=_short(LABELS + max(figure.values) * scale + 8), y=middle + 4))
    return _svg(title, made, len(figures) * BAR + 10)


def growth(chart: Growth) -> str:
    """Costs over sizes, both on logarithmic scales."""
    points = [point for curve in chart.curves for point in curve.medians if point[1] > 0]
    x_low, x_high = _ends([size for size, _ in points])
    y_low, y_high = _ends([cost for _, cost in points])

    def x(size: float) -> float:
        return _short(LEFT + (math.log10(size) - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT))

    def y(cost: float) -> float:
        return _short(HEIGHT - BOTTOM - (math.log10(cost) - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM))

    made: list[Markup] = []
    for power in range(math.ceil(y_low), math.floor(y_high) + 1):
        made.append(element("path", d=f"M{LEFT} {y(10.0**power)}H{WIDTH - RIGHT}", class_="grid"))
        made.append(element("text", number(10.0**power), x=LEFT - 8, y=y(10.0**power) + 4, text_anchor="end"))
    for size in sorted({size for size, _ in points}):
        made.append(element("text", f"{size:,.0f}".replace(",", "\u202f"), x=x(size), y=HEIGHT - 24, text_anchor="middle"))
    made.append(
        element("text", chart.work, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 6, text_anchor="middle", class_="quiet")
    )
    made.append(element("text", chart.unit, x=LEFT - 8, y=12, text_anchor="end", class_="quiet"))
    labels = _apart([y(curve.medians[-1][1]) for curve in chart.curves])
    for place, (curve, label) in enumerate(zip(chart.curves, labels, strict=True)):
        colour = f"c{place % COLOURS}"
        found = [(x(size), y(cost)) for size, cost in curve.medians if cost > 0]
        made.append(element("path", d="M" + "L".join(f"{a} {b}" for a, b in found), class_=f"line {colour}"))
        made += [element("circle", cx=a, cy=b, r=3.5, class_=colour) for a, b in found]
        said = f"{curve.name} ^{curve.exponents[1]:.2f}"
        made.append(element("text", said, x=WIDTH - RIGHT + 10, y=label + 4, class_=colour))
    return _svg(chart.title, made, HEIGHT)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """Logarithms of the ends of a scale."""
    low, high = math.log10(min(values)), math.log10(max(values))
    return (low - 0.05, high + 0.05) if high > low else (low - 0.5, high + 0.5)


def _apart(heights: Sequence[float], least: float = 16) -> list[float]:
    """The same heights, moved down as far as labels need."""
    moved, last = list(heights), -math.inf
    for place in sorted(range(len(heights)), key=heights.__getitem__):
        last = moved[place] = max(heights[place], last + least)
    return moved


def _short(value: float) -> float:
    return round(value, 1)


def _svg(title: str, inner: Sequence[Markup], height: float) -> str:
    size = {"viewBox": f"0 0 {WIDTH} {height:g}", "width": f"{WIDTH}", "height": f"{height:g}"}
    style = element("style", Markup(STYLE.replace("\n", " ").strip()))
    return element("svg", style, inner, xmlns="http://www.w3.org/2000/svg", role="img", aria_label=title, **size) + "\n"
