"""Where trials are kept: which addresses are taken, and that no error shows a password."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from harness.errors import InputError, StoreError
from harness.search.storage import close_storage, open_storage, storage_url, using_storage, without_credentials
from harness.store.paths import Paths

SECRET = {
    "postgresql://me:secret@host/trials": "postgresql://…@host/trials",
    "postgres://me:sec/ret@host:5433/trials": "postgres://…@host:5433/trials",
    "postgresql://me:sec?ret@host/trials": "postgresql://…@host/trials",
    "postgresql://host/trials?user=me&password=secret": "postgresql://host/trials",
    "postgresql://host/trials?password=sec@ret": "postgresql://host/trials",
}


@pytest.mark.parametrize("url", SECRET)
def test_an_error_shows_the_url_without_its_password(url: str) -> None:
    from sqlalchemy.exc import OperationalError

    assert storage_url(url) == url
    assert without_credentials(url) == SECRET[url]
    driver = url.replace("postgresql:", "postgresql+psycopg:").replace("postgres:", "postgresql+psycopg:")
    with pytest.raises(StoreError) as caught, using_storage(url):
        raise OperationalError("connect", None, Exception(f"no answer from {driver}, that is {url}"))
    assert (
        str(caught.value) == f"--storage: {without_credentials(url)} cannot be used: " + str(caught.value).partition("used: ")[2]
    )
    assert "sec" not in str(caught.value)
    assert "ret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:sec@ret@host/trials",
        "postgresql://host:1/trials?password=sec@ret&user=me",
        "postgresql://me:x@host:secret/db",
    ],
)
def test_a_password_that_would_be_parsed_as_the_host_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(InputError, match="with @ in a user or a password written as %40") as caught:
        storage_url(url)
    assert "sec" not in str(caught.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file:trials?mode=memory&uri=true"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="workers cannot share a database in memory; use sqlite:///file"):
        storage_url(url)


def test_the_option_comes_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_STORAGE", "sqlite:///trials.db")
    assert storage_url(None) == "sqlite:///trials.db"
    assert storage_url("sqlite:////others.db") == "sqlite:////others.db"
    assert storage_url("journal") is None


@pytest.mark.parametrize("statement", ["CREATE TABLE trials", "CREATE TABLE alembic_version", "INSERT INTO alembic_version"])
def test_a_database_that_another_process_creates_at_the_same_time_is_opened(tmp_path: Path, statement: str) -> None:
    paths, url, opened = Paths(tmp_path).study("search"), f"sqlite:///{tmp_path}/trials.db", []

    def overtaken(_connection: object, _cursor: object, text: str, *_: object) -> None:
        if text.strip().startswith(statement) and not opened:
            opened.append(None)
            opened[0] = open_storage(paths, url)  # by the other, from its first to its last step

    event.listen(Engine, "before_cursor_execute", overtaken)
    try:
        opened.append(open_storage(paths, url))
    finally:
        event.remove(Engine, "before_cursor_execute", overtaken)
    assert [storage.get_all_studies() for storage in opened] == [[], []]
    for storage in opened:
        close_storage(storage)
