"""Plans' names -> their reports and the scoreboard on disk, and the table of each on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def report(
    names: Annotated[list[str] | None, typer.Argument(help="plans: name, name@profile or the YAML's path; none: all")] = None,
    results: Annotated[Path, typer.Option(help="the results folder")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="print one document for programs")] = False,
) -> None:
    """Write the reports of plans and the scoreboard of all from what is there now, finished or not.

    Example: harness report leakyrelu_vs_relu@smoke
    """
    # Reading names and --help need none of this.
    from rich.text import Text

    from harness.console import documents, screens, shell
    from harness.console.ending import ending
    from harness.errors import HarnessError
    from harness.frames import stored_plan
    from harness.store.records import Store
    from harness.writeup import gather, scoreboard, write_findings

    store = Store.open(results, create=False)
    errors: list[HarnessError] = []
    if names:
        plans = [stored_plan(store, name) for name in dict.fromkeys(names)]
    else:
        plans, damaged = store.load_plans()
        errors += damaged
    written, entries = [], []
    for plan in plans:
        try:
            findings = gather(store, plan)
            path = str(write_findings(findings))
            entries.append(scoreboard.entry(findings))
        except HarnessError as error:
            # The others have a report all the same.
            errors.append(error)
            continue
        table, judged, metrics = findings.table, findings.judgement, findings.metrics
        if as_json:
            written.append(documents.summary(plan, findings.records, table, judged, metrics, path))
        else:
            shown = ending(plan, findings.records, table, judged, metrics, report=path)
            shell.show(*screens.heading(plan), Text(), shown, Text())
    if plans or errors:
        scoreboard.write(store, entries)
    if as_json:
        shell.show_json({"reports": written})
    elif not plans and not errors:
        shell.say(f"no plan in {store.paths.plans} yet; make one with: harness run experiments/NAME.yaml")
    shell.end_with(errors)


def main(argv: Sequence[str] | None = None) -> int:
    """The command's exit code."""
    from harness.console.shell import run_app

    return run_app(app, argv, "harness report")


if __name__ == "__main__":
    sys.exit(main())
