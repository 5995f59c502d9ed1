"""A person on the login node of a small cluster: a folder, an experiment, a site, and what they type."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conftest import TESTS
from mini_slurm import MiniSlurm, mini_slurm

from harness.slurm import queue

ROOT = TESTS.parent
WORKERS = 4
# Decided at 5 of 10 seeds: 20 runs of seven seconds or so.
EXPERIMENT = """
question: Which toy survives a cluster?
task: toy_task:TOY
config: {epochs: 4, steps: 20, sleep: 0.08}
variants: {base: {}, one: {effect: 1.0, noise: 2.0}, two: {effect: 2.0, noise: 2.0}, three: {effect: 3.0, noise: 2.0}}
baseline: base
seeds: {looks: [3, 5, 10]}
margin: 0.05
claims: [{improves: one}, {improves: two}, {improves: three}]
"""
SITE = f"""
accelerator: cpu
partition: low
time: 10m
margin: 1m
gres: gpu:1
cpus: 2
python: {sys.executable}
worker: [--poll-s, "0.1", --beat-s, "0.2", --stale-s, "3", --checkpoint-every, 0.5s, --idle, 60s]
"""


class Submitter:
    """Somebody on a login node, with a folder of their own."""

    def __init__(self, cluster: MiniSlurm, home: Path, experiment: str = EXPERIMENT, site: str = SITE) -> None:
        self.cluster, self.home = cluster, home
        self.results = home / "results"
        self.path = [str(TESTS), str(ROOT)]  # where Python imports from
        (home / "toys.yaml").write_text(experiment)
        (home / "site.yaml").write_text(site)

    def harness(self, *words: str, code: int = 0, **variables: str) -> str:
        """What a command of the harness prints; where it refuses, what it says."""
        done = self._run(*words, **variables)
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    def said(self, *words: str) -> str:
        """What a command remarks beside what it prints."""
        done = self._run(*words)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def _run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.cluster.prefix, sys.executable, "-m", *words],
            cwd=self.home,
            env={
                **self.cluster.environment,
                "HOME": str(self.home),
                "PYTHONPATH": os.pathsep.join(self.path),
                "WANDB_MODE": "disabled",
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def submit(self, *words: str, workers: int = WORKERS) -> dict[str, Any]:
        """The document of a submission."""
        command = ("harness.submit", "toys.yaml", "--site", "site.yaml", "--workers", str(workers), "--json", *words)
        return dict(json.loads(self.harness(*command)))

    def refusal(self, *words: str, workers: int = WORKERS) -> str:
        """What a submission says that ends with exit code 2."""
        return self.harness("harness.submit", "toys.yaml", "--site", "site.yaml", "--workers", str(workers), *words, code=2)

    def status(self) -> dict[str, Any]:
        """The document of `harness status toys`."""
        return dict(json.loads(self.harness("harness.status", "toys", "--json")))

    def tasks(self, job: str) -> list[queue.Task]:
        """The tasks of a job, as its queue says."""
        columns = ",".join(f"{name}:{width}" for name, width in queue.COLUMNS.items())
        return queue.parse(self.cluster.run("squeue", "-h", "-r", "-t", "all", "-O", columns, "-j", job))

    def running(self, job: str) -> list[queue.Task]:
        return [task for task in self.tasks(job) if task.state == "RUNNING"]

    def requeued(self, job: str) -> int:
        return sum(task.requeued for task in self.tasks(job))

    def wait(self, condition: Callable[[], bool], complaint: str, seconds: float = 90.0) -> float:
        """How long it took until `condition()` held."""
        began = time.monotonic()
        self.cluster.wait_until(condition, seconds, lambda: f"{complaint}\n{self.logs()}")
        return time.monotonic() - began

    def logs(self) -> str:
        """What all tasks wrote."""
        return "\n".join(f"{path.name}\n{path.read_text()}" for path in sorted(self.home.glob("results/submissions/*/*/*.log")))


@contextmanager
def login_node(folder: Path, experiment: str = EXPERIMENT, site: str = SITE, **settings: int) -> Iterator[Submitter]:
    """A cluster that this user runs, while the block does."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    with mini_slurm(folder / "slurm", user, **settings) as cluster:
        (folder / "home").mkdir()
        yield Submitter(cluster, folder / "home", experiment, site)


def as_nobody(folder: Path) -> list[str]:
    """What runs a command as `nobody`, who finds Python and this code where they are, whatever folder of root's they lie in.

    Such a folder is hidden by an empty one, in which only they are; for that command alone, in a mount namespace of its own.
    """
    change = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]
    needed = dict.fromkeys(Path(place).resolve() for place in (sys.prefix, sys.base_prefix, ROOT))
    closed = {path: [above for above in path.parents if not above.stat().st_mode & 0o001] for path in needed}
    lines = []
    for number, path in enumerate(path for path, above in closed.items() if above):
        (folder / f"kept{number}").mkdir()
        lines += [f"mount --bind {path} {folder}/kept{number}"]
    lines += [f"mount -t tmpfs -o mode=755 tmpfs {top}" for top in {above[-1] for above in closed.values() if above}]
    for number, path in enumerate(path for path, above in closed.items() if above):
        lines += [f"mkdir -p {path}", f"mount --bind {folder}/kept{number} {path}"]
    script = "\n".join(["set -e", "umask 022", *lines, 'exec "$@"'])
    return ["unshare", "--mount", "bash", "-c", script, "as-nobody", *change] if lines else change
