"""One test host: `unshare … machine.py FOLDER HOME MIB HIDDEN…`, in separate mount, PID and UTS namespaces.

Standard library only. It sets up what the host sees (a separate disk at HOME, empty folders over everything hidden, and
this Python in another place), then obeys lines on standard input: `up` boots the host, `down` cuts its power; each is
answered by a line. It exits at the end of its input. As it is the first process of its namespace, everything on the host
ends with it; the mounts go with the last process.
"""

import os
import signal
import socket
import subprocess
import sys
import uuid

ETC, SHARED, PYTHON = "/run/host", "/run/lab", "/run/python"
"""On the host: its own files (keys, commands), what the test and all hosts share, and the location of Python."""


def lay_out(folder: str, home: str, size: str, hidden: "list[str]") -> None:
    mount("-t", "tmpfs", "-o", "mode=755,size=1m", "run", "/run")
    for place, source in ((ETC, f"{folder}/etc"), (SHARED, f"{folder}/../shared"), (PYTHON, sys.base_prefix)):
        os.mkdir(place)
        mount("--bind", source, place)
    os.mkdir("/run/sshd", 0o755)
    for place in filter(os.path.isdir, hidden):  # one may be inside another
        mount("-t", "tmpfs", "-o", "mode=1777,size=16m", "hidden", place)
    os.makedirs(home, exist_ok=True)
    mount("-t", "tmpfs", "-o", f"mode=700,size={size}m", "disk", home)


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def boot() -> None:
    """Be the host's first process, in a further PID namespace: when it ends, all others do."""
    with open(f"{ETC}/boot_id", "w", encoding="ascii") as file:
        file.write(f"{uuid.uuid4()}\n")
    with open(f"{ETC}/namespace", "w", encoding="ascii") as file:
        file.write(os.readlink("/proc/self/ns/pid"))
    mount("--bind", f"{ETC}/boot_id", "/proc/sys/kernel/random/boot_id")
    daemon = os.posix_spawn(os.environ["SSHD"], [os.environ["SSHD"], "-D", "-e", "-f", f"{ETC}/sshd_config"], os.environ)
    while os.wait()[0] != daemon:
        pass


def main(words: "list[str]") -> None:
    folder, home, size, *hidden = words
    socket.sethostname(os.environ["NAME"])
    lay_out(folder, home, size, hidden)
    os.chdir("/")
    running = 0
    for line in sys.stdin:
        if line.strip() == "up":
            words = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
            words += [f"{PYTHON}/bin/python3", "-I", "-S", f"{ETC}/machine.py"]
            running = os.posix_spawnp(words[0], words, os.environ, file_actions=[(os.POSIX_SPAWN_CLOSE, 0)])
        elif line.strip() == "down":
            os.kill(running, signal.SIGKILL)
            while True:  # orphans become our children: once there is none, nothing on the host is alive
                try:
                    os.wait()
                except ChildProcessError:
                    break
        print(line.strip(), flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        boot()
    else:
        main(sys.argv[1:])
