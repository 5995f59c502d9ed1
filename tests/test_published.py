"""The results in results/published/: every file is intact, and the reports can be written again from them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from last_digits import within_last_digits

from harness.__main__ import main
from harness.errors import EXIT_OK
from harness.reporting.pages import find, gather
from harness.reporting.pages.data_files import verdicts
from harness.store.atomic import to_json
from harness.store.records import Store

PUBLISHED = Path(__file__).parent.parent / "results" / "published"
FOLDERS = sorted(path for path in PUBLISHED.iterdir() if path.is_dir())
QUICK = 3  # reports whose figures are drawn in a quick test


def reports(folder: Path) -> list[Path]:
    return sorted(folder.glob("reports/*/verdicts.json"))


@pytest.mark.parametrize(
    "folder",
    [pytest.param(path, id=path.name, marks=[pytest.mark.slow] * (len(reports(path)) > QUICK)) for path in FOLDERS],
)
def test_published_results_are_whole_and_give_the_same_verdicts_again(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(folder, tmp_path / "results")
    assert main(["verify", "--results", str(copy)]) == EXIT_OK
    assert "no problems found" in capsys.readouterr().out
    before = {path: json.loads(path.read_bytes()) for path in reports(copy)}
    assert before
    for path in before:
        path.unlink()
    assert main(["report", "--results", str(copy)]) == EXIT_OK
    for path, expected in before.items():
        assert json.loads(path.read_bytes()) == within_last_digits(expected), path


@pytest.mark.parametrize(
    "folder", [pytest.param(path, id=path.name) for path in FOLDERS if len(reports(path)) > QUICK] or [FOLDERS[0]]
)
def test_of_many_published_reports_the_first_gives_the_same_verdicts_again(folder: Path, tmp_path: Path) -> None:
    store = Store.open(shutil.copytree(folder, tmp_path / "results"), create=False)
    first = reports(store.paths.root)[0]
    plan = find(store, first.parent.name)
    again = to_json(verdicts(gather(store, plan, predictions=False)))  # type: ignore[arg-type]
    assert json.loads(again) == within_last_digits(json.loads(first.read_bytes()))


def test_only_last_digits_may_differ() -> None:
    value = {"claims": [{"mean": 0.0031192660550458697, "p": 1e-20, "n": 12, "verdict": "supported"}]}
    (claim,) = value["claims"]
    assert {"claims": [{**claim, "mean": 0.0031192660550458684}]} == within_last_digits(value)
    for change in ({"mean": 0.00311926700}, {"p": 1e-8}, {"n": 13}, {"verdict": "refuted"}, {"sd": 1.0}):
        assert {"claims": [{**claim, **change}]} != within_last_digits(value)
