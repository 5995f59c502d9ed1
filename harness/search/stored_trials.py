"""The storage of a search -> its trials, without creating or changing anything."""

from __future__ import annotations

from harness.common.optional_packages import load
from harness.errors import HarnessError, StoreError
from harness.experiment.study import Study
from harness.search.storage import close_storage, open_storage, using_storage
from harness.search.trials import Trial, trial_of
from harness.store import atomic
from harness.store.paths import StudyPaths

DAMAGED = "restore it from a copy, or start a new search with --replan"


def read_trials(paths: StudyPaths, study: Study, url: str | None = None) -> list[Trial] | None:
    """`TrialBroker.trials` without creating anything; None: no trials yet.

    If there is a journal, it is read, and `url` is ignored. Raises StoreError if the storage cannot be used or is damaged,
    PackageError without Optuna.
    """
    if atomic.exists(paths.journal):
        url = None
    elif url is None:
        return None
    load("optuna", "the trials of searches")  # else the journal would seem damaged
    try:
        found = _from_storage(paths, study, url)
    except HarnessError:
        raise
    except Exception as error:  # Optuna replays a damaged journal until anything fails
        where, why = (paths.journal if url is None else paths.spec), f"{type(error).__name__}: {error}"
        raise StoreError(f"{where}: its trials are damaged ({why}); {DAMAGED}") from error
    if found is None and url is None and atomic.matches(paths.trials, "*/runs.json"):
        raise StoreError(
            f"{paths.journal}: damaged: it has no trials of {stored_name(study)}, of which there are runs; {DAMAGED}"
        )
    return found


def _from_storage(paths: StudyPaths, study: Study, url: str | None) -> list[Trial] | None:
    import optuna

    storage = open_storage(paths, url)
    try:
        with using_storage(url):
            try:
                stored = optuna.load_study(storage=storage, study_name=stored_name(study))
            except KeyError:
                return None
            if [direction.name.lower() for direction in stored.directions] != list(study.objectives.values()):
                raise ValueError(f"its objectives are not those of {paths.spec}")
            return [trial_of(study, frozen) for frozen in stored.get_trials(deepcopy=False)]
    finally:
        close_storage(storage)


def stored_name(study: Study) -> str:
    """The name of the study in its storage. Unique: a database may hold studies of several results folders."""
    return f"{study.name} {study.created}"
