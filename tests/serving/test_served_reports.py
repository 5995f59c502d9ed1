"""Reports that somebody looks at are drawn when results have changed, one at a time, and nothing of the results folder changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from examples import toy_rows, write_run
from serving import Clock

from harness import write_report
from harness.experiment.plan import Plan
from harness.serving import reports as module
from harness.serving.folder import Folder
from harness.serving.reports import LOOKED_AT_S, Reports
from harness.serving.requests import Refused
from harness.store.records import Store

PlanMaker = Callable[..., Plan]
PAGE = ("reports", "toys", "index.html")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def plan(store: Store, toy_plan: PlanMaker) -> Plan:
    """Two runs of three have finished."""
    plan = toy_plan(seeds=3)
    store.save_plan(plan)
    for run in plan.runs[:2]:
        write_run(store, plan, run, toy_rows(50.0), state="completed")
    return plan


@pytest.fixture
def reports(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reports]:
    """Reports of the folder, drawn when the test says so."""
    folder = Folder(store.paths.root, clock)
    monkeypatch.setattr(Reports, "_work", lambda _: None)
    with Reports(store.paths.root, lambda: folder.store, folder.stamps, clock) as found:
        yield found


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the reports that are drawn, in order, instead of drawing them."""
    names: list[str] = []

    def write(report: object) -> None:
        names.append(report.plan.name)  # type: ignore[attr-defined]

    monkeypatch.setattr(module, "write", write)
    return names


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def finish(store: Store, plan: Plan) -> None:
    write_run(store, plan, plan.runs[2], toy_rows(51.0), state="completed")


def test_a_report_that_nobody_looks_at_is_not_drawn(reports: Reports, drawn: list[str]) -> None:
    assert reports.draw_next() == LOOKED_AT_S
    assert drawn == []


def test_a_report_is_drawn_when_it_is_looked_at_and_again_only_after_a_run_has_finished(
    reports: Reports, drawn: list[str], store: Store, plan: Plan, clock: Clock
) -> None:
    reports.look("toys")
    assert not reports.is_current("toys")
    assert reports.draw_next() is None
    assert reports.is_current("toys")
    assert reports.draw_next() is not None
    finish(store, plan)
    clock.advance()
    reports.look("toys")
    assert not reports.is_current("toys")
    assert reports.draw_next() is None
    assert drawn == ["toys", "toys"]


def test_a_report_that_is_looked_at_no_more_is_drawn_no_more(
    reports: Reports, drawn: list[str], store: Store, plan: Plan, clock: Clock
) -> None:
    reports.look("toys")
    assert reports.draw_next() is None
    finish(store, plan)
    clock.advance(LOOKED_AT_S + 1)
    assert reports.draw_next() is not None
    assert drawn == ["toys"]


def test_the_page_looked_at_last_is_drawn_first(
    reports: Reports, drawn: list[str], store: Store, toy_plan: PlanMaker, clock: Clock
) -> None:
    store.save_plan(toy_plan(name="tigers"))
    reports.look("toys")
    clock.advance(1.5)
    reports.look("tigers")
    while reports.draw_next() is None:
        pass
    assert drawn == ["tigers", "toys"]


def test_reports_are_not_drawn_all_the_time(reports: Reports, store: Store, plan: Plan, clock: Clock, drawn: list[str]) -> None:
    reports.look("toys")
    reports.draw_next()
    finish(store, plan)
    clock.advance(1.5)
    reports.look("toys")
    wait_s = reports.draw_next()
    assert wait_s is not None
    assert 0 < wait_s <= module.EVERY_S
    assert drawn == ["toys"]


@pytest.mark.usefixtures("drawn")
def test_what_is_no_report_is_not_drawn(reports: Reports) -> None:
    reports.look("../toys")
    reports.look("nothing")
    assert reports.draw_next() is not None
    assert not reports.is_known("nothing")


def test_a_report_that_cannot_be_drawn_says_why_and_the_others_are(reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError("a figure")

    monkeypatch.setattr(module, "write", broken)
    reports.look("toys")
    assert reports.draw_next() is None
    assert "a figure" in reports.problem("toys")
    assert not reports.is_current("toys")
    reports.look("")
    assert reports.draw_next() is None
    assert reports.problem("") == ""


def test_drawing_changes_no_byte_of_the_results_folder_and_gives_what_harness_report_writes(
    reports: Reports, store: Store
) -> None:
    write_report("toys", store.paths.root)
    written = {name: store.paths.report("toys").joinpath(name).read_bytes() for name in ("index.html", "report.md", "runs.csv")}
    before = tree(store.paths.root)
    for name in ("toys", ""):
        reports.look(name)
        assert reports.draw_next() is None
        assert reports.problem(name) == ""
    assert tree(store.paths.root) == before
    for name, content in written.items():
        assert reports.file(("reports", "toys", name)).data == content
    assert b'href="toys/index.html"' in reports.file(("reports", "index.html")).data
    assert reports.file(("reports", "compare.html")).data == store.paths.reports.joinpath("compare.html").read_bytes()


def test_until_it_is_drawn_the_report_in_the_results_folder_is_shown(reports: Reports, store: Store) -> None:
    with pytest.raises(Refused):
        reports.file(PAGE)
    store.paths.report("toys").mkdir(parents=True)
    (store.paths.report("toys") / "index.html").write_text("older")
    assert reports.file(PAGE).data == b"older"


def test_the_folder_of_the_server_is_removed_at_its_end(store: Store) -> None:
    folder = Folder(store.paths.root)
    with Reports(store.paths.root, lambda: folder.store, folder.stamps) as reports:
        own: Path = reports._own
        assert own.is_dir()
    assert not own.exists()
