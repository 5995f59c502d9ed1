"""The arguments that name experiments, profiles, plans, searches and variants, completed by the shell from what is on disk.

A name that cannot be found out (a damaged file, no results folder) is not offered; completing never fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer

from harness.common.cli_options import WHAT
from harness.errors import HarnessError

# The last line of typer's function for zsh, which only defines itself when zsh loads it at the first TAB.
COMPLETE_AT_ONCE = '[[ $zsh_eval_context[-1] == loadautofunc ]] && _harness_completion "$@"'

Completer = Callable[[typer.Context, str], list[str]]


def completer(names: Callable[[typer.Context], Iterable[str]]) -> Completer:
    """What a shell is offered for an argument: those of `names` that start with what is typed."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            return sorted(name for name in names(ctx) if name.startswith(incomplete))
        except (HarnessError, OSError):
            return []

    return complete


def experiments(_: typer.Context) -> Iterable[str]:
    """The files in experiments/."""
    return [path.stem for path in Path("experiments").glob("*.yaml")]


def profiles(ctx: typer.Context) -> Iterable[str]:
    """The profiles of the experiment that is named, those that it inherits included."""
    from harness.experiment.compose import compose
    from harness.experiment.load import find_experiment

    path, _ = find_experiment(_experiment(ctx), None)
    return compose(path, None, ()).profile_names


def variants(ctx: typer.Context) -> Iterable[str]:
    """The variants of the experiment that is named."""
    from harness.experiment import load_experiment

    return [variant.label for variant in load_experiment(_experiment(ctx)).variants]


def _experiment(ctx: typer.Context) -> str:
    """The experiment that is named; behind an option whose value is being completed it is not parsed yet."""
    return str(ctx.params.get("experiment") or next(iter(ctx.args), ""))


def plans(ctx: typer.Context) -> Iterable[str]:
    """The plans and searches in the results folder."""
    from harness.store.records import Store

    store = Store.open(Path(ctx.params.get("results") or "results"), create=False)
    return {*store.plan_names(), *store.study_names()}


Experiment = Annotated[
    str,
    typer.Argument(
        metavar="EXPERIMENT",
        help="path of a YAML file, its name in experiments/, or NAME@PROFILE",
        autocompletion=completer(experiments),
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="a profile of the file, such as smoke, for a rehearsal",
        autocompletion=completer(profiles),
        rich_help_panel=WHAT,
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="VARIANT",
        help="train only this variant's runs; repeatable",
        autocompletion=completer(variants),
        rich_help_panel=WHAT,
    ),
]


def mend_zsh(home: Path) -> None:
    """After --install-completion: let zsh complete at the first TAB, too."""
    path = home / ".zfunc" / "_harness"
    if path.is_file() and COMPLETE_AT_ONCE not in (text := path.read_text()):
        path.write_text(f"{text}\n{COMPLETE_AT_ONCE}\n")
