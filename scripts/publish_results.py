#!/usr/bin/env python3
"""Copy what is worth keeping of a results folder: python scripts/publish_results.py SOURCE results/published/NAME.

SOURCE may be in any state, also while workers train in it; it is only read. Kept are plans, searches, ledger, lists of packages,
and of finished runs spec, rows, result and provenance, with small logs and predictions. The reports are written anew from the
copy, with all predictions, so that they show the runs of the copy. The same source gives the same bytes; what an earlier
publication has left in the target and is not in the source is removed.

Left out, and listed in the copy's publication.json for `harness verify`: predictions of more than 20 kB. Paths that belong to one
machine or user are shortened in provenance.json, and refused elsewhere, as are host names that were not confirmed with --host.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "scripts" / "publishing")]

import kept_files  # noqa: E402
import privacy  # noqa: E402
import reports  # noqa: E402

from harness.errors import HarnessError, InputError  # noqa: E402

LIMIT_MB = 30
NEUTRAL_HOSTS = ("localhost", "vm")
LARGEST = 5  # named where all are too large


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="a results folder")
    parser.add_argument("target", type=Path, metavar="TARGET", help="such as results/published/small")
    parser.add_argument(
        "--host", action="append", default=[], metavar="NAME", help="a host name that may be published; repeat for several"
    )
    arguments = parser.parse_args(argv)
    try:
        published = publish(arguments.source.resolve(), arguments.target.resolve(), {*NEUTRAL_HOSTS, *arguments.host})
    except HarnessError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return error.exit_code
    print(published)
    return 0


def publish(source: Path, target: Path, hosts: set[str], limit_mb: float = LIMIT_MB) -> str:
    """Make `target` a copy of what is to be kept of `source`; returns what was published, in words.

    Raises InputError for a source that cannot be published, StoreError for damaged files; then the target is as before.
    """
    if target == source or target in source.parents or source in target.parents:
        raise InputError(f"{target}: expected a folder outside of {source}")
    if target.exists() and not kept_files.has_results(target):
        raise InputError(f"{target}: is not a results folder; choose one that can be replaced, or a new one")
    if not kept_files.has_results(source):
        raise InputError(f"{source}: is not a results folder; it has no plans and no searches")
    with tempfile.TemporaryDirectory(prefix="publish-") as temporary:
        # Reports name their folder, which is `results` unless --results says otherwise.
        copy, before = Path(temporary) / "results", Path.cwd()
        taken = kept_files.copy(source, copy)
        os.chdir(temporary)
        try:
            written = reports.write_all(Path("results"))
            kept_files.leave_out(copy, privacy.shorten(copy))
            reports.refuse_others(Path("results"), written)
        finally:
            os.chdir(before)
        privacy.refuse(copy, hosts, private=(source, Path(temporary)))
        refuse_large(copy, limit_mb)
        kept_files.replace(target, copy)
    files = [path for path in target.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    return f"{target}: {taken} finished runs, {len(written)} reports, {len(files):,d} files, {size:.1f} MB"


def refuse_large(folder: Path, limit_mb: float) -> None:
    """Raises InputError, naming the largest files, if the files in `folder` have more than the limit."""
    sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    if (total := sum(sizes.values())) <= limit_mb * 1e6:
        return
    largest = sorted(sizes, key=lambda path: -sizes[path])[:LARGEST]
    named = ", ".join(f"{path.relative_to(folder)} ({sizes[path] / 1e6:.1f} MB)" for path in largest)
    raise InputError(f"{total / 1e6:.1f} MB in {len(sizes):,d} files, more than {limit_mb:g} MB; the largest: {named}")


if __name__ == "__main__":
    sys.exit(main())
