"""Elements of HTML and SVG. All text is escaped here, so text from trainers and users cannot become markup."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from autoloop.reports.inert import is_address, one_line


class Markup(str):
    """Text that is already markup."""

    __slots__ = ()


Child = str | None | Iterable["Child"]
"""Text, which is escaped; markup, which is not; None for nothing; or several of these."""


def element(tag: str, *children: Child, **attributes: str | float | None) -> Markup:
    """An element. In attribute names `_` becomes `-`, and a trailing `_` is dropped; attributes with None are omitted."""
    given = ((name.removesuffix("_").replace("_", "-"), value) for name, value in attributes.items())
    words = "".join(f' {name}="{_text(str(value))}"' for name, value in given if value is not None)
    if tag == "meta":
        return Markup(f"<{tag}{words}>")
    return Markup(f"<{tag}{words}>{markup(children)}</{tag}>")


def markup(child: Child) -> Markup:
    """The content of an element as markup."""
    if child is None:
        return Markup()
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return Markup(_text(child))
    return Markup("".join(map(markup, child)))


def _text(text: str) -> str:
    return html.escape(one_line(text))


def code(text: str) -> Markup:
    return element("code", text)


def link(url: str) -> Markup:
    """A link if `url` is the address of a web page and nothing else, otherwise text."""
    return element("a", url, href=url, rel="noopener noreferrer") if is_address(url) else markup(url)


def bullets(items: Iterable[Child]) -> Markup:
    """A list; empty markup without items."""
    made = [element("li", item) for item in items]
    return element("ul", made) if made else Markup()


class Cell:
    """A cell of a table. `order`: the sort key, if it is not the text; `mark`: a CSS class."""

    def __init__(self, content: Child, order: float | None = None, mark: str | None = None) -> None:
        self.content, self.order, self.mark = content, order, mark


Row = Sequence[Cell | Child]


def table(title: str, head: Sequence[str], rows: Iterable[Row], ids: Sequence[str] = ()) -> Markup:
    """A table that the page's script makes sortable. `ids`: the id of each row, as a link target. The first cell of a row is
    its header."""
    body = []
    for number, row in enumerate(rows):
        cells = [each if isinstance(each, Cell) else Cell(each) for each in row]
        made = [
            element(
                "td" if column else "th",
                cell.content,
                scope=None if column else "row",
                data_order=None if cell.order is None else repr(cell.order),
                class_=" ".join(filter(None, ["number" if cell.order is not None else "", cell.mark])) or None,
            )
            for column, cell in enumerate(cells)
        ]
        body.append(element("tr", made, id=ids[number] if ids else None))
    columns = [element("th", each, scope="col") for each in head]
    inner = element("table", element("thead", element("tr", columns)), element("tbody", body))
    return element("div", inner, class_="scroll", role="region", tabindex="0", aria_label=title)
