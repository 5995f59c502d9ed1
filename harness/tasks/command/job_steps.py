"""The SLURM job steps of a program that calls `srun`: finds them, and sends them signals.

The processes of a step are on all nodes of the job and descend from SLURM's daemons, so a guard cannot end them. srun itself
answers SIGTERM by killing its processes, and leaves them running if it is killed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

JOB = "HARNESS_JOB"  # set by slurm/worker.sbatch: all steps of this job belong to the program of its one worker
TIMEOUT_S = 20.0  # a busy controller responds slowly


def running(environment: Mapping[str, str]) -> list[str]:
    """The steps that run now, such as `4711_2.0`; empty outside of a job of `harness submit`."""
    job = environment.get(JOB)
    listed = _output(["squeue", "--steps", "--noheader", f"--jobs={job}", "--format=%i"], environment) if job else ""
    return [step for step in listed.split() if step.rpartition(".")[2].isdigit()]  # others are the batch script and the like


def send(signal: str, steps: Sequence[str], environment: Mapping[str, str]) -> None:
    """Send a signal, such as `TERM`, to all processes of the steps."""
    _output(["scancel", f"--signal={signal}", *steps], environment)


def _output(command: Sequence[str], environment: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, errors="replace", check=False, timeout=TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:  # the job's end will end them
        print(f"--- processes that srun started could not be stopped: {error}", flush=True)
        return ""
    return done.stdout
