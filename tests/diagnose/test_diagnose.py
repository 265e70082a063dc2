"""The cause of a failure, found in logs like those of real trainers."""

from __future__ import annotations

import re
import signal
from importlib import resources
from pathlib import Path

import msgspec
import pytest
from autoloop.diagnose.diagnosis import diagnose
from autoloop.logs import log_lines, read_log_tail
from autoloop.model import Cause, ExitRecord
from autoloop.trainers import Failure, load_preset, preset_names

LEROBOT = load_preset("lerobot")
PLAIN = load_preset("plain")

COMMAND = "['/env/bin/python3.11', 'src/lerobot/scripts/lerobot_train.py', '--config_path=cfg.json', '--steps=100']"
START = """INFO 2026-11-22 08:00:40 ot_train.py:210 Creating dataset
INFO 2026-11-22 08:00:41 ot_train.py:435 Start offline training on a fixed dataset, with effective batch size: 12
\rTraining:   0%|          | 0/100 [00:00<?, ?step/s]\rTraining:  29%|██▉       | 29/100 [00:00<00:01, 37.21step/s]"""


def launcher(ending: str = "returned non-zero exit status 1.") -> str:
    """Return the traceback of accelerate itself, with which every failed run ends."""
    return f"""Traceback (most recent call last):
  File "<frozen runpy>", line 198, in _run_module_as_main
  File "<frozen runpy>", line 88, in _run_code
  File "/env/lib/python3.11/site-packages/accelerate/commands/launch.py", line 1226, in <module>
    main()
  File "/env/lib/python3.11/site-packages/accelerate/commands/launch.py", line 863, in simple_launcher
    raise subprocess.CalledProcessError(returncode=process.returncode, cmd=cmd)
subprocess.CalledProcessError: Command '{COMMAND}' {ending}
"""


def trace(exception: str, frame: str = "lerobot_train.py") -> str:
    return f"""Traceback (most recent call last):
  File "/project/src/{frame}", line 400, in main
    train()
    ^^^^^^^
{exception}
"""


CAUSED = "\nThe above exception was the direct cause of the following exception:\n\n"


def of(log: str, *, code: int | None = 1, **options: object) -> Cause:
    cause = diagnose(ExitRecord(code=code), log_lines(log.encode()), LEROBOT, **options)  # type: ignore[arg-type]
    assert cause is not None
    assert cause.line is None or len(cause.line) <= 300
    return cause


# ----------------------------------------------------------------------------------------- what we know without the log


def test_a_stop_of_ours_is_named_with_its_reason_whatever_the_log_says() -> None:
    record = ExitRecord(code=1, stopped_by="stop")
    log = log_lines((trace("KeyboardInterrupt") + launcher()).encode())
    cause = diagnose(record, log, LEROBOT, stop_reason="rule no-hope: loss is flat")
    assert cause == Cause(id="stopped", text="stopped: rule no-hope: loss is flat")
    killed = diagnose(msgspec.structs.replace(record, stopped_by="kill"), log, LEROBOT)
    assert killed == Cause(id="stopped", text="killed on request")


def test_a_run_that_ended_before_the_stop_reached_it_is_judged_by_its_own_end() -> None:
    lines = ["INFO ot_train.py:500 End of training"]
    assert diagnose(ExitRecord(code=0), lines, LEROBOT, stop_reason="rule no-hope") is None


def test_a_vanished_attempt_is_lost_for_the_runners_reason() -> None:
    cause = diagnose(None, ["step:1"], LEROBOT, vanished="the machine was restarted while it ran")
    assert cause is not None
    assert (cause.id, cause.text, cause.retry) == ("lost", "the machine was restarted while it ran", True)


def test_a_command_that_could_not_start_stops_the_round() -> None:
    record = ExitRecord(code=127, error="cannot start /no/python: No such file or directory")
    cause = diagnose(record, [], LEROBOT)
    assert cause is not None
    assert cause.fatal_for_round
    assert "/no/python" in cause.text


