"""The tools' answers about curves and logs are bounded and contain what matters."""

from __future__ import annotations

import asyncio
import math
import time
from pathlib import Path
from typing import Any

import pytest
from autoloop.model import Actor, UserError

from autoloop_tui.agents import proposing, results
from autoloop_tui.agents.answers import MOST_LINES, MOST_POINTS
from tests.cli.past_loops import PastLoop, open_store


@pytest.mark.parametrize("points", [5, 32, MOST_POINTS])
def test_a_curve_is_short_and_keeps_its_extremes_and_what_is_no_number(tmp_path: Path, points: int) -> None:
    values = [2.0 + math.sin(step / 90) for step in range(3000)]
    values[700], values[1900] = 99.0, -99.0
    values[2400:2403] = [math.nan] * 3
    with open_store(tmp_path) as store:
        loop = PastLoop(store)
        run = loop.add("a", [{"_step": step, "loss": value} for step, value in enumerate(values, 1)])
        curve = results.curve(store, store.loop(1), run, "loss", points)
    assert curve.points_read == 3000
    assert len(curve.values) == len(curve.steps) <= MOST_POINTS
    assert curve.steps == sorted(set(curve.steps))
    assert {701: 99.0, 1901: -99.0}.items() <= dict(zip(curve.steps, curve.values, strict=True)).items()
    assert None in curve.values
    assert (curve.steps[0], curve.steps[-1]) == (1, 3000)


def test_no_tool_shows_a_secret_of_a_config(tmp_path: Path) -> None:
    key = "5ec4e7" + "0123456789abcdef" * 2
    with open_store(tmp_path) as store:
        past = PastLoop(store)
        one = past.add("a", [{"_step": 1, "loss": 1.0}], {"seed": 1, "lr": 1.0, "hub": {"token": key, "size": 1}})
        other = past.add("b", [{"_step": 1, "loss": 1.0}], {"seed": 1, "lr": 2.0})
        compared = results.compared(store, store.loop(1), one, other)
        checked = proposing.checked(store, store.loop(1), "a", ["hub.token=null", "lr=3"], Actor.agent("codex"))
    assert "hub" in repr(compared.configs)
    assert [each.path for each in checked.changes] == ["hub.token", "lr"]
    assert key not in repr([compared, checked])


def test_a_file_is_bounded_and_holds_neither_secrets_nor_what_nobody_sees(tmp_path: Path) -> None:
    from mcp.server.mcpserver import MCPServer  # not above: each pytest worker imports this file
    from mcp.server.mcpserver.exceptions import ResourceError

    from autoloop_tui.agents import resources

    server: MCPServer[Any] = MCPServer("autoloop")
    resources.add_resources(server, tmp_path)

    def read(name: str) -> str:
        (content,) = asyncio.run(server.read_resource(f"autoloop://{name}"))
        return str(content.content)

    with pytest.raises(ResourceError):  # before the first loop, and without a store
        read("report")
    with open_store(tmp_path) as store:
        loop = PastLoop(store, markdown_out="report.md")
        loop.add("a", [{"_step": 1, "loss": 1.0}])
        rules = store.places.frozen("loop_1") / "rules.toml"
        rules.parent.mkdir(parents=True, exist_ok=True)
        rules.write_bytes(b'name = "own"\r\n\n  token = "hf_abcdefghijklmnopqrstuvwxyz012345"\n')
    with pytest.raises(ResourceError, match="no report yet"):
        read("report")
    (tmp_path / "report.md").write_text("# \x1b[31mRed\u202e\n\n\tcode\x07\n" + "x" * 9_000_000, encoding="utf-8")
    report = read("report")
    assert report.startswith("# Red \n\n\tcode \nxxx")
    assert len(report) == resources.RESOURCE
    assert read("rules") == 'name = "own"\n\n  token = "***"\n'


def test_a_pattern_takes_time_in_proportion_to_the_log_and_the_answer_is_bounded(tmp_path: Path) -> None:
    """A backtracking engine would need billions of years for this pattern."""
    log = "".join(f"{'a' * 5000}!\n" for _ in range(200)) + "found it\n" * 300
    with open_store(tmp_path) as store:
        run = PastLoop(store).add("a", [{"_step": 1, "loss": 1.0}], log=log)
        begin = time.process_time()
        assert results.log(store, store.loop(1), run, r"^(a+)+$", 30).matched == 0
        assert time.process_time() - begin < 30
        found = results.log(store, store.loop(1), run, "FOUND", 10_000)
        assert (found.matched, len(found.untrusted_lines)) == (300, MOST_LINES)
        with pytest.raises(UserError, match="grep pattern"):
            results.log(store, store.loop(1), run, r"(?=a)", 30)
