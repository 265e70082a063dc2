"""A trainer that resists ending: `wild_trainer.py CONFIG OUTPUT_DIR`, in the ways listed in the config's `ways`:

    ignores     ignores SIGINT, SIGTERM and SIGHUP
    forks       leaves a double-forked grandchild that ignores the same signals
    sessions    leaves children in separate sessions and process groups that ignore the same signals
    breeds      forks children that fork children, as long as it is alive
    closes      closes stdout and stderr
    holds       exits at once with code 0, leaving children that keep the log open
    floods      writes `bytes` bytes of lines to stdout, then ends, unless it hangs
    hangs       waits forever

It writes its pid to `up` in its output directory once everything is set up.
"""

import json
import os
import signal
import sys
import time


def main(config_path: str, output_dir: str) -> None:
    with open(config_path, encoding="utf-8") as file:
        config = json.load(file)
    ways = config["ways"]
    os.makedirs(output_dir)
    if "ignores" in ways:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    if "forks" in ways and os.fork() == 0:
        if os.fork() == 0:
            linger()
        os._exit(0)
    if "sessions" in ways:
        for make in (os.setsid, os.setpgrp, os.setsid):
            if os.fork() == 0:
                make()
                linger()
    if "holds" in ways:
        for _ in range(3):
            if os.fork() == 0:
                os.setsid()
                linger()
    if "closes" in ways:
        os.close(1)
        os.close(2)
    if "breeds" in ways and os.fork() == 0:
        breed()
    with open(os.path.join(output_dir, "up"), "w", encoding="utf-8") as file:
        file.write(str(os.getpid()))
    if "floods" in ways:
        flood(config["bytes"])
    while "hangs" in ways:
        time.sleep(3600)


def linger() -> None:
    while True:
        time.sleep(3600)


def breed() -> None:
    while True:
        if os.fork() == 0:
            os.setsid()
            time.sleep(0.5)
            os._exit(0)
        time.sleep(0.02)


def flood(total: int) -> None:
    block = b"a line of a flood that no person will ever read\n" * 1365
    os.write(1, b"the flood begins\n")
    while total > 0:
        total -= os.write(1, block[: min(total, len(block))])
    os.write(1, b"\nthe flood ends\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
