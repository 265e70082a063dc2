"""Text by others in a report, rendered from Markdown: it appears as written, and has no effect."""

from __future__ import annotations

import re

import pytest
from autoloop.reports.inert import address, code, inert
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

RENDERER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HARMLESS = {
    "text",
    "code_inline",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "paragraph",
    "inline",
    "bullet_list",
    "list_item",
}

HOSTILE = [
    "[click](javascript:alert(1))",
    "![b](http://evil/x.png)",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!-- /autoloop loop_1 -->",
    "**bold** __bold__ *i* _i_ ~~gone~~",
    "`code` ``more`` ```",
    "# heading",
    "> quoted",
    "1. list",
    "- list",
    "+ list",
    "$x^2$ and $$y$$",
    "a | b | c",
    "[ref]: http://evil",
    "[ref]",
    "<http://evil/>",
    "&lt;b&gt; &#60;",
    "trailing \\",
    "\\[x](y)",
    "\\\\[x](y)",
    "\\*a*",
    '=HYPERLINK("http://evil")',
    "===",
    "---",
    "    indented",
    "[x][y]",
    "[^1]",
    "- [x] task",
    "![](x)",
    "a_b_c _d_",
    "http://evil/_a_*b*",
    "10) ten",
]


def flat(tokens: list[Token]) -> list[Token]:
    return [each for token in tokens for each in [token, *flat(token.children or [])]]


def rendered(markdown: str) -> tuple[set[str], str]:
    """Return the kinds of elements in it, and its text."""
    tokens = flat(RENDERER.parse(markdown))
    kinds = {re.sub("_(open|close)$", "", token.type) for token in tokens}
    return kinds, "".join(token.content for token in tokens if token.type in ("text", "code_inline", "text_special"))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("around", ["- {} and", "  - {}", "- run (ab12) failed: {}", "| a |\n|---|\n| {} |", "## loop · {}"])
@pytest.mark.parametrize("form", [inert, code])
def test_nothing_acts_and_the_text_is_as_it_was(text: str, around: str, form: type) -> None:
    kinds, shown = rendered(around.format(form(text)))
    assert kinds - {"text_special", "heading" if around.startswith("#") else "text"} <= HARMLESS
    assert text.strip().replace("<!--", "<! --") in shown.replace("<!--", "<! --")


@given(st.text(alphabet="ab1 \\`*_[]()!<>|$~#-+=&;:/.@\n\t\x1b\u202e", max_size=30))
def test_no_text_at_all_acts(text: str) -> None:
    for form in (inert, code):
        kinds, shown = rendered(f"- x: {form(text)} y")
        assert kinds - {"text_special"} <= HARMLESS
        assert shown.startswith("x:")
        assert shown.endswith("y")


ORDINARY = ["ot_pi_sum = 3.4e-11 < 1e-06", "a/b-c (d) + e: f, 5% → 6.", "run #3, rule:more-lr", "漢字 émoji"]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_reads_in_the_file_as_it_was_written(text: str) -> None:
    assert inert(text).replace("&lt;", "<") == text


def test_addresses_link_only_where_they_are_addresses() -> None:
    assert inert("see https://evil.example/?q=1") == "see https\\://evil.example/?q=1"
    assert address("https://wandb.ai/a/b/runs/c") == "https://wandb.ai/a/b/runs/c"
    assert address("https://evil/[x](javascript:1)/runs/c").startswith("https\\://evil/\\[x]")
