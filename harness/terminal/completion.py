"""Arguments with shell completion: names of experiments, profiles, variants, plans and searches, read from disk.

Completion never fails: where a file is damaged or the results folder is missing, nothing is offered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.common.cli_options import WHAT
from harness.errors import HarnessError

# zsh loads typer's function at the first TAB, which only defines it; this last line also calls it.
COMPLETE_AT_ONCE = '[[ $zsh_eval_context[-1] == loadautofunc ]] && _harness_completion "$@"'

Completer = Callable[[typer.Context, str], list[str]]


def completer(names: Callable[[typer.Context], Iterable[str]]) -> Completer:
    """A completion function that offers the `names` that start with the typed text."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            return sorted(name for name in names(ctx) if name.startswith(incomplete))
        except (HarnessError, OSError):
            return []

    return complete


def experiments(_: typer.Context) -> Iterable[str]:
    """The names in experiments/, in the current folder, and of the experiments that come with the package."""
    from harness.experiment.places import names

    return names()


def profiles(ctx: typer.Context) -> Iterable[str]:
    """The profiles of the given experiment, inherited ones included."""
    from harness.experiment.compose import compose
    from harness.experiment.load import find_experiment

    path, _ = find_experiment(_experiment(ctx), None)
    return compose(path, None, ()).profile_names


def variants(ctx: typer.Context) -> Iterable[str]:
    """The variants of the given experiment."""
    from harness.experiment import load_experiment

    return [variant.label for variant in load_experiment(_experiment(ctx)).variants]


def _experiment(ctx: typer.Context) -> str:
    """The experiment on the command line; not parsed yet while the value of an option is completed."""
    return str(ctx.params.get("experiment") or next(iter(ctx.args), ""))


def plans(ctx: typer.Context) -> Iterable[str]:
    """The plans and searches in the results folder."""
    from harness.store.records import Store

    store = Store.open(Path(ctx.params.get("results") or "results"), create=False)
    return {*store.plan_names(), *store.study_names()}


def names_argument(text: str) -> Any:
    """The argument of plans, searches and run ids, with `text` as its help."""
    return typer.Argument(metavar="NAME", help=text, autocompletion=completer(plans))


Experiment = Annotated[
    str,
    typer.Argument(
        metavar="EXPERIMENT",
        help="path of a YAML file, a name that harness list shows, or NAME@PROFILE",
        autocompletion=completer(experiments),
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="a profile of the file, such as smoke; a rehearsal unless it says evidence",
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


def complete_at_first_tab(home: Path) -> None:
    """After --install-completion: make zsh complete at the first TAB."""
    path = home / ".zfunc" / "_harness"
    if path.is_file() and COMPLETE_AT_ONCE not in (text := path.read_text()):
        path.write_text(f"{text}\n{COMPLETE_AT_ONCE}\n")
