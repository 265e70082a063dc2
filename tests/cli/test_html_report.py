"""`report --html`: a page with the curves of real runs. It never replaces a file that is not such a page."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.project import CommandProject
from tests.reports.pages import Page


def test_the_page_of_a_loop_is_written_replaced_and_outlives_its_runs(trained: CommandProject, tmp_path: Path) -> None:
    own = CommandProject(Path(shutil.copytree(trained.folder, tmp_path / "own")))
    said = own.call("report", "--html", "shared/night.html")
    path = own.folder / "shared" / "night.html"
    assert (said.returncode, said.stdout.strip(), said.stderr) == (0, str(path), "")
    first = Page(path.read_text(encoding="utf-8"))
    runs = {line["data-run"] for line in first.classes("line")}
    assert len(runs) == 2
    shutil.rmtree(own.loop().output_dir)
    for attempt in own.attempts():
        shutil.rmtree(attempt.directory)
    assert own.call("report", "--html", "shared/night.html").returncode == 0
    again = Page(path.read_text(encoding="utf-8"))
    assert again.classes("line") == []
    assert "The history of 2 runs could not be read." in again.text
    assert [table[0] for table in again.tables] == [table[0] for table in first.tables]
    assert [each.name for each in path.parent.iterdir()] == ["night.html"]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("a.json", "a.json exists and is not an HTML report of Auto Loop; choose another file or delete it."),
        (".", ". cannot be replaced (Is a directory); choose another file."),
        ("/dev/null", "/dev/null cannot be replaced (it is not a regular file); choose another file."),
        ("a.json/x.html", "a.json/x.html cannot be replaced (Not a directory); choose another file."),
        ("x" * 300, "cannot be replaced (File name too long); choose another file."),
    ],
)
def test_a_path_that_cannot_take_the_page_is_refused_in_a_sentence(trained: CommandProject, path: str, why: str) -> None:
    before = Path(trained.folder, "a.json").read_bytes()
    said = trained.call("report", "--html", path)
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.strip().endswith(why)
    assert "Traceback" not in said.stderr
    assert Path(trained.folder, "a.json").read_bytes() == before
