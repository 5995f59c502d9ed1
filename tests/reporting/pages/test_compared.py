"""What the comparison page knows of each plan, and how much of the curves it keeps."""

from __future__ import annotations

import base64
import json
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from parsed import parsed
from reported import planned
from simulated import BASE, LEAKY, comparison

from harness.errors import StoreError
from harness.reporting.pages import compared, gather
from harness.reporting.pages.compare_page import render
from harness.reporting.pages.compared import read_curves, thinned
from harness.reporting.pages.curves_file import curves_document
from harness.reporting.pages.scoreboard import write
from harness.store.records import Store


def embedded(page: str) -> dict[str, Any]:
    """The data of a comparison page."""
    text = parsed(page).one("script", id="compare-data").text
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(text), -zlib.MAX_WBITS))
    return found


def line(points: int, variant: int = 0) -> dict[str, Any]:
    values = list(range(points))
    return {"variant": variant, "x": values, "n": [5] * points, "y": {"acc": {"mean": values, "low": values, "high": values}}}


def test_a_plan_has_its_settings_and_the_interval_of_each_mean(store: Store) -> None:
    plan = planned(store, {"base": BASE, "b": [*LEAKY[:3], "failed", "diverged"]}, [comparison("improves", "b")])
    found = compared.compared(gather(store, plan))
    assert {key: found[key] for key in ("name", "task", "data", "epochs", "seeds", "device", "date", "rehearsal")} == {
        "name": "activations",
        "task": "cifar_resnet 1",
        "data": "cifar10_mini",
        "epochs": "4",
        "seeds": "5, from 0",
        "device": "A processor",
        "date": "2026-01-02",
        "rehearsal": False,
    }
    assert found["metrics"]["test_accuracy"] == {"label": "test accuracy", "unit": "%", "better": "maximize", "exact": False}
    base, other = found["variants"]
    assert (base["lost"], other["lost"]) == (0, 2)
    assert base["means"]["test_accuracy"] == [5, 93.04, 0.148661, 92.8554, 93.2246]
    assert other["means"]["test_accuracy"][0] == 3


def test_one_run_has_a_mean_without_an_interval(store: Store) -> None:
    found = compared.compared(gather(store, planned(store, {"base": BASE[:1]})))
    assert found["variants"][0]["means"]["test_accuracy"] == [1, 93.12, None, None, None]


def test_short_curves_are_kept_whole_and_long_ones_evenly_with_their_ends() -> None:
    short, long = ({"metrics": {}, "lines": [line(points)]} for points in (7, 1001))
    (kept, none, cut), points = thinned([short, None, long])
    assert none is None
    assert kept is not None
    assert cut is not None
    assert kept["lines"][0]["x"] == list(range(7))
    assert points == 200
    xs = cut["lines"][0]["x"]
    assert (len(xs), xs[0], xs[-1]) == (200, 0, 1000)
    assert {after - before for before, after in pairwise(xs)} <= {5, 6}
    assert cut["lines"][0]["y"]["acc"]["mean"] == xs
    assert cut["lines"][0]["n"] == 5


def test_the_more_plans_there_are_the_fewer_points_each_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compared, "MOST_VALUES", 800)
    _, points = thinned([{"metrics": {}, "lines": [line(100, place) for place in range(10)]}])
    assert points == 20


def test_a_file_that_holds_no_curves_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a" / "curves.json"
    assert read_curves(path) is None
    path.parent.mkdir()
    for text, problem in (("{", "not JSON"), ('{"schema": 99}', "unknown schema"), ("[]", "unknown schema")):
        path.write_text(text)
        with pytest.raises(StoreError, match=f"{problem}; write the report again: harness report a"):
            read_curves(path)


def test_the_page_has_every_plan_with_the_curves_of_its_report(store: Store) -> None:
    plan = planned(store, {"base": BASE, "b": LEAKY}, [comparison("improves", "b")])
    planned(store, {"base": BASE}, name="unwritten")
    folder = store.paths.report("activations")
    folder.mkdir(parents=True)
    (folder / "curves.json").write_text(json.dumps(curves_document(gather(store, plan))))
    first, second = embedded((write(store).parent / "compare.html").read_text())["plans"]
    assert (first["name"], second["name"], second["curves"]) == ("activations", "unwritten", None)
    curve = first["curves"]["lines"][0]
    assert curve["x"] == [1, 2, 3, 4, 5, 6]
    assert curve["y"]["test_accuracy"]["mean"][-1] == pytest.approx(93.04)
    assert first["curves"]["metrics"]["test_accuracy"]["unit"] == "%"


def test_damaged_curves_are_named_on_the_scoreboard_and_hide_nothing(store: Store) -> None:
    planned(store, {"base": BASE})
    folder = store.paths.report("activations")
    folder.mkdir(parents=True)
    (folder / "curves.json").write_text("{")
    root = parsed(write(store).read_text())
    assert f"{folder / 'curves.json'}: not JSON" in root.one("section", id="errors").words
    assert len(root.one("section", id="evidence").all("tbody")) == 1


def test_no_name_ends_the_script_of_the_page(tmp_path: Path) -> None:
    plan = {"name": "x</script><b>", "variants": [], "metrics": {}}
    page, errors = render([plan], [tmp_path])
    assert errors == []
    assert parsed(page).all("b") == []
    assert embedded(page)["plans"][0]["name"] == "x</script><b>"
