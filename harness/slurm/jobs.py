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
from harness.slurm.scripts import Array
from harness.slurm.site import Site
from harness.slurm.submission import Submission
from harness.store import atomic
from harness.store.paths import Paths
from harness.store.provenance import now


@dataclass(frozen=True)
class Jobs:
    """The two scripts, their folder, and the arguments of sbatch."""

    name: str  # of the report
    folder: Path
    worker: str
    report: str
    arrays: tuple[Array, ...]
    options: tuple[str, ...]  # sbatch options of the workers
    worker_arguments: tuple[str, ...]  # the plan or search, and the workers' options
    report_arguments: tuple[str, ...]

    @property
    def worker_path(self) -> Path:
        """Where the workers' script is written."""
        return self.folder / "worker.sbatch"

    @property
    def report_path(self) -> Path:
        """Where the report's script is written."""
        return self.folder / "report.sbatch"

    @property
    def workers(self) -> int:
        """Number of workers of all arrays."""
        return sum(array.workers for array in self.arrays)

    def options_of(self, array: Array) -> list[str]:
        """sbatch's options for an array."""
        log = [f"--output={scripts.pattern(self.folder)}/%j.log"] if array.plain else []  # without a task index
        return [*array.option, *log, *self.options]

    def lines(self, jobs: Sequence[str] = ()) -> list[str]:
        """The sbatch commands for a shell; `jobs`: ids of the arrays, once known."""
        job_ids = list(jobs) or [f"JOB{place}" for place in range(1, len(self.arrays) + 1)]
        sent = [cluster.command(self.options_of(array), self.worker_path, self.worker_arguments) for array in self.arrays]
        return [*map(shlex.join, sent), shlex.join(cluster.command(after(job_ids), self.report_path, self.report_arguments))]


def after(jobs: Sequence[str]) -> list[str]:
    """sbatch options of a job that starts once all tasks of `jobs` have finished or failed."""
    return [f"--dependency=afterany:{':'.join(jobs)}"]


def compose(  # noqa: PLR0917 - the parts of the jobs, by name
    paths: Paths,
    name: str,
    target: Path,
    site: Site,
    arrays: Sequence[Array],
    code: Sequence[Path],
    options: Sequence[str] = (),
    worker: WorkerOptions | None = None,
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
        worker=scripts.worker_script(site, name, folder, code),
        report=scripts.report_script(site, name, folder, code),
        arrays=tuple(arrays),
        options=tuple(options),
        worker_arguments=(str(target.absolute()), *(worker.arguments() if worker else ())),
        report_arguments=(name, str(paths.root.absolute())),
    )
    scripts.check(jobs.worker)
    return jobs


def send(jobs: Jobs, site: Path, code: Path) -> Submission:
    """Write and submit the scripts. If one is rejected, those already submitted are cancelled.

    Raises ClusterError with sbatch's message, StoreError.
    """
    submitted = Submission(
        number=int(jobs.folder.name),
        name=jobs.name,
        target=jobs.worker_arguments[0],
        site=str(site),
        workers=jobs.workers,
        code=code.name,
        created=now(),
    )
    try:
        atomic.write_text(jobs.worker_path, jobs.worker)
        atomic.write_text(jobs.report_path, jobs.report)
        for array in jobs.arrays:
            job = cluster.submit(jobs.options_of(array), jobs.worker_path, jobs.worker_arguments)
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
