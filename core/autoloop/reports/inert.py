"""Escapes foreign text for Markdown, so that it cannot become a link, image, heading, formula or section marker.

Trainers' output, config names and users' notes all appear in a report that may be shown on a web page.
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
    """Return `text` escaped and on one line; it cannot break out of a table cell either."""
    plain = one_line(text).lstrip()
    plain = _ACTIVE.sub(lambda found: f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}", plain)
    return re.sub(r"&(?=[#A-Za-z])", "&amp;", plain).replace("<", "&lt;")


def code(text: str) -> str:
    """Return `text` as inline code on one line, also for a table; as plain text if code cannot show it everywhere."""
    return inert(text) if not text.strip() or set(text) & set("`|\\") else f"`{verbatim(text)}`"


def verbatim(text: str) -> str:
    """Return `text` on one line for a code block, in which only our own section markers must be escaped."""
    return one_line(text).replace("<!--", "<! --")


def address(url: str) -> str:
    """Return `url` as a link if it is the address of a web page and nothing else, otherwise escaped."""
    return url if is_address(url) else inert(url)


def is_address(text: str) -> bool:
    """Whether `text` is the address of a web page and nothing else."""
    return _ADDRESS.fullmatch(text) is not None


def one_line(text: str) -> str:
    """Return `text` with line ends, control characters and bidirectional marks replaced by spaces."""
    return "".join(c if c.isprintable() else " " for c in text)
