"""Use a GPU for a limited time: checks, benchmarks, then the large experiments, as far as the time goes.

  scripts/gpu_evidence --time 30m --results FOLDER --pack FOLDER [--images PATH]
  scripts/gpu_evidence --time 5m --results FOLDER --pack FOLDER --device cpu --rehearse --only paper

The same command continues after any stop: finished checks, benchmarks and runs are not repeated. On another
model of GPU, with another torch or another version of the code, checks and benchmarks are repeated. It may be
started many times with little time each; a step that did not finish in the time of one start waits for a longer
one. --results gets two folders: results/ (of the harness: harness status --results FOLDER/results) and evidence/
(a record and a log of each step). --pack gets what is to be kept of them, updated every few minutes: copied back
to --results on another machine, it is continued there. Unfinished runs then start again.

Without network, --images names a folder with cifar-10-python.tar.gz, an image folder, or a tar of one; with one
of the latter, the experiments use their profile jpeg. The first pass, with 20 epochs, is a rehearsal.

Exit codes: 0 everything is done and passed; 1 a check, a run or harness verify failed; 2 bad input, or the device
cannot be used; 75 something remains, the same command continues.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["--part"]:  # a check in a process of its own
        from evidence.checks import run_part

        return run_part(*arguments[1:])
    use_checkout()
    started = time.monotonic()
    parser = argparse.ArgumentParser(
        prog="scripts/gpu_evidence", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--time", required=True, metavar="TIME", help="how long it may take, such as 30m, 8h or 3h50m")
    parser.add_argument("--results", required=True, type=Path, metavar="FOLDER", help="results and evidence; kept between starts")
    parser.add_argument("--pack", required=True, type=Path, metavar="FOLDER", help="what is to be kept, as small files")
    parser.add_argument(
        "--tars", type=Path, metavar="FOLDER", help="the same as tar files of at most 15 MiB; default: the folder of --pack"
    )
    parser.add_argument("--images", type=Path, metavar="PATH", help="the images; default: CIFAR-10, downloaded")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="default: cuda; cpu only with --rehearse")
    parser.add_argument("--rehearse", action="store_true", help="small network, two steps a run, shipped images; not evidence")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only this experiment; repeatable")
    parser.add_argument(
        "--wheels",
        type=Path,
        metavar="FOLDER",
        help="install packages that are missing here from wheels in this folder, by pip, without network",
    )
    given = parser.parse_args(arguments)
    if given.wheels is not None:
        from evidence import wheels

        if (problem := wheels.install(given.wheels)) is not None:
            print(f"--wheels {given.wheels}: {problem}", file=sys.stderr)
            return 2
    from harness.errors import EXIT_INTERRUPTED, HarnessError

    try:
        return work(given, started)
    except HarnessError as error:
        print(f"gpu_evidence: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:  # the second one
        return EXIT_INTERRUPTED


def use_checkout() -> None:
    """Have this process and its children import the package from this checkout, where another one or none is installed."""
    found = find_spec("harness")
    if found is None or found.origin is None or not Path(found.origin).resolve().is_relative_to(ROOT):
        sys.path.insert(1, str(ROOT))
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))


def work(given: argparse.Namespace, started: float) -> int:
    """Everything after the options were read. Raises HarnessError for what cannot be done."""
    from evidence import experiments, machine
    from evidence.records import Records, locked
    from evidence.session import Session
    from evidence.settings import Settings

    from harness.common.choices import check_choice
    from harness.common.durations import duration
    from harness.common.stopping import Stop

    seconds = duration(given.time)
    for name in given.only:
        check_choice("--only", name, experiments.ORDER)
    pack = given.pack.absolute()
    settings = Settings(
        folder=given.results.absolute(),
        pack=pack,
        tars=pack if given.tars is None else given.tars.absolute(),
        device=given.device,
        rehearse=given.rehearse,
        images=None if given.images is None else given.images.absolute(),
        only=tuple(given.only),
    )
    settings.check()
    stop = Stop()
    stop.on_signals()
    with locked(settings.evidence):
        here = machine.observe(settings)
        settings.link_images()
        records = Records(settings.evidence, here)
        return Session(settings, seconds - (time.monotonic() - started), stop, records, say).run()


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
