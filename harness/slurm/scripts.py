"""Site, request and plan -> the sbatch scripts. Pure, except for reading the templates."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.execution.options import WorkerOptions
from harness.slurm.request import Request, request
from harness.slurm.site import ReportJob, Site, clock, whole_minutes
from harness.tasks.resources import NOTHING

TEMPLATES = Path(__file__).parent
DIRECTIVES = re.compile(r"(^#SBATCH .*\n)+", re.MULTILINE)
SETTINGS = re.compile(r"^# settings\n.*?^# end of settings\n", re.MULTILINE | re.DOTALL)


def worker_script(site: Site, name: str, log: Path, code: Sequence[Path], wanted: Request | None = None) -> str:
    """slurm/worker.sbatch with a site's options and settings. `log`: folder of the logs; `code`: first on the import path.

    `wanted` None: what the site requests.
    """
    wanted = wanted or request(site, NOTHING)
    options = [
        f"--job-name=harness:{name}",
        *_common(site, site.partition, site.time),
        *wanted.options,
        *_given("--constraint", site.constraint),
        f"--signal=B:USR1@{site.margin_s}",
        "--requeue",
        "--open-mode=append",
        f"--output={pattern(log)}/%A_%a.log",
        *wanted.sbatch,
    ]
    scratch = f'"{site.scratch}"' if site.scratch else "''"
    return _filled("worker.sbatch", options, {**_settings(site, code), "scratch": scratch})


def report_script(site: Site, name: str, log: Path, code: Sequence[Path]) -> str:
    """slurm/report.sbatch with a site's options and settings."""
    job: ReportJob = site.report
    options = [
        f"--job-name=harness-report:{name}",
        *_common(site, job.partition or site.partition, job.time),
        *Request(cpus=job.cpus, memory=job.memory).options,
        "--requeue",
        "--open-mode=append",
        f"--output={pattern(log)}/report-%j.log",
        *job.sbatch,
    ]
    return _filled("report.sbatch", options, _settings(site, code))


def worker_options(site: Site, **fields: Any) -> WorkerOptions:
    """The options of a site's workers, plus `fields`. Raises InputError."""
    seconds = round(site.time_s) - site.margin_s
    return WorkerOptions.read(site.worker, device=site.accelerator, stop_after=seconds, idle=site.idle, **fields)


def check(script: str) -> None:
    """Raises InputError with bash's message for an invalid script."""
    read = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    if read.returncode != 0:
        advice = "correct `container` and `activate` in the site's file: they give an invalid shell script"
        raise InputError(f"{read.stderr.strip()}\n{advice}")


def _common(site: Site, partition: str | None, time: float | str) -> list[str]:
    return [
        *_given("--partition", partition),
        *_given("--account", site.account),
        *_given("--qos", site.qos),
        f"--time={clock(whole_minutes(time))}",
    ]


def _given(option: str, value: object | None) -> list[str]:
    return [] if value is None else [f"{option}={value}"]


def pattern(path: Path) -> str:
    """Escape a path for sbatch's file name patterns."""
    return str(path).replace("%", "%%")


def _settings(site: Site, code: Sequence[Path]) -> dict[str, str]:
    return {
        "code": shlex.quote(":".join(map(str, code))),
        "python": shlex.quote(site.interpreter or sys.executable),
        "launcher": f"({site.container or ''})",
        "activate": shlex.quote((site.activate or "").strip()),
        "modules": f"({shlex.join(site.modules)})",
    }


def _filled(template: str, options: Sequence[str], settings: Mapping[str, str]) -> str:
    text = (TEMPLATES / template).read_text()
    directives = "".join(f"#SBATCH {shlex.quote(option)}\n" for option in options)
    assigned = "".join(f"{name}={value}\n" for name, value in settings.items())
    # All of the template's own lines go: they would apply where a site omits an option.
    text = DIRECTIVES.sub(lambda _: directives, text, count=1)
    return SETTINGS.sub(lambda _: f"# settings\n{assigned}# end of settings\n", text, count=1)
