"""docs/pictures holds what scripts/make_pictures.py makes: complete, small, current, and shown on a page."""

from __future__ import annotations

import os
import re
import runpy
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.experiment import load_experiment
from harness.experiment.plan import make_plan
from harness.store.records import Store

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "pictures"
LARGEST = 80_000  # bytes
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NUMBER = re.compile(r"[+-]?\d*\.\d+")


@pytest.fixture(scope="module")
def script() -> Iterator[dict[str, Any]]:
    """The names of scripts/make_pictures.py, which extends the path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path])
        yield runpy.run_path(str(ROOT / "scripts" / "make_pictures.py"))


def words(name: str, text: str) -> str:
    """What a text or an SVG of a terminal says."""
    shown = "".join(re.findall(r">([^<]+)</text>", text)) if name.endswith(".svg") else text
    return re.sub(r"\s+", " ", unescape(shown))


def test_the_folder_holds_the_pictures_of_the_script_and_all_are_small(script: dict[str, Any]) -> None:
    pictures = [
        path for path in FOLDER.iterdir() if not path.name.startswith("findings_")
    ]  # these: tests/reporting/test_findings.py
    assert {path.name for path in pictures} == set(script["NAMES"])
    assert not [path.name for path in pictures if path.stat().st_size > LARGEST]


def test_every_picture_is_on_the_page_of_screens_or_in_the_readme(script: dict[str, Any]) -> None:
    page, readme = (ROOT / "docs" / "screens.md").read_text(), (ROOT / "README.md").read_text()
    assert not [
        name for name in script["NAMES"] if f"](pictures/{name})" not in page and f"](docs/pictures/{name})" not in readme
    ]


def test_live_screens_and_the_log_are_those_of_today_and_say_that_they_are_made_up(
    script: dict[str, Any], tmp_path: Path
) -> None:
    terminals = script["terminals"]
    terminals.write(FOLDER if os.environ.get("REGENERATE") == "1" else tmp_path)
    for name in terminals.NAMES if os.environ.get("REGENERATE") != "1" else ():
        assert words(name, (tmp_path / name).read_text()) == words(name, (FOLDER / name).read_text()), "REGENERATE=1 pytest"
    for name in terminals.NAMES:
        assert "Made-up results, to show the screen: nothing was trained." in words(name, (FOLDER / name).read_text())


@pytest.mark.parametrize("width", [60, 80, 120, 160])
def test_a_live_screen_fits_its_terminal(script: dict[str, Any], width: int) -> None:
    text, _ = script["terminals"].screen("dropout_sweep", width)
    assert max(map(len, text.splitlines())) <= width
    assert "dropout=0.3 seed 1, epoch  83/400, 91.4 %, 13,983/s," in text


def test_the_narrow_end_of_the_demo_has_every_number_of_the_readme(script: dict[str, Any]) -> None:
    with Image.open(FOLDER / script["demo_report"].FIRST_SCREEN) as picture:
        shown = NUMBER.findall(picture.info["result"])
    end = script["demo_report"].END
    assert shown
    assert sorted(NUMBER.findall(words(end, (FOLDER / end).read_text()))) == sorted(shown)


@pytest.mark.slow
@pytest.mark.needs(*BROWSERS)
@pytest.mark.needs("pdflatex")
def test_the_pictures_of_pages_are_made_with_their_sizes(script: dict[str, Any], tmp_path: Path) -> None:
    demo, store, out = script["demo_report"], Store.open(tmp_path / "results"), tmp_path / "pictures"
    out.mkdir()
    demo_of = load_experiment(ROOT / "experiments" / "leakyrelu_vs_relu.yaml", "smoke")
    plan = make_plan(demo_of, created="2026-01-01T00:00:00+00:00", fingerprint=lambda _: "made up")
    sys.modules["made_up"].completed(store, plan, {"leaky_relu": 0.5})
    with script["Browser"](script["found"]()) as browser:
        shown = demo.write(out, store.paths.root, browser)
        script["served_page"].write(out, browser)
        script["compare_page"].write(out, browser)
        assert browser.complaints == []
    assert "leaky_relu improves on relu" in shown
    assert {path.name for path in out.iterdir()} == {*script["NAMES"]} - {*script["terminals"].NAMES}
    widths = {}
    for path in out.glob("*.png"):
        with Image.open(path) as picture:
            widths[path.name] = picture.width
    phones = {name for name in widths if "phone" in name}
    assert {widths[name] for name in phones} == {390}
    assert {widths[name] for name in widths.keys() - phones} == {1280}
