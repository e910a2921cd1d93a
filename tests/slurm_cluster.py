"""A real Slurm on loopback: munged, slurmctld and a slurmd for each of two nodes, with null devices for GPUs.

Debian's packages run without systemd and cgroups, several nodes on one host. Everything lies in one temporary folder and ends with
the test; nothing in /etc is touched or read, so that several clusters can run side by side.
"""

import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mot_plugin.processes import die_with

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "srun")
NODES = ("n1", "n2")
GPUS = 2
"""Of each node; a job sees their numbers in CUDA_VISIBLE_DEVICES and nothing else."""

# cred_expire: as long does a requeued job wait, so that nothing of its first start is taken for its second one; 120 if not said.
CONF = """\
ClusterName=toy
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=20
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort={ports[0]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmdLogFile={folder}/slurmd.%n.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerNode=100
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=0
SlurmdParameters=config_overrides
SlurmdTimeout=300
KillWait=5
ReturnToService=2
MinJobAge={remembered}
MpiDefault=none
GresTypes=gpu
{nodes}
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=9
"""
# Without cgroups; slurmd looks for the file all the same.
CGROUP = """\
CgroupPlugin=cgroup/v1
CgroupAutomount=no
ConstrainCores=no
ConstrainDevices=no
ConstrainRAMSpace=no
"""


def missing() -> str | None:
    """Why no cluster can be started here, in words; None if one can."""
    lost = [program for program in NEEDED if shutil.which(program) is None]
    if lost:
        return f"no {', '.join(lost)} (Debian packages slurm-wlm and munge)"
    return None if os.geteuid() == 0 else "several nodes on one host need root"


