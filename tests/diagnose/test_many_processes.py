"""Logs of several processes, and tracebacks in the formats of rich, loguru and Ray."""
# ruff: noqa: E501 (log lines as they are)

from __future__ import annotations

import pytest

from tests.diagnose.logs import of

OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 23.64 GiB"
GONE = "RuntimeError: [../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:31377"
BAR = "Training:   1%|1         | 10/1000 [00:01<02:00,  8.2step/s]"


def trace(exception: str, prefix: str = "") -> str:
    lines = ["Traceback (most recent call last):", '  File "/home/u/train.py", line 7, in <module>', "    main()", exception]
    return "".join(f"{prefix}{line}\n" for line in lines)


def elastic(first: tuple[int, str], others: tuple[tuple[int, str], ...] = ()) -> str:
    """Return the output of torch's launcher, with its own traceback and a summary of `(rank, exit code)`."""

    def block(number: int, rank: int, code: str) -> str:
        return f"[{number}]:\n  time      : 2026-11-26_11:38:56\n  host      : localhost\n  rank      : {rank} (local_rank: {rank})\n  exitcode  : {code} (pid: {30461 + rank})\n  error_file: <N/A>\n  traceback : To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html\n"

    text = "E1126 11:38:56.191000 30430 torch/distributed/elastic/multiprocessing/api.py:1002] failed (exitcode: 1) local_rank: 1 (pid: 30462) of binary: python3\n"
    text += 'Traceback (most recent call last):\n  File "<frozen runpy>", line 198, in _run_module_as_main\n  File "/env/torch/distributed/launcher/api.py", line 383, in launch_agent\n    raise ChildFailedError(\n'
    text += (
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n"
        + "=" * 60
        + "\ntrain.py FAILED\n"
        + "-" * 60
        + "\nFailures:\n"
    )
    text += "".join(block(number, *other) for number, other in enumerate(others, 1)) or "  <NO_OTHER_FAILURES>\n"
    return text + "-" * 60 + "\nRoot Cause (first observed failure):\n" + block(0, *first) + "=" * 60 + "\n"


@pytest.mark.parametrize(
    "prefix",
    [
        "[rank1]: ",
        "[rank1]:",
        "rank1: ",
        "[default1]:",
        "[default1]:[rank1]: ",
        "[1]: ",
        "1: ",
        "(train pid=4211, ip=10.0.0.2) ",
        "(pid=4211) ",
        "[1,1]<stderr>:",
        "[1]<stderr>: ",
        "worker-1: ",
        "trainer-1  | ",
        "2026-01-01T00:00:00.123Z stderr F ",
        "ERROR 08-10 12:34:56 [core.py:700] ",
    ],
)
def test_a_traceback_behind_any_prefix_is_read(prefix: str) -> None:
    cause = of(f"{prefix}{BAR}\n" + trace(OOM, prefix) + elastic((1, "1"), ((0, "-15"),)))
    assert cause.id == "cuda-out-of-memory"
    assert cause.line == OOM


def test_times_in_a_prefix_differ_from_line_to_line() -> None:
    lines = trace(OOM).splitlines()
    log = "".join(f"2026-01-01T00:00:0{at}.{at}23Z stderr F {line}\n" for at, line in enumerate(lines))
    assert of(log).id == "cuda-out-of-memory"


def test_the_lines_of_two_ranks_may_alternate() -> None:
    mixed = [
        line
        for pair in zip(trace(OOM, "[rank1]: ").splitlines(), trace(GONE, "[rank0]: ").splitlines(), strict=True)
        for line in pair
    ]
    assert of("\n".join(mixed) + "\n" + elastic((0, "1"), ((1, "1"),))).id == "cuda-out-of-memory"


