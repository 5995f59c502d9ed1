"""Figures that are kept: which changes lead to a new drawing, and that nothing else does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from reported import planned, write
from simulated import comparison

from harness import write_report
from harness.experiment.plan import Plan
from harness.reporting import figures
from harness.reporting.figures import digest
from harness.reporting.figures.layout import empty_figure
from harness.store.records import Store

VALUES = {"base": [93.0, 93.2, 92.9, 93.1, 93.3], "better": [94.0, 94.3, 93.8, 94.1, 94.4]}
ALL = ["main", "learning_curves", "more_curves_1"]


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while someone edits the code."""
    monkeypatch.setattr(digest, "_started", lambda: math.inf)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the figures that are drawn, in order; cleared by the tests."""
    names: list[str] = []
    render = figures.rendered

    def counted(figure: object, name: str) -> dict[str, bytes]:
        names.append(name)
        return render(figure, name)  # type: ignore[arg-type]

    monkeypatch.setattr(figures, "rendered", counted)
    return names


@pytest.fixture
def plan(store: Store, drawn: list[str]) -> Plan:
    """A plan with a report."""
    made = planned(store, VALUES, [comparison("improves", "better")])
    write_report(made.name, store.paths.root)
    assert drawn == ALL
    drawn.clear()
    return made


def test_the_same_results_are_drawn_once_and_one_other_value_again(store: Store, plan: Plan, drawn: list[str]) -> None:
    main = store.paths.report(plan.name) / "figures" / "main.svg"
    before = main.read_bytes()
    write_report(plan.name, store.paths.root)
    assert drawn == []
    write(store, plan, plan.runs[0].id, VALUES["base"][0] + 0.01)
    write_report(plan.name, store.paths.root)
    assert drawn == ALL
    assert main.read_bytes() != before


@pytest.mark.slow
def test_a_file_that_is_not_what_was_written_is_drawn_again(store: Store, plan: Plan, drawn: list[str]) -> None:
    path = store.paths.report(plan.name) / "figures" / "main.png"
    before = path.read_bytes()
    damages: list[Callable[[], object]] = [path.unlink, lambda: path.write_bytes(before[:-1]), lambda: path.write_bytes(b"")]
    for damage in damages:
        drawn.clear()
        damage()
        write_report(plan.name, store.paths.root)
        assert drawn == ["main"]
        assert path.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("what", ["code", "package", "record", "damaged record"])
def test_other_code_and_packages_and_a_lost_record_draw_everything(
    store: Store, plan: Plan, drawn: list[str], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    record = store.paths.figures(plan.name)
    code, *packages = digest.environment()
    if what == "code":
        monkeypatch.setattr(digest, "environment", lambda: ("other code", *packages))
    elif what == "package":
        monkeypatch.setattr(digest, "environment", lambda: (code, *packages[:-1], "kiwisolver 0.0"))
    elif what == "record":
        record.unlink()
    else:
        record.write_bytes(record.read_bytes()[:-9])
    write_report(plan.name, store.paths.root)
    assert drawn == ALL


def same(frame: pd.DataFrame, more: object = None) -> partial[object]:
    """Something that draws."""
    return partial(figures.text_figure, frame, note=more)


def test_the_digest_of_an_input_changes_with_every_part_of_it() -> None:
    frame = pd.DataFrame({"variant": ["a", "b", None], "value": [1.0, math.nan, -0.25]}, index=[3, 4, 5])
    others = {
        "copy": frame.copy(),
        "value": frame.assign(value=[1.0, math.nan, -0.25000000000000006]),
        "word": frame.assign(variant=["a", "c", None]),
        "missing": frame.assign(value=[1.0, 0.0, -0.25]),
        "kind": frame.astype({"value": "float32"}),
        "column": frame.rename(columns={"value": "values"}),
        "categories": frame.astype({"variant": pd.CategoricalDtype(["a", "b"])}),
        "other order": frame.astype({"variant": pd.CategoricalDtype(["b", "a"])}),
        "order": frame.iloc[::-1],
        "index": frame.reset_index(drop=True),
        "fewer": frame.iloc[:2],
    }
    found = {name: figures.InputDigests().of(same(other)) for name, other in others.items()}
    assert found.pop("copy") == figures.InputDigests().of(same(frame))
    values = [
        None,
        math.nan,
        0,
        0.0,
        "0",
        b"0",
        False,
        (),
        [],
        {},
        {"a": 1},
        {"a": 1, "b": 2},
        {"b": 2, "a": 1},
        (1, 2),
        (1, (2,)),
    ]
    digests = {repr(value): figures.InputDigests().of(same(frame, value)) for value in values}
    assert None not in digests.values()
    distinct = {*found.values(), *digests.values()}
    assert len(distinct) == len(found) + len(digests)
    assert figures.InputDigests().of(partial(empty_figure, frame)) not in distinct


@dataclass
class Layers:
    """What a user's module may define, such as a task."""

    widths: tuple[int, ...] = (8, 8)


def test_what_cannot_be_compared_has_no_digest() -> None:
    class Unknown:
        pass

    assert figures.InputDigests().of(partial(figures.text_figure, Unknown())) is None
    assert figures.InputDigests().of(lambda: None) is None
    assert figures.InputDigests().of(partial(figures.text_figure, Layers())) is None, "its code may change"


def test_versions_of_all_packages_that_decide_a_picture_are_in_its_digest() -> None:
    _, *packages = digest.environment()
    assert {"matplotlib", "pandas", "scipy", "rich"} <= {each.partition(" ")[0] for each in packages}


def test_code_that_changed_after_the_process_started_is_not_what_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Path(digest.__file__)
    assert figures.InputDigests().of(same(pd.DataFrame())) is not None
    monkeypatch.setattr(digest, "_started", lambda: module.stat().st_ctime - 100)
    digest.code_digest.cache_clear()
    digest.environment.cache_clear()
    assert figures.InputDigests().of(same(pd.DataFrame())) is None
