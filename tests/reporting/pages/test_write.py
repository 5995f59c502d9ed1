"""A report's folder: which files there are, and that the same results give the same bytes."""

from __future__ import annotations

from pathlib import Path

from reported import planned
from simulated import BASE, LEAKY, comparison

from harness import write_report
from harness.store.records import Store

FORMATS = {"index.html", "report.md", "table.tex", "runs.csv", "curves.json", "verdicts.json"}


def test_every_format_is_there_and_the_same_results_give_the_same_bytes(store: Store) -> None:
    planned(store, {"base": BASE, "leaky_relu": [*LEAKY[:4], "failed"]}, [comparison("improves", "leaky_relu")])
    page = write_report("activations", store.paths.root)
    assert page.name == "index.html"
    first = contents(page.parent)
    assert set(first) > FORMATS
    assert {name.partition("/")[0] for name in set(first) - FORMATS} == {"figures"}
    assert {Path(name).suffix for name in set(first) - FORMATS} == {".png", ".svg"}
    write_report("activations", store.paths.root)
    assert contents(page.parent) == first


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
