"""Run sbatch, scontrol and scancel; an error contains their message and what to do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import EXIT_BAD_INPUT, HarnessError

TIMEOUT_S = 120.0  # a busy controller responds slowly
DEFAULT_ARRAY_SIZE = 1001  # SLURM's default
KEPT_VARIABLES = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_CONF_SERVER")

YOURS = "`sacctmgr show associations user=$USER format=account,partition,qos` lists yours"
NODES = "`sinfo -o '%P %D %c %m %G %f'` shows what nodes have"
RESOURCES = r"node configuration|[Nn]ode count|CPU count|processors|gres|generic resource|Memory spec|feature"
# Regular expression for an error message -> what to do.
ADVICE: Mapping[str, str] = {
    r"MaxSubmit|submit limit|job limit|JobLimit": "use fewer --workers, or wait until earlier jobs have finished (`squeue --me`)",
    r"[Ii]nvalid account": f"set `account` in the site's file; {YOURS}",
    RESOURCES: (
        "no node of the partition has these resources: see `gres`, `cpus`, `memory` and `constraint` in the site's file; " + NODES
    ),
    r"partition": "set `partition` in the site's file; `sinfo -s` lists partitions",
    r"(?i)\bqos\b": f"set `qos` in the site's file; {YOURS}",
    r"array specification": "the array exceeds MaxArraySize (`scontrol show config`); use fewer --workers",
    r"time|Time": "set `time` in the site's file to what the partition allows; `sinfo -o '%P %l'` shows it",
    r"(?i)contact|connect|configuration": "the cluster does not respond; check it with `scontrol ping`",
    r"(?i)option": "check the options after -- and those under `sbatch` in the site's file",
}


class ClusterError(HarnessError):
    """The cluster rejected a request or is unavailable."""

    exit_code = EXIT_BAD_INPUT


@dataclass(frozen=True)
class Answer:
    """Exit code and output of a SLURM command."""

    code: int
    out: str
    err: str


def available(program: str = "sbatch") -> bool:
    """Whether this machine has SLURM's commands."""
    return shutil.which(program) is not None


def ask(*arguments: str, timeout_s: float = TIMEOUT_S) -> Answer:
    """Run a SLURM command. Raises ClusterError if it is not installed or does not respond."""
    try:
        done = subprocess.run(
            arguments,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            env=environment_outside_job(os.environ),
        )
    except FileNotFoundError as error:
        raise ClusterError(
            f"no {arguments[0]} on PATH: this machine cannot submit; run this on a login node of the cluster "
            "(some sites need `module load slurm`), or use --dry-run to see the scripts"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(
            f"{arguments[0]}: no response within {timeout_s:.0f} s; try again later (check with `scontrol ping`)"
        ) from error
    return Answer(done.returncode, done.stdout.strip(), done.stderr.strip())


def environment_outside_job(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for SLURM's commands: without the variables of a surrounding job, which would override the options."""
    return {name: value for name, value in environment.items() if not name.startswith("SLURM_") or name in KEPT_VARIABLES}


def submit(options: Sequence[str], script: Path, arguments: Sequence[str], requested: str = "") -> str:
    """Submit a script; returns the job id. Raises ClusterError with sbatch's message. `requested`: see `refusal`."""
    answer = ask(*command(options, script, arguments))
    # With several clusters: ID;CLUSTER.
    job = answer.out.splitlines()[-1].partition(";")[0] if answer.out else ""
    if answer.code != 0 or not job.isdigit():
        raise ClusterError(refusal(answer, requested))
    return job


def command(options: Sequence[str], script: Path, arguments: Sequence[str]) -> list[str]:
    """The sbatch command line."""
    return ["sbatch", "--parsable", *options, str(script), *arguments]


def refusal(answer: Answer, requested: str = "") -> str:
    """The error message, then what to do. `requested`: what the experiment requests, in words."""
    text = answer.err or answer.out or f"sbatch failed with exit code {answer.code} without a message"
    matched = next((pattern for pattern in ADVICE if re.search(pattern, text)), None)
    advice = [ADVICE[matched]] if matched else []
    if matched == RESOURCES and requested:
        advice = [f"the experiment requests {requested}: change its `resources`, or `partition` in the site's file; {NODES}"]
    return "\n".join([text, *advice])


def max_array_size() -> int:
    """The site's MaxArraySize: array indices must be below it. Raises ClusterError."""
    answer = ask("scontrol", "show", "config")
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", answer.out, re.MULTILINE)
    if answer.code != 0:
        raise ClusterError(refusal(answer))
    return int(found[1]) if found else DEFAULT_ARRAY_SIZE


def cancel(jobs: Sequence[str]) -> str | None:
    """Cancel these jobs; returns scancel's error message, or None."""
    try:
        answer = ask("scancel", *jobs)
    except ClusterError as error:  # the caller prints the ids in any case
        return str(error)
    return None if answer.code == 0 else answer.err or f"scancel failed with exit code {answer.code}"
