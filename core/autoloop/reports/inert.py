"""Text of somebody else's making as Markdown that shows it and does nothing: no link, image, heading, formula or marker.

What a trainer prints, what a config is called and what people write end up in a report that is shown on a web page.
"""

from __future__ import annotations

import re

_ACTIVE = re.compile(
    r"""
    \\(?=[!-/:-@\[-`{-~])            # a backslash that would take something away
  | [*`~$|\[]                        # emphasis, code, strike-through, formulas, cells, links and images
  | (?<![^\W_])_ | _(?![^\W_])       # emphasis; not inside a word such as ot_pi_sum
  | (?<=[A-Za-z]):(?=//)             # an address that would become a link without being one
  | (?<=www)\.                       # likewise
  | (?<=[\w.+-])@(?=[\w-])           # a mail address, or someone's name
  | ^(?:[\#>+=-]|\d{1,9}(?=[.)]))     # the beginning of a heading, quotation, rule or list
""",
    re.VERBOSE,
)
_ADDRESS = re.compile(r"https?://[\w.:/%-]+")


def inert(text: str) -> str:
    """`text` in one line, which cannot break out of a table cell either."""
    plain = one_line(text).lstrip()
    plain = _ACTIVE.sub(lambda found: f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}", plain)
    return re.sub(r"&(?=[#A-Za-z])", "&amp;", plain).replace("<", "&lt;")


def code(text: str) -> str:
    """`text` in one line as code, also in a table; as plain text where it holds what code cannot show everywhere."""
    return inert(text) if not text.strip() or set(text) & set("`|\\") else f"`{verbatim(text)}`"


def verbatim(text: str) -> str:
    """`text` in one line for a block of code, where nothing acts but our own markers."""
    return one_line(text).replace("<!--", "<! --")


def address(url: str) -> str:
    """An address as a link, if it is nothing else."""
    return url if is_address(url) else inert(url)


def is_address(text: str) -> bool:
    """Whether it is the address of a web page and nothing else."""
    return _ADDRESS.fullmatch(text) is not None


def one_line(text: str) -> str:
    """`text` with line ends, control sequences and bidirectional marks replaced by spaces."""
    return "".join(c if c.isprintable() else " " for c in text)
