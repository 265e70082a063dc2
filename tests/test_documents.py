"""Files and folders named in the documents about the code exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("core", "autoloop_tui", "themes", "recipes", "tests", "bench", "docs")


def everything() -> list[str]:
    """Return each file and folder of the repository, relative to its root; folders end with a slash."""
    paths = [ROOT / name for name in OURS] + [path for path in ROOT.iterdir() if path.is_file()]
    paths += [path for name in OURS for path in (ROOT / name).rglob("*") if "__pycache__" not in path.parts]
    return [f"/{path.relative_to(ROOT)}{'/' if path.is_dir() else ''}" for path in paths]


def named(text: str) -> set[str]:
    """Return the repository paths in backticks, outside of code blocks. `autoloop.toml` is a file of users' projects."""
    words: list[str] = re.findall(
        r"`(\w[\w./-]*(?:\.py|\.toml|\.md|/))`", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    )
    return {*words} - {"autoloop.toml"}


@pytest.mark.parametrize("document", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_a_path_in_a_document_exists(document: str) -> None:
    paths = everything()
    text = (ROOT / document).read_text(encoding="utf-8")
    words = named(text)
    assert words
    assert not {word for word in words if not any(path.endswith(f"/{word}") for path in paths)}


@pytest.mark.parametrize("document", ["README.md", "README.zh-CN.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_a_link_to_a_file_leads_to_it(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    targets = {target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target}
    assert not {target for target in targets if not (ROOT / target).is_file()}


def test_a_module_in_a_table_of_the_architecture_is_in_the_package_of_its_row() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w/]+/)` \|(.*)\|$", text, re.M)
    modules = [f"/{package}{module}" for package, cell in rows for module in re.findall(r"`(\w+\.py)`", cell)]
    assert len(modules) > 20
    paths = everything()
    assert not {module for module in modules if not any(path.endswith(module) for path in paths)}


def test_the_keys_of_the_console_are_documented_as_they_are_bound() -> None:
    from autoloop_tui.console.meanings import MEANINGS
    from autoloop_tui.console.pane_bindings import all_keys

    text = (ROOT / "docs/console.md").read_text(encoding="utf-8")
    for each in MEANINGS:
        keys = " ".join(f"`{key}`" for key in all_keys("", each.keys.replace(" ", ","), {}).split(" "))
        assert f"| {keys} | {each.means} |" in text


def test_every_finding_about_the_console_is_kept_by_a_test_that_exists() -> None:
    text = (ROOT / "tests/console/FINDINGS.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \|.*$", text, re.MULTILINE)
    assert [int(number) for number in rows] == list(range(1, 37))
    for row in (line for line in text.splitlines() if re.match(r"\| \d", line)):
        keeping = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row)
        assert keeping, row
        for path, test in keeping:
            assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{test}"
