"""A search asked for -> the one to go on with, written down; one that it replaces is put away."""

from __future__ import annotations

from harness.errors import StoreError
from harness.experiment.changes import reconcile_study
from harness.experiment.study import Study
from harness.search.broker import alone
from harness.store import atomic
from harness.store import lease as leases
from harness.store.lease import Holder, LeaseState, SupersededError, Timing, Watch
from harness.store.paths import StudyPaths
from harness.store.records import Store


def prepare(store: Store, asked: Study, replan: bool = False) -> Study:
    """`settle`, and the study written down; one that it replaces is archived, its runs stay.

    Raises StoreError, too, where trials of the one to be replaced are being trained.
    """
    paths, watch = store.paths.study(asked.name), Watch(Timing(), Holder.here())
    while True:
        try:
            with alone(paths, watch) as own:
                new = replan or not paths.spec.exists()
                study, replaces = settle(store, asked, replan)
                if not new:
                    atomic.write_json(paths.spec, study, own)
                    return study
                if replaces:
                    _refuse_in_training(store, asked.name, watch)
                    own.check()
                    store.archive_study(asked.name)
                atomic.make_folder(paths.folder)
                if atomic.publish(paths.spec, atomic.to_json(study)):
                    return study
                replan = False  # somebody was quicker: theirs is gone on with
        except SupersededError:  # slept for so long that another one went on here
            continue


def settle(store: Store, asked: Study, replan: bool = False) -> tuple[Study, bool]:
    """The study to go on with where `asked` is wanted, and whether it takes the place of another one, which is to be archived.

    That is the one that is there, with the new target and words. Raises PlanChanged with the difference where another one of the
    name is there and `replan` is false, StoreError.
    """
    stored = store.load_study(asked.name)
    if stored is None or replan:
        return asked, stored is not None
    return reconcile_study(stored, asked), False


def in_training(paths: StudyPaths, watch: Watch) -> tuple[str, LeaseState] | None:
    """A trial, by its number, that somebody trains, and who that is; None where nobody trains any."""
    for folder in sorted(paths.trials.glob("*")):
        seen = leases.newest(folder)
        if seen is not None and not watch.seems_gone(seen):  # who wakes up later finds another search there
            return folder.name, seen
    return None


def _refuse_in_training(store: Store, name: str, watch: Watch) -> None:
    if found := in_training(store.paths.study(name), watch):
        trial, seen = found
        holder = f" on {seen.claim.holder.host} (process {seen.claim.holder.pid})" if seen.claim else ""
        raise StoreError(
            f"{name}: trial {trial} is being trained{holder}; stop the search's workers before --replan "
            f"(one whose machine is gone counts as gone {watch.timing.stale_s:.0f} seconds after its last sign of life)"
        )