def test_whoever_was_only_left_alone_is_not_the_cause() -> None:
    ranks = trace(GONE, "[rank0]: ") + trace("KeyError: 'image'", "[rank1]: ") + trace(GONE, "[rank2]: ")
    assert of(ranks + elastic((0, "1"), ((1, "1"), (2, "1")))).text == "KeyError: 'image'"
    assert of(trace("KeyError: 'image'") + trace(GONE) + elastic((0, "1"), ((1, "1"),))).text == "KeyError: 'image'"
    # If each has its own reason, the one that failed first counts.
    both = trace("KeyError: 'a'", "[rank0]: ") + trace("KeyError: 'b'", "[rank1]: ")
    assert of(both + elastic((1, "1"), ((0, "1"),))).text == "KeyError: 'b'"
    # All of them lost contact with each other, and nothing else is known.
    assert of(trace(GONE, "[rank0]: ") + trace(GONE, "[rank1]: ") + elastic((0, "1"), ((1, "1"),))).id == "collective-failed"


@pytest.mark.parametrize(
    ("code", "id_"), [("-9", "sigkill"), ("-11", "sigsegv"), ("-7", "sigbus"), ("137", "sigkill"), ("-15", "sigterm")]
)
def test_the_signal_of_the_rank_that_failed_first_is_in_the_launchers_summary(code: str, id_: str) -> None:
    cause = of(BAR + "\n" + trace(GONE, "[rank0]: ") + elastic((1, code), ((0, "-15"),)))
    assert cause.id == id_
    assert code in (cause.line or "")


def test_a_rank_that_ended_in_silence_is_named_and_not_those_that_noticed_it() -> None:
    cause = of(trace(GONE, "[rank0]: ") + trace(GONE, "[rank2]: ") + elastic((1, "3"), ((0, "1"), (2, "1"))))
    assert (cause.id, cause.text) == ("exit-code", "rank 1 exited first, with exit code 3 and no exception")


def test_a_kill_is_the_cause_although_another_rank_noticed_it_first() -> None:
    assert of(trace(GONE, "[rank0]: ") + elastic((0, "1"), ((1, "-9"),))).id == "sigkill"


def test_a_collective_that_timed_out_is_told_from_the_abort_that_follows() -> None:
    watchdog = "[rank0]:[E626 16:48:25.441526059 ProcessGroupNCCL.cpp:632] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=199)\nterminate called after throwing an instance of 'c10::DistBackendError'\n  what():  [PG ID 0 Rank 0] Process group watchdog thread terminated with exception: [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=199, Timeout(ms)=600000)\n"
    cause = of(watchdog + elastic((0, "-6"), ((1, "-15"),)))
    assert (cause.id, cause.retry, cause.once) == ("collective-failed", True, True)


def test_what_the_launcher_was_told_by_a_signal() -> None:
    assert (
        of(trace("torch.distributed.elastic.multiprocessing.api.SignalException: Process 4242 got signal: 15")).id
        == "sigterm"
    )
    assert (
        of(
            BAR
            + "\n[2026-01-01 00:00:00,123] [ERROR] [launch.py:321:sigkill_handler] ['python', 'train.py'] exits with return code = -9\n"
        ).id
        == "sigkill"
    )
    spawned = trace("torch.multiprocessing.spawn.ProcessExitedException: process 1 terminated with signal SIGKILL")
    assert of(spawned).id == "sigkill"


def test_an_exception_within_the_launchers_summary_is_read() -> None:
    recorded = elastic((1, "1")).replace(
        "traceback : To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html",
        "traceback : Traceback (most recent call last):\n    File \"/home/u/train.py\", line 9, in main\n      step()\n  KeyError: 'image'\n",
    )
    assert of(recorded).text == "KeyError: 'image'"


def test_the_exception_of_a_spawned_process_is_the_reason() -> None:
    outer = trace("torch.multiprocessing.spawn.ProcessRaisedException: ")
    cause = of(outer + "\n-- Process 1 terminated with the following error:\n" + trace(OOM))
    assert cause.id == "cuda-out-of-memory"
    unknown = of(outer + "\n-- Process 1 terminated with the following error:\n" + trace("KeyError: 'image'"))
    assert unknown.text.startswith("KeyError: 'image'")


def test_what_ray_raised_far_away_is_the_reason() -> None:
    remote = 'ray.exceptions.RayTaskError(OutOfMemoryError): ray::train() (pid=123, ip=10.0.0.2)\n  File "/srv/train.py", line 10, in train\n    loss.backward()\n'
    assert of(trace(remote + OOM)).id == "cuda-out-of-memory"
    remote = remote.replace("OutOfMemoryError", "ValueError")
    assert of(trace(remote + "ValueError: num_steps should be positive")).text.startswith("ValueError: num_steps")


