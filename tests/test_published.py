"""The results in results/published/: every file is intact, and the reports can be written again from them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.errors import EXIT_OK

PUBLISHED = Path(__file__).parent.parent / "results" / "published"
FOLDERS = sorted(path for path in PUBLISHED.iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_published_results_are_whole_and_give_the_same_verdicts_again(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(folder, tmp_path / "results")
    assert main(["verify", "--results", str(copy)]) == EXIT_OK
    assert "no problems found" in capsys.readouterr().out
    before = {path: path.read_text() for path in copy.glob("reports/*/verdicts.json")}
    assert before
    for path in before:
        path.unlink()
    assert main(["report", "--results", str(copy)]) == EXIT_OK
    assert {path: path.read_text() for path in before} == before
