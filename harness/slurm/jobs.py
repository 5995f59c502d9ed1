"""A site, and what its workers are given -> jobs in the queue: all of them, or none."""

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
    """What sbatch is given: the texts of the two scripts, the folder they are to lie in, and the words behind them."""

    name: str  # of the report
    folder: Path
    worker: str
    report: str
    arrays: tuple[Array, ...]
    options: tuple[str, ...]  # of sbatch, for the workers
    worker_arguments: tuple[str, ...]  # what the workers are given, and their options
    report_arguments: tuple[str, ...]

    @property
    def worker_path(self) -> Path:
        """The workers' script."""
        return self.folder / "worker.sbatch"

    @property
    def report_path(self) -> Path:
        """The report's script."""
        return self.folder / "report.sbatch"

    @property
    def workers(self) -> int:
        """How many there are in all."""
        return sum(array.workers for array in self.arrays)

    def options_of(self, array: Array) -> list[str]:
        """sbatch's options for an array."""
        log = [f"--output={scripts.pattern(self.folder)}/%j.log"] if array.plain else []  # it has no task's number
        return [*array.option, *log, *self.options]

    def lines(self, jobs: Sequence[str] = ()) -> list[str]:
        """Every sbatch as a shell would take it; `jobs` are the ids of the arrays, which are not known before."""
        known = list(jobs) or [f"JOB{place}" for place in range(1, len(self.arrays) + 1)]
        sent = [cluster.command(self.options_of(array), self.worker_path, self.worker_arguments) for array in self.arrays]
        return [*map(shlex.join, sent), shlex.join(cluster.command(after(known), self.report_path, self.report_arguments))]


def after(jobs: Sequence[str]) -> list[str]:
    """sbatch's options for what comes once all tasks of `jobs` have ended, whatever became of them."""
    return [f"--dependency=afterany:{':'.join(jobs)}"]


def compose(  # noqa: PLR0917 - what jobs are made of, each of it named
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
    """The jobs of the workers on `target` and of the report `name`. Writes nothing. `folder` None: one that is not there yet.

    Raises InputError when the site's settings make no shell script.
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
    """Write the scripts and give them to sbatch. When one is refused, those already taken are cancelled.

    Raises ClusterError with sbatch's words, StoreError.
    """
    taken = Submission(
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
            taken = submission.changed(taken, jobs={**taken.jobs, job: array.workers})
            submission.save(jobs.folder, taken)  # at once: whatever happens next, the ids are how to cancel
        report = cluster.submit(after(list(taken.jobs)), jobs.report_path, jobs.report_arguments)
        taken = submission.changed(taken, report=report)
        submission.save(jobs.folder, taken)
    except cluster.ClusterError as error:
        raise cluster.ClusterError(f"{error}\n{_cancel_submission(jobs, taken)}") from error
    except BaseException:  # Ctrl-C, too, leaves nothing half-submitted
        print(_cancel_submission(jobs, taken), file=sys.stderr)
        raise
    return taken


def _cancel_submission(jobs: Jobs, taken: Submission) -> str:
    """Cancel what was taken of a submission; what came of that."""
    ids = taken.all_jobs
    if not ids:
        shutil.rmtree(jobs.folder, ignore_errors=True)  # two scripts that nobody runs
        return "nothing was submitted"
    problem = cluster.cancel(ids)
    if problem is not None:
        return f"submitted before that: {', '.join(ids)}, not cancelled ({problem}); do so with: scancel {' '.join(ids)}"
    submission.save(jobs.folder, submission.changed(taken, cancelled=True))
    return f"job {', '.join(ids)}, taken before that, is cancelled again; nothing is left of this submission"
