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
    from harness.reporting.pages import Findings, SearchFindings
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
    from harness.reporting.pages import gather, gather_search, scoreboard, write_findings, write_search
    from harness.store.records import Store
    from harness.terminal import shell

    store = Store.open(results, create=False)
    asked, errors = _asked(store, names or ())
    searches = []
    for study in asked:
        if isinstance(study, Study):
            try:
                searches.append(gather_search(store, study))
            except HarnessError as error:
                errors.append(error)
    compared = {search.final.plan.name: search.final for search in searches if search.final}
    written, entries, found = [], [], []
    for search in searches:
        try:
            path = str(write_search(search))
        except HarnessError as error:
            errors.append(error)
            continue
        found.append(scoreboard.search_entry(search))
        written.append(_search_told(search, path, as_json))
    for plan in (one for one in asked if not isinstance(one, Study)):
        try:
            known = compared.get(plan.name)
            findings = known or gather(store, plan)
            path = str(findings.folder / "index.html" if known else write_findings(findings))
            entries.append(scoreboard.entry(findings))
        except HarnessError as error:
            # The others have a report all the same.
            errors.append(error)
            continue
        written.append(_told(findings, path, as_json))
    if asked or errors:
        scoreboard.write(store, entries, found)
    if as_json:
        shell.show_json({"reports": written})
    elif not asked and not errors:
        shell.say(f"no plan in {store.paths.plans} yet; make one with: harness run experiments/NAME.yaml")
    shell.end_with(errors)


def _search_told(search: SearchFindings, path: str, as_json: bool) -> dict[str, Any]:
    """What `--json` says of a search; without it what came of it is shown."""
    from rich.text import Text

    from harness.execution.stages import choices
    from harness.reporting.pages.searches.summary import headline
    from harness.terminal import shell
    from harness.terminal.choices import confirmed, winner_of
    from harness.terminal.searches import dry_run, json_output
    from harness.terminal.searches.summary import ending

    said, study, top = headline(search), search.study, search.top
    if not as_json:
        winner = winner_of(choices(top, search.records)) if top else None
        table = confirmed(study, search.trials, top, search.records, winner) if top else None
        lines = [Text(), Text(f"  {said.word.upper()}  {said.sentence}"), Text(), Text(f"report  {path}"), Text()]
        shell.show(dry_run.title(study), ending(study, search.trials, search.metrics, table, winner), *lines)
    return {**json_output.search_values(study, search.trials), "standing": said.word, "sentence": said.sentence, "report": path}


def _told(findings: Findings, path: str, as_json: bool) -> dict[str, Any]:
    """What `--json` says of a plan; without it what came of it is shown."""
    from rich.text import Text

    from harness.terminal import dry_run, json_output, shell
    from harness.terminal.summary import ending

    plan, table, judged, metrics = findings.plan, findings.table, findings.judgement, findings.metrics
    if not as_json:
        shell.show(*dry_run.heading(plan), Text(), ending(plan, findings.records, table, judged, metrics, report=path), Text())
    return json_output.summary(plan, findings.records, table, judged, metrics, path)


def _asked(store: Store, names: Sequence[str]) -> tuple[list[Plan | Study], list[HarnessError]]:
    """What is to have a report: what `names` say, else everything, but for plans whose results only choose what is compared."""
    from harness.reporting.pages import reported
    from harness.store.studies import load_studies

    if names:
        return [reported(store, name) for name in dict.fromkeys(names)], []
    plans, damaged = store.load_plans()
    studies, broken = load_studies(store)
    return [*studies, *(plan for plan in plans if plan.selection is None)], [*damaged, *broken]


main = main_of(report)

if __name__ == "__main__":
    sys.exit(main())
