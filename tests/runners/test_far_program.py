"""The program that is sent to hosts: how it handles code, processes, logs and GPUs there, and which Pythons run it."""

from __future__ import annotations

import ast
import json
import os
import pwd
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
from autoloop.model import HostSpec, TakenKind
from autoloop.preflight.hosts import hosts
from autoloop.runners import bounded_log, procfs
from autoloop.runners.runner import AttemptExit, AttemptLoss, CommandStart
from autoloop.runners.ssh import bundle

from tests.runners.trial import Trial, handle_of
from tests.support.waiting import eventually

CARD = "0, GPU-a, H100, 5, 1000, 81559, 70.5, 40"


def test_what_travels_is_python_3_9() -> None:
    for name in bundle.MODULES:
        path = bundle.RUNNERS / f"{name.replace('.', '/')}.py"
        ast.parse(path.read_text(), feature_version=(3, 9))


def python_of(version: str) -> str:
    """Return a Python of this version on this machine; skip the test if there is none."""
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)  # HOME is set by the test
    beside = sorted(home.glob(f".pyenv/versions/{version}.*/bin/python{version}"))
    found = str(beside[-1]) if beside else shutil.which(f"python{version}")
    if found is None or subprocess.run([found, "-c", ""], check=False).returncode != 0:
        pytest.skip(f"no Python {version} on this machine")
    return found


@pytest.mark.parametrize("version", ["3.9", "3.13"])
def test_other_pythons_start_follow_and_stop_a_run(trial: Trial, version: str) -> None:
    """The program and the supervisor run with that version, whatever runs here."""
    python = python_of(version)
    trial.host = msgspec.structs.replace(trial.host, python=python)
    trial.anew()
    smi = trial.far.programs / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\ncase $1 in *query-gpu*) echo '{CARD}';; esac\n")
    smi.chmod(0o755)
    attempt = trial.submit("sh", "-c", "echo begun; trap 'exit 7' TERM; while :; do sleep 0.05; done")
    trial.until(CommandStart)
    claim = json.loads((trial.there(attempt) / "claim").read_text())
    assert os.path.realpath(f"/proc/{claim['pid']}/exe") == os.path.realpath(python)
    trial.runner.gpus.ask()
    trial.runner.loads.ask()
    for asker in (trial.runner.gpus, trial.runner.loads):
        eventually(lambda asker=asker: asker.report is not None, "its GPUs")  # type: ignore[misc]
        assert asker.report is not None
        (card,) = asker.report.gpus
        assert (card.utilisation, card.power) == (5, 70.5)
    trial.runner.stop(attempt, kill=False)
    ended = trial.until(AttemptExit)
    assert isinstance(ended, AttemptExit)
    assert (ended.record.code, ended.record.stopped_by) == (7, "stop")
    assert (Path(attempt.directory) / "log.txt").read_text().startswith("begun\n")

    trial.told.clear()
    lost = trial.submit("sleep", "1000", name="r2-1")
    trial.until(CommandStart)
    os.kill(json.loads((trial.there(lost) / "claim").read_text())["pid"], 9)
    gone = trial.until(AttemptLoss)
    assert isinstance(gone, AttemptLoss)
    assert "left-over process" in gone.reason


def test_doctor_looks_at_a_host_and_names_one_that_is_not_reached(trial: Trial) -> None:
    smi = trial.far.programs / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\ncase $1 in *query-gpu*) echo '{CARD}';; esac\n")
    smi.chmod(0o755)
    box = msgspec.structs.replace(trial.host, gpus=[0], data={})
    away = HostSpec(name="away", python="/nowhere/python3", gpus=[0])
    found = hosts(msgspec.structs.replace(trial.spec, hosts=[box, away], device="cuda"), 0)
    assert {each.subject: each.level for each in found} == {
        "code for hosts": "ok",
        "box": "ok",
        "box clock": "ok",
        "box folder": "ok",
        "box GPU 0": "ok",
        "away": "warning",
    }
    assert "there is no Python /nowhere/python3 there" in found[-1].text
    assert "the loop continues without it" in found[-1].text
    (alone,) = hosts(msgspec.structs.replace(trial.spec, hosts=[away], device="cuda"), 0)[1:]
    assert alone.level == "error"


def test_a_python_that_is_too_old_is_refused_with_a_sentence(trial: Trial) -> None:
    python = python_of("3.8")
    trial.host = msgspec.structs.replace(trial.host, python=python)
    trial.anew()
    attempt = trial.submit("true")
    why = f"({python} there is Python 3.8, but 3.9 or newer is needed: set python in [[host]])"
    eventually(lambda: why in str(trial.runner.trouble), "the sentence")
    assert not trial.there(attempt).exists()


