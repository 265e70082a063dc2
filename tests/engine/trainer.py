"""A trainer for tests whose runs last as long as a test needs: `trainer.py CONFIG OUTPUT_DIR`. Standard library only.

Its behaviour is set by its config; every key is optional:
    rows            list of rows for wandb-history.jsonl, written one after another; "NaN" becomes NaN
    bowl            {"lr": 0.1}: the loss is the sum of the squared distances of these keys from these values
    spread          the distance between the losses of the seeds 1, 2, 3 … in the bowl
    prints          a line that it prints before its rows
    after           path of a file that must exist before it writes its rows
    endless         repeats its last row, at one step after another, until a signal ends it
    seconds         how long it runs after the rows
    gate            path of a file that must exist before it ends
    traceback       text of an exception with which it ends before its first row (after its rows if `late` is true)
    fails           how many attempts do that; later ones succeed (counted in the file `counter`)
    code            exit code (default 0)
    quiet           does not print `End of training`
    hang            waits for a signal forever
    says            a line that it prints first
    stay            waits for a signal after `End of training`
    by_seed         further keys for a seed: {"2": {"code": 1}}
    stubborn        ignores SIGINT and SIGTERM
    detach          path of a file: leaves a grandchild in a separate session and writes its pid to the file
    witness         folder unknown to the product: it notes its start and end there (see `tests/support/witness.py`)

Like LeRobot, it refuses an output directory that already exists. It writes what it was given to `seen.json` in it.
"""

import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator


def main(config_path: str, output_dir: str) -> int:
    with open(config_path, encoding="utf-8") as file:
        config = json.load(file)
    config |= config.get("by_seed", {}).get(str(config.get("seed")), {})
    if os.path.exists(output_dir):
        print(f"FileExistsError: Output directory {output_dir} already exists", flush=True)
        return 3
    if config.get("stubborn"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if config.get("says"):
        print(config["says"], flush=True)
    if config.get("witness"):
        bear_witness(config["witness"], "began")
    files = os.path.join(output_dir, "wandb", "latest-run", "files")
    os.makedirs(files)
    with open(os.path.join(output_dir, "seen.json"), "w", encoding="utf-8") as file:
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES")
        json.dump({"config": config, "gpus": gpus, "pid": os.getpid(), "run_id": os.environ["WANDB_RUN_ID"]}, file)
    if config.get("detach"):
        leave_grandchild(config["detach"])
    dies = config.get("traceback") is not None and fails_this_time(config)
    if dies and not config.get("late"):
        return die(config)
    if config.get("prints"):
        print(config["prints"], flush=True)
    wait_for(config.get("after"))
    with open(os.path.join(files, "wandb-history.jsonl"), "w", encoding="utf-8") as file:
        for row in rows_of(config):
            file.write(json.dumps(row).replace('"NaN"', "NaN") + "\n")
            file.flush()
    if dies:
        return die(config)
    time.sleep(config.get("seconds", 0))
    while config.get("hang"):
        time.sleep(3600)
    wait_for(config.get("gate"))
    if config.get("witness"):
        bear_witness(config["witness"], "ended")
    if not config.get("quiet"):
        print("End of training", flush=True)
    while config.get("stay"):
        time.sleep(3600)
    return int(config.get("code", 0))


def bear_witness(folder: str, what: str) -> None:
    """Write one line with a single write.

    The run's lock is held until its process is gone; if it is already held, the line says so.
    """
    run, attempt = os.environ["WANDB_RUN_ID"], os.environ["AUTOLOOP_ATTEMPT"]
    if what == "began":
        lock = os.open(f"{folder}/{run}.lock", os.O_WRONLY | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            what = "began beside another"
    notes = os.open(f"{folder}/notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(notes, f"{time.time()} {run} {attempt} {what}\n".encode())
    os.close(notes)


def wait_for(path: str | None) -> None:
    while path and not os.path.exists(path):
        time.sleep(0.01)


def rows_of(config: dict) -> Iterator[dict]:
    rows = config.get("rows", [])
    if "bowl" in config:
        loss = sum((config[key] - best) ** 2 for key, best in config["bowl"].items())
        loss += config.get("spread", 0.0) * config["seed"]
        rows = [{"_step": step, "train/l1_loss": loss} for step in (1, 2)]
    yield from rows
    while config.get("endless"):
        time.sleep(0.01)
        rows = [{**rows[-1], "_step": rows[-1]["_step"] + 1}]
        yield from rows


def fails_this_time(config: dict) -> bool:
    if "fails" not in config:
        return True
    with open(config["counter"], "a+", encoding="utf-8") as file:
        file.write("x")
        file.flush()
        return file.tell() <= config["fails"]


def die(config: dict) -> int:
    print("Traceback (most recent call last):")
    print('  File "train.py", line 1, in main')
    print(config["traceback"], flush=True)
    return int(config.get("code", 1))


def leave_grandchild(note: str) -> None:
    """Start a process that shares neither process group nor session with us."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            with open(note + ".tmp", "w", encoding="utf-8") as file:
                file.write(str(os.getpid()))
            os.rename(note + ".tmp", note)
            while True:
                time.sleep(3600)
        os._exit(0)
    os.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
