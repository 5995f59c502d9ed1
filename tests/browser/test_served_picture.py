"""The pictures of the server's page are made from made-up results, and say so."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
from devtools import NAMES
from PIL import Image

pytestmark = [pytest.mark.needs(*NAMES), pytest.mark.slow]
SCRIPT = Path(__file__).parents[2] / "scripts" / "pictures" / "served_page.py"


def test_the_pictures_have_the_widths_of_a_desk_and_a_phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])  # the script extends it
    assert runpy.run_path(str(SCRIPT))["main"]([str(tmp_path)]) == 0
    widths = {}
    for path in tmp_path.iterdir():
        with Image.open(path) as picture:
            widths[path.name] = picture.width
    assert widths == {"served_now.png": 1280, "served_now_phone.png": 390}