# ------------------------------------------------------------------------------------------------------------- signals


@pytest.mark.parametrize(
    ("name", "words", "retry"),
    [
        ("SIGKILL: 9", "probably because the host ran out of memory", False),
        ("SIGTERM: 15", "something outside the loop ended it", True),
        ("SIGSEGV: 11", "it crashed (SIGSEGV)", False),
    ],
)
def test_the_signal_that_accelerate_hides_is_found_in_its_last_line(name: str, words: str, retry: bool) -> None:
    cause = of(START + "\n" + launcher(f"died with <Signals.{name}>."))
    assert words in cause.text
    assert cause.retry is retry
    assert cause.line == f"died with <Signals.{name}>"
    assert COMMAND not in cause.line


@pytest.mark.parametrize("record", [ExitRecord(signal=signal.SIGKILL), ExitRecord(code=128 + signal.SIGKILL)])
def test_a_kill_without_a_launcher_is_known_by_the_exit_record(record: ExitRecord) -> None:
    cause = diagnose(record, log_lines(START.encode()), PLAIN)
    assert cause is not None
    assert cause.id == "sigkill"


def test_a_crash_that_explains_itself_is_named_by_its_explanation() -> None:
    words = "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n"
    assert of(START + words + launcher("died with <Signals.SIGABRT: 6>.")).id == "host-out-of-memory"


# ---------------------------------------------------------------------------------------------------------- exceptions

INTEGER = trace("ValueError: invalid literal for int() with base 10: '12.0'") + CAUSED
NESTED = """draccus.utils.DecodingError: `policy`: Could not decode the value into any of the given types:
    PreTrainedConfig: `dim_model`: Couldn't parse '32.0' into an int"""
HUB = "https://huggingface.co/api/datasets/local/none/refs"


@pytest.mark.parametrize(
    ("log", "id_", "words"),
    [
        (
            INTEGER + trace("draccus.utils.DecodingError: `batch_size`: Couldn't parse '12.0' into an int"),
            "not-an-integer",
            "the config gives batch_size = 12.0, and the trainer wants an integer",
        ),
        (trace(NESTED), "not-an-integer", "the config gives dim_model = 32.0"),
        (
            trace("draccus.utils.DecodingError: `use_vae`: Couldn't parse '1' into a bool"),
            "wrong-type",
            "use_vae = 1, and the trainer wants bool",
        ),
        (
            trace("draccus.utils.DecodingError: The fields `ot` are not valid for TrainPipelineConfig"),
            "unknown-config-key",
            "does not know the config key ot",
        ),
        (
            trace("FileExistsError: Output directory outputs/s1 already exists and resume is False. Please change"),
            "output-dir-exists",
            "was there already",
        ),
        (
            trace("FileNotFoundError: train_config.json not found on the HuggingFace Hub in nope.json"),
            "config-missing",
            "config file",
        ),
        (
            trace(f"huggingface_hub.errors.OfflineModeIsEnabled: Cannot reach {HUB}: offline mode is enabled."),
            "dataset-missing",
            "dataset was not found",
        ),
        (
            trace("AssertionError: embed_dim must be divisible by num_heads"),
            "model-shape",
            "dimensions do not fit",
        ),
        (
            trace("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 288.00 MiB. GPU 0 has a total"),
            "cuda-out-of-memory",
            "the GPU ran out of memory",
        ),
        (
            trace("RuntimeError: DataLoader worker (pid 3023) is killed by signal: Killed. "),
            "worker-killed",
            "data loader worker was killed",
        ),
        (
            trace("RuntimeError: DataLoader worker (pid(s) 3023, 3024) exited unexpectedly"),
            "worker-killed",
            "data loader worker was killed",
        ),
        (trace("OSError: [Errno 28] No space left on device"), "disk-full", "the disk is full"),
        (trace("ModuleNotFoundError: No module named 'ot'"), "module-missing", "Python package is missing"),
        (trace("RuntimeError: CUDA error: uncorrectable ECC error encountered"), "cuda-error", "GPU reported"),
        (trace("RuntimeError: No CUDA GPUs are available"), "gpu-absent", "could not be used"),
        (trace("KeyboardInterrupt"), "interrupted", "from outside the loop"),
        (
            trace("wandb.errors.errors.CommError: Timed out while retrying"),
            "wandb-unreachable",
            "W&B server did not answer",
        ),
    ],
)
def test_the_exception_before_the_launchers_traceback_names_the_cause(log: str, id_: str, words: str) -> None:
    cause = of(START + log + launcher())
    assert cause.id == id_
    assert words in cause.text
    assert cause.advice
    assert "CalledProcessError" not in (cause.line or "")


