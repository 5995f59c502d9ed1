"""Optuna's storage: a journal file in the results folder, or a database."""

from __future__ import annotations

import os
import random
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.common.optional_packages import load
from harness.errors import InputError, StoreError
from harness.store import atomic
from harness.store.lease import SupersededError
from harness.store.paths import StudyPaths

if TYPE_CHECKING:
    import optuna

VARIABLE = "HARNESS_STORAGE"
DATABASES = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "sqlite": "sqlite"}
MOST_TRIES = 20  # tries to open a database whose tables others create at the same time
PAUSE_S = 0.2  # between them, at most
SQLITE_WAIT_S = 60.0  # while other workers write; the default of 5 s is too short for a slow disk
UNREADABLE = (
    "--storage: invalid URL; allowed: postgresql://user:password@host:port/database, "
    "with @ in a user or a password written as %40, / as %2F, : as %3A and ? as %3F"
)


def storage_url(option: str | None) -> str | None:
    """`--storage`, else $HARNESS_STORAGE; None: the journal. Raises InputError for other databases.

    A URL may contain a password, so it is never saved: workers get it in the environment variable.
    """
    url = option or os.environ.get(VARIABLE) or None
    if url is None or url == "journal":
        return None
    scheme = url.partition(":")[0]
    if scheme not in DATABASES:
        choices = "journal, postgresql://user:password@host/database, sqlite:///file (for workers on one machine)"
        raise InputError(f"--storage: unsupported storage {scheme!r}; choose from: {choices}")
    _check(url)
    return url


def uses_database(paths: StudyPaths) -> bool:
    """Whether a search that has started keeps its trials in a database."""
    return not atomic.exists(paths.journal) and atomic.is_folder(paths.trials)


def refuse_other_storage(paths: StudyPaths, url: str | None) -> None:
    """Raises InputError if a search that has started keeps its trials elsewhere than at `url` (None: the journal)."""
    name = paths.folder.name
    if url is None and uses_database(paths):
        raise InputError(f"{name}: its trials are in a database; set its URL with --storage or ${VARIABLE}")
    if url is not None and atomic.exists(paths.journal):
        raise InputError(f"{name}: its trials are in {paths.journal}; use --storage journal, or unset ${VARIABLE}")


def without_credentials(url: str) -> str:
    """The URL without user, password and options, for messages."""
    from sqlalchemy import make_url

    parsed = make_url(url)
    server = f"{'…@' if parsed.username else ''}{parsed.host or ''}{f':{parsed.port}' if parsed.port else ''}"
    return f"{parsed.drivername}://{server}/{parsed.database or ''}"


def open_storage(paths: StudyPaths, url: str | None) -> optuna.storages.BaseStorage:
    """The journal of the study, or the database at `url`. Raises StoreError if it cannot be opened."""
    import optuna

    if url is None:
        atomic.make_folder(paths.folder)
        from harness.search.journal import Journal

        with using_storage(None):
            return optuna.storages.JournalStorage(Journal(paths.journal))  # type: ignore[arg-type]  # its base class is not public
    settings: dict[str, Any] = {"pool_pre_ping": True, "pool_size": 1}
    if url.startswith("sqlite"):
        settings["connect_args"] = {"timeout": SQLITE_WAIT_S}
    with using_storage(url):
        return _database(_with_driver(url), settings)


def close_storage(storage: optuna.storages.BaseStorage) -> None:
    """Close the connections to a database; a journal has none."""
    import optuna

    if isinstance(storage, optuna.storages.RDBStorage):
        storage.remove_session()
        storage.engine.dispose()


@contextmanager
def using_storage(url: str | None) -> Iterator[None]:
    """Access to the storage at `url`: silences Optuna and translates errors.

    Raises SupersededError if a trial to be written has finished already, StoreError if the storage cannot be used, InputError if
    the database's driver is missing.
    """
    import optuna

    try:
        with quiet():
            if url is None:
                yield
            else:
                with _translated_errors(url):
                    yield
    except optuna.exceptions.UpdateFinishedTrialError as error:
        raise SupersededError("the trial was given back meanwhile") from error
    except OSError as error:
        raise StoreError(f"the search's trials cannot be read or written: {error}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Optuna's log and its warnings about experimental features."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)


def _check(url: str) -> None:
    """Raises InputError for a URL whose password would be parsed as part of the host, or that workers cannot share.

    Raises PackageError without Optuna, which brings the library that reads URLs.
    """
    load("optuna", "searches")
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise InputError(UNREADABLE) from error
    if any(mark in (parsed.host or "") for mark in "@&="):  # part of a password, which errors would show
        raise InputError(UNREADABLE)
    in_memory = not parsed.database or ":memory:" in url or "mode=memory" in url
    if parsed.drivername == "sqlite" and in_memory:
        raise InputError("--storage: workers cannot share a database in memory; use sqlite:///file")


def _with_driver(url: str) -> str:
    scheme, _, rest = url.partition(":")
    return f"{DATABASES[scheme]}:{rest}"


def _database(url: str, settings: dict[str, Any]) -> optuna.storages.RDBStorage:
    """The database at `url`; its tables are made by the first who opens it.

    Of several who open an empty database at once, all but one can fail at creating what another has just created; they try again.
    """
    import optuna
    from sqlalchemy.exc import DBAPIError, IntegrityError

    tries = 0
    while True:
        try:
            return optuna.storages.RDBStorage(url, engine_kwargs=settings)
        except DBAPIError as error:
            tries += 1
            just_created = isinstance(error, IntegrityError) or "already exists" in str(error)
            if not just_created or tries == MOST_TRIES:
                raise
        time.sleep(random.uniform(0.0, PAUSE_S))


@contextmanager
def _translated_errors(url: str) -> Iterator[None]:
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except ImportError as error:
        raise InputError(
            f"--storage: {without_credentials(url)} needs a driver: pip install 'psycopg[binary]' ({error})"
        ) from error
    except (SQLAlchemyError, StorageInternalError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        for secret in (_with_driver(url), url):
            reason = reason.replace(secret, without_credentials(url))
        raise StoreError(f"--storage: {without_credentials(url)} cannot be used: {reason}") from error
