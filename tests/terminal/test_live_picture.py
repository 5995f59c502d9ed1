"""The pictures of the live screen: made from made-up results, and labelled as such."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "pictures" / "live_screen.py"


def test_the_pictures_show_a_screen_that_fits_and_say_that_its_results_are_made_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))  # restores the path, which the script extends
    assert runpy.run_path(str(SCRIPT))["main"]([str(tmp_path), "--widths", "60", "120"]) == 0
    for width in (60, 120):
        text = (tmp_path / f"live_{width}.txt").read_text()
        assert text.startswith("Made-up results")
        assert "dropout=0.3 seed 1, epoch  83/400, 91.4 %, 13,983/s," in text
        assert max(map(len, text.splitlines())) <= width
        assert "Made-up" in (tmp_path / f"live_{width}.svg").read_text()
    log = (tmp_path / "live_log.txt").read_text()
    assert log.index("progress: 10/24 runs done") < log.index("[11/24]") < log.index("[12/24]")
