"""MLflow's two stores, as mlflow wrote them (tests/fixtures/mlflow) -> a row per finished run."""

import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.existing.read import read

FIXTURES = Path(__file__).parent.parent / "fixtures" / "mlflow"


@pytest.fixture(params=["files", "database"])
def store(request, tmp_path):
    """The folder that mlflow wrote to."""
    if request.param == "database":
        with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
            database.executescript((FIXTURES / "database.sql").read_text())
        return tmp_path
    return of_files(tmp_path)


def of_files(folder):
    for name, text in json.loads((FIXTURES / "files.json").read_text()).items():
        file = folder / "mlruns" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


@pytest.fixture
def file_store(tmp_path):
    return of_files(tmp_path)


def test_both_stores_give_the_same_rows(store):
    found = read(str(store))
    frame = found.frame
    assert [*zip(frame["experiment"], frame["run"], strict=True)].count(("other/one", "base-3")) == 1
    assert sorted(zip(frame["experiment"], frame["run"], strict=True)) == [
        *(("other/one", f"{variant}-{seed}") for variant in ("base", "new") for seed in (0, 1, 3)),
        *(("toys", name) for name in ("base-0", "base-1", "new-0", "new-1", "new-3")),  # base-3 was deleted
    ]
    last = frame[(frame["experiment"] == "toys") & (frame["run"] == "new-1")].iloc[0].to_dict()
    assert len(last.pop("id")) == 32
    assert last == {
        "run": "new-1",
        "experiment": "toys",
        "param.optimizer.lr": 0.1,
        "param.seed": 1,
        "param.variant": "new",
        "metric.accuracy": 92.2,
        "metric.test/loss": 0.5,
        "tag.owner": "me",
    }
    assert (found.seed, found.variants) == ("param.seed", ("param.variant",))
    assert found.metrics == ("metric.accuracy", "metric.test/loss")
    assert frame["param.seed"].dtype == "int64"


def test_a_value_that_is_nan_is_not_an_empty_cell(store):
    found = read(str(store))
    diverged = found.frame[found.frame["param.seed"] == 3]
    assert len(diverged) == 3
    assert all(math.isnan(loss) for loss in diverged["metric.test/loss"])
    assert "metric.test/loss" not in found.empty


def test_runs_that_did_not_finish_are_left_out_and_noted(store):
    assert read(str(store)).notes == (
        "1 run in state FAILED was left out, as only finished runs count: broken",
        "1 run in state RUNNING was left out, as only finished runs count: going",
    )


def test_infinite_values_stay_infinite(tmp_path):
    with closing(sqlite3.connect(tmp_path / "own.db")) as database:
        database.executescript((FIXTURES / "database.sql").read_text())
        database.execute("UPDATE runs SET status = 'FINISHED'")
        database.commit()
    frame = read(str(tmp_path / "own.db")).frame.set_index(["experiment", "run"])
    assert frame.loc[("toys", "broken"), "metric.accuracy"] == math.inf
    assert frame.loc[("toys", "going"), "metric.accuracy"] == -math.inf
    assert read(f"sqlite:///{tmp_path / 'own.db'}", "mlflow").frame.shape == read(str(tmp_path / "own.db")).frame.shape


def test_in_files_the_last_step_counts_then_the_time(file_store):
    files = list(file_store.rglob("accuracy"))
    for file in files:
        file.write_text("7 1.5 10\n9 2.5 10\n8 3.5 10\n10 4.5 2\n")
    assert set(read(str(file_store / "mlruns")).frame["metric.accuracy"]) == {2.5}
    for file in files:
        file.write_text("7 1.5\n9 inf\n8 3.5\n")  # before version 1 there were no steps
    assert set(read(str(file_store)).frame["metric.accuracy"]) == {math.inf}


def test_a_second_store_beside_the_first_is_noted(file_store):
    (file_store / "mlflow.db").write_bytes(b"")
    last = read(str(file_store)).notes[-1]
    assert (
        last == f"{file_store}/mlflow.db was not read, as there are runs in {file_store}/mlruns, too; to read it, give its path"
    )


def test_a_place_names_the_run(store):
    found = read(str(store))
    run = found.frame.iloc[2]
    assert found.place(2) == f"run {run['run']} ({run['id']})"


def test_a_damaged_file_is_named(file_store):
    file = min(file_store.rglob("accuracy"))
    file.write_text("1 0.5 0\nhalf a\n")
    with pytest.raises(InputError, match=f"{file}: line 2: 'half a' is not: time value step"):
        read(str(file_store))
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is not valid UTF-8"):
        read(str(file_store))
    file.parent.parent.joinpath("meta.yaml").write_text("a: [")
    with pytest.raises(InputError, match=r"meta.yaml: is not valid YAML"):
        read(str(file_store))


def test_what_is_no_store_is_an_error(tmp_path):
    with pytest.raises(InputError, match="neither a folder mlruns of MLflow nor an SQLite database"):
        read(str(tmp_path), "mlflow")
    with closing(sqlite3.connect(tmp_path / "other.db")) as database:
        database.execute("CREATE TABLE runs (id)")
    with pytest.raises(InputError, match=r"is not MLflow's database, as it has no table experiments, "):
        read(str(tmp_path / "other.db"))
    (tmp_path / "torn.db").write_bytes(b"SQLite format 3\0" + bytes(200))
    with pytest.raises(InputError, match="cannot be read as MLflow's database"):
        read(str(tmp_path / "torn.db"))


def test_a_store_without_a_finished_run_is_an_error(file_store):
    for meta in file_store.rglob("meta.yaml"):
        meta.write_text(meta.read_text().replace("status: 3", "status: 5"))
    with pytest.raises(InputError, match="no finished run was found; 11 runs in state KILLED were left out"):
        read(str(file_store))
