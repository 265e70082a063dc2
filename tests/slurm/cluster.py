"""A Slurm cluster on this machine: a controller and four nodes with two GPUs each, all run by the test.

The nodes are slurmds with separate names; their GPUs are links to /dev/null, which Slurm accepts as devices. Nothing
outside `folder` is touched, and no privileges are needed.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from tests.support.processes import await_end
from tests.support.waiting import eventually

NODES, GPUS, CPUS = 4, 2, 16
SBIN = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def missing() -> str:
    """Return what prevents a cluster here; empty if nothing does."""
    lacking = [name for name in ("slurmctld", "slurmd", "munged", "sbatch") if shutil.which(name, path=SBIN) is None]
    return f"{', '.join(lacking)}: not installed (slurm-wlm, munge)" if lacking else ""


def missing_accounting() -> str:
    """The same for a cluster with accounting."""
    lacking = [name for name in ("slurmdbd", "mariadbd", "mariadb-install-db") if shutil.which(name, path=SBIN) is None]
    return f"{', '.join(lacking)}: not installed (slurmdbd, mariadb-server)" if lacking else ""


class Cluster:
    """A cluster, started by `start` and ended by `stop`; set SLURM_CONF to `conf`.

    It forgets ended jobs after `memory` seconds, except in its accounting, if it has one.
    """

    def __init__(self, folder: Path, *, accounting: bool = False, memory: int = 300) -> None:
        self.folder = folder
        self.accounting = accounting
        self.memory = memory
        self.conf = folder / "slurm.conf"
        self._key, self._socket = folder / "munge.key", folder / "munge" / "socket"

    # ------------------------------------------------------------------------------------------------------- life

    def start(self) -> None:
        for name in ("log", "run", "state", "spool", "dev", "munge"):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)
        self._key.write_bytes(os.urandom(1024))
        self._key.chmod(0o400)
        for gpu in range(GPUS):
            (self.folder / "dev" / f"nvidia{gpu}").symlink_to("/dev/null")
        self._configure()
        self._run(
            "munged",
            "--force",
            f"--key-file={self._key}",
            f"--socket={self._socket}",
            f"--pid-file={self.folder}/run/munged.pid",
            f"--log-file={self.folder}/log/munged.log",
            f"--seed-file={self.folder}/munge/seed",
            "--num-threads=2",
        )
        if self.accounting:
            self._start_accounting()
        self.start_controller()
        for node in range(1, NODES + 1):
            self.start_node(f"n{node}")
        eventually(self._all_idle, "the nodes")

    def stop(self) -> None:
        for pid_file in sorted((self.folder / "run").glob("*.pid"), key=lambda path: path.name == "munged.pid"):
            self._end(pid_file.name, signal.SIGKILL)

    def start_controller(self) -> None:
        self._run("slurmctld", "-f", str(self.conf))
        eventually(self.answers, "the controller")

    def kill_controller(self) -> None:
        self._end("slurmctld.pid", signal.SIGKILL)

    def start_node(self, name: str) -> None:
        self._run("slurmd", "-f", str(self.conf), "-N", name)

    def kill_node(self, name: str) -> None:
        """Kill a node's slurmd; its jobs continue."""
        self._end(f"slurmd.{name}.pid", signal.SIGKILL)

    def _end(self, pid_file: str, number: int) -> None:
        path = self.folder / "run" / pid_file
        try:
            pid = int(path.read_text())
        except (OSError, ValueError):
            return
        await_end(pid, pid_file, number=number)
        path.unlink(missing_ok=True)

    # -------------------------------------------------------------------------------------------------- questions

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.conf), "PATH": SBIN, "LC_ALL": "C"}

    def ask(self, *words: str) -> str:
        done = subprocess.run(words, env=self.env, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout.strip()

    def answers(self) -> bool:
        done = subprocess.run(["scontrol", "ping"], env=self.env, capture_output=True, text=True, timeout=60, check=False)
        return " UP" in done.stdout

    def _all_idle(self) -> bool:
        return self.ask("sinfo", "-h", "-N", "-p", "gpu", "-t", "idle", "-o", "%N").split() == [
            f"n{node}" for node in range(1, NODES + 1)
        ]

    def jobs(self) -> dict[str, str]:
        """Return the state of every job, by name."""
        lines = self.ask("squeue", "-h", "-t", "all", "-o", "%j|%T").splitlines()
        return dict(line.split("|") for line in lines)

    def all_that_it_knows(self) -> str:
        """Return everything the cluster knows, for the message of a failing test."""
        return f"{self.ask('scontrol', 'show', 'job')}\n{self.ask('sinfo', '-N', '-o', '%N %T %E')}"

    # ------------------------------------------------------------------------------------------------ configuration

    def _run(self, *words: str) -> None:
        log = self.folder / "log" / f"{words[0]}.out"
        with log.open("ab") as output:
            subprocess.run(
                words, env=self.env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=60, check=True
            )

    def _configure(self) -> None:
        user, host, ports = _user(), socket.gethostname().split(".")[0], _ports(NODES + 3)
        folder, self._database_ports = self.folder, ports[NODES + 1 :]
        nodes = "\n".join(
            f"NodeName=n{node} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[node]}" for node in range(1, NODES + 1)
        )
        self.conf.write_text(
            f"""ClusterName=autoloop
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={self._socket},cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
{self._accounting()}
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=20
InactiveLimit=0
MinJobAge={self.memory}
KillWait=10
CompleteWait=0
NodeName=DEFAULT CPUs={CPUS} RealMemory=16000 Gres=gpu:{GPUS} State=UNKNOWN
{nodes}
PartitionName=gpu Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=60 State=UP PriorityTier=1 PreemptMode=REQUEUE
PartitionName=high Nodes=ALL MaxTime=INFINITE DefaultTime=60 State=UP PriorityTier=10 PreemptMode=OFF
"""
        )
        (folder / "gres.conf").write_text(f"NodeName=n[1-{NODES}] Name=gpu File={folder}/dev/nvidia[0-{GPUS - 1}]\n")
        (folder / "cgroup.conf").write_text("CgroupPlugin=autodetect\nConstrainCores=no\nConstrainDevices=no\n")

    def _accounting(self) -> str:
        if not self.accounting:
            return "AccountingStorageType=accounting_storage/none"
        kind, pass_ = "accounting_storage/slurmdbd", f"AccountingStoragePass={self._socket}"
        return f"AccountingStorageType={kind}\nAccountingStorageHost=localhost\n{pass_}\n" + (
            f"AccountingStoragePort={self._database_ports[0]}"
        )

    def _start_accounting(self) -> None:
        """Start a separate database and Slurm's accounting daemon."""
        folder, (port, sql) = self.folder, self._database_ports
        data, sql_socket = folder / "mysql", folder / "run" / "mysql.sock"
        given = ["--no-defaults", f"--user={_user()}", f"--datadir={data}"]
        self._run("mariadb-install-db", *given, "--auth-root-authentication-method=normal", "--skip-test-db")
        with (folder / "log" / "mariadbd.out").open("ab") as output:
            files = [f"--socket={sql_socket}", f"--pid-file={folder}/run/mariadbd.pid"]
            words = ["mariadbd", *given, *files, "--bind-address=127.0.0.1", f"--port={sql}"]
            subprocess.Popen(words, env=self.env, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        grants = "".join(
            f"create user slurm@{host!r} identified by 'slurm'; grant all on slurm_acct_db.* to slurm@{host!r};"
            for host in ("127.0.0.1", "localhost")
        )
        client = ["mariadb", "--no-defaults", "-S", str(sql_socket), "-u", "root", "-e"]

        def made() -> bool:
            words = [*client, f"create database slurm_acct_db; {grants}"]
            return subprocess.run(words, env=self.env, capture_output=True, timeout=60, check=False).returncode == 0

        eventually(made, "the database")
        conf = folder / "slurmdbd.conf"
        conf.write_text(
            f"""AuthType=auth/munge
AuthInfo=socket={self._socket},cred_expire=5
DbdHost=localhost
DbdPort={port}
SlurmUser={_user()}
PidFile={folder}/run/slurmdbd.pid
LogFile={folder}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={sql}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
"""
        )
        conf.chmod(0o600)
        self._run("slurmdbd")

        def answers() -> bool:
            asked = ["sacctmgr", "-n", "-i", "list", "cluster"]
            return subprocess.run(asked, env=self.env, capture_output=True, timeout=60, check=False).returncode == 0

        eventually(answers, "the accounting")
        self._run("sacctmgr", "-n", "-i", "add", "cluster", "autoloop")
        self._run("sacctmgr", "-n", "-i", "add", "account", "main", "Cluster=autoloop")
        self._run("sacctmgr", "-n", "-i", "add", "user", _user(), "Account=main")


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def _ports(number: int) -> list[int]:
    """Return free ports of this machine."""
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
