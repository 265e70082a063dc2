"""Plan, supervisor and diagnosis together, on runs that fail with the real accelerate."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest
from autoloop.diagnose.diagnosis import diagnose
from autoloop.logs import read_log_tail
from autoloop.model import Cause, ExitRecord
from autoloop.runners import local, runner
from autoloop.trainers import LaunchRequest, environment, load_preset, plan_launch

from tests.support.packages import needs
from tests.support.waiting import PATIENCE

pytestmark = needs("accelerate")

TRAINER = """
import argparse, os, signal, sys
parser = argparse.ArgumentParser()
for name in "config_path steps log_freq eval_freq output_dir job_name wandb.run_id wandb.mode wandb.enable".split():
    parser.add_argument(f"--{name}")
parser.add_argument("--policy.device")
parser.add_argument("--wandb.disable_artifact")
parser.add_argument("--how")
how = parser.parse_args().how
if how == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
elif how == "exception":
    try:
        int("12.0")
    except ValueError as error:
        raise RuntimeError("`batch_size`: Couldn't parse '12.0' into an int") from error
elif how == "sits":
    print("ready", flush=True)
    signal.pause()
print("End of training", file=sys.stderr)
"""


def test_what_accelerate_hides_is_told(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAINER)
    preset = load_preset("lerobot")
    handles = {}
    for how in ("killed", "exception", "fine", "sits", "--oops=1"):
        plan = plan_launch(
            preset,
            LaunchRequest(
                python=sys.executable,
                script="train.py",
                config="cfg.json",
                output_dir=str(tmp_path / "out"),
                cwd=str(tmp_path),
                steps=1,
                log_freq=1,
                eval_freq=1,
                device="cpu",
                run_id="r",
                name="n",
                group="g",
                extra=(how if how.startswith("--") else f"--how={how}",),
            ),
        )
        spec = runner.AttemptSpec(
            attempt_id=f"{how}-{os.getpid()}",
            argv=plan.argv,
            cwd=plan.cwd,
            directory=tmp_path / how,
            stop=plan.stop,
            straggler_grace=plan.straggler_grace,
        )
        handles[how] = local.start(spec, environment(plan, os.environ))

    causes: dict[str, Cause | None] = {}
    for how, handle in handles.items():
        if (fd := local.open_pidfd(handle)) is not None:
            if how == "sits":
                while "ready" not in (tmp_path / how / "log.txt").read_text():
                    assert not select.select([fd], [], [], 0.05)[0], "it ended by itself"
                local.request_stop(handle)
            assert select.select([fd], [], [], 120)[0]
            os.close(fd)
        state = local.inspect(tmp_path / how, f"{how}-{os.getpid()}", handle)
        assert isinstance(state, runner.AttemptExit)
        lines = read_log_tail(tmp_path / how / "log.txt")
        causes[how] = diagnose(state.record, lines, preset, stop_reason="enough")
    local.reap()

    assert causes.pop("fine") is None
    found = {how: (cause.id, cause.text) for how, cause in causes.items() if cause}
    assert found == {
        "killed": ("sigkill", "it was killed (SIGKILL), probably because the host ran out of memory"),
        "exception": ("not-an-integer", "the config gives batch_size = 12.0, and the trainer wants an integer"),
        "--oops=1": ("unknown-flag", "the trainer does not know the flag --oops=1"),
        "sits": ("stopped", "stopped: enough"),
    }


RANK = """
import os, signal, sys, time
how, rank = sys.argv[1], int(os.environ["RANK"])
print("1/100 [00:01<01:00, 1.0it/s]", flush=True)
if rank == 0:
    time.sleep(600)  # until the launcher ends it
elif how == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
else:
    raise RuntimeError("CUDA error: out of memory")
"""


@pytest.mark.parametrize(("how", "id_"), [("killed", "sigkill"), ("memory", "cuda-out-of-memory")])
def test_what_torch_s_launcher_says_of_a_rank_is_read(tmp_path: Path, how: str, id_: str) -> None:
    (tmp_path / "rank.py").write_text(RANK)
    argv = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "rank.py", how]
    with open(tmp_path / "log.txt", "wb") as log:
        code = subprocess.run(argv, cwd=tmp_path, stdout=log, stderr=log, timeout=4 * PATIENCE, check=False).returncode
    cause = diagnose(ExitRecord(code=code), read_log_tail(tmp_path / "log.txt"), load_preset("plain"))
    assert cause is not None
    assert cause.id == id_
    assert cause.line