def test_the_reason_is_the_first_exception_of_a_chain() -> None:
    reason = "ValueError: The chunk size is the upper bound for the number of action steps. Got 9 and 8."
    middle = "draccus.utils.ParsingError: Couldn't instantiate class ACTConfig using the given arguments."
    last = "draccus.utils.DecodingError: `policy`: Could not decode the value into any of the given types"
    cause = of(trace(reason) + CAUSED + trace(middle) + CAUSED + trace(last) + launcher())
    assert cause.id == "invalid-config"
    assert cause.text == f"the config is refused: {reason}"
    assert not cause.fatal_for_round


def test_an_exception_that_the_table_does_not_know_is_given_as_it_is() -> None:
    cause = of(START + trace("transport.CostError: reg must be positive") + launcher())
    assert (cause.id, cause.text) == ("exception", "transport.CostError: reg must be positive")
    chained = of(trace("KeyError: 'reg'") + CAUSED + trace("my.LossError: no loss") + launcher())
    assert chained.text == "KeyError: 'reg' (then my.LossError)"


def test_of_two_chains_the_last_counts() -> None:
    early = trace("KeyError: 'handled and logged'")
    assert of(early + "INFO going on\n" + trace("IndexError: fatal") + launcher()).text == "IndexError: fatal"


def test_a_data_loader_workers_own_exception_is_the_reason() -> None:
    log = trace("ValueError: Caught ValueError in DataLoader worker process 0.")
    log += "Original " + trace("ValueError: episode 7 has no frames", "dataset.py")
    assert of(log + launcher()).text == "ValueError: episode 7 has no frames (then ValueError)"


def test_a_worker_that_went_away_while_it_was_sending_is_told_from_a_lost_connection() -> None:
    lost = trace("ConnectionResetError: [Errno 104] Connection reset by peer", "torch/utils/data/dataloader.py")
    assert (of(START + lost + launcher()).id, of(START + lost + launcher()).once) == ("worker-killed", True)
    elsewhere = trace("ConnectionResetError: [Errno 104] Connection reset by peer", "hub.py")
    assert of(START + elsewhere + launcher()).id == "network"


def test_lines_between_the_exception_and_the_launchers_traceback_do_not_hide_it() -> None:
    log = trace("wandb.errors.errors.UsageError: No API key configured. Use `wandb login` to log in.")
    log += "WARNING Retrying (Retry(total=2)) after connection broken: /api/envelope/\n" * 3
    cause = of(START + log + launcher())
    assert (cause.id, cause.fatal_for_round) == ("wandb-key", True)


def test_a_progress_bar_in_the_middle_of_a_traceback_is_passed_over() -> None:
    log = trace("IndexError: out of range").replace("    train()\n", "    train()\n\rTraining:  30%|██ | 30/100 [00:01]\n")
    assert of(log + launcher()).text == "IndexError: out of range"


# --------------------------------------------------------------------------------------------------------- error lines


def test_the_error_line_after_three_hundred_lines_of_usage_is_found() -> None:
    usage = "usage: lerobot_train.py [-h]\n" + "  --policy.x str  some help: error: none here\n" * 300
    line = "lerobot_train.py: error: unrecognized arguments: --env_eval_freq=200\n"
    cause = of(usage + line + launcher("returned non-zero exit status 2."))
    assert cause.id == "unknown-flag"
    assert "--env_eval_freq=200" in cause.text
    assert cause.fatal_for_round