class Cluster:
    """Two nodes with two GPUs each. `environment` is what Slurm's commands need to find it."""

    def __init__(self, folder: Path, remembered: int = 86400) -> None:
        self.folder = folder
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._write(remembered)

    def start(self) -> None:
        """Start all of it and wait until jobs can run."""
        self._munge()
        self._start("slurmctld", ["slurmctld", "-D"])
        for node in NODES:
            self.start_node(node)
        self.until(lambda: self.states() == dict.fromkeys(NODES, "idle"), "its nodes are idle")

    def ask(self, *command: str) -> str:
        """What one of Slurm's commands prints."""
        ended = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=60)
        assert ended.returncode == 0, f"{command}: {ended.stderr}"
        return ended.stdout

    def states(self) -> dict[str, str]:
        """Node -> idle, mixed, allocated, down, ..."""
        with suppress(AssertionError):
            return dict(line.split() for line in self.ask("sinfo", "-h", "-N", "-o", "%N %t").splitlines())
        return {}

    def jobs(self) -> list[dict[str, str]]:
        """Every job that the controller knows, the oldest first."""
        rows = self.ask("squeue", "-h", "-t", "all", "-S", "i", "-o", "%i\t%j\t%T\t%r\t%N\t%b\t%k").splitlines()
        keys = ("id", "name", "state", "reason", "node", "gres", "comment")
        return [dict(zip(keys, row.split("\t"), strict=True)) for row in rows]

    def start_node(self, node: str) -> None:
        """Start a node's daemon."""
        self._start(node, ["slurmd", "-D", "-N", node])

    def lose_node(self, node: str) -> None:
        """What a power cut does: the daemon and all that it started are gone at once, and somebody notices."""
        family = {self._daemons[node].pid, *self._steps(node)}
        family |= {child for parent in family for child in _below(parent)}
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._daemons.pop(node).wait()
        self.ask("scontrol", "update", f"nodename={node}", "state=down", "reason=lost")

    def clear(self) -> None:
        """Cancel every job and wait until its processes are gone."""
        self.ask("scancel", "--user=root")
        self.until(lambda: all(not self._steps(node) for node in NODES), "its jobs have ended", seconds=20)

    def stop(self) -> None:
        """End every job and daemon."""
        with suppress(AssertionError, subprocess.TimeoutExpired):
            self.clear()
        left = {pid for node in NODES for pid in self._steps(node)}
        left |= {child for parent in left for child in _below(parent)}
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for daemon in reversed(self._daemons.values()):
            daemon.terminate()
        for daemon in self._daemons.values():
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._daemons.clear()

    def until(self, so: Callable[[], object], what: str, seconds: float = 60) -> None:
        """Wait until something is so."""
        until = time.monotonic() + seconds
        while not so():
            died = [name for name, daemon in self._daemons.items() if daemon.poll() is not None]
            assert not died, f"{died} ended: {self._words(died[0])}"
            assert time.monotonic() < until, f"waited in vain until {what}: {self.states()} {self.jobs()}"
            time.sleep(0.1)

    def _steps(self, node: str) -> set[int]:
        """The processes of Slurm that watch over a job on this node; they are no children of its daemon."""
        return {pid for pid, line in _commands() if line.startswith("slurmstepd: ") and self._is_of(pid, node)}

    def _is_of(self, pid: int, node: str) -> bool:
        with suppress(OSError):
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            conf = f"SLURM_CONF={self.environment['SLURM_CONF']}".encode()
            opened = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
            return conf in environment.split(b"\0") and f"{self.folder}/slurmd.{node}.log" in opened
        return False

    def _start(self, name: str, command: list[str]) -> None:
        log, tests = (self.folder / f"{name}.out").open("ab"), os.getpid()
        self._daemons[name] = subprocess.Popen(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            # Tests that are killed have no time to stop it.
            preexec_fn=lambda: die_with(tests, signal.SIGTERM),  # noqa: PLW1509  (calls one system function)
        )
        log.close()

    def _words(self, name: str) -> str:
        return (self.folder / f"{name}.out").read_text(errors="replace")[-2000:]

    def _munge(self) -> None:
        """One of its own, with a key of its own."""
        home = self.folder / "munge"
        home.mkdir()
        (home / "key").write_bytes(os.urandom(128))
        (home / "key").chmod(0o600)
        kept = [f"--{name}-file={home / name}" for name in ("key", "pid", "log", "seed")]
        self._start("munged", ["munged", "--foreground", "--force", f"--socket={home / 'socket'}", *kept])
        self.until((home / "socket").exists, "munged listens")

    def _write(self, remembered: int) -> None:
        devices = self.folder / "gpus"
        devices.mkdir()
        for number in range(GPUS):
            os.mknod(devices / f"gpu{number}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        (self.folder / "state").mkdir()
        host, ports = socket.gethostname(), _free_ports(1 + len(NODES))
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=8 RealMemory=9000 Gres=gpu:{GPUS}"
            for node, port in zip(NODES, ports[1:], strict=True)
        )
        text = CONF.format(folder=self.folder, host=host, ports=ports, nodes=nodes, remembered=remembered)
        (self.folder / "slurm.conf").write_text(text, encoding="utf-8")
        (self.folder / "cgroup.conf").write_text(CGROUP, encoding="utf-8")
        gres = f"AutoDetect=off\nNodeName={','.join(NODES)} Name=gpu File={devices}/gpu[0-{GPUS - 1}]\n"
        (self.folder / "gres.conf").write_text(gres, encoding="utf-8")


@contextmanager
def running(remembered: int = 86400) -> Iterator[Cluster]:
    """A cluster for the time of a block; `remembered` are the seconds for which it knows finished jobs."""
    with tempfile.TemporaryDirectory(
        prefix="slurm-"
    ) as folder:  # not below pytest's: the path of a socket must be short
        Path(folder).chmod(0o755)
        cluster = Cluster(Path(folder), remembered)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


def _free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody has now. A daemon that finds its own taken says so and ends."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def _commands() -> Iterator[tuple[int, str]]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield int(process.name), (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def _below(parent: int) -> set[int]:
    """All that descends from a process."""
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(status.parent.name)] = int(status.read_text(errors="replace").rpartition(")")[2].split()[1])
    found, new = set[int](), {parent}
    while new:
        new = {pid for pid, above in parents.items() if above in new} - found
        found |= new
    return found
