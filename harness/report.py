"""Names of plans and searches -> their reports and the scoreboard on disk, and what came of each on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness import flags

if TYPE_CHECKING:
    from harness.errors import HarnessError
    from harness.plan import Plan
    from harness.search import Study
    from harness.store.records import Store
    from harness.writeup import Findings, SearchFindings

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def report(
    names: Annotated[
        list[str] | None, typer.Argument(help="plans and searches: name, name@profile or the YAML's path; none: all")
    ] = None,
    results: flags.Results = Path("results"),
    as_json: flags.AsJson = False,
) -> None:
    """Write the reports of plans and searches, and the scoreboard of all, from what is there now, finished or not.

    Example: harness report leakyrelu_vs_relu@smoke
    """
    # Reading names and --help need none of this.
    from harness.console import shell
    from harness.errors import HarnessError
    from harness.search import Study
    from harness.store.records import Store
    from harness.writeup import gather, gather_search, scoreboard, write_findings, write_search

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

    from harness.console import shell
    from harness.console.choices import confirmed, winner_of
    from harness.console.searches import ahead, documents
    from harness.console.searches.ending import ending
    from harness.stages import choices
    from harness.writeup.searches.summary import headline

    said, study, top = headline(search), search.study, search.top
    if not as_json:
        winner = winner_of(choices(top, search.records)) if top else None
        table = confirmed(study, search.trials, top, search.records, winner) if top else None
        lines = [Text(), Text(f"  {said.word.upper()}  {said.sentence}"), Text(), Text(f"report  {path}"), Text()]
        shell.show(ahead.title(study), ending(study, search.trials, search.metrics, table, winner), *lines)
    return {**documents.search_values(study, search.trials), "standing": said.word, "sentence": said.sentence, "report": path}


def _told(findings: Findings, path: str, as_json: bool) -> dict[str, Any]:
    """What `--json` says of a plan; without it what came of it is shown."""
    from rich.text import Text

    from harness.console import documents, screens, shell
    from harness.console.ending import ending

    plan, table, judged, metrics = findings.plan, findings.table, findings.judgement, findings.metrics
    if not as_json:
        shell.show(*screens.heading(plan), Text(), ending(plan, findings.records, table, judged, metrics, report=path), Text())
    return documents.summary(plan, findings.records, table, judged, metrics, path)


def _asked(store: Store, names: Sequence[str]) -> tuple[list[Plan | Study], list[HarnessError]]:
    """What is to have a report: what `names` say, else everything, but for plans whose results only choose what is compared."""
    from harness.search import load_studies
    from harness.writeup import reported

    if names:
        return [reported(store, name) for name in dict.fromkeys(names)], []
    plans, damaged = store.load_plans()
    studies, broken = load_studies(store)
    return [*studies, *(plan for plan in plans if plan.selection is None)], [*damaged, *broken]


def main(argv: Sequence[str] | None = None) -> int:
    """The command's exit code."""
    from harness.console.shell import run_app

    return run_app(app, argv, "harness report")


if __name__ == "__main__":
    sys.exit(main())
