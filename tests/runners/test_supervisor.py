"""A supervisor with a real command: start, records, signals, and its process tree."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from autoloop.runners import local, procfs, runner

from tests.runners.attempts import STUBBORN, UNTIL_GO, Bench
from tests.support.waiting import PATIENCE, eventually


def no_process_left(attempt_id: str) -> bool:
    return local.sweep(attempt_id) == 0


def test_the_exit_code_and_both_times_are_recorded(bench: Bench) -> None:
    before = time.time()
    record = bench.shell("exit 7").wait()
    assert (record.code, record.signal, record.stopped_by, record.error) == (7, None, None, None)
    assert record.started_at is not None
    assert record.ended_at is not None
    assert before - 1 <= record.started_at <= record.ended_at <= time.time() + 1


def test_a_signal_that_ended_the_command_is_recorded_as_one(bench: Bench) -> None:
    record = bench.shell("kill -SEGV $$").wait()
    assert (record.code, record.signal) == (None, signal.SIGSEGV)


def test_start_json_names_supervisor_and_command(bench: Bench) -> None:
    attempt = bench.shell("echo $$")
    attempt.wait()
    started = json.loads((attempt.directory / "start.json").read_text())
    assert local.Handle.from_dict(started) == attempt.handle
    assert started["attempt_id"] == attempt.id
    assert started["child_pid"] == int(attempt.log())
    assert started["child_start_time"] >= attempt.handle.start_time
    assert started["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_stdout_and_stderr_reach_the_log_in_the_order_of_writing(bench: Bench) -> None:
    attempt = bench.shell("for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; done")
    attempt.wait()
    assert attempt.log().splitlines() == [f"{name} {i}" for i in range(1, 6) for name in ("out", "err")]


def test_a_flood_of_output_is_in_the_log_to_the_last_byte(bench: Bench) -> None:
    attempt = bench.shell("head -c 50000000 /dev/zero; echo end")
    assert attempt.wait().code == 0
    assert (attempt.directory / "log.txt").stat().st_size == 50_000_004


def test_stdin_is_empty(bench: Bench) -> None:
    attempt = bench.shell("cat; readlink /proc/self/fd/0")
    attempt.wait()
    assert attempt.log() == "/dev/null\n"


def test_no_descriptor_of_ours_leaks_into_the_command(bench: Bench) -> None:
    with open("/dev/zero", "rb") as ours:
        os.set_inheritable(ours.fileno(), True)
        attempt = bench.start(sys.executable, "-c", "import os; print(sorted(map(int, os.listdir('/proc/self/fd'))))")
        attempt.wait()
    assert attempt.log() == "[0, 1, 2, 3]\n"  # 3 is the directory being read


@pytest.mark.usefixtures("inherited_signals")
def test_the_command_gets_default_signals_although_ours_are_ignored_or_blocked(bench: Bench) -> None:
    attempt = bench.start("grep", "^Sig[BI]", "/proc/self/status")
    attempt.wait()
    reserved = 1 << 31 | 1 << 32  # the C library's two, which no one may set
    assert [int(mask, 16) & ~reserved for mask in re.findall(r"\t(\w+)", attempt.log())] == [0, 0]


def test_the_environment_passes_whole_and_stays_out_of_every_file(bench: Bench) -> None:
    secret = "a-key-that-nobody-may-read"
    attempt = bench.shell('test "$WANDB_API_KEY" = ' + secret[:2] + '"${WANDB_API_KEY#a-}"', env={"WANDB_API_KEY": secret})
    assert attempt.wait().code == 0
    files = list(attempt.directory.iterdir())
    assert {file.name for file in files} == {"spec.json", "claim", "start.json", "exit.json", "log.txt"}
    assert all(secret not in file.read_text() for file in files)
    assert attempt.directory.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["/no/such/python", "x"], "cannot start /no/such/python: No such file or directory"),
        (["/etc/passwd"], "cannot start /etc/passwd: Permission denied"),
        ([], "cannot start nothing"),
    ],
)
def test_a_command_that_cannot_be_started_is_recorded_as_127_with_the_reason(
    bench: Bench, argv: list[str], words: str
) -> None:
    attempt = bench.start(*argv)
    record = attempt.wait()
    assert record.code == 127
    assert words in (record.error or "")
    assert words in attempt.log()


def test_a_missing_working_directory_is_recorded_with_the_reason(bench: Bench) -> None:
    record = bench.start("true", cwd=Path("/no/such/folder")).wait()
    assert (record.code, record.error) == (127, "cannot enter /no/such/folder: No such file or directory")


def test_a_second_supervisor_of_an_attempt_exits_75_and_disturbs_nothing(bench: Bench) -> None:
    attempt = bench.shell("echo once; echo ready > $READY; read line; exit 0")
    bench.meet()
    again = subprocess.run([sys.executable, "-I", "-S", local.SUPERVISOR, attempt.directory], check=False)
    assert again.returncode == 75
    assert attempt.wait().code == 0
    assert attempt.log() == "once\n"
    after = subprocess.run([sys.executable, "-I", "-S", local.SUPERVISOR, attempt.directory], check=False)
    assert after.returncode == 75


# ---------------------------------------------------------------------------------------------------------- stopping


def test_stop_sends_sigint_first_and_ends_as_soon_as_the_command_does(bench: Bench) -> None:
    attempt = bench.shell("trap 'echo saved; exit 3' INT; echo ready > $READY; while :; do sleep 0.05; done")
    bench.meet()
    assert local.request_stop(attempt.handle)
    record = attempt.wait()  # before the grace period is over: it would not survive SIGTERM
    assert (record.code, record.stopped_by) == (3, "stop")
    assert attempt.log() == "saved\n"


def test_stop_kills_what_ignores_sigint_and_sigterm(bench: Bench) -> None:
    attempt = bench.shell(STUBBORN, stop=(("INT", 0.1), ("TERM", 0.1), ("KILL", 0.0)))
    bench.meet()
    local.request_stop(attempt.handle)
    record = attempt.wait()
    assert (record.code, record.signal, record.stopped_by) == (None, signal.SIGKILL, "stop")
    assert no_process_left(attempt.id)


def test_a_ladder_without_kill_ends_in_kill_all_the_same(bench: Bench) -> None:
    attempt = bench.shell(STUBBORN, stop=(("TERM", 0.1),))
    bench.meet()
    local.request_stop(attempt.handle)
    assert attempt.wait().signal == signal.SIGKILL


def test_stop_reaches_double_forks_in_sessions_of_their_own(bench: Bench) -> None:
    attempt = bench.shell(
        f"(setsid sh -c '(setsid sh stubborn.sh &)' &); {STUBBORN}",
        stop=(("INT", 0.05), ("TERM", 0.05), ("KILL", 0.0)),
    )
    bench.meet(2)
    local.request_stop(attempt.handle)
    assert attempt.wait().stopped_by == "stop"
    assert no_process_left(attempt.id)


def test_kill_ends_twenty_stubborn_children_at_once(bench: Bench) -> None:
    attempt = bench.shell("for i in $(seq 20); do sh stubborn.sh & done; wait")
    bench.meet(20)
    assert local.request_stop(attempt.handle, kill=True)
    record = attempt.wait()
    assert (record.signal, record.stopped_by) == (signal.SIGKILL, "kill")
    assert no_process_left(attempt.id)


def test_kill_overtakes_a_stop_that_takes_long(bench: Bench) -> None:
    attempt = bench.shell(STUBBORN, stop=(("INT", 1000.0),))
    bench.meet()
    local.request_stop(attempt.handle)
    local.request_stop(attempt.handle, kill=True)
    assert attempt.wait().stopped_by == "kill"


def test_a_stop_during_the_start_is_not_lost_and_does_not_end_the_supervisor(bench: Bench) -> None:
    for _ in range(5):
        attempt = bench.start("sleep", "1000")
        local.request_stop(attempt.handle)
        record = attempt.wait()
        assert (record.signal, record.stopped_by) == (signal.SIGINT, "stop")


HELPER = """
import os, signal, sys
signal.signal(signal.SIGINT, lambda *_: print("helper INT", flush=True))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("helper TERM", flush=True)))
print("ready", file=open(os.environ["READY"], "w"))
while True:
    signal.pause()
