"""The documentation site: generated pages match the code, every page is reachable, and every link works."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from autoloop_tui.cli.catalogue import COMMANDS
from docs import make_cli_page, make_states_page

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
GENERATED = {"cli.md"}
"""Pages generated while the site is built. No page may link to them, because they are not in the repository."""
FENCED = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)


def test_the_navigation_has_every_page_once() -> None:
    listed = re.findall(r"^ +- .+: ([\w.-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted({*GENERATED, *(page.name for page in PAGES)})


def test_the_page_of_states_is_what_the_transitions_do() -> None:
    assert make_states_page.PAGE.read_text(encoding="utf-8") == make_states_page.page(), "python -m docs.make_states_page"
    for subject in make_states_page.SUBJECTS:
        assert {str(state.value) for state in subject.states} == {*subject.places}
        assert make_states_page.picture(subject).read_text(encoding="utf-8") == make_states_page.drawing(subject)


def test_the_page_of_the_command_line_has_every_command_with_its_flags() -> None:
    page = make_cli_page.page()
    for name, command in COMMANDS.items():
        assert f"\n### {name}\n" in page
        assert all(f"\nautoloop-tui {words}\n" in page for words in command.examples)
    assert "| `--max-hours FLOAT` | Start no runs after this many hours" in page


@cache
def anchors(page: Path) -> set[str]:
    """Return the anchors of all headings, as on GitHub and on the site."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    plain = (re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    wrong = []
    for link in re.findall(r"\]\((?!https?://)([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        target = page if not name else page.parent / name
        if name.endswith("/"):  # a folder may exist only after something has been written to it
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert not wrong
