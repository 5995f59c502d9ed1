"""`harness clean`: removes checkouts of versions that are no longer needed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.common import cli_options
from harness.terminal.command_line import main_of


def clean(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="also those that unfinished plans need; they are made again when they are needed")
    ] = False,
    dry_run: cli_options.DryRun = False,
    results: cli_options.Results = Path("results"),
    as_json: cli_options.AsJson = False,
) -> None:
    """Remove the checkouts (results/code/checkouts) that no unfinished plan and no search needs.

    Plans, runs and reports stay. A checkout that is needed again is made
    again, also that of a working tree, as long as a plan names it.

    Examples:
      harness clean --dry-run
      harness clean --all

    Exit codes:
      0   done, or nothing to remove
      2   bad input or usage, or a run is training in a checkout
    """
    from harness.execution import checkouts
    from harness.reporting import phrases
    from harness.store.records import Store
    from harness.terminal import shell

    store = Store.open(results, create=False)
    found = checkouts.disposable(store, everything=everything)
    if not dry_run:
        checkouts.remove(store, found)
    total = sum(each.bytes for each in found)
    if as_json:
        removed = [{"folder": str(each.folder), "commit": each.commit, "bytes": each.bytes} for each in found]
        shell.show_json({"removed": removed, "bytes": total, "dry_run": dry_run})
        return
    word = "would remove" if dry_run else "removed"
    lines = [f"{word}  {each.folder}  {'unfinished' if each.commit is None else each.commit[:12]}" for each in found]
    counted = phrases.plural(len(found), "checkout")
    shell.show(*lines, f"{word} {counted}, {total / 1e6:,.1f} MB" if found else "no checkout to remove")


main = main_of(clean)


if __name__ == "__main__":
    sys.exit(main())
