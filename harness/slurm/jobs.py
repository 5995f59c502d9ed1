"""Submit workers and a report job to SLURM: all of them, or none."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.execution.options import WorkerOptions
from harness.slurm import cluster, scripts, submission
from harness.slurm.arrays import Array, shares, split_arrays
from harness.slurm.request import Group
from harness.slurm.site import Site
from harness.slurm.submission import Submission
from harness.store import atomic
from harness.store.paths import Paths
from harness.store.provenance import now


@dataclass(frozen=True)
class Part:
    """The workers that request the same: what for, in which arrays, and their options."""

    group: Group
    arrays: tuple[Array, ...]
    options: WorkerOptions

    @property
    def workers(self) -> int:
        """Number of workers of all arrays."""
        return sum(array.workers for array in self.arrays)


@dataclass(frozen=True)
class Jobs:
    """The scripts, their folder, and the arguments of sbatch."""

    name: str  # of the report
    folder: Path
    target: Path  # the plan's or search's file
    parts: tuple[Part, ...]
    scripts: tuple[str, ...]  # of the workers of each part
    report: str
    options: tuple[str, ...]  # sbatch options of all workers
    report_arguments: tuple[str, ...]

    def path(self, place: int) -> Path:
        """Where the script of a part is written."""
        return self.folder / ("worker.sbatch" if len(self.parts) == 1 else f"worker-{place + 1}.sbatch")

    @property
    def report_path(self) -> Path:
        """Where the report's script is written."""
        return self.folder / "report.sbatch"

    @property
    def files(self) -> dict[Path, str]:
        """All scripts."""
        return {**{self.path(place): script for place, script in enumerate(self.scripts)}, self.report_path: self.report}

    @property
    def arrays(self) -> list[tuple[int, Array]]:
        """The calls of sbatch for workers: the place of the part, and the array."""
        return [(place, array) for place, part in enumerate(self.parts) for array in part.arrays]

    @property
    def workers(self) -> int:
        """Number of workers of all parts."""
        return sum(part.workers for part in self.parts)

    def options_of(self, array: Array) -> list[str]:
        """sbatch's options for an array."""
        log = [f"--output={scripts.pattern(self.folder)}/%j.log"] if array.plain else []  # without a task index
        return [*array.option, *log, *self.options]

    def arguments_of(self, place: int) -> list[str]:
        """The arguments of a part's script: the plan or search, and the workers' options."""
        return [str(self.target), *self.parts[place].options.arguments()]

    def lines(self, jobs: Sequence[str] = ()) -> list[str]:
        """The sbatch commands for a shell; `jobs`: ids of the arrays, once known."""
        job_ids = list(jobs) or [f"JOB{place}" for place in range(1, len(self.arrays) + 1)]
        sent = [
            cluster.command(self.options_of(array), self.path(place), self.arguments_of(place)) for place, array in self.arrays
        ]
        return [*map(shlex.join, sent), shlex.join(cluster.command(after(job_ids), self.report_path, self.report_arguments))]


def after(jobs: Sequence[str]) -> list[str]:
    """sbatch options of a job that starts once all tasks of `jobs` have finished or failed."""
    return [f"--dependency=afterany:{':'.join(jobs)}"]


def divided(
    groups: Sequence[Group], workers: int, options: WorkerOptions, max_array_size: int, throttle: int | None
) -> list[Part]:
    """Up to `workers` for all groups with runs, at least one for each, in arrays. Raises InputError."""
    wanted = [group for group in groups if group.runs]
    counts = shares(workers, [group.runs for group in wanted])
    arrays = split_arrays(counts, max_array_size, throttle)
    # With one group every worker may train everything.
    own = [options if len(groups) == 1 else options.replaced(resources=group.needs) for group in wanted]
    return [Part(group, tuple(cut), each) for group, cut, each in zip(wanted, arrays, own, strict=True)]


def compose(  # noqa: PLR0917 - the parts of the jobs, by name
    paths: Paths,
    name: str,
    target: Path,
    site: Site,
    parts: Sequence[Part],
    code: Sequence[Path],
    options: Sequence[str] = (),
    folder: Path | None = None,
) -> Jobs:
    """The jobs of the workers on `target` and of the report `name`. Writes nothing. `folder` None: a placeholder.

    Raises InputError if the site's settings give an invalid shell script.
    """
    folder = (folder or paths.submissions(name) / "NUMBER").absolute()
    code = [path.absolute() for path in code]
    jobs = Jobs(
        name=name,
        folder=folder,
        target=target.absolute(),
        parts=tuple(parts),
        scripts=tuple(scripts.worker_script(site, name, folder, code, part.group.request) for part in parts),
        report=scripts.report_script(site, name, folder, code),
        options=tuple(options),
        report_arguments=(name, str(paths.root.absolute())),
    )
    for script in jobs.scripts:
        scripts.check(script)
    return jobs


def send(jobs: Jobs, site: str, code: Path) -> Submission:
    """Write and submit the scripts. If one is rejected, those already submitted are cancelled. `site`: its file or name.

    Raises ClusterError with sbatch's message, StoreError.
    """
    submitted = Submission(
        number=int(jobs.folder.name),
        name=jobs.name,
        target=str(jobs.target),
        site=site,
        workers=jobs.workers,
        code=code.name,
        created=now(),
    )
    try:
        for path, script in jobs.files.items():
            atomic.write_text(path, script)
        for place, array in jobs.arrays:
            requested = jobs.parts[place].group.requested
            job = cluster.submit(jobs.options_of(array), jobs.path(place), jobs.arguments_of(place), requested)
            submitted = submission.changed(submitted, jobs={**submitted.jobs, job: array.workers})
            submission.save(jobs.folder, submitted)  # immediately: cancelling needs the ids
        report = cluster.submit(after(list(submitted.jobs)), jobs.report_path, jobs.report_arguments)
        submitted = submission.changed(submitted, report=report)
        submission.save(jobs.folder, submitted)
    except cluster.ClusterError as error:
        raise cluster.ClusterError(f"{error}\n{_cancel_submission(jobs, submitted)}") from error
    except BaseException:  # also after Ctrl-C nothing is left half-submitted
        print(_cancel_submission(jobs, submitted), file=sys.stderr)
        raise
    return submitted


def _cancel_submission(jobs: Jobs, submitted: Submission) -> str:
    """Cancel the jobs submitted so far; returns a message for the user."""
    ids = submitted.all_jobs
    if not ids:
        shutil.rmtree(jobs.folder, ignore_errors=True)  # only the unused scripts
        return "nothing was submitted"
    problem = cluster.cancel(ids)
    if problem is not None:
        return f"submitted before that and not cancelled ({problem}); cancel with: scancel {' '.join(ids)}"
    submission.save(jobs.folder, submission.changed(submitted, cancelled=True))
    return f"cancelled the jobs submitted before that: {', '.join(ids)}"