"""


def test_sigint_spares_a_helper_with_a_group_of_its_own_and_sigterm_does_not(bench: Bench) -> None:
    (bench.folder / "helper.py").write_text(HELPER)
    attempt = bench.shell(
        # It ignores SIGTERM, as it may only run again after that was sent too.
        "trap 'echo trainer INT; exit 5' INT; trap '' TERM; setsid $PYTHON helper.py & echo ready > $READY; "
        "while :; do sleep 0.02; done",
        stop=(("INT", 0.1), ("TERM", PATIENCE), ("KILL", 0.0)),
        env={"PYTHON": sys.executable},
    )
    bench.meet(2)
    local.request_stop(attempt.handle)
    assert attempt.wait().code == 5
    said = attempt.log().splitlines()
    assert sorted(said) == ["helper TERM", "trainer INT"]


def test_a_suspended_command_is_woken_to_be_stopped(bench: Bench) -> None:
    attempt = bench.shell("echo ready > $READY; kill -STOP $$; echo woken")
    bench.meet()
    child = attempt.begun()["child_pid"]
    eventually(lambda: (seen := procfs.process(child)) is not None and seen.state == "T")
    local.request_stop(attempt.handle)
    assert attempt.wait().signal == signal.SIGINT


def test_the_supervisor_outlives_hangup_interrupt_and_quit(bench: Bench) -> None:
    attempt = bench.shell(f"{UNTIL_GO}; exit 4")
    bench.meet()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE):
        os.kill(attempt.handle.pid, number)
    bench.go()
    assert attempt.wait().code == 4


# -------------------------------------------------------------------------------------------------------- stragglers


def test_stragglers_may_finish_within_their_grace(bench: Bench) -> None:
    attempt = bench.shell("(sleep 0.3; echo synced) & exit 0")
    assert attempt.wait().code == 0
    assert attempt.log() == "synced\n"


def test_stragglers_are_killed_after_their_grace_and_the_exit_code_stays(bench: Bench) -> None:
    attempt = bench.shell("setsid sh stubborn.sh & exit 6", grace=0.2)
    record = attempt.wait()
    assert (record.code, record.signal, record.stopped_by) == (6, None, None)
    assert no_process_left(attempt.id)


def test_a_stop_while_only_stragglers_are_left_does_not_change_how_the_run_ended(bench: Bench) -> None:
    attempt = bench.shell("setsid sleep 1000 & sleep 0.1; exit 0", grace=1000.0)
    child = attempt.begun()["child_pid"]
    eventually(lambda: procfs.process(child) is None)
    local.request_stop(attempt.handle, kill=True)
    record = attempt.wait()
    assert (record.code, record.stopped_by) == (0, None)


# ----------------------------------------------------------------------------------------------------------- records


def test_an_exit_record_that_cannot_be_written_is_tried_until_it_can(bench: Bench) -> None:
    attempt = bench.shell(f"{UNTIL_GO}; exit 9")
    bench.meet()
    obstacle = attempt.directory / "exit.json.tmp"
    obstacle.mkdir()
    bench.go()
    eventually(lambda: "cannot write exit.json" in attempt.log() or (attempt.directory / "exit.json").exists())
    obstacle.rmdir()
    assert attempt.wait().code == 9


def test_a_deleted_attempt_directory_ends_the_supervisor_and_is_named(bench: Bench) -> None:
    attempt = bench.shell(UNTIL_GO)
    bench.meet()
    shutil.rmtree(attempt.directory)
    bench.go()
    eventually(lambda: local.open_pidfd(attempt.handle) is None)
    state = local.inspect(attempt.directory, attempt.id, attempt.handle)
    assert isinstance(state, runner.AttemptLoss)
    assert "is gone" in state.reason


def test_a_spec_that_cannot_be_read_is_recorded_as_such(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text("[1, 2")
    subprocess.run([sys.executable, "-I", "-S", local.SUPERVISOR, tmp_path], check=False)
    state = local.inspect(tmp_path, tmp_path.name)
    assert isinstance(state, runner.AttemptExit)
    assert state.record.code == 127
    assert "spec.json" in (state.record.error or "")


def test_the_supervisor_imports_nothing_that_is_slow() -> None:
    program = "import runpy, sys; before = set(sys.modules); runpy.run_path(sys.argv[1]); print(*set(sys.modules) - before)"
    command = [sys.executable, "-I", "-S", "-c", program, str(local.SUPERVISOR)]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert {"procfs", "records"} <= loaded
    assert not loaded & {"json", "signal", "ctypes", "subprocess", "logging", "msgspec"}
