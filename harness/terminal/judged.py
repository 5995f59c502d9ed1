"""Judged results that exist already: the screen and the document of `harness judge`, and what a notebook shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from rich.console import Group, RenderableType
from rich.text import Text

from harness.analysis.verdicts import Verdict
from harness.reporting import phrases
from harness.terminal import json_output
from harness.terminal.shell import console
from harness.terminal.summary import plan_results
from harness.terminal.tables import Line, Sentence

if TYPE_CHECKING:
    import pandas as pd

    from harness.analysis.statistics import Levels
    from harness.analysis.verdicts.required import Answer
    from harness.existing.results import ExistingResults
    from harness.existing.results_table import ResultsTable
    from harness.experiment import Experiment
    from harness.experiment.plan import Plan
    from harness.reporting.pages import ReportData
    from harness.store.cases import CaseSource
    from harness.store.records import Record


@dataclass(frozen=True)
class JudgedResults(Sequence[Verdict]):
    """The verdicts on results that exist already, in the order of the claims."""

    found: ExistingResults

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """One per claim."""
        return self.found.judgement.verdicts

    def __getitem__(self, place: Any) -> Any:
        return self.verdicts[place]

    def __len__(self) -> int:
        return len(self.verdicts)

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.verdicts)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per variant: n, mean, sd, difference from the baseline, interval, p."""
        import pandas as pd

        return pd.DataFrame([json_output.row_values(row) for row in self.found.table.rows]).set_index("variant")

    def screen(self, report: str | None = None) -> RenderableType:
        """What the terminal shows."""
        plan = self.found.plan
        heading = Line.of(f"{plan.name}   {plan.question}")
        lines: list[RenderableType] = [heading, *(Sentence(line) for line in self.found.reading)]
        records: dict[str, Record] = {}  # a terminal does not show the runs behind a number
        results = plan_results(plan, records, self.found.table, self.found.judgement, self.found.metrics, report=report)
        advice: list[RenderableType] = [] if self.verdicts else [Text(), *map(Sentence, phrases.to_claim(self.found))]
        return Group(*lines, Text(), results, *advice, Text())

    def document(self, report: str | None = None, required: Answer | None = None) -> dict[str, Any]:
        """The values of `--json`: those of an experiment without its runs, which are the rows of the table."""
        found = self.found
        return {
            **json_output.compared(found.plan, found.table, found.judgement, found.metrics, required),
            "existing": found.document,
            "to_claim": [] if self.verdicts else phrases.to_claim(found),
            "report": report,
        }

    def report(self, folder: Path) -> ReportData:
        """The data of its report, to be written to `folder`."""
        from harness.reporting.pages.existing import gather_existing

        return gather_existing(self.found, folder)

    def write(self, folder: str | Path) -> Path:
        """Write the report to a folder, which must be new or hold such a report; returns index.html. Raises InputError."""
        from harness.reporting.pages import write
        from harness.reporting.pages.existing import check_folder

        check_folder(Path(folder))
        return write(self.report(Path(folder)))

    def latex(self) -> str:
        """The tables of variants and claims."""
        from harness.reporting.pages.latex import render

        return render(self.report(Path()))

    def _repr_markdown_(self) -> str:
        """What a notebook shows: claims, variants, how the table was read."""
        from harness.reporting.pages import markdown
        from harness.reporting.tables.variants import variant_tables

        report = self.report(Path())
        warnings = phrases.retrospective_claims(self.verdicts, self.found.plan)
        notes = [*warnings, *phrases.reading(self.found), *([] if self.verdicts else phrases.to_claim(self.found))]
        tables = [f"{markdown.table(table)}\n\n{markdown.escape(table.note)}." for table in variant_tables(report)]
        claims = [markdown.verdicts(report)] if self.verdicts else []
        return "\n\n".join([*claims, *tables, *map(markdown.escape, notes)])

    def __str__(self) -> str:
        from io import StringIO

        text = StringIO()
        console(text).print(self.screen(), soft_wrap=True)
        return text.getvalue()

    def __repr__(self) -> str:
        return str(self)


@overload
def judge(
    results: Experiment | Plan, runs: pd.DataFrame, levels: Levels | None = None, cases: CaseSource | None = None
) -> tuple[Verdict, ...]: ...


@overload
def judge(results: pd.DataFrame | str | Path, **options: Any) -> JudgedResults: ...


def judge(results: Any, *arguments: Any, **options: Any) -> tuple[Verdict, ...] | JudgedResults:
    """The verdicts on an experiment's claims from a frame of its runs (`harness.analysis.verdicts.judge`), or on results that
    exist already, in a frame or a file (`judge_results`). Raises InputError.
    """
    if arguments or "runs" in options:
        from harness.analysis import verdicts

        return verdicts.judge(results, *arguments, **options)
    return judge_results(results, **options)


def judge_results(
    source: pd.DataFrame | str | Path,
    *,
    claims: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] | None = (),
    variant: str | None = None,
    factor: str | Sequence[str] = (),
    seed: str | None = None,
    metric: str | Sequence[str] = (),
    baseline: str | None = None,
    margin: float | None = None,
    alpha: float = 0.05,
    step: str | None = None,
    case: str | None = None,
    group: str | None = None,
    wide: str | Sequence[str] = (),
    where: str | Sequence[str] = (),
    unpaired: bool = False,
    kind: Any = None,
    name: str | None = None,
    question: str | None = None,
    command: str = "",
) -> JudgedResults:
    """Judge results that exist already: a frame, a file, or what `kind` says. See `harness judge --help`. Raises InputError."""
    from dataclasses import replace

    from harness.existing.columns import ColumnOptions
    from harness.existing.results import Statement, judge_existing

    columns = tuple(wide.split(",")) if isinstance(wide, str) else tuple(wide)
    options = ColumnOptions(variant, _several(factor), seed, _several(metric), step, case, group, columns, unpaired)
    several = (claims,) if isinstance(claims, str | Mapping) else tuple(claims or ())
    statement = Statement(several, baseline, margin, alpha, question, name or _name(source))
    found = judge_existing(_given(source, kind), options, statement, _several(where))
    return JudgedResults(replace(found, plan=found.plan.model_copy(update={"command": command})))


def _several(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _name(source: pd.DataFrame | str | Path) -> str:
    return Path(source).name.split(".")[0] or "results" if isinstance(source, str | Path) and str(source) != "-" else "results"


def _given(source: pd.DataFrame | str | Path, kind: Any) -> ResultsTable:
    if not isinstance(source, str | Path):
        from harness.existing.results_table import table_of_frame

        return table_of_frame(source)
    from harness.existing.read import read

    return read(str(source), kind)
