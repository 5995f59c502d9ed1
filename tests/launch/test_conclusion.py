"""The end of a command that trains: the results are recorded and shown before the report's figures are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from examples import changed, toy_rows, write_run

from harness import report
from harness.errors import Interrupted, StoreError
from harness.experiment.plan import Plan
from harness.launch.conclusion import conclude
from harness.launch.outcome import PlanOutcome
from harness.reporting import figures
from harness.store.ledger.chain import Ledger
from harness.store.records import Store

PlanMaker = Callable[..., Plan]
CLAIM = {"kind": "improves", "metric": "score", "variants": ["better"], "over": ["base"], "margin": 0.5}


@dataclass
class Finished:
    """A plan with one claim whose runs have finished."""

    store: Store
    plan: Plan

    @property
    def outcome(self) -> PlanOutcome:
        """Of the command that trained it."""
        records = self.store.records([run.id for run in self.plan.runs])
        return PlanOutcome(0, (), self.store.paths.report("toys") / "index.html", self.plan, records)

    def show(self, found: PlanOutcome) -> None:
        """What the commands do."""
        found.show(self.store.paths.root, as_json=False)

    @property
    def judged(self) -> bool:
        """Whether the ledger has the verdict."""
        return bool(Ledger(self.store.paths).read().state.plan("toys").used)


@pytest.fixture
def finished(store: Store, toy_plan: PlanMaker) -> Finished:
    plan = changed(toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=3), claims=(CLAIM,))
    store.save_plan(plan)
    for run in plan.runs:
        score = 50.0 + run.seed + 0.1 * run.seed**2 * (run.variant == "better") + 2.0 * (run.variant == "better")
        write_run(store, plan, run, toy_rows(score), state="completed")
    return Finished(store, plan)


def test_results_are_on_the_screen_and_in_the_ledger_when_the_first_figure_is_drawn(
    finished: Finished, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[str, bool]] = []
    render = figures.rendered

    def noticed(figure: object, name: str) -> dict[str, bytes]:
        seen.append((capsys.readouterr().out, finished.judged))
        return render(figure, name)  # type: ignore[arg-type]

    monkeypatch.setattr(figures, "rendered", noticed)
    conclude(finished.store, finished.outcome, finished.show)
    (out, judged), *rest = seen
    assert "SUPPORTED" in out
    assert f"report  {finished.store.paths.report('toys') / 'index.html'}" in out
    assert judged
    assert [later for later, _ in rest] == ["", ""]
    assert finished.outcome.report is not None
    assert finished.outcome.report.is_file()


def test_a_report_that_cannot_be_written_loses_no_verdict(finished: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    folder = finished.store.paths.report("toys")
    folder.mkdir(parents=True)
    (folder / "figures").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="figures"):
        conclude(finished.store, finished.outcome, finished.show)
    assert "SUPPORTED" in capsys.readouterr().out
    assert finished.judged
    assert '"verdict": "supported"' in (folder / "verdicts.json").read_text()
    assert report.main(["toys", "--results", str(finished.store.paths.root)]) == 2
    out, err = capsys.readouterr()
    assert "SUPPORTED" in out
    assert f"{folder / 'figures'}" in err


@pytest.mark.slow
def test_ctrl_c_while_drawing_leaves_whole_files_and_the_next_report_draws_the_rest(
    finished: Finished, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    conclude(finished.store, finished.outcome)
    folder = finished.store.paths.report("toys")
    before = {path: path.read_bytes() for path in folder.rglob("*.*g")}
    first = finished.plan.runs[0]
    write_run(finished.store, finished.plan, first, toy_rows(50.5), state="completed")
    render = figures.rendered

    def stopped(figure: object, name: str) -> dict[str, bytes]:
        if name != "main":
            raise KeyboardInterrupt
        return render(figure, name)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(figures, "rendered", stopped)
        with pytest.raises(Interrupted, match=f"draw the rest with: harness report toys --results {finished.store.paths.root}$"):
            conclude(finished.store, finished.outcome, finished.show)
        assert "SUPPORTED" in capsys.readouterr().out
        assert {path for path in before if path.read_bytes() != before[path]} == {
            folder / "figures" / "main.png",
            folder / "figures" / "main.svg",
        }
        assert report.main(["toys", "--results", str(finished.store.paths.root)]) == 75
    assert not list(folder.rglob("*.tmp"))
    assert report.main(["toys", "--results", str(finished.store.paths.root)]) in {0, 1}
    assert (folder / "figures" / "learning_curves.png").read_bytes() != before[folder / "figures" / "learning_curves.png"]
