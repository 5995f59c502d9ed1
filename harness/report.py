"""Names of plans and searches -> their reports and the scoreboard on disk, and what came of each on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.common import cli_options
from harness.terminal.command_line import main_of
from harness.terminal.completion import completer, plans

if TYPE_CHECKING:
    from harness.errors import HarnessError
    from harness.experiment.plan import Plan
    from harness.experiment.study import Study
    from harness.reporting.pages import ReportData, SearchReportData
    from harness.store.records import Store


def report(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="plans and searches, by NAME, NAME@PROFILE or the path of the YAML file; default: all",
            autocompletion=completer(plans),
        ),
    ] = None,
    results: cli_options.Results = Path("results"),
    as_json: cli_options.AsJson = False,
) -> None:
    """Write the reports of plans and searches, finished or not, and the scoreboard of all, from the results on disk.

    Examples:
      harness report
      harness report leakyrelu_vs_relu@smoke

    Exit codes:
      0   every report is written
      2   bad input or usage, or a report that could not be written
    """
    # Reading names and --help need none of this.
    from harness.errors import HarnessError
    from harness.experiment.study import Study
    from harness.reporting.pages import SearchReportData, gather, gather_search, scoreboard, write
    from harness.store.records import Store
    from harness.terminal import shell

    store = Store.open(results, create=False)
    asked, errors = _asked(store, names or ())
    written: list[dict[str, Any]] = []
    rows: list[scoreboard.PlanRow | scoreboard.SearchRow] = []
    compared: dict[str, ReportData] = {}  # what the report of a search has written already: its winner's comparison
    for one in sorted(asked, key=lambda one: not isinstance(one, Study)):
        try:
            report = gather_search(store, one) if isinstance(one, Study) else compared.get(one.name) or gather(store, one)
            path = str(report.folder / "index.html" if one.name in compared else write(report))
            rows += scoreboard.rows_of(report)
        except HarnessError as error:
            # The others have a report all the same.
            errors.append(error)
            continue
        if isinstance(report, SearchReportData):
            compared |= {report.final.plan.name: report.final} if report.final else {}
            written.append(_search_told(report, path, as_json))
        else:
            written.append(_told(report, path, as_json))
    if asked or errors:
        scoreboard.write(store, rows)
    if as_json:
        shell.show_json({"reports": written})
    elif not asked and not errors:
        shell.say(f"no plan in {store.paths.plans} yet; make one with: harness run experiments/NAME.yaml")
    shell.end_with(errors)


def _search_told(search: SearchReportData, path: str, as_json: bool) -> dict[str, Any]:
    """What `--json` says of a search; without it what came of it is shown."""
    from rich.text import Text

    from harness.execution.stages import choices
    from harness.reporting.pages.search_summary import headline
    from harness.terminal import json_output, search_dry_run, shell
    from harness.terminal.choices import confirmed, winner_of
    from harness.terminal.search_summary import ending

    said, study, top = headline(search), search.study, search.top
    if not as_json:
        winner = winner_of(choices(top, search.records)) if top else None
        table = confirmed(study, search.trials, top, search.records, winner) if top else None
        lines = [Text(), Text(f"  {said.word.upper()}  {said.sentence}"), Text(), Text(f"report  {path}"), Text()]
        shell.show(search_dry_run.heading(study), ending(study, search.trials, search.metrics, table, winner), *lines)
    return {**json_output.search_values(study, search.trials), "standing": said.word, "sentence": said.sentence, "report": path}


def _told(report: ReportData, path: str, as_json: bool) -> dict[str, Any]:
    """What `--json` says of a plan; without it what came of it is shown."""
    from rich.text import Text

    from harness.terminal import dry_run, json_output, shell
    from harness.terminal.summary import ending

    plan, table, judged, metrics = report.plan, report.table, report.judgement, report.metrics
    if not as_json:
        shell.show(*dry_run.heading(plan), Text(), ending(plan, report.records, table, judged, metrics, report=path), Text())
    return json_output.summary(plan, report.records, table, judged, metrics, path)


def _asked(store: Store, names: Sequence[str]) -> tuple[list[Plan | Study], list[HarnessError]]:
    """What is to have a report: what `names` say, else everything, but for plans whose results only choose what is compared."""
    from harness.reporting.pages import find

    if names:
        return [find(store, name) for name in dict.fromkeys(names)], []
    plans, damaged = store.load_plans()
    studies, broken = store.load_studies()
    return [*studies, *(plan for plan in plans if plan.selection is None)], [*damaged, *broken]


main = main_of(report)

if __name__ == "__main__":
    sys.exit(main())
