"""Whole loops through the command line, with real processes and a trainer that takes milliseconds."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from autoloop.engine.planning.names import fresh_name
from autoloop.model import LoopState

from autoloop_tui.cli.output import printing
from tests.cli.conftest import Call
from tests.cli.project import LAUNCH, CommandProject, command, environment

CPU = ("--device", "cpu")
GO = ("--exec", "--no-ui")


def test_three_rounds_end_with_0_and_leave_what_people_read(project: CommandProject, call: Call) -> None:
    project.config()
    words = ("--rounds", "3", "--decide", "--replicates", "0", *GO)
    done = project.call("run", "--cfgs", "base.json", *LAUNCH, *CPU, *words)
    assert (done.returncode, done.stderr) == (0, "")
    loop = project.loop()
    assert loop.state is LoopState.FINISHED

    # The line that users' scripts parse, as generate_and_run printed it: separate, and at the beginning of the line.
    wrote = re.findall(r"^Wrote variant: (\S+) \((.+)\)$", done.stdout, re.MULTILINE)
    assert [path.rsplit("/", 1)[1] for path, _ in wrote] == ["base_r2_1.json", "base_r3_1.json"]
    reg = [json.loads(Path(path).read_text())["ot"]["loss_config"]["reg"] for path, _ in wrote]
    assert reg == pytest.approx([0.16, 0.256])
    assert wrote[0][1].startswith("OT mass near zero")

    summary = json.loads((project.folder / "reports/data/autorun_summary.json").read_text())
    assert len(summary) == 3
    for output_dir, entry in summary.items():
        assert output_dir.startswith(f"{project.folder}/outputs/train/{loop.name}/")
        assert {"first", "last", "best", "best_step", "delta", "pct"} <= entry["train/ot_pi_sum"].keys()
        assert entry["steps"] == 20
    report = (project.folder / "reports/act_ot.md").read_text()
    for wanted in ("### Round 3", "eval_l1", "ot_pi_sum", f"config `{wrote[1][0]}`"):
        assert wanted in report

    # There is a table at the end of each round, and nothing that only makes sense on a screen.
    assert done.stdout.count("  eval_l1") == 3
    assert "lowest last eval_l1: " in done.stdout.splitlines()[-2]
    assert "\x1b" not in done.stdout
    assert all(line == line.rstrip() for line in done.stdout.splitlines())

    shown = call("status")
    assert f"{loop.name}  finished: all 3 rounds done" in shown.out
    assert call("wait").code == 0
    assert [run["round"] for run in json.loads(call("runs", "--json").out)["runs"]] == [1, 2, 3]
    assert call("runs", "--round", "2").out.count("base_r2_1") == 1
    assert "20/20" in call("logs").out
    assert "20/20" in call("logs", "base").out


def test_each_round_table_shows_its_own_round_to_who_follows_from_outside(project: CommandProject) -> None:
    project.config(wait=True)
    following = project.start("run", "--cfgs", "base.json", *LAUNCH, *CPU, "--rounds", "2", "--decide", "--exec")
    following.hear("started on cpu 0")
    project.open_gate()
    assert following.wait() == 0
    tables = re.findall(r"round (\d) ended.*\n.*\n.*\n +(\d) ", following.said)
    assert tables == [("1", "1"), ("2", "2")]


def test_a_failed_run_ends_the_loop_with_1_and_is_named_with_its_reason(project: CommandProject, call: Call) -> None:
    project.config("good")
    project.config("bad", seed=2, exit=3)
    done = project.call("run", "--cfgs", "good.json", "bad.json", *LAUNCH, *CPU, *GO)
    assert done.returncode == 1
    assert re.search(r"bad \(\w+\) failed after .*3", done.stdout)
    assert call("wait").code == 1
    assert "failed" in call("runs").out


def test_a_detached_loop_goes_on_alone(project: CommandProject, call: Call) -> None:
    project.config(wait=True)
    begun = json.loads(project.call("run", "--cfgs", "base.json", *LAUNCH, *CPU, "--exec", "--detach", "--json").stdout)
    assert begun["loop"] == project.loop().name
    status = json.loads(call("status", "--json").out)
    assert status["loop"]["state_now"] == "running"
    assert (status["result"], status["report"]) == (None, None)
    (slot,) = status["slots"]
    assert slot.items() >= {"slot": "cpu 0", "run": begun["runs"][0]["id"], "state": "running", "waits_for": None}.items()
    assert "cpu 0  running" in call("status").out
    following = project.start("logs", "-f")
    following.hear("5/20")
    project.open_gate()
    assert following.wait() == 0
    assert following.said.count("20/20") == 1
    waited = project.call("wait")
    assert waited.returncode == 0
    assert "finished: its round has finished" in waited.stdout
    assert call("wait", "--quiet").out.count("\n") == 1


def test_both_reports_can_be_written_again(project: CommandProject, call: Call) -> None:
    project.config()
    assert project.call("run", "--cfgs", "base.json", *LAUNCH, *CPU, *GO).returncode == 0
    summary, report = project.folder / "reports/data/autorun_summary.json", project.folder / "reports/act_ot.md"
    before = json.loads(summary.read_text()), report.read_text()
    summary.unlink()
    report.unlink()
    said = call("report")
    assert (said.code, said.out.split()) == (0, [str(summary), str(report)])
    assert (json.loads(summary.read_text()), report.read_text()) == before


def test_a_loop_never_takes_the_name_of_another(tmp_path: Path) -> None:
    (tmp_path / "loop_101").mkdir()
    assert fresh_name(tmp_path, "loop_100", ["loop_100"]) == "loop_102"


def test_the_newest_loop_is_meant_unless_another_is_named(project: CommandProject, call: Call) -> None:
    project.config("a")
    project.config("b", seed=2)
    for name in "ab":
        words = ("run", "--cfgs", f"{name}.json", *LAUNCH, *CPU, "--output-root", f"out_{name}")
        assert project.call(*words, *GO).returncode == 0
    listed = json.loads(call("status", "--all", "--json").out)["loops"]
    assert len({loop["name"] for loop in listed}) == 2
    older = listed[-1]["name"]
    assert json.loads(call("runs", "--loop", older, "--json").out)["runs"][0]["name"] == "a"
    assert json.loads(call("runs", "--json").out)["runs"][0]["name"] == "b"
    assert call("runs", "--loop", "nosuch").err.startswith('autoloop-tui: There is no loop "nosuch" here')


def test_a_metric_that_never_appears_is_said(project: CommandProject) -> None:
    project.config()
    until = 'metric("train/never").last < 1'
    done = project.call("run", "--cfgs", "base.json", *LAUNCH, *CPU, "--until", until, *GO)
    assert done.returncode == 0
    assert re.search(r"--until: base \(\w+\): .*train/never", done.stdout)


def test_a_run_without_any_metric_is_said(project: CommandProject) -> None:
    project.config(silent=True)
    done = project.call("run", "--cfgs", "base.json", *LAUNCH, *CPU, *GO)
    assert re.search(r"base \(\w+\) finished, but no metric was found", done.stdout)


def test_until_ends_the_loop_and_names_the_winner(project: CommandProject, call: Call) -> None:
    project.config()
    words = ("--rounds", "3", "--decide", "--until", "ot_pi_sum.last > 1e-7", *GO)
    assert project.call("run", "--cfgs", "base.json", *LAUNCH, *CPU, *words).returncode == 0
    winner = next(run for run in json.loads(call("runs", "--json").out)["runs"] if run["name"] == "base_r2_1")
    assert project.loop().winner == winner["id"]
    shown = re.sub(r"\s+", " ", call("status").out)
    assert re.search(r"finished: base_r2_1 \(\w+\) meets --until .*, confirmed on 2 fresh seeds", shown)


def test_without_replicates_one_run_that_meets_until_ends_the_loop(project: CommandProject, call: Call) -> None:
    project.config()
    words = ("--rounds", "3", "--decide", "--until", "ot_pi_sum.last > 1e-7", "--replicates", "0", *GO)
    assert project.call("run", "--cfgs", "base.json", *LAUNCH, *CPU, *words).returncode == 0
    assert project.loop().winner == json.loads(call("runs", "--json").out)["runs"][-1]["id"]
    shown = re.sub(r"\s+", " ", call("status").out)
    assert re.search(r"finished: base_r2_1 \(\w+\) meets --until .* in one run", shown)


def test_names_from_outside_cannot_draw_on_the_terminal(project: CommandProject, call: Call) -> None:
    project.config()
    name = "ev\x1b]0;title\x07il\n.json"
    (project.folder / "base.json").rename(project.folder / name)
    words = ("run", "--cfgs", name, *LAUNCH, *CPU, "--name", "n\x1b[31m\u202e")
    ran = project.call(*words, *GO, env={"FORCE_COLOR": "1"})
    assert ran.returncode == 0, ran.stderr
    texts = [call(*words).out, ran.stdout, ran.stderr]
    for each in (["status"], ["status", "--all"], ["runs"], ["proposals"], ["wait"], ["report"]):
        texts.append(call(*each).out)
    for text in texts:
        assert not set(text.replace("\n", "")) & {chr(code) for code in [*range(32), 127, 0x202E]}, text


def test_resume_notes_what_the_runs_to_come_will_meet_and_goes_on_all_the_same(project: CommandProject) -> None:
    (project.folder / "own.py").write_text("import time; time.sleep(60)")
    project.config()
    launch = ("--preset", "plain", "--train-script", "own.py", "--steps", "2", "--device", "cpu", "--exec", "--detach")
    assert project.call("run", "--cfgs", "base.json", *launch).returncode == 0
    project.call("kill")
    project.call("wait", "--quiet")
    (project.folder / "own.py").unlink()
    said = project.call("resume")
    assert said.returncode == 0
    assert "continues in the background" in said.stdout
    assert "note: command: The training script own.py does not exist" in said.stderr


def test_the_status_of_a_finished_loop_names_the_extreme_of_its_key_metric_and_the_report(
    project: CommandProject, call: Call
) -> None:
    for seed, name in enumerate(("a", "b")):
        project.config(name, seed=seed)
    path = project.folder / "b.json"
    config = json.loads(path.read_text())
    config["ot"]["loss_config"]["reg"] = 0.5  # with the trainer of these tests, a larger reg gives a lower error
    path.write_text(json.dumps(config))
    words = ("run", "--cfgs", "a.json", "b.json", *LAUNCH, "--device", "cpu", "--exec", "--no-ui")
    assert project.call(*words).returncode == 0
    lines = call("status").out.splitlines()
    with project.open_store() as store:
        first, best = store.runs(1)
        value = best.summary.metrics["eval/offline_eval/avg_l1"].last
    assert any(line.startswith(f"lowest last eval_l1: {value:.4g}, b ({best.id})") for line in lines)
    assert f"report: {project.folder / 'reports/act_ot.md'}" in lines
    document = json.loads(call("status", "--json").out)
    assert document["report"] == str(project.folder / "reports/act_ot.md")
    verdict = document["result"].pop("verdict")
    assert (verdict["call"], verdict["basis"]) == ("not enough runs", "within the run only")
    assert document["result"].pop("baseline") == first.id
    assert document["result"].pop("first") == best.id
    assert document["result"] == {
        "extreme": "lowest",
        "statistic": "last",
        "metric": "eval/offline_eval/avg_l1",
        "value": value,
        "run": best.id,
    }


PLAN = ("run", "--cfgs", "good.json", *LAUNCH, "--device", "cpu")


@pytest.fixture(scope="module")
def long_names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandProject]:
    """A loop of two rounds with long names, one run of which has failed."""
    project = CommandProject(tmp_path_factory.mktemp("long"))
    name = "a-config-with-a-name-that-is-longer-than-anybody-should-choose-for-one"
    project.config(name, exit=3)
    project.config("good")
    run = ("run", "--cfgs", f"{name}.json", "good.json", *LAUNCH, "--device", "cpu", "--exec", "--no-ui")
    project.call(*run, "--rounds", "2", "--decide", "--name", "n" * 30)
    yield project
    project.close()


@pytest.mark.parametrize("words", [("status",), ("runs",), ("status", "--all"), ("proposals",), ("themes",), PLAN])
def test_tables_fit_the_terminal(long_names: CommandProject, words: tuple[str, ...]) -> None:
    said = on_terminal(long_names, *words)
    assert said
    wide = [line for line in said.splitlines() if printing.width(line) > 80 and len(line.split()) > 2]  # paths stay whole
    assert [line for line in wide if not line.startswith("[0] ")] == []  # commands stay whole, so that they can be pasted


def test_a_mistake_is_told_in_lines_that_end_between_words(project: CommandProject) -> None:
    words = ("run", "--cfgs", "there-is-no-such-config-anywhere-in-this-project.json", "--preset", "nosuch")
    told = on_terminal(project, *words)
    assert told.count("\n") > 1
    assert " ".join(told.split()) == " ".join(project.call(*words).stderr.split())


def on_terminal(project: CommandProject, *words: str) -> str:
    """Return the output of a command on a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        command(*words),
        cwd=project.folder,
        env=environment(None),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.STDOUT,
    )
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while data := os.read(ours, 1 << 16):
            said += data
    os.close(ours)
    process.wait()
    return said.decode().replace("\r\n", "\n")
