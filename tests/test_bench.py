"""The framework of the benches: measurements and the report."""

from __future__ import annotations

import re
import subprocess
import sys
import types
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import __main__ as program
from bench import measuring
from bench.measuring import Curve, Figure, Growth, Result, Sample, Table, Target, command, exponent, interleaved
from bench.places import commands_called
from bench.report import read, write_report


def result(part: str = "speed") -> Result:
    table = Table(
        "A task",
        [
            Figure("ours", "s", [1.0, 3.0, 2.0], Target(1.5, "users wait")),
            Figure("<theirs>", "s", [4.0, 6.0, 5.0], ours=False),
            Figure("slowest", "s", [1.0, 2.0], Target(2.0, "as promised", of="max")),
        ],
        ["slow-peer is not installed."],
    )
    curves = [Curve("reading", [(10, [1.0]), (100, [10.0]), (1000, [100.0])]), Curve("all", [(10, [1.0]), (100, [100.0])])]
    found = Result(part, part.title(), "What it takes.", "abc", "today", "2 × CPU", [0.1], {"Python": "3"}, tables=[table])
    found.growths = [Growth("Cost", "runs", "ms", curves)]
    return found


def test_the_report_says_of_each_target_whether_it_is_reached_and_draws_what_is_compared(tmp_path: Path) -> None:
    folder = tmp_path / "performance"
    measuring.keep(result(), folder)
    text = write_report(["speed", "later"], folder).read_text()
    assert "1 of 2 targets are met" in text
    assert "| ≤ 1.5 s, median | 2 s | **missed**: 1.3 × the limit | users wait |" in text
    assert "| ≤ 2 s, max | 2 s | reached: 1 × the limit | as promised |" in text
    assert "| ours | 1 | 2 | 3 | s | 3 |" in text
    assert "slow-peer is not installed." in text
    assert re.search(r"2 × CPU; load 0.1 → [\d.]+; Python 3; commit abc, today\.", text)
    assert "| Speed | Cost: all | 10 to 100 runs | 2.00 | 2.00 | **worse than linear** |" in text
    assert "| Speed | Cost: reading | 10 to 1000 runs | 1.00 | 1.00 |  |" in text
    assert "\n## What remains\n" in text
    assert "## Not measured\n\nlater." in text
    charts = sorted(folder.glob("*.svg"))
    assert [chart.name for chart in charts] == ["speed-1.svg", "speed-2.svg"]
    for chart in charts:
        assert f"(performance/{chart.name})" in text
        ElementTree.parse(chart)
        assert "prefers-color-scheme: dark" in chart.read_text()
    assert read(folder / "speed.json").tables[0].figures[1].values == [4.0, 6.0, 5.0]


def test_an_exponent_is_that_of_the_power_law_through_the_points() -> None:
    assert exponent([(10, 3), (100, 30), (1000, 300)]) == pytest.approx(1)
    assert exponent([(size, 5 * size**2) for size in (1, 2, 4, 8)]) == pytest.approx(2)
    start_and_square = Curve("", [(size, [100.0 + size**2]) for size in (1, 10, 100, 1000)])
    assert start_and_square.exponents[0] < 1.4 < start_and_square.exponents[1]
    assert start_and_square.worse_than_linear


def test_what_is_compared_runs_in_turn_and_begins_with_another_each_time() -> None:
    ran: list[str] = []

    def work(name: str) -> Sample:
        ran.append(name)
        return Sample(len(ran), 0, 0)

    found = interleaved({"a": lambda: work("a"), "b": lambda: work("b")}, times=3)
    assert ran == ["b", "a", "a", "b", "b", "a", "a", "b"]
    assert [sample.wall for sample in found["a"]] == [3, 6, 7]
    (own,) = interleaved({"own": lambda: None}, times=1)["own"]
    assert own.wall > 0


def test_a_command_is_measured_without_what_started_it(tmp_path: Path) -> None:
    ballast = bytearray(200 << 20)  # memory of this process
    used = command([sys.executable, "-S", "-c", "sum(range(10**6))"], tmp_path)
    assert 0 < used.cpu < 60
    assert used.memory < 100
    assert len(ballast)
    big = command([sys.executable, "-S", "-c", "bytearray(200 << 20)"], tmp_path)
    assert big.memory > 200
    with pytest.raises(measuring.CommandFailed, match="ended with 3: worse"):
        command([sys.executable, "-c", "import sys; print('bad\\nworse', file=sys.stderr); sys.exit(3)"], tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_part_that_fails_is_named_and_the_others_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "PARTS", {"broken": "bench.broken", "whole": "bench.whole"})
    monkeypatch.setattr(program, "write_report", lambda _parts: measuring.ROOT / "page.md")
    monkeypatch.setattr(measuring, "ROOT", tmp_path)
    code = "import sys; print(sys.argv[1]); sys.exit(sys.argv[1] == 'broken')"
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench/__main__.py").write_text(code)
    monkeypatch.setattr(sys, "argv", ["bench"])
    assert program.main() == 1
    out, err = capfd.readouterr()
    assert out.split()[:2] == ["broken", "whole"]
    assert "not measured: broken" in err


def test_a_part_tells_in_its_result_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = types.ModuleType("bench.made_up", "What a thing takes.\n\nMore.")
    part.TITLE = "Thing"  # type: ignore[attr-defined]
    part.measure = lambda result: result.table("A table").add("a", "ms", [1.23456])  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bench.made_up", part)
    monkeypatch.setitem(program.PARTS, "made_up", "bench.made_up")
    kept: list[Result] = []

    def keep(found: Result) -> Path:
        kept.append(found)
        return measuring.ROOT / "x.json"

    monkeypatch.setattr(measuring, "keep", keep)
    program.measure("made_up")
    (found,) = kept
    assert (found.title, found.what, found.tables[0].figures[0].values) == ("Thing", "What a thing takes.", [1.235])


def test_every_part_can_be_loaded() -> None:
    import importlib

    for name in program.PARTS.values():
        module = importlib.import_module(name)
        assert module.TITLE
        assert module.__doc__
        assert callable(module.measure)


def test_what_ssh_takes_is_counted_once_while_it_goes_on_and_when_it_has_ended(tmp_path: Path) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(
        f"#!{sys.executable} -IS\nimport time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()\n"
    )
    ssh.chmod(0o755)
    before = commands_called()
    with subprocess.Popen([ssh], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "\n"
        going_on = commands_called() - before
        process.communicate("\n")
    assert going_on >= 0.3
    assert commands_called() - before == pytest.approx(going_on, abs=0.15)