def test_advice_speaks_of_another_preset_only_where_the_trainer_has_one() -> None:
    log = "train.py: error: unrecognized arguments: --env_eval_freq=200\n"
    (of_lerobot, of_another) = (of(log), diagnose(ExitRecord(code=2), log_lines(log.encode()), PLAIN))
    assert "lerobot-0.6" in of_lerobot.advice
    assert of_another is not None
    assert (of_another.id, of_another.text) == (of_lerobot.id, of_lerobot.text)
    assert "lerobot" not in of_another.advice.lower()


def test_general_causes_name_no_trainer() -> None:
    text = (resources.files("autoloop.diagnose") / "causes.toml").read_text(encoding="utf-8").lower()
    assert not {"lerobot", "repo_id", "policy."} & set(re.findall(r"lerobot|repo_id|policy\.", text))


def test_an_argument_that_is_refused_is_named() -> None:
    line = "lerobot_train.py: error: argument --policy.type: invalid choice: 'foo' (choose from 'act', 'pi0')\n"
    assert of(line + launcher()).text.startswith("the trainer refuses --policy.type: invalid choice: 'foo'")


def test_the_one_line_errors_of_newer_lerobot_are_read() -> None:
    cause = of("error: `batch_size`: Couldn't parse '12.0' into an int\n" + launcher())
    assert cause.id == "not-an-integer"
    assert of("error: something new\n" + launcher()).text == "error: something new"


def test_a_missing_script_or_module_of_the_interpreter_is_named() -> None:
    missing = "python3: can't open file '/project/src/train.py': [Errno 2] No such file or directory\n"
    assert "/project/src/train.py" in of(missing, code=2).text
    assert of("/env/bin/python: No module named accelerate.commands\n").id == "module-missing"


def test_without_any_clue_the_exit_code_and_the_last_words_are_given() -> None:
    cause = of("loading\ngiving up\n", code=3)
    assert (cause.text, cause.line) == ("it exited with code 3", "giving up")
    assert of("", code=3).line is None


# ------------------------------------------------------------------------------------------------------- exit code zero

DONE = "INFO 2026-11-22 08:01:00 ot_train.py:520 End of training\n"
METRICS = "INFO 2026-11-22 08:00:41 ot_train.py:435 step:{} smpl:240 ep:5 epch:0.80 loss:{} grdn:31.298 lr:1.0e-03\n"


def test_a_run_that_says_it_is_complete_has_no_cause() -> None:
    log = START + METRICS.format(50, 2.3) + DONE
    assert diagnose(ExitRecord(code=0), log_lines(log.encode()), LEROBOT) is None


def test_exit_code_zero_without_the_words_of_success_is_a_failure() -> None:
    cause = of(START + METRICS.format(50, 2.3), code=0)
    assert cause.id == "no-success"
    assert diagnose(ExitRecord(code=0), ["anything"], PLAIN) is None


def test_training_on_the_cpu_instead_of_the_gpu_is_a_failure_only_where_a_gpu_was_asked_for() -> None:
    line = "WARNING:lerobot.configs.policies:Device 'cuda' is not available. Switching to 'cpu'.\n"
    cause = of(line + DONE, code=0, device="cuda")
    assert (cause.id, cause.fatal_for_round) == ("gpu-absent", True)
    assert cause.line == line.strip()
    assert diagnose(ExitRecord(code=0), log_lines((line + DONE).encode()), LEROBOT, device="cpu") is None


@pytest.mark.parametrize("value", ["nan", "-inf", "NaN"])
def test_a_loss_that_ends_in_nan_or_infinity_has_diverged(value: str) -> None:
    cause = of(METRICS.format(50, 2.3) + METRICS.format(100, value) + DONE, code=0)
    assert (cause.id, cause.retry) == ("diverged", False)
    assert f"loss:{value}" in (cause.line or "")


