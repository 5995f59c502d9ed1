"""The searches of a results folder, read from their files."""

from __future__ import annotations

from harness.errors import StoreError
from harness.experiment.study import Study
from harness.store import atomic
from harness.store.paths import NAME
from harness.store.records import Store


def load_study(store: Store, name: str) -> Study | None:
    """The search `name`, or None. Raises StoreError when its file is damaged or from a newer version."""
    try:
        return atomic.read_json(store.paths.study(name).spec, Study)
    except FileNotFoundError:
        return None


def study_names(store: Store) -> list[str]:
    """Every search's name, sorted."""
    return sorted(path.parent.name for path in store.paths.studies.glob("*/search.json") if NAME.fullmatch(path.parent.name))


def load_studies(store: Store) -> tuple[list[Study], list[StoreError]]:
    """Every search that can be read, by name; and what is wrong with each other one."""
    studies, errors = [], []
    for name in study_names(store):
        try:
            study = load_study(store, name)
        except StoreError as error:
            errors.append(error)
        else:
            studies += [study] if study is not None else []
    return studies, errors