def test_the_engine_core_says_what_its_parent_does_not() -> None:
    core = trace("ValueError: No available memory for the cache blocks.", "(EngineCore_0 pid=123) ")
    assert (
        of(core + trace("RuntimeError: Engine core initialization failed. See root cause above.")).id == "cuda-out-of-memory"
    )


RICH = """╭─────────────────────── Traceback (most recent call last) ────────────────────────╮
│ /srv/proj/train.py:120 in <module>                                               │
│ ❱ 120     main()                                                                 │
╰──────────────────────────────────────────────────────────────────────────────────╯
"""
LOGURU = """2025-07-07 16:45:55.166 | ERROR    | __main__:<module>:394 - An error has been caught in function '<module>':
Traceback (most recent call last):

> File "/srv/proj/train.py", line 394, in <module>
    train()
    └ <function train at 0x7f>

  File "/env/lib/python3.10/site-packages/torch/nn/modules/module.py", line 1553, in _wrapped_call_impl
    return self._call_impl(*args, **kwargs)
           └ <method>

"""


@pytest.mark.parametrize(
    "frames",
    [
        RICH,
        LOGURU,
        RICH.replace("╭", "+").replace("╰", "+").replace("╮", "+").replace("╯", "+").replace("─", "-").replace("│", "|"),
    ],
)
def test_rich_and_loguru_draw_tracebacks_in_their_own_way(frames: str) -> None:
    assert of(f"{BAR}\n{frames}{OOM}\n").id == "cuda-out-of-memory"
    assert of(f"{BAR}\n{frames}KeyError: 'image'\n").text == "KeyError: 'image'"
    chained = f"{frames}KeyError: 'reg'\n\nThe above exception was the direct cause of the following exception:\n\n{frames}my.LossError: no loss\n"
    assert of(chained).text == "KeyError: 'reg' (then my.LossError)"


def test_the_exception_within_a_group_is_the_reason() -> None:
    group = '  + Exception Group Traceback (most recent call last):\n  |   File "t.py", line 3, in <module>\n  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)\n  +-+---------------- 1 ----------------\n    | Traceback (most recent call last):\n    |   File "t.py", line 2, in f\n    |     g()\n    | ValueError: num_steps should be positive\n    +------------------------------------\n'
    assert of(group).text == "ValueError: num_steps should be positive"


SRUN = """srun: Terminating StepId=12.0
slurmstepd: error: *** STEP 12.0 ON n1 CANCELLED AT 2026-01-01T00:00:00 ***
srun: error: n1: task 0: Terminated
"""


def test_srun_ends_the_tasks_that_are_left_and_is_not_taken_for_somebody_outside() -> None:
    failed = "srun: error: n1: task 1: Exited with exit code 1\n"
    assert of(trace(OOM) + failed + SRUN, code=143).id == "cuda-out-of-memory"
    assert of(failed + SRUN, code=143).id == "exit-code"
    assert of("srun: error: n1: task 1: Segmentation fault (core dumped)\n" + SRUN, code=143).id == "sigsegv"
    assert of("srun: error: n1: task 1: Killed\n" + SRUN, code=143).id == "sigkill"
    assert of("srun: error: n1: tasks 0-1: Terminated\n", code=143).id == "sigterm"


def test_torch_s_watchdog_is_the_reason_where_the_summary_has_only_its_abort() -> None:
    watchdog = "[rank1]:[E131 16:15:16.7075 ProcessGroupNCCL.cpp:1595] [PG ID 0 PG GUID 0(default_pg) Rank 1] Process group watchdog thread terminated with exception: [Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1, OpType=BROADCAST) ran for 1800004 milliseconds before timing out.\n"
    cause = of(watchdog + elastic((1, "-6 (pid: 77)")))
    assert (cause.id, cause.retry) == ("collective-failed", True)
    assert "Watchdog caught" in (cause.line or "")
