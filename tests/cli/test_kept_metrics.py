"""A loop is shown with the metric names that it was created with, even if the project's settings change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Call
from tests.cli.project import LAUNCH, CommandProject

BOOK = '[[metric]]\nname = "quality"\nshort = ["skill"]\nbest = "high"\n'


def shown(project: CommandProject, call: Call) -> dict[str, str]:
    """Return what every command that shows a loop prints about it."""
    said = {}
    for words in (("status",), ("status", "--json"), ("runs",), ("report",), ("wait",)):
        done = call(*words)
        assert (done.code, done.err) == (0, ""), words
        said[" ".join(words)] = done.out
    said["file"] = Path(project.loop().spec.markdown_out).read_text()
    return said


@pytest.mark.parametrize("place", ["metrics.toml", "autoloop.toml"])
@pytest.mark.parametrize("later", ['[[metric]]\nname = "val/acc"\nshort = ["right"]\n', "x = ["])
def test_a_loop_keeps_its_names_for_metrics(project: CommandProject, call: Call, place: str, later: str) -> None:
    def write(book: str) -> None:
        if place == "metrics.toml":
            (project.folder / "autoloop.toml").write_text('metrics = "metrics.toml"\n')
            (project.folder / place).write_text('key = ["quality"]\n' + book)
        else:
            (project.folder / place).write_text(
                '[metrics]\nkey = ["quality"]\n' + book.replace("[[metric]]", "[[metrics.metric]]")
            )

    write(BOOK)
    (project.folder / "base.json").write_text(json.dumps({"lr": 0.5}))
    done = project.call("run", "--cfgs", "base.json", *LAUNCH, "--device", "cpu", "--no-ui", "--exec")
    assert done.returncode == 0, done.stderr
    before = shown(project, call)
    assert "skill" in before["runs"]
    write(later)
    assert shown(project, call) == before
