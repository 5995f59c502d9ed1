"""`harness report`: writes the reports of plans and searches and the scoreboard, and prints their results."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.common import cli_options
from harness.common.stopping import interrupt_with_parent
from harness.errors import InputError
from harness.terminal.command_line import main_of
from harness.terminal.completion import names_argument

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.analysis.verdicts.required import Answer
    from harness.common.choices import Requirement
    from harness.errors import HarnessError
    from harness.experiment.plan import Plan
    from harness.experiment.study import Study
    from harness.reporting.pages import ReportData, SearchReportData
    from harness.store.frame_cache import RunTables
    from harness.store.records import Store


def _end_with_parent(chosen: bool) -> None:
    if chosen:
        interrupt_with_parent()


def report(
    names: Annotated[
        list[str] | None, names_argument("plans and searches, by NAME, NAME@PROFILE or the path of the YAML file; default: all")
    ] = None,
    results: cli_options.Results = Path("results"),
    as_json: cli_options.AsJson = False,
    require: cli_options.Require = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="also show the table of this number of the results; repeat for several"),
    ] = None,
    *,
    with_parent: Annotated[  # noqa: ARG001 - its callback does it
        bool, typer.Option("--with-parent", hidden=True, callback=_end_with_parent, help="stop when standard input is closed")
    ] = False,
) -> None:
    """Write the reports of plans and searches, finished or not, and the scoreboard of all, from the results on disk.

    Results are printed before figures are drawn, and a figure is drawn again
    only if what it shows has changed.
    Each result is compared with the rows it was made from, and each plan with
    its registration and the ledger: what does not fit is shown first.

    Examples:
      harness report
      harness report leakyrelu_vs_relu@smoke
      harness report leakyrelu_vs_relu --require supported
      harness report leakyrelu_vs_relu --metric test_loss --metric train_seconds

    Exit codes:
      0   every report is written
      1   the same, but files behind a report do not fit each other or the
          ledger: they were altered or damaged
      2   bad input or usage, or a report that could not be written
      3   the verdicts of a named plan do not meet --require
      75  interrupted while drawing: the results are as printed, the same
          command draws the rest
    """
    from harness.analysis.verdicts.required import answer
    from harness.errors import EXIT_NOT_MET, EXIT_RUNS_FAILED, HarnessError
    from harness.experiment.study import Study
    from harness.reporting import phrases
    from harness.reporting.pages import SearchReportData, record, scoreboard
    from harness.store.records import Store
    from harness.terminal import shell

    store = Store.open(results, create=False)
    requested, errors = _requested(store, names or ())
    if require is not None:
        _check(require, requested if names else [])
    metrics = _metrics(metric or (), requested if names else [])
    plans = [one for one in requested if not isinstance(one, Study)]
    loaded = scoreboard.tables(store, plans) if len(plans) > 1 else None
    judged: list[ReportData | SearchReportData] = []
    documents: list[dict[str, Any] | None] = []  # for --json
    unmet: list[str] = []  # of each plan that does not meet --require
    consistent = True
    compared: dict[str, ReportData] = {}  # of a search: the comparison of its winner with the base
    for one in sorted(requested, key=lambda one: not isinstance(one, Study)):
        try:
            report = compared.get(one.name) or _gathered(store, one, metrics, loaded)
            record(report)
            path = str(report.folder / "index.html")
            fits = not report.inconsistencies and not report.mismatches
            consistent = consistent and fits
        except HarnessError as error:
            errors.append(error)  # the other reports are written
            continue
        judged.append(report)
        if isinstance(report, SearchReportData):
            compared |= {report.final.plan.name: report.final} if report.final else {}
            documents.append(_show_search(report, path, as_json))
        else:
            found = None if require is None else answer(report.judgement, require, consistent=fits)
            documents.append(_show_plan(report, path, as_json, found, metrics))
            if found is not None and not found.met:
                unmet.append(f"{report.plan.name}: {phrases.unmet(found, report.judgement.verdicts)}")
    gone = _gone(store) if not names and not errors else []
    if as_json:
        shell.show_json({"reports": documents})
    elif not requested and not errors:
        shell.say(f"no plans in {store.paths.plans}; make one with: harness run NAME (harness list shows the names)")
    for line in (*gone, *unmet):
        shell.say(line)
    if requested or errors:
        with shell.drawing(phrases.report_command(results, *names or ())):
            errors += _write(store, judged)
    shell.end_with(errors)
    if not consistent or unmet or gone:
        raise typer.Exit(EXIT_NOT_MET if consistent and not gone else EXIT_RUNS_FAILED)


def _write(store: Store, judged: list[ReportData | SearchReportData]) -> list[HarnessError]:
    """Write the reports, which are removed from `judged`, and the scoreboard; returns why some could not be written."""
    from harness.errors import HarnessError
    from harness.reporting.pages import SearchReportData, scoreboard, write

    errors: list[HarnessError] = []
    rows: list[scoreboard.PlanRow | scoreboard.SearchRow] = []
    written: set[Path] = set()
    while judged:
        report = judged.pop(0)  # the frames of large plans are not kept
        try:
            if report.folder not in written:
                write(report)
                written |= {report.folder}
            rows += scoreboard.rows_of(report)
        except HarnessError as error:
            errors.append(error)  # the other reports are written
            continue
        if isinstance(report, SearchReportData) and report.final is not None:
            written |= {report.final.folder}
    scoreboard.write(store, rows)
    return errors


def _check(require: Requirement, named: Sequence[Plan | Study]) -> None:
    """Raises InputError if a named plan cannot meet the requirement, or none is named."""
    from harness.analysis.verdicts.required import check
    from harness.experiment.study import Study

    if not named:
        raise InputError(
            f"--require {require}: name the plans that must meet it, such as: harness report NAME --require {require}"
        )
    for one in named:
        if isinstance(one, Study):
            raise InputError(f"--require {require}: {one.name} is a search, which claims nothing; remove --require")
        check(require, one.name, one.claims, rehearsal=one.rehearsal)


def _metrics(asked: Sequence[str], named: Sequence[Plan | Study]) -> tuple[str, ...]:
    """The numbers to show. Raises InputError if a named one is a search, which has no table of variants, or none is named."""
    from harness.experiment.study import Study

    for name in asked[:1]:
        if not named:
            raise InputError(f"--metric {name}: name the plans whose table to show, such as: harness report NAME --metric {name}")
        for one in named:
            if isinstance(one, Study):
                raise InputError(f"--metric {name}: {one.name} is a search, which has no table of variants; remove --metric")
    return tuple(dict.fromkeys(asked))


def _gathered(store: Store, one: Plan | Study, metrics: Sequence[str], loaded: RunTables | None) -> ReportData | SearchReportData:
    """The data of a report. Raises InputError for one of `metrics` that no result of the plan has, with the choices."""
    from harness.common.validation import suggestion
    from harness.experiment.study import Study
    from harness.reporting.pages import gather, gather_search

    if isinstance(one, Study):
        return gather_search(store, one)
    report = gather(store, one, loaded=loaded)
    for name in metrics:
        if name not in report.numbers:
            reason = "has no value yet" if name in report.metrics else "unknown number"
            raise InputError(
                f"--metric {name}: {reason} in the results of {report.plan.name}; {suggestion(name, report.numbers)}"
            )
    return report


def _show_search(search: SearchReportData, path: str, as_json: bool) -> dict[str, Any] | None:
    """The `--json` document of a search; without `as_json` its results are printed, and there is none."""
    from rich.text import Text

    from harness.execution.stages import choices
    from harness.reporting import phrases
    from harness.reporting.pages.search_summary import advice, headline
    from harness.terminal import json_output, search_dry_run, shell
    from harness.terminal.choices import confirmed, winner_of
    from harness.terminal.search_summary import search_results
    from harness.terminal.tables import WARNING, Line, Sentence

    verdict, study, top = headline(search), search.study, search.top
    if not as_json:
        winner = winner_of(choices(top, search.records)) if top else None
        table = confirmed(study, search.trials, top, search.records, winner) if top else None
        broken = (phrases.not_consistent(search.inconsistencies), phrases.ledger_differs(search.mismatches))
        lines: list[RenderableType] = [part for text in broken if text for part in (Sentence(text, WARNING), Text())]
        lines += [Text(), Sentence(f"{verdict.word.upper()}  {verdict.sentence}"), *map(Sentence, advice(search))]
        lines += [Text(), Text(f"report  {path}"), Text()]
        heading = map(Line, search_dry_run.heading(study))
        shell.show(*heading, search_results(study, search.trials, search.metrics, table, winner), *lines)
        return None
    return {
        **json_output.search_values(study, search.trials, search.nothing),
        "standing": verdict.word,
        "sentence": verdict.sentence,
        "advice": advice(search),
        "inconsistencies": [*search.inconsistencies, *search.mismatches],
        "report": path,
    }


def _show_plan(
    report: ReportData, path: str, as_json: bool, found: Answer | None = None, more: Sequence[str] = ()
) -> dict[str, Any] | None:
    """As `_show_search`, of a plan. `more`: further metrics with their table."""
    from rich.text import Text

    from harness.experiment.steps import known_steps
    from harness.reporting import phrases
    from harness.terminal import dry_run, json_output, shell
    from harness.terminal.summary import plan_results
    from harness.terminal.tables import Line

    plan, table, judged, metrics = report.plan, report.table, report.judgement, report.metrics
    if not as_json:
        shell.show(
            *map(Line, dry_run.heading(plan)),
            Text(),
            plan_results(
                plan,
                report.records,
                table,
                judged,
                metrics,
                report=path,
                broken=(phrases.not_consistent(report.inconsistencies), phrases.ledger_differs(report.mismatches)),
                mixed=report.mixed,
            ),
            Text(),
            *(part for name in more for part in (_table(report, name), Text())),
        )
        return None
    broken = (*report.inconsistencies, *report.mismatches)
    steps = report.store.records(known_steps(plan)) if report.store is not None else {}
    document = json_output.summary(plan, report.records, table, judged, metrics, path, broken, steps=steps, required=found)
    tables = {name: [json_output.row_values(row) for row in report.table_of(name).rows] for name in more}
    return {**document, "metrics": tables} if more else document


def _table(report: ReportData, name: str) -> RenderableType:
    """The table of a metric that was asked for, with its title and note."""
    from rich.console import Group
    from rich.text import Text

    from harness.reporting.tables.variants import variant_table
    from harness.terminal.tables import INDENT, Sentence, TerminalTable

    table = report.table_of(name)
    shown = variant_table(
        report.plan, report.records, table, report.numbers[name], exploratory=not any(row.claimed for row in table.rows)
    )
    return Group(Text(f"{' ' * INDENT}{shown.title}"), TerminalTable(shown), Sentence(shown.note))


def _gone(store: Store) -> list[str]:
    """Sentences about lost files of plans and searches, which therefore have no report. Raises StoreError."""
    from harness.reporting import phrases
    from harness.store.check.folder import check_studies
    from harness.store.ledger.chain import Ledger
    from harness.store.ledger.history import missing_plans

    plans = missing_plans(store.paths, Ledger(store.paths).read().state)
    return [
        *(
            f"{phrases.DIFFERS}: {path} was registered on {at[:10]} and is gone; see: harness verify"
            for path, at in plans.items()
        ),
        *(f"{found.path} {found.what}; {found.advice}" for found in check_studies(store) if not found.harmless),
    ]


def _requested(store: Store, names: Sequence[str]) -> tuple[list[Plan | Study], list[HarnessError]]:
    """The named plans and searches; without names all, except plans whose results only choose what to compare."""
    from harness.reporting.pages import find

    if names:
        return [find(store, name) for name in dict.fromkeys(names)], []
    plans, damaged = store.load_plans()
    studies, broken = store.load_studies()
    return [*studies, *(plan for plan in plans if plan.selection is None)], [*damaged, *broken]


main = main_of(report)

if __name__ == "__main__":
    sys.exit(main())