def test_a_killed_supervisor_and_a_restarted_host_are_told_apart(trial: Trial) -> None:
    attempt = trial.submit("sh", "-c", "echo begun; exec sleep 1000")
    trial.until(CommandStart)
    handle = handle_of(trial.there(attempt))
    assert handle is not None
    os.kill(handle.pid, 9)
    gone = trial.until(AttemptLoss)
    assert isinstance(gone, AttemptLoss)
    assert gone.started
    assert gone.taken is None
    assert "was killed" in gone.reason
    assert "left-over process" in gone.reason, "nothing of it stays"

    trial.told.clear()
    rebooted = trial.submit("sleep", "1000", name="r2-1")
    trial.until(CommandStart)
    claim = json.loads((trial.there(rebooted) / "claim").read_text())
    (trial.there(rebooted) / "claim").write_text(json.dumps({**claim, "boot_id": "another"}))
    gone = trial.until(AttemptLoss)
    assert isinstance(gone, AttemptLoss)
    assert gone.taken is not None
    assert gone.taken.kind is TakenKind.NODE_LOST
    procfs.send(claim["pid"], claim["start_time"], 10)


def test_links_of_the_project_that_lead_elsewhere_go_along_and_what_cannot_be_unpacked_leaves_nothing(trial: Trial) -> None:
    """Even if Python allows no such links in archives, as from 3.14 on."""
    python, first = trial.far.odd_python()
    trial.host = msgspec.structs.replace(trial.host, python=python)
    first.write_text("import tarfile\ntarfile.TarFile.extraction_filter = staticmethod(tarfile.data_filter)\n")
    trial.anew()
    (trial.project / "assets").symlink_to("/usr/share")
    trial.submit("true")
    ended = trial.until(AttemptExit)
    assert isinstance(ended, AttemptExit)
    assert ended.record.code == 0
    (code,) = (trial.far.home / ".autoloop/project/code").iterdir()
    assert os.readlink(code / "assets") == "/usr/share"

    trial.told.clear()
    first.write_text("import tarfile\ndef fail(*_, **__): raise tarfile.ReadError('odd')\ntarfile.TarFile.extract = fail\n")
    trial.anew()
    (trial.project / "more.py").touch()
    trial.submit("true", name="r2-1")
    ended = trial.until(AttemptExit)
    assert isinstance(ended, AttemptExit)
    assert ended.record.error == "cannot start on box: ReadError: odd"
    assert trial.runner.trouble is None
    assert not list(code.parent.glob("*.new"))


def test_an_attempt_that_cannot_be_looked_at_keeps_no_other_from_its_end(trial: Trial) -> None:
    python, first = trial.far.odd_python()
    trial.host = msgspec.structs.replace(trial.host, python=python)
    odd = trial.submit("sleep", "1000", name="odd-1")
    trial.until(CommandStart)
    trial.anew()
    first.write_text(
        "import os\nreal = os.path.isdir\n"
        "def isdir(path):\n    if 'attempts/odd-1' in str(path): raise ValueError(path)\n    return real(path)\n"
        "os.path.isdir = isdir\n"
    )
    trial.runner.reattach(odd)
    trial.submit("true", name="r2-1")
    assert trial.until(AttemptExit)
    assert trial.heard(AttemptLoss) is None


def test_code_that_was_deleted_on_the_host_is_sent_again(trial: Trial) -> None:
    (trial.project / "say.sh").write_text("echo said")
    for name in ("r1-1", "r2-1"):
        trial.submit("sh", "say.sh", name=name)
        ended = trial.until(AttemptExit)
        assert isinstance(ended, AttemptExit)
        assert ended.record.code == 0
        trial.told.clear()
        shutil.rmtree(next((trial.far.home / ".autoloop/project/code").iterdir()))


def test_a_log_that_is_cut_there_is_whole_here_as_far_as_it_came(trial: Trial) -> None:
    script = "i=0; while [ $i -lt 160 ]; do head -c 65536 /dev/zero | tr '\\0' x; echo; i=$((i+1)); done; echo the end"
    attempt = trial.submit("sh", "-c", script)
    trial.until(AttemptExit)
    log = Path(attempt.directory) / "log.txt"
    assert log.read_bytes().endswith(b"\nthe end\n")
    assert log.stat().st_size <= 5 << 20
    with log.open("rb") as file:
        gone = bounded_log.left_out(file.fileno())
    assert gone + log.stat().st_size - bounded_log.LENGTH >= 160 * 65537


def test_gpus_of_a_host_and_who_uses_them(trial: Trial) -> None:
    smi = trial.far.programs / "nvidia-smi"
    smi.write_text(
        "#!/bin/sh\ncase $1 in *query-gpu*) echo '0, GPU-a, H100, 5, 1000, 81559, [N/A], 40';; "
        f"*) echo 'GPU-a, {os.getpid()}, 900, /usr/bin/python';; esac\n"
    )
    smi.chmod(0o755)
    trial.runner.gpus.ask()
    report = eventually(lambda: trial.runner.gpus.report, "its GPUs")
    (card,) = report.gpus
    assert (card.index, card.memory_used, card.power) == (0, 1000 << 20, None)
    assert card.users is not None
    assert card.users.startswith(f"python (pid {os.getpid()}, ")
    smi.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'; exit 9\n")
    trial.runner.gpus.ask()
    report = eventually(lambda: trial.runner.gpus.report, "the answer")
    assert report.error == "nvidia-smi fails: NVIDIA-SMI has failed"
