"""`harness submit`: queues an experiment on a SLURM cluster as arrays of workers and one job that writes the report."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.common import cli_options
from harness.terminal import completion
from harness.terminal.command_line import main_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.execution.options import WorkerOptions
    from harness.launch.workload import Assignment
    from harness.slurm.jobs import Jobs, Part
    from harness.slurm.site import Site
    from harness.slurm.submission import Submission
    from harness.store.paths import Paths
    from harness.store.snapshot import Snapshot

LOCAL_DISKS = ("ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "ramfs", "overlay")
RESERVED = ("--array", "--wrap", "--parsable", "--dependency", "--test-only", "--wait", "--help")


def submit(
    *,
    experiment: completion.Experiment,
    sbatch: Annotated[
        list[str] | None, typer.Argument(metavar="-- SBATCH_OPTION", help="further options for sbatch, after --")
    ] = None,
    profile: completion.Profile = None,
    settings: cli_options.Settings = None,
    seeds: cli_options.Seeds = None,
    first_seed: cli_options.FirstSeed = None,
    trials: cli_options.Trials = None,
    retry: cli_options.Retry = None,
    replan: cli_options.Replan = False,
    site: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="the cluster's settings, such as slurm/sites/example.yaml; or a name, such as local, in slurm/sites/ or of a "
            "file that comes with the package",
            rich_help_panel=cli_options.HOW,
        ),
    ],
    workers: Annotated[
        int,
        typer.Option(min=1, max=10_000, metavar="N", help="number of array tasks that train", rich_help_panel=cli_options.HOW),
    ] = 1,
    dry_run: cli_options.DryRun = False,
    track: cli_options.Track = "auto",
    results: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="the results folder, on a file system that all nodes share",
            rich_help_panel=cli_options.RESULTS,
        ),
    ] = Path("results"),
    as_json: cli_options.AsJson = False,
) -> None:
    """Submit an experiment or a search to a SLURM cluster: arrays of workers that are requeued until every run has
    finished, then a job that writes the report.

    Examples:
      harness submit leakyrelu_vs_relu --site slurm/sites/example.yaml --dry-run
      harness submit leakyrelu_vs_relu --site slurm/sites/example.yaml --workers 8
      harness submit search --site slurm/sites/example.yaml --workers 8 -- -x gpu07

    Exit codes:
      0   submitted, or nothing left to train
      2   bad input or usage, or SLURM refused
    """
    from harness.errors import InputError
    from harness.launch.workload import assign
    from harness.slurm import cluster, jobs, submission
    from harness.slurm.scripts import worker_options
    from harness.slurm.site import find_site, read_site
    from harness.store.lookup import named_experiment
    from harness.store.provenance import now
    from harness.store.records import Store
    from harness.store.snapshot import snapshot
    from harness.terminal import shell

    chosen = read_site(find_site(site))
    check(sbatch or (), results)
    loaded = named_experiment(experiment, results, profile=profile, settings=settings or ())
    assumed = False
    try:
        largest = cluster.max_array_size()
    except cluster.ClusterError:
        if not dry_run:
            raise
        assumed, largest = True, cluster.DEFAULT_ARRAY_SIZE  # a dry run needs no cluster
    store = Store.open(results, create=not dry_run, must_exist=False)
    work = assign(store, loaded, chosen.accelerator, seeds, trials, replan, retry or (), save=not dry_run, first_seed=first_seed)
    if work.known:
        shell.say(work.known)
    if work.remaining + work.later == 0:
        show_done(work, as_json)
        return
    # Requeued tasks get this time too: runs that failed after it are not retried again.
    options = worker_options(chosen, track=track, retry=retry, retry_before=now() if retry else None)
    try:
        parts = divided(work, chosen, sbatch or (), workers, options, largest)
    except InputError as error:
        raise InputError(f"{site}: {error}") from error
    if dry_run:
        code = [store.paths.code / "DIGEST" / "project"]
        planned = jobs.compose(store.paths, work.name, work.target, chosen, parts, code, sbatch or ())
        if as_json:
            shell.show_json(document(work, planned))
        else:
            shell.show(*preview(work, planned, chosen, largest if assumed else None))
        return
    already = queued_before(store.paths, work.name)
    copy = snapshot(store.paths, work.task_file)
    folder = submission.new_folder(store.paths, work.name)
    made = jobs.compose(store.paths, work.name, work.target, chosen, parts, copy.imports, sbatch or (), folder)
    taken = jobs.send(made, site, copy.folder)
    for remark in filter(None, (already, unshared(results))):
        shell.say(remark)
    if as_json:
        shell.show_json(document(work, made, taken))
    else:
        shell.show(*summary(work, made, chosen), *ids(work, taken, copy, results))


def check(sbatch: Sequence[str], results: Path) -> None:
    """Raises InputError for sbatch options that `submit` sets itself and for a results folder that PYTHONPATH cannot hold."""
    from harness.errors import InputError

    if sbatch and not sbatch[0].startswith("-"):
        raise InputError(
            f"unexpected argument {sbatch[0]!r}; give one experiment, and sbatch options after --, such as: -- -x gpu07"
        )
    for word in sbatch:
        if word.partition("=")[0] in RESERVED or re.match(r"-[adWh]", word):
            raise InputError(f"{word}: is set by harness submit; remove it")
    if os.pathsep in str(results.absolute()):  # Python would split the path and import other code
        raise InputError(
            f"--results: {results.absolute()} contains {os.pathsep!r}, which separates folders in PYTHONPATH; use another folder"
        )


def show_done(work: Assignment, as_json: bool) -> None:
    """Say that nothing is left to train."""
    from harness.terminal import shell

    failed = f"; {work.failed} failed; --retry failed repeats them" if work.failed else ""
    shell.say(f"{work.name}: no runs left to train{failed}; see: harness status {work.name}")
    if as_json:
        shell.show_json({"name": work.name, "due": 0, "jobs": {}, "report": None})


def divided(  # noqa: PLR0917 - by name
    work: Assignment, site: Site, typed: Sequence[str], workers: int, options: WorkerOptions, largest: int
) -> list[Part]:
    """The workers by what runs need; says what differs from the options of the command line. Raises InputError."""
    from harness.slurm import jobs, request
    from harness.terminal import shell

    groups = request.grouped(site, work.demands, typed)
    parts = jobs.divided(groups, workers, options, largest, site.throttle)
    for remark in request.notes(groups, typed):
        shell.say(remark)
    if len(parts) > workers:
        shell.say(f"--workers {workers}: {len(parts)} are submitted, one for each of {len(parts)} requests of resources")
    return parts


def summary(work: Assignment, jobs: Jobs, site: Site) -> list[RenderableType]:
    """The runs, their cost and the workers."""
    from harness.common.durations import shown
    from harness.reporting import phrases
    from harness.terminal.tables import Line

    hours = ""
    if work.device_hours is not None:
        hours = f": {work.device_hours:,.1f} device hours" if work.device_hours >= 0.1 else ": under 0.1 device hours"
    count = len(jobs.arrays)
    limit = "" if site.throttle is None else f", {site.throttle} at once"
    reason = "limit of the cluster's arrays" if len(jobs.parts) == 1 else "runs need different resources"
    cutting = f" in {count} jobs ({reason})" if count > 1 else ""
    workers = f"{phrases.plural(jobs.workers, 'worker')} on {site.accelerator}{cutting}{limit}, {shown(site.time)} each"
    return [
        Line.of(f"{work.name}   {work.question}"),
        fact("runs", f"{work.cost}{hours}{f'; up to {work.later:,} more at later looks or stages' if work.later else ''}"),
        fact("workers", f"{workers}; {shown(site.margin)} before that a checkpoint is written and the task requeued"),
        *(fact("request", requested(part)) for part in jobs.parts if part.group.requested or len(jobs.parts) > 1),
    ]


def fact(key: str, text: str) -> RenderableType:
    """A line of the screen, wrapped on a terminal."""
    from harness.terminal.tables import Line

    return Line.of(f"  {key:<7}   {text}", hang=12)


def requested(part: Part) -> str:
    """What the workers of a part request, and for what."""
    from harness.reporting import phrases

    group = part.group
    options = shlex.join([*group.request.options, *group.request.sbatch])
    variants = f" of {phrases.listed(group.variants)}" if group.variants else ""
    return f"{phrases.plural(part.workers, 'worker')} for {phrases.plural(group.runs, 'run')}{variants}: {options}"


def ids(work: Assignment, taken: Submission, copy: Snapshot, results: Path) -> list[RenderableType]:
    """The submitted code and jobs, and the commands to watch and stop them."""
    from harness.reporting import phrases

    commit = f"commit {copy.code.commit[:7]}{', with changes' if copy.code.dirty else ''}" if copy.code.commit else "not in git"
    where = phrases.results_option(results)
    read = f"runs in {work.program}, which is not copied: workers stop if its inputs change"
    return [
        fact("code", f"{copy.folder}, {commit}: later changes have no effect on these jobs"),
        *([fact("program", read)] if work.program else []),
        fact("jobs", f"{', '.join(taken.jobs)}, then the report {taken.report}"),
        f"  see       {shlex.join(['harness', 'status', taken.name, *where])}",
        f"  stop      scancel {' '.join(taken.all_jobs)}",
    ]


def preview(work: Assignment, jobs: Jobs, site: Site, assumed: int | None) -> list[RenderableType]:
    """A dry run: the sbatch lines and the scripts."""
    from harness.terminal.tables import Line

    lines = [*summary(work, jobs, site), ""]
    if assumed is not None:
        lines += [Line.of(f"no SLURM on this machine: arrays are cut for MaxArraySize {assumed}"), ""]
    lines += [*jobs.lines(), ""]
    for path, text in jobs.files.items():
        lines += [f"==> {path} <==", text]
    return [*lines, "nothing submitted, nothing written"]


def document(work: Assignment, jobs: Jobs, taken: Submission | None = None) -> dict[str, Any]:
    """The `--json` document; a dry run has the scripts instead of job ids."""
    ids = list(taken.jobs) if taken else ()
    common = {
        "name": work.name,
        "target": str(work.target),
        "due": work.remaining,
        "later": work.later,
        "device_hours": work.device_hours,
        "workers": jobs.workers,
        "sbatch": jobs.lines(ids),
        "jobs": dict(taken.jobs) if taken else {},
        "requests": [
            {
                "resources": [needs.requested for needs in part.group.needs],
                "variants": list(part.group.variants),
                "runs": part.group.runs,
                "workers": part.workers,
                "sbatch": [*part.group.request.options, *part.group.request.sbatch],
            }
            for part in jobs.parts
        ],
        "report": taken.report if taken else None,
    }
    scripts = {} if taken else {"scripts": {path.name: text for path, text in jobs.files.items()}}
    return {**common, **({"folder": str(jobs.folder), "code": taken.code} if taken else scripts)}


def queued_before(paths: Paths, name: str) -> str | None:
    """A warning when earlier jobs of the same name are still queued or running."""
    from harness.slurm.job_status import submitted

    queue, _, _ = submitted(paths, name)
    if queue is None or not queue.live:
        return None
    return f"{name} is in the queue already (jobs {', '.join(queue.live)}): these workers are additional"


def unshared(results: Path) -> str | None:
    """A warning when the results folder seems to be on a local disk."""
    path = results.resolve()
    kinds = {}
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        kinds[Path(place)] = kind
    kind = next((kinds[folder] for folder in (path, *path.parents) if folder in kinds), "")
    if kind not in LOCAL_DISKS:
        return None
    return f"{results} is on a local disk ({kind}): every node must see it at the same path"


main = main_of(submit)

if __name__ == "__main__":
    sys.exit(main())
