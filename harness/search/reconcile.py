"""Compare a requested search with the stored one: resume, replace (archiving the old one), or refuse."""

from __future__ import annotations

from harness.errors import StoreError
from harness.execution.recording import archive_study
from harness.experiment.changes import reconcile_study
from harness.experiment.study import Study
from harness.search.broker import exclusive
from harness.store import atomic
from harness.store import lease as leases
from harness.store.holder import Holder
from harness.store.lease import LeaseState, SupersededError, Timing, Watch
from harness.store.paths import StudyPaths
from harness.store.records import Store
from harness.store.seal import sealed_json


def prepare(store: Store, requested: Study, replan: bool = False) -> Study:
    """`resolve_study`, then save the study and archive one that it replaces; its runs are kept.

    Also raises StoreError if trials of the one to be replaced are in training.
    """
    paths, watch = store.paths.study(requested.name), Watch(Timing(), Holder.here())
    while True:
        try:
            with exclusive(paths, watch) as own:
                new = replan or not atomic.exists(paths.spec)
                study, replaces = resolve_study(store, requested, replan)
                if not new:
                    atomic.write_bytes(paths.spec, sealed_json(study), own)
                    return study
                if replaces:
                    _refuse_in_training(store, requested.name, watch)
                    own.check()
                    archive_study(store, requested.name)
                atomic.make_folder(paths.folder)
                if atomic.publish(paths.spec, sealed_json(study)):
                    return study
                replan = False  # another process was faster: resume its study
        except SupersededError:  # slept so long that another process took over
            continue


def resolve_study(store: Store, requested: Study, replan: bool = False) -> tuple[Study, bool]:
    """The study to use when `requested` is wanted, and whether the stored one must be archived first.

    The stored study with the new target and texts. Raises PlanChanged with the difference if a different study of the name is
    stored and `replan` is false; StoreError.
    """
    stored = store.load_study(requested.name)
    if stored is None or replan:
        return requested, stored is not None
    return reconcile_study(stored, requested), False


def in_training(paths: StudyPaths, watch: Watch) -> tuple[str, LeaseState] | None:
    """The number of a trial in training, and its lease; None: no trial is in training."""
    for folder in atomic.matches(paths.trials, "*"):
        seen = leases.newest(folder)
        if seen is not None and not watch.seems_gone(seen):  # one that wakes up later notices the new search
            return folder.name, seen
    return None


def _refuse_in_training(store: Store, name: str, watch: Watch) -> None:
    if found := in_training(store.paths.study(name), watch):
        trial, seen = found
        holder = f" on {seen.claim.holder.host} (process {seen.claim.holder.pid})" if seen.claim else ""
        raise StoreError(
            f"{name}: trial {trial} is being trained{holder}; stop the search's workers before --replan "
            f"(a worker on a lost machine counts as stopped {watch.timing.stale_s:.0f} seconds after its last heartbeat)"
        )