def test_a_loss_that_came_back_from_nan_has_not_diverged() -> None:
    log = METRICS.format(50, "nan") + METRICS.format(100, 2.3) + DONE
    assert diagnose(ExitRecord(code=0), log_lines(log.encode()), LEROBOT) is None


def test_a_presets_own_failure_pattern_is_given_in_its_words() -> None:
    failure = Failure(pattern="run failed with error", text="robomimic gave up", advice="look above")
    preset = msgspec.structs.replace(PLAIN, failures=(failure,))
    cause = diagnose(ExitRecord(code=0), ["x", "run failed with error:"], preset)
    assert cause == Cause(id="failure-pattern", text="robomimic gave up", line="run failed with error:", advice="look above")


# ------------------------------------------------------------------------------------------------------------- the log


def test_no_escape_sequence_or_control_character_gets_through() -> None:
    log = trace("ValueError: \x1b[31mred\x1b[0m \x1b]0;title\x07bell\x07 \x9b2Jc1 \x08back").encode()
    cause = diagnose(ExitRecord(code=1), log_lines(log), LEROBOT)
    assert cause is not None
    for text in (cause.text, cause.line or ""):
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", text)
        assert "red" in text


def test_a_log_of_any_length_is_read_at_its_ends_only(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"first\n" + b"noise\n" * 100_000 + b"\xff last\n")
    lines = read_log_tail(path, head=100, tail=100)
    assert len(lines) < 50
    assert lines[0] == "first"
    assert "\ufffd last" in lines
    assert set(lines) == {"first", "noise", "\ufffd last", ""}
    assert read_log_tail(tmp_path / "none") == []


def test_a_line_without_end_is_bounded_and_diagnosed_quickly() -> None:
    log = b"No space left on device " * 20_000
    assert max(map(len, log_lines(log))) <= 4100
    cause = diagnose(ExitRecord(code=1), log_lines(log), LEROBOT)
    assert cause is not None
    assert len(cause.line or "") <= 300


def test_every_cause_that_a_shipped_preset_names_is_in_the_table() -> None:
    for preset in map(load_preset, preset_names()):
        for failure in preset.failures:
            line = failure.pattern.replace("\\", "")
            cause = diagnose(ExitRecord(code=0), [line], msgspec.structs.replace(preset, failures=(failure,)))
            assert cause is not None
            assert cause.id == failure.cause
            assert cause.advice


WANDB_EXIT = """\
Exception in thread NetStatThr:
Traceback (most recent call last):
  File "/usr/lib/python3.11/threading.py", line 1045, in _bootstrap_inner
    self.run()
  File "/env/lib/python3.11/site-packages/wandb/sdk/wandb_run.py", line 285, in check_network_status
    self._loop_check_status(
  File "/env/lib/python3.11/site-packages/wandb/sdk/interface/interface.py", line 911, in deliver
    raise ConnectionResetError("Connection lost")
ConnectionResetError: Connection lost
"""
TRAINER_ERROR = """\
Traceback (most recent call last):
  File "/home/ada/train.py", line 12, in <module>
    main()
  File "/env/lib/python3.11/site-packages/wandb/sdk/wandb_run.py", line 400, in wrapper
    return func(self, *args)
ValueError: num_steps should be positive
"""


@pytest.mark.parametrize("log", [TRAINER_ERROR + WANDB_EXIT, WANDB_EXIT + TRAINER_ERROR])
def test_what_wandb_raises_on_its_way_out_does_not_hide_the_trainer_s_exception(log: str) -> None:
    cause = diagnose(ExitRecord(code=1), log.splitlines(), load_preset("plain"))
    assert cause is not None
    assert "num_steps should be positive" in f"{cause.text} {cause.line}"


def test_what_wandb_alone_raised_is_the_cause_where_there_is_no_other() -> None:
    cause = diagnose(ExitRecord(code=1), WANDB_EXIT.splitlines(), load_preset("plain"))
    assert cause is not None
    assert "Connection lost" in f"{cause.text} {cause.line}"
