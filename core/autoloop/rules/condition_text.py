"""The text of a condition: names with slashes, the syntax tree, and the positions of errors.

`val/loss.last` without spaces is the metric `val/loss`; with spaces, `a.last / b.last` is a division. A slash after a
statistic or a number is always a division: `a.last/b.last`, `steps/100`.
"""

from __future__ import annotations

import ast
import re
import warnings

from autoloop.model import UserError

MAX_LENGTH = 1_000
_JOIN = "\u01c0"
"""Replaces slashes in names: a letter that is valid in Python names, looks like a slash, and is never typed."""
_NAMES = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?<![\w.])(?P<name>[A-Za-z_]\w*(?:/\w+)*/[A-Za-z_]\w*)(?![\w(])"""
)
_STEPS = "steps/"
"""`steps` is the only name that is a number, so a slash after it is a division."""


def named(text: str) -> str:
    """Return a name or text of the syntax tree as the user wrote it."""
    return text.replace(_JOIN, "/")


def _with_joined_names(text: str) -> str:
    """Join each metric name with slashes to one word of the same length; quoted text stays as it is."""

    def joined(found: re.Match[str]) -> str:
        name = found["name"]
        if name is None:
            return found[0]
        divided = _STEPS if name.startswith(_STEPS) else ""
        return divided + name.removeprefix(divided).replace("/", _JOIN)

    return _NAMES.sub(joined, text)


class ConditionText:
    """Parses a condition's text, and places every error at the position in the user's text."""

    def __init__(self, text: str) -> None:
        text = text.strip()
        # Parentheses make a condition of several lines parse; in a single line they would only shift error positions.
        self.wrapped = "\n" in text
        self.text = _with_joined_names(f"({text}\n)" if self.wrapped else text)

    def parse(self) -> ast.expr:
        """Return the syntax tree. UserError for a text that is empty, too long, nested too deeply or not Python."""
        if not self.text:
            raise UserError("the condition is empty; write one such as ot_pi_sum.last < 1e-3")
        if len(self.text) > MAX_LENGTH:
            raise UserError(f"the condition is longer than {MAX_LENGTH} characters; split it over several rules")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # for "\d" in plain text Python only warns
                return ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            if not error.offset:  # Python reached the end of the text
                raise UserError("cannot read the condition: it is incomplete") from None
            what = error.msg + ('; write a pattern raw, as in r"\\d"' if "escape" in error.msg else "")
            raise UserError(f"cannot read the condition: {what} ({self._at(error.lineno, error.offset)})") from None
        except (RecursionError, MemoryError):
            raise UserError("the condition is nested too deeply") from None
        except ValueError as error:  # a null byte, half a surrogate pair
            raise UserError(f"cannot read the condition: {error}") from None

    def segment(self, node: ast.expr) -> str:
        """Return the node's text as written, on one line."""
        return named(" ".join((ast.get_source_segment(self.text, node) or "this").split()))

    def error(self, node: ast.expr, what: str) -> UserError:
        before = self.text.split("\n")[node.lineno - 1].encode()[: node.col_offset].decode(errors="replace")
        return UserError(f"{what} ({self._at(node.lineno, len(before) + 1)})")

    def _at(self, line: int | None, column: int | None) -> str:
        if not self.wrapped:
            return f"column {max(column or 1, 1)}"
        if line is None or line > self.text.count("\n"):
            return "at its end"
        return f"line {line}, column {max((column or 1) - (line == 1), 1)}"
