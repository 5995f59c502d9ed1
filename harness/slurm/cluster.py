"""sbatch, scontrol and scancel -> their answers; what they refuse comes with their own words and what to do about it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import EXIT_BAD_INPUT, HarnessError

TIMEOUT_S = 120.0  # a busy controller answers late
USUAL_ARRAY_SIZE = 1001  # SLURM's own default
KEPT_VARIABLES = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_CONF_SERVER")

YOURS = "`sacctmgr show associations user=$USER format=account,partition,qos` lists yours"
# What a refusal holds -> what to do about it.
ADVICE: Mapping[str, str] = {
    r"MaxSubmit|submit limit|job limit|JobLimit": "use fewer --workers, or wait until earlier jobs have ended (`squeue --me`)",
    r"[Ii]nvalid account": f"set `account` in the site's file; {YOURS}",
    r"partition": "set `partition` in the site's file; `sinfo -s` lists those there are",
    r"(?i)\bqos\b": f"set `qos` in the site's file; {YOURS}",
    r"array specification": "arrays are smaller than `scontrol show config` says (MaxArraySize); use fewer --workers",
    r"node configuration|gres|generic resource|Memory spec|feature": (
        "no node of the partition has that much: see `gres`, `cpus`, `memory` and `constraint` in the site's file; "
        "`sinfo -o '%P %c %m %G %f'` shows what nodes have"
    ),
    r"time|Time": "set `time` in the site's file to what the partition allows; `sinfo -o '%P %l'` shows it",
    r"(?i)contact|connect|configuration": "the cluster does not answer from here: `scontrol ping` tells whether it is up",
    r"(?i)option": "see the options behind -- and those under `sbatch` in the site's file",
}


class ClusterError(HarnessError):
    """The cluster refused, or is not there; its own words, and what to do."""

    exit_code = EXIT_BAD_INPUT


@dataclass(frozen=True)
class Answer:
    """What a command of SLURM printed."""

    code: int
    out: str
    err: str


def available(program: str = "sbatch") -> bool:
    """Whether this machine can talk to a cluster."""
    return shutil.which(program) is not None


def ask(*arguments: str, timeout_s: float = TIMEOUT_S) -> Answer:
    """Run a command of SLURM. Raises ClusterError when there is none of its name, or no answer."""
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
            f"no {arguments[0]} on PATH: this machine cannot submit; allowed: on a login node of the cluster "
            "(`module load slurm` at some sites), or --dry-run, which shows the scripts"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{arguments[0]}: no answer in {timeout_s:.0f} s; try again later (`scontrol ping` tells)") from error
    return Answer(done.returncode, done.stdout.strip(), done.stderr.strip())


def environment_outside_job(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for SLURM's commands: inside a job, that job's own variables would contradict what is asked for."""
    return {name: value for name, value in environment.items() if not name.startswith("SLURM_") or name in KEPT_VARIABLES}


def submit(options: Sequence[str], script: Path, arguments: Sequence[str]) -> str:
    """Give a script to sbatch; the job's id. Raises ClusterError with sbatch's own words."""
    answer = ask(*command(options, script, arguments))
    # With several clusters the id is followed by the cluster's name.
    job = answer.out.splitlines()[-1].partition(";")[0] if answer.out else ""
    if answer.code != 0 or not job.isdigit():
        raise ClusterError(refusal(answer))
    return job


def command(options: Sequence[str], script: Path, arguments: Sequence[str]) -> list[str]:
    """The words of an sbatch."""
    return ["sbatch", "--parsable", *options, str(script), *arguments]


def refusal(answer: Answer) -> str:
    """sbatch's own words, then what to do."""
    text = answer.err or answer.out or f"sbatch ended with code {answer.code} and said nothing"
    advice = next((what for pattern, what in ADVICE.items() if re.search(pattern, text)), None)
    return "\n".join([text, *([advice] if advice else [])])


def max_array_size() -> int:
    """The site's MaxArraySize, above all indices of an array. Raises ClusterError."""
    answer = ask("scontrol", "show", "config")
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", answer.out, re.MULTILINE)
    if answer.code != 0:
        raise ClusterError(refusal(answer))
    return int(found[1]) if found else USUAL_ARRAY_SIZE


def cancel(jobs: Sequence[str]) -> str | None:
    """Cancel these jobs; None, or scancel's own words where it could not."""
    try:
        answer = ask("scancel", *jobs)
    except ClusterError as error:  # whoever is told needs the ids all the same
        return str(error)
    return None if answer.code == 0 else answer.err or f"scancel ended with code {answer.code}"
