"""`harness init`: makes a folder with an experiment to change, the settings of a cluster, and a README."""

from __future__ import annotations

import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from harness.common import cli_options
from harness.errors import InputError
from harness.terminal.command_line import main_of


def init(
    *,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="the folder; made if it does not exist")],
    experiment: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="the experiment that comes with the package, see harness list",
            rich_help_panel=cli_options.EXPERIMENT,
        ),
    ] = "leakyrelu_vs_relu",
) -> None:
    """Make a folder to work in: an experiment that comes with the package, to change, with what it extends, the settings of a
    cluster, and a README. Files that exist already are never changed: then nothing is written.

    Examples:
      harness init ablations
      harness init ablations --experiment dropout_sweep

    Exit codes:
      0   written
      2   bad input or usage; nothing is written
    """
    from harness.common.shipped import EXPERIMENTS
    from harness.common.validation import suggestion
    from harness.experiment.places import files
    from harness.experiment.starter import starter
    from harness.terminal import shell

    choices = [path.stem for path in files(EXPERIMENTS)]
    if experiment not in choices:
        raise InputError(f"invalid value for --experiment: {experiment!r}; {suggestion(experiment, choices)}")
    made = starter(experiment)
    texts = {folder / path: text for path, text in made.files.items()}
    if existing := [str(path) for path in texts if path.exists() or path.is_symlink()]:
        raise InputError(
            f"already there: {', '.join(existing)}; nothing was written; use another folder, or move what is there away"
        )
    written: list[Path] = []
    missing = sorted({parent for path in texts for parent in path.parents if not parent.exists()})
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x") as file:
                written.append(path)
                file.write(text)
    except OSError as error:
        for path in written:
            path.unlink()
        for parent in reversed(missing):
            with suppress(OSError):  # not made yet
                parent.rmdir()
        raise InputError(f"cannot write into {folder}: {error}; nothing was written; use another folder") from error
    shell.show(*map(str, texts))
    inside = [] if folder.resolve() == Path.cwd() else [shlex.join(["cd", str(folder)])]
    shell.say(f"next: {' && '.join([*inside, f'harness {made.command} {experiment} --profile smoke'])}")


main = main_of(init)


if __name__ == "__main__":
    sys.exit(main())
