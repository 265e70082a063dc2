"""The input and output of Slurm's commands; real jobs are in tests/slurm."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from autoloop.files import write_atomically
from autoloop.model import Attempt, SlurmSpec, TakenKind
from autoloop.runners import records
from autoloop.runners.runner import AttemptExit, AttemptLoss, AttemptSpec, CommandStart, News, PlaceWait
from autoloop.runners.slurm import case, commands, script, words
from autoloop.runners.slurm import runner as slurm_runner
from autoloop.runners.slurm.commands import Job, SlurmError
from autoloop.runners.slurm.runner import SlurmRunner
from autoloop.settings import load_settings

from tests.support.waiting import PATIENCE, eventually

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "slurm"


def spec(folder: Path, **changes: object) -> AttemptSpec:
    return AttemptSpec(attempt_id="abc-1", argv=["true"], cwd=str(folder), directory=folder / "a b", **changes)  # type: ignore[arg-type]


def job(state: str, **more: object) -> Job:
    return Job(id="7", state=state, reason="None", **more)  # type: ignore[arg-type]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on PATH for replacements of Slurm's commands."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def command(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5400),
        ("1:30", 90),
        ("4:00:00", 14400),
        ("1-12", 129600),
        ("2-0:30", 174600),
        ("1-12:00:01", 129601),
        ("4h", None),
    ],
)
def test_time_limits_are_read_as_slurm_reads_them(text: str, seconds: float | None) -> None:
    assert SlurmSpec(time=text).seconds == seconds


def test_jobs_are_known_by_name_and_the_one_that_is_not_over_counts(slurm: Path) -> None:
    said = "\n".join(
        [
            "12|FAILED|NonZeroExitCode|n1|1700000000|gpu|autoloop-a-1",
            "11|PENDING|Priority||N/A|gpu,cpu|autoloop-a-1",
            "3|CANCELLED by 0|None|n1|1700000000|gpu|autoloop-b-1",
            "9|COMPLETED|None|n2|1700000000|gpu|autoloop-b-1",
            "slurm_load_jobs error: something",
            "14_2|RUNNING|None|n2|1|gpu|an array",
        ]
    )
    command(slurm, "squeue", f"cat <<'X'\n{said}\nX\nprintf '%s\\n' \"$@\" > {slurm}/asked")
    found = commands.squeue(["autoloop-a-1", "autoloop-b-1"])
    assert found == {
        "autoloop-a-1": Job(id="11", state="PENDING", reason="Priority", partition="gpu,cpu"),
        "autoloop-b-1": Job(id="9", state="COMPLETED", reason="None", nodes="n2", start=1.7e9, partition="gpu"),
    }
    assert "--name=autoloop-a-1,autoloop-b-1" in (slurm / "asked").read_text().split()


def test_what_passes_is_told_from_what_does_not(slurm: Path) -> None:
    def failed(text: str) -> SlurmError:
        command(slurm, "sbatch", f"echo 'sbatch: error: {text}' >&2; exit 1")
        with pytest.raises(SlurmError) as caught:
            commands.call(["sbatch"])
        return caught.value

    refused = failed("Batch job submission failed: Invalid partition name specified")
    assert (refused.silent, refused.full) == (False, False)
    assert str(refused) == "Batch job submission failed: Invalid partition name specified"
    assert failed("Batch job submission failed: Unable to contact slurm controller (connect failure)").silent
    assert failed("Batch job submission failed: Socket timed out on send/recv operation").silent
    assert failed("QOSMaxSubmitJobPerUserLimit").full
    command(slurm, "sbatch", "sleep 60")
    with pytest.raises(SlurmError) as caught:
        commands.call(["sbatch"], patience=0.2)
    assert caught.value.silent


def test_a_job_asks_for_what_the_settings_say_and_becomes_the_supervisor(tmp_path: Path) -> None:
    asked = load_settings(EXAMPLE).slurm
    given = script.arguments(spec(tmp_path), asked, "gpu:2")
    assert given[:6] == ["sbatch", "--parsable", "--partition=gpu", "--account=my-group", "--time=4:00:00", "--gres=gpu:2"]
    assert given[6:8] == ["--mem=64G", "--cpus-per-task=8"]
    assert {"--job-name=autoloop-abc-1", "--comment=abc-1", "--no-requeue", "--signal=B:USR2@120"} <= set(given)
    assert "--gres=gpu:a100:1" in script.arguments(spec(tmp_path), SlurmSpec(gres="gpu:a100:1"), "gpu:2")
    lines = script.script(spec(tmp_path), asked).splitlines()
    assert lines[0] == "#!/bin/bash"
    assert "module load cuda/12.4" in lines
    assert lines[-1].startswith("exec ")
    assert lines[-1].endswith(f"'{tmp_path}/a b'")
    assert subprocess.run(["bash", "-n"], input="\n".join(lines), text=True, check=False).returncode == 0


@pytest.mark.parametrize(("limit", "grace", "seconds"), [(None, 20.0, 120), (14400.0, 300.0, 375), (180.0, 20.0, 90)])
def test_the_warning_leaves_time_for_the_ladder_and_half_of_a_short_limit(
    tmp_path: Path, limit: float | None, grace: float, seconds: int
) -> None:
    assert script.warning(spec(tmp_path, stop=(("INT", grace), ("KILL", 0.0))), limit) == seconds


def test_a_job_does_not_inherit_the_job_or_the_gpus_of_its_engine() -> None:
    given = {"SLURM_JOB_ID": "3", "SLURM_CONF": "/x", "CUDA_VISIBLE_DEVICES": "0", "HOME": "/h", "SBATCH_ACCOUNT": "a"}
    assert script.environment(given) == {"SLURM_CONF": "/x", "HOME": "/h", "SBATCH_ACCOUNT": "a"}
    assert script.environment({"CUDA_VISIBLE_DEVICES": ""}) == {"CUDA_VISIBLE_DEVICES": ""}


def test_reasons_are_words_with_the_estimate() -> None:
    now = time.mktime((2026, 3, 4, 12, 0, 0, 0, 0, -1))
    waits = Job(id="1", state="PENDING", reason="Priority", start=now + 7500)
    assert words.waiting_words(waits, now) == "Slurm: other jobs have priority (expected about 14:05)"
    later = Job(id="1", state="PENDING", reason="QOSMaxGRESPerUser", start=now + 86400)
    assert words.waiting_words(later, now).startswith(
        "Slurm: a limit of the QOS is reached (QOSMaxGRESPerUser) (expected about "
    )
    node = Job(id="1", state="PENDING", reason="ReqNodeNotAvail, UnavailableNodes:n1")
    assert words.waiting_words(node, now) == "Slurm: required nodes are down or reserved"
    assert words.waiting_words(Job(id="1", state="PENDING", reason="Brand_New"), now) == "Slurm: Brand_New"


def test_what_slurm_ended_is_told_from_what_ended_itself() -> None:
    kinds = {state: took.kind if (took := words.taken(job(state), "4:00:00")) else None for state in STATES}
    assert kinds == STATES


STATES = {
    "PREEMPTED": TakenKind.PREEMPTED,
    "TIMEOUT": TakenKind.TIME_LIMIT,
    "NODE_FAIL": TakenKind.NODE_LOST,
    "OUT_OF_MEMORY": TakenKind.MEMORY,
    "CANCELLED": TakenKind.CANCELLED,
    "FAILED": None,
    "COMPLETED": None,
}


def test_a_job_that_slurm_forgets_while_it_waits_is_given_up(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_runner, "UNKNOWN", 0.5)
    monkeypatch.setattr(slurm_runner, "LOOK_EVERY", 0.05)
    command(slurm, "sbatch", "echo 7")
    command(slurm, "squeue", f"test -e {slurm}/forgotten || echo '7|PENDING|Priority||N/A|gpu|autoloop-abc-1'")
    command(slurm, "sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    runner = SlurmRunner(SlurmSpec(poll=1.0))
    attempt = Attempt(
        id="abc-1", run="abc", number=1, slot=0, output_dir=str(tmp_path), directory=str(tmp_path / "a b"), created_at=0.0
    )
    told: list[News] = []

    def heard(kind: type) -> bool:
        told.extend(runner.news())
        return any(isinstance(news, kind) for _, news in told)

    try:
        runner.submit(attempt, spec(tmp_path), dict(os.environ))
        eventually(
            lambda: heard(PlaceWait) and ("abc-1", PlaceWait("Slurm: other jobs have priority")) in told, "the reason"
        )
        assert runner.any_left()
        (slurm / "forgotten").touch()
        eventually(lambda: heard(AttemptLoss), "the end")
    finally:
        runner.close()
    assert told[-1] == ("abc-1", AttemptLoss("its job never started: Slurm does not know it", started=False))
    assert not runner.any_left()


def test_a_job_that_begins_before_sbatch_answers_does_not_wait_again(slurm: Path, tmp_path: Path) -> None:
    command(slurm, "sbatch", f"touch {slurm}/asked; until test -e {slurm}/go; do sleep 0.05; done; echo 7")
    command(slurm, "squeue", f"touch {slurm}/asked_again; echo '7|RUNNING|None|n1|1|gpu|autoloop-abc-1'")
    runner = SlurmRunner(SlurmSpec(poll=1.0))
    directory = tmp_path / "a b"
    attempt = Attempt(
        id="abc-1", run="abc", number=1, slot=0, output_dir=str(tmp_path), directory=str(directory), created_at=0.0
    )
    told: list[News] = []

    def heard(kind: type) -> bool:
        told.extend(runner.news())
        return any(isinstance(news, kind) for _, news in told)

    try:
        runner.submit(attempt, spec(tmp_path), dict(os.environ))
        eventually((slurm / "asked").exists, "the submission")
        records.claim(str(directory), {"pid": 1, "host": "n1"})
        eventually(lambda: heard(CommandStart), "the start")
        (slurm / "go").touch()
        eventually((slurm / "asked_again").exists, "the question")
        write_atomically(directory / "exit.json", '{"attempt_id": "abc-1", "code": 0, "ended_at": 1.0}')
        eventually(lambda: heard(AttemptExit), "the end")
    finally:
        runner.close()
    assert not any(isinstance(each, PlaceWait) for _, each in told)


def test_an_end_is_seen_while_a_command_of_slurm_does_not_answer(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "PATIENCE", 10 * PATIENCE)
    monkeypatch.setattr(slurm_runner, "LOOK_EVERY", 0.05)
    command(slurm, "sbatch", "echo 7")
    command(slurm, "squeue", f"touch {slurm}/asked; exec sleep 3600")
    runner = SlurmRunner(SlurmSpec(poll=1.0))
    attempt = Attempt(
        id="abc-1", run="abc", number=1, slot=0, output_dir=str(tmp_path), directory=str(tmp_path / "a b"), created_at=0.0
    )
    told: list[News] = []

    def heard(kind: type) -> bool:
        told.extend(runner.news())
        return any(isinstance(news, kind) for _, news in told)

    try:
        runner.submit(attempt, spec(tmp_path), dict(os.environ))
        eventually((slurm / "asked").exists, "the question")
        records.claim(attempt.directory, {"pid": 1, "host": "n1"})
        eventually(lambda: heard(CommandStart), "the start")
        write_atomically(Path(attempt.directory) / "exit.json", '{"attempt_id": "abc-1", "code": 0, "ended_at": 1.0}')
        eventually(lambda: heard(AttemptExit), "the end")
    finally:
        runner.close()
    assert not runner.any_left()


@pytest.fixture
def followed(slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Attempt, SlurmRunner]]:
    """An attempt that has begun, and its runner."""
    monkeypatch.setattr(slurm_runner, "LOOK_EVERY", 0.05)
    command(slurm, "sbatch", "echo 7")
    command(slurm, "squeue", f'echo "7|$(cat {slurm}/state)|None|n1|1|gpu|autoloop-abc-1"')
    command(slurm, "scancel", f'echo "$*" >> {slurm}/cancelled; echo CANCELLED > {slurm}/state')
    (slurm / "state").write_text("RUNNING")
    attempt = Attempt(
        id="abc-1", run="abc", number=1, slot=0, output_dir=str(tmp_path), directory=str(tmp_path / "a b"), created_at=0.0
    )
    runner = SlurmRunner(SlurmSpec(poll=1.0))
    runner.submit(attempt, spec(tmp_path), dict(os.environ))
    eventually((tmp_path / "a b").exists, "its folder")
    records.claim(attempt.directory, {"pid": 1, "host": "n1"})
    yield attempt, runner
    runner.close()


def hears(runner: SlurmRunner, kind: type, told: list[object]) -> None:
    def heard() -> bool:
        told.extend(news for _, news in runner.news())
        return any(isinstance(each, kind) for each in told)

    eventually(heard, kind.__name__)


def ends(attempt: Attempt, **record: object) -> None:
    text = json.dumps({"attempt_id": attempt.id, "ended_at": 1.0, **record})
    write_atomically(Path(attempt.directory) / "exit.json", text)


def test_a_failed_run_says_that_it_waits_for_slurm_s_word_and_not_for_long(
    followed: tuple[Attempt, SlurmRunner], monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt, runner = followed
    monkeypatch.setattr(slurm_runner, "SOON", 0.0)
    monkeypatch.setattr(case, "FAILING", 3.0)
    told: list[object] = []
    hears(runner, CommandStart, told)
    ends(attempt, code=1)
    hears(runner, AttemptExit, told)
    assert PlaceWait("it exited with code 1; waiting for Slurm to say why") in told
    assert isinstance(told[-1], AttemptExit)
    assert (told[-1].record.code, told[-1].taken) == (1, None)


def test_a_job_that_slurm_puts_back_as_its_run_ends_is_taken_out(slurm: Path, followed: tuple[Attempt, SlurmRunner]) -> None:
    attempt, runner = followed
    told: list[object] = []
    hears(runner, CommandStart, told)
    (slurm / "state").write_text("PENDING")
    ends(attempt, code=0)
    hears(runner, AttemptExit, told)
    eventually((slurm / "cancelled").exists, "the end of its job")
    assert "--name=autoloop-abc-1 --state=PENDING" in (slurm / "cancelled").read_text()
    assert not runner.any_left()
