"""The Chinese pages have the same headings, commands and tables as the English ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAIRS = [
    ("README.md", "README.zh-CN.md"),
    ("docs/moving-from-the-scripts.md", "docs/moving-from-the-scripts.zh-CN.md"),
]

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.S | re.M)


def headings(text: str) -> list[int]:
    """Return the level of each heading."""
    return [len(marks) for marks in re.findall(r"^(#+) ", BLOCK.sub("", text), re.M)]


def commands(text: str) -> list[str]:
    """Return each block as it would run: without comments and without texts written for people."""
    blocks = [
        "\n".join(line.rstrip() for line in re.sub(r" *# .*$", "", body, flags=re.M).splitlines())
        for _, body in BLOCK.findall(text)
    ]
    return [re.sub(r'--reason "[^"]*"', "--reason", block) for block in blocks]


def tables(text: str) -> list[list[int]]:
    """Return, for each table, the number of cells in each row."""
    found: list[list[int]] = []
    inside = False
    for line in BLOCK.sub("", text).splitlines():
        if line.startswith("|"):
            if not inside:
                found.append([])
            found[-1].append(len(re.findall(r"(?<!\\)\|", line)))
        inside = line.startswith("|")
    return found


def named(text: str) -> set[str]:
    """Return the flags, and the targets of links to other pages."""
    text = re.sub(r"\(docs/pictures/[^)]*\)", "", text).replace(".zh-CN.md", ".md")
    return {*re.findall(r"--[a-z][a-z-]+", text), *re.findall(r"\]\(([^)\s]+)\)", text)}


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_a_page_in_chinese_says_what_the_english_one_says(english: str, chinese: str) -> None:
    one, other = ((ROOT / name).read_text(encoding="utf-8") for name in (english, chinese))
    assert headings(one) == headings(other)
    assert commands(one) == commands(other)
    assert tables(one) == tables(other)
    assert named(one) == named(other)
