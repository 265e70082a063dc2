"""Python rules in a separate process: whatever the user's code does can block, fill or end only that process."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoloop.model import UserError
from autoloop.rule_process import rules_apart

from tests.rules.views import view
from tests.support.processes import alive
from tests.support.waiting import eventually


def notes(body: str, patience: float = 30.0) -> list[str]:
    rules = rules_apart(f"import os, time, sys\ndef decide(summary):\n    {body}\n", "my_rules.py", patience)
    try:
        judgement = rules.judge(view())
        assert judgement.requests == []
        return judgement.notes
    finally:
        rules.close()


@pytest.mark.parametrize("body", ["time.sleep(1000)", "while True: pass", "os.kill(os.getpid(), 19); time.sleep(1000)"])
def test_code_that_takes_too_long_is_killed(body: str) -> None:
    (note,) = notes(body, patience=0.5)
    assert note == "my_rules.py: decide(summary) took longer than 0.5 s and was killed (rules_timeout in autoloop.toml)"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("print('no more memory'); os._exit(3)", "ended its process (exit code 3); its last line: no more memory"),
        ("os.kill(os.getpid(), 11)", "ended its process (SIGSEGV)"),
        ("return [{'reason': 'x' * (5 << 20), 'changes': ['seed@add=1']}]", "returned more than 4 MiB for one run"),
        ("raise KeyboardInterrupt", "ended its process (SIGINT)"),
        ("[os.close(fd) for fd in range(20)]", "ended its process"),
    ],
)
def test_code_that_ends_its_process_costs_one_note(body: str, said: str) -> None:
    (note,) = notes(body)
    assert note.startswith("my_rules.py")
    assert said in note
    assert "\n" not in note


def test_what_it_prints_is_no_answer_and_it_reads_nothing() -> None:
    assert notes("print('{}'); sys.stdout.flush(); os.write(1, b'{}'); assert not sys.stdin.read()") == []


def test_it_is_started_again_for_the_next_run_and_keeps_its_state_otherwise() -> None:
    code = """
import os
seen = []
def decide(summary):
    seen.append(1)
    if summary["steps"] == 3:
        os._exit(1)
    return [{"reason": f"{len(seen)}", "changes": ["seed@add=1"]}]
"""
    rules = rules_apart(code, "my_rules.py")
    answers = [rules.ask({"steps": steps})[0] for steps in (1, 2, 3, 4)]
    rules.close()
    assert [[reason for reason, _, _ in asked] for asked in answers] == [["1"], ["2"], [], ["1"]]


def test_it_may_import_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "my_thresholds.py").write_text("LEAST = 3\n")
    file = tmp_path / "rules.py"
    rules = rules_apart("import my_thresholds\ndef decide(s): assert my_thresholds.LEAST == 3\n", str(file))
    assert rules.ask({"steps": 1}) == ([], [])
    rules.close()


def test_a_file_that_cannot_be_loaded_is_refused_as_before() -> None:
    with pytest.raises(UserError, match=r"^my_rules.py, line 2: loading it raised KeyError: 'x'$"):
        rules_apart("x = {}\nx['x']\n", "my_rules.py")
    with pytest.raises(UserError, match=r"^my_rules.py: loading it ended its process \(exit code 7\)"):
        rules_apart("import os\nos._exit(7)\n", "my_rules.py")


def test_it_ends_with_whoever_asks(tmp_path: Path) -> None:
    said = tmp_path / "pid"
    ask = f"""
import os
from autoloop.rule_process import rules_apart
code = '''
import os, time
def decide(summary):
    open({str(said)!r}, "w").write(str(os.getpid()))
    os.kill(os.getppid(), 9)
    time.sleep(1000)
'''
rules_apart(code, "r.py").ask({{}})
"""
    import subprocess
    import sys

    assert subprocess.run([sys.executable, "-c", ask], check=False).returncode == -9
    pid = int(said.read_text())
    eventually(lambda: not alive(pid), "the end of what outlives its parent")
