"""The folder of an export: replaced as a whole, and only if it is an export."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from reported import planned

from harness.errors import InputError
from harness.exporting.target import MARKER, refuse_foreign, writing
from harness.exporting.tensorboard_files import folder_name
from harness.store.records import Store

command = importlib.import_module("harness.export")


def fill(target: Path, text: str, kind: str = "csv") -> None:
    with writing(target, kind, ["toys"], "1.0") as new:
        (new / "runs.csv").write_text(text)


def test_an_export_replaces_the_earlier_one_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "there" / "csv"
    fill(target, "one")
    (target / "extra").mkdir()  # an empty folder holds nothing
    fill(target, "two")
    assert sorted(path.name for path in target.iterdir()) == [MARKER, "runs.csv"]
    assert (target / "runs.csv").read_text() == "two"
    assert [path.name for path in target.parent.iterdir()] == ["csv"]


def test_an_export_that_fails_leaves_the_earlier_one(tmp_path: Path) -> None:
    fill(tmp_path / "csv", "one")

    def fail() -> None:
        with writing(tmp_path / "csv", "csv", [], "1.0") as new:
            (new / "runs.csv").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (tmp_path / "csv" / "runs.csv").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["csv"]


def test_what_a_killed_export_left_is_removed_by_the_next(tmp_path: Path) -> None:
    fill(tmp_path / "csv", "one")
    killed = (
        "import os, sys; from pathlib import Path; from harness.exporting.target import writing\n"
        "with writing(Path(sys.argv[1]), 'csv', [], '1.0') as new:\n    (new / 'runs.csv').write_text('half'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", killed, str(tmp_path / "csv")], check=False).returncode == 9
    assert len([*tmp_path.iterdir()]) == 2
    assert (tmp_path / "csv" / "runs.csv").read_text() == "one"
    with writing(tmp_path / "csv", "csv", [], "1.0") as new:
        fill(tmp_path / "csv", "two")  # while another process writes, its folder stays
        assert new.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["csv"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"notes.txt": "mine"}, "contains files that are not an export"),
        ({MARKER: "{}"}, "is not valid"),
    ],
)
def test_a_folder_of_something_else_is_refused(tmp_path: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        refuse_foreign(tmp_path, "csv")
    assert {path.name for path in tmp_path.iterdir()} == {*files}


def test_files_that_somebody_added_to_an_export_are_not_lost(tmp_path: Path) -> None:
    fill(tmp_path / "csv", "one")
    (tmp_path / "csv" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt would be lost"):
        fill(tmp_path / "csv", "two")
    with pytest.raises(InputError, match="contains an export to csv"):
        refuse_foreign(tmp_path / "csv", "mlflow")
    with pytest.raises(InputError, match="is a file"):
        refuse_foreign(tmp_path / "csv" / "notes.txt", "csv")


def test_a_killed_export_is_found_whatever_its_name_and_those_of_others_stay(tmp_path: Path) -> None:
    for name in ("a[1]", "*"):
        (tmp_path / f".{name}.export-left").mkdir()
    (tmp_path / ".other.export-left" / "old").mkdir(parents=True)
    fill(tmp_path / "a[1]", "one")
    fill(tmp_path / "*", "one")
    assert {path.name for path in tmp_path.iterdir()} == {"a[1]", "*", ".other.export-left"}


def test_an_export_is_written_neither_beside_runs_nor_in_place_of_the_current_folder(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = planned(store, {"base": [93.0]}, name="toys")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("circle").symlink_to("circle")
    words = [plan.name, "--results", str(store.paths.root), "--to", "csv", "--into"]
    said = {
        str(store.paths.runs / "new"): "is in the results folder; choose a folder outside it, or below ",
        str(store.paths.root): "is in the results folder",
        ".": "is the current folder, and would be replaced",
        "circle": "cannot be found: ",
    }
    for into, message in said.items():
        assert command.main([*words, into]) == 2, into
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"--into {into}: {message}")
    assert not (store.paths.runs / "new").exists()
    assert command.main([*words, str(store.paths.exports / "mine")]) == 0


def test_bad_input_is_one_line_and_exit_code_2(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    planned(store, {"base": []}, name="toys")
    root = ["--results", str(store.paths.root)]
    assert command.main(["tyos", *root, "--to", "csv"]) == 2
    assert "no plan, search or run 'tyos'" in capsys.readouterr().err
    assert command.main(["toys", *root, "--to", "csv"]) == 2
    assert capsys.readouterr().err == "toys: no run has begun, so there is nothing to export; see: harness status toys\n"
    assert command.main(["toys", *root, "--to", "excel"]) == 2
    assert "'excel'" in capsys.readouterr().err
    assert not (store.paths.root / "exports").exists()


@pytest.mark.parametrize("kind", ["mlflow", "tensorboard"])
def test_a_missing_library_is_named_with_its_command(
    kind: str, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == kind else object())
    assert command.main(["toys", "--results", str(store.paths.root), "--to", kind]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{kind} is not installed, but needed for --to {kind}; install: python -m pip install ")


def test_the_default_folder_is_that_of_the_name_and_the_results_stay(store: Store) -> None:
    plan = planned(store, {"base": [93.0], "b": [94.0]}, name="toys")
    before = {path: path.stat().st_mtime_ns for path in store.paths.root.rglob("*") if path.is_file()}
    assert command.main([plan.name, "--results", str(store.paths.root), "--to", "csv"]) == 0
    target = store.paths.root / "exports" / "toys" / "csv"
    assert {path.name for path in target.iterdir()} == {"curves.csv", "runs.csv", MARKER}
    after = {path: path.stat().st_mtime_ns for path in store.paths.root.rglob("*") if path.is_file()}
    unchanged = {path for path in after if not path.is_relative_to(target) and "cache" not in path.parts}
    assert {path: after[path] for path in unchanged} == {path: at for path, at in before.items() if "cache" not in path.parts}


def test_folders_of_variants_are_safe_and_differ() -> None:
    assert folder_name("lr=0.1, width=64") == "lr=0.1, width=64"
    assert folder_name("feature/muon") == "feature/muon"
    assert folder_name("10 % less") == "10 % less"
    strange = ["../up", "/top", "..", ".", "a//b", "a\n", "%0A", "a%0A", "x" * 300, "x" * 301, "ü" * 150]
    folders = [folder_name(label) for label in strange]
    assert len({*folders}) == len(strange)
    for folder in folders:
        assert all(part not in ("", ".", "..") and len(part.encode()) < 255 for part in folder.split("/"))
        assert folder.isprintable()
