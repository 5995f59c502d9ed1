"""A results folder -> a copy of the files that are kept; what is left out of it; the copy in the place of an earlier one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from harness.store import atomic, publication
from harness.store.paths import RUN_ID, Paths, RunPaths
from harness.store.provenance import Provenance, content_digest
from harness.store.publication import Publication
from harness.store.trial_runs import memberships, steps_of_trials

SMALL = 20_000  # bytes of a log or of predictions
IGNORED = shutil.ignore_patterns(".harness-*", "*.tmp", "*.lock", "lease.*", "desk")
# In this order, while workers train: what a file names has then been copied or exists. The ledger names results, plans and
# trials name runs.
FOLDERS = ("ledger", "plans", "studies")
JOURNAL = "journal.log"


def has_results(folder: Path) -> bool:
    """Whether it is a results folder in which something was planned."""
    return (folder / "plans").is_dir() or (folder / "studies").is_dir()


def copy(source: Path, target: Path) -> int:
    """Copy what reports are made of; of runs also predictions, as links. Returns the number of finished runs."""
    target.mkdir()
    for name in FOLDERS:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, ignore=IGNORED, copy_function=_copy_unless_gone)
    for journal in target.rglob(JOURNAL):
        data = journal.read_bytes()
        journal.write_bytes(data[: data.rfind(b"\n") + 1])  # a line that was being written is not whole
    (target / "runs").mkdir()
    of_trials = {*memberships(Paths(target), replaced=True), *steps_of_trials(Paths(target))}
    finished = 0
    for folder in sorted((source / "runs").iterdir()) if (source / "runs").is_dir() else ():
        if RUN_ID.fullmatch(folder.name) and ((folder / "result.json").exists() or folder.name in of_trials):
            finished += _copy_run(RunPaths(folder), RunPaths(target / "runs" / folder.name))
    if (source / "environments").is_dir():  # last: a run names its list of packages, which is written before
        shutil.copytree(source / "environments", target / "environments", ignore=IGNORED)
    marker = source / ".harness-folder.json"
    if marker.exists():
        shutil.copyfile(marker, target / marker.name)
    if (earlier := publication.read(Paths(source))) != publication.NONE:
        publication.write(Paths(target), earlier)
    return finished


def _copy_unless_gone(source: str, target: str) -> None:
    """Copy a file, unless a worker has removed it since the folder was listed."""
    with suppress(FileNotFoundError):
        shutil.copyfile(source, target)


def _copy_run(source: RunPaths, target: RunPaths) -> bool:
    """Copy a run, finished or a trial's; returns whether it has finished."""
    target.folder.mkdir()
    finished = source.result.exists()
    names = [source.spec, source.provenance, source.metrics, source.log, *sorted(source.folder.glob("result.*.json"))]
    for path in [*names, *sorted(source.folder.glob("provenance.*.json")), *([source.result] if finished else [])]:
        if path.exists() and (path != source.log or path.stat().st_size <= SMALL):
            shutil.copyfile(path, target.folder / path.name)
    if finished and source.predictions.exists():
        target.predictions.symlink_to(source.predictions)
    return finished


def leave_out(folder: Path, shortened: Mapping[str, str]) -> None:
    """Remove large predictions and what can be made again, make links files, and write what was left out, now or earlier.

    `shortened`: as in `Publication`.
    """
    paths = Paths(folder)
    earlier = publication.read(paths)
    large = [run_id for run_id in earlier.left_out.get("predictions.npz", ()) if _lacks_predictions(paths.run(run_id))]
    for path in sorted(folder.glob("runs/*/predictions.npz")):
        data = path.read_bytes() if path.stat().st_size <= SMALL else None
        path.unlink()
        if data is None:
            large.append(path.parent.name)
        else:
            path.write_bytes(data)
    shutil.rmtree(folder / "cache", ignore_errors=True)
    left_out = {"predictions.npz": tuple(sorted(large))} if large else {}
    kept = {run_id: digest for run_id, digest in earlier.shortened.items() if _has_provenance(paths.run(run_id), digest)}
    found = Publication(left_out=left_out, shortened=dict(sorted({**kept, **shortened}.items())))
    paths.publication.unlink(missing_ok=True)
    if found != publication.NONE:
        publication.write(paths, found)


def _lacks_predictions(run: RunPaths) -> bool:
    return run.result.exists() and not run.predictions.exists()


def _has_provenance(run: RunPaths, digest: str) -> bool:
    return run.provenance.exists() and content_digest(atomic.read_json(run.provenance, Provenance)) == digest


def replace(target: Path, copy: Path) -> None:
    """Make `target` the same as `copy`: unchanged files are not written, others replaced, those of `target` alone removed."""
    wanted = {path.relative_to(copy) for path in copy.rglob("*") if path.is_file()}
    for path in sorted(wanted):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        data = (copy / path).read_bytes()
        if not (target / path).is_file() or (target / path).read_bytes() != data:
            (target / path).write_bytes(data)
    for path in sorted(target.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
        elif path.is_file() and path.relative_to(target) not in wanted:
            path.unlink()
