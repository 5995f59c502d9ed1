"""A real SLURM on this machine: one controller, three virtual nodes, private ports, everything in one folder; and its end.

It needs Debian's slurm-wlm and neither root, systemd, cgroups nor /etc. All of its processes carry the folder in their
environment (SLURM_CONF), which is how its end finds them, whatever has become of them.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

NODES = ("node1", "node2", "node3")
SBIN = "/usr/sbin:/usr/local/sbin:/sbin"  # where the daemons are; not on everybody's PATH

CONFIGURATION = """\
ClusterName=mini
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
AuthInfo=cred_expire=5
CredType=cred/none
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.%n.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=5
MessageTimeout=3
KillWait=5
BatchStartTimeout=10
MinJobAge=3600
MaxArraySize={max_array_size}
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=200000
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
GresTypes=gpu
NodeName=node[1-3] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs=4 RealMemory=4096 Gres=gpu:2 State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES MaxTime=INFINITE PriorityTier=1 PreemptMode=REQUEUE State=UP
PartitionName=high Nodes=ALL Default=NO MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF State=UP
"""
# Two distinct device files stand for the GPUs of a node; ordinary files would leave CUDA_VISIBLE_DEVICES empty.
RESOURCES = "AutoDetect=off\nNodeName=node[1-3] Name=gpu File=/dev/null,/dev/zero\n"


class MiniSlurm:
    """The cluster in `folder`, run by `user` by way of `prefix`, such as a setpriv that becomes this user."""

    def __init__(self, folder: Path, user: str, prefix: Sequence[str] = (), max_array_size: int = 1001) -> None:
        self.folder, self.prefix = folder, tuple(prefix)
        self.conf = folder / "slurm.conf"
        port = _free_ports(1 + len(NODES))
        text = CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            user=user,
            folder=folder,
            port=port,
            first=port + 1,
            last=port + len(NODES),
            max_array_size=max_array_size,
        )
        for name in ("run", "log", "state", *(f"spool.{node}" for node in NODES)):
            made = folder / name
            made.mkdir(parents=True)
            if os.geteuid() == 0:
                shutil.chown(made, user)
        self.conf.write_text(text)
        (folder / "gres.conf").write_text(RESOURCES)

    @property
    def environment(self) -> dict[str, str]:
        """What the client commands need."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
        return {**inherited, "SLURM_CONF": str(self.conf)}

    def start(self) -> None:
        """Start all daemons; returns when every node is idle."""
        self._daemon("slurmctld")
        for node in NODES:
            self.start_node(node)
        self.wait_until(lambda: self.states() == dict.fromkeys(NODES, "idle"), 60, lambda: "nodes are not idle")

    def start_node(self, node: str) -> None:
        """Start the slurmd of one node."""
        self._daemon("slurmd", "-N", node)

    def kill_node(self, node: str) -> int:
        """Kill the slurmd of a node and all that it runs, as a power cut would; how many processes that were."""
        daemon = int((self.folder / "run" / f"slurmd.{node}.pid").read_text())
        name = f"SLURMD_NODENAME={node}".encode()
        jobs = [pid for pid in self.processes() if name in _read(f"/proc/{pid}/environ").split(b"\0")]
        steps = {parent for pid in jobs if (parent := _parent(pid)) not in jobs}
        # Whoever could still tell the controller dies first.
        for pid in (daemon, *steps, *jobs):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return 1 + len(steps) + len(jobs)

    def run(self, *words: str, check: bool = True, **variables: str) -> str:
        """What a client command prints."""
        done = subprocess.run(
            [*self.prefix, *words],
            cwd=self.folder,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        assert not check or done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done.stdout.strip()

    def states(self) -> dict[str, str]:
        """Node -> its state; none while the controller does not answer."""
        lines = self.run("sinfo", "-h", "-N", "-p", "low", "-o", "%N %T", check=False).splitlines()
        return dict(line.split() for line in lines)

    def wait_until(self, condition: Callable[[], bool], seconds: float, complaint: Callable[[], str]) -> None:
        """Return once `condition()` holds; after `seconds` show what the daemons wrote."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                logs = "\n".join(f"{path}:\n{path.read_text()[-3000:]}" for path in sorted((self.folder / "log").iterdir()))
                raise AssertionError(f"{complaint()}\n{self.run('squeue', '-r', check=False)}\n{logs}")
            time.sleep(0.1)

    def processes(self) -> list[int]:
        """Every living process of the cluster: daemons, steps, jobs and what they started."""
        found = []
        for entry in Path("/proc").iterdir():
            mine = entry.name.isdigit() and str(self.conf).encode() in _read(f"/proc/{entry.name}/environ")
            if mine and int(entry.name) != os.getpid() and _lives(int(entry.name)):
                found.append(int(entry.name))
        return sorted(found)

    def stop(self) -> None:
        """Kill all of it; nothing is left."""
        end = time.monotonic() + 30
        while (left := self.processes()) and time.monotonic() < end:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        assert not left, left

    def _daemon(self, program: str, *options: str) -> None:
        path = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}")
        assert path is not None, program
        self.run(path, "-f", str(self.conf), *options)


@contextmanager
def mini_slurm(folder: Path, user: str, prefix: Sequence[str] = (), **settings: int) -> Iterator[MiniSlurm]:
    """A cluster that runs while the block does."""
    cluster = MiniSlurm(folder, user, prefix, **settings)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def _free_ports(count: int) -> int:
    """The first of so many neighbouring ports that nobody listens on."""
    for _ in range(100):
        first = random.randrange(20_000, 32_000)
        with suppress(OSError):
            taken = []
            try:
                for port in range(first, first + count):
                    made = socket.socket()
                    taken.append(made)
                    made.bind(("127.0.0.1", port))
            finally:
                for made in taken:
                    made.close()
            return first
    raise AssertionError("no free ports")


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:  # it has ended, or belongs to somebody else
        return b""


def _parent(pid: int) -> int:
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(fields[1]) if fields else 0


def _lives(pid: int) -> bool:
    """Stopped daemons may stay zombies under some first processes: those are dead."""
    return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[:1] not in ([], [b"Z"], [b"X"])
