"""The `harness` command: a group of commands, each in its own module, imported when it is called."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from harness.errors import EXIT_BAD_INPUT, InputError
from harness.terminal import command_line, completion
from harness.terminal.shell import say

# Command -> what it does. A command is the function of that name in the module `harness.<command>`.
COMMANDS: Mapping[str, str] = {
    "run": "plan an experiment, train its runs, write the report",
    "register": "register the claims of several experiments before any is trained",
    "sweep": "search with Optuna, confirm the best trials on fresh seeds",
    "compare": "compare versions of the code in a git repository",
    "submit": "run or sweep on a SLURM cluster",
    "status": "show the progress of plans, searches and runs",
    "serve": "show the reports and what trains now in a browser",
    "report": "write the reports again from the results on disk",
    "export": "write runs for TensorBoard, MLflow, pandas or W&B",
    "judge": "judge results that exist already",
    "reread": "read finished runs again from their logs, after a pattern was corrected",
    "demo": "train a first ablation that comes with the package, in minutes",
    "list": "show the experiments that are found by name, and where",
    "init": "make a folder with an experiment to change",
    "new": "write a first experiment file for a training script",
    "doctor": "check whether this machine is ready",
    "verify": "check the results folder for damage, or train a run again",
    "clean": "remove checkouts of versions that are no longer needed",
    "sync": "upload runs that are missing in Weights & Biases",
    "worker": "train a plan's runs or a search's trials",
}


def imported(name: str) -> TyperCommand:
    """The command `name`, from its module."""
    command = command_line.command(getattr(importlib.import_module(f"harness.{name}"), name))
    command.short_help = COMMANDS[name]  # what zsh shows beside the name
    return command


class Commands(TyperGroup):
    """The commands in the order of COMMANDS."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """The names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        """The command; None for an unknown name. For completion only its name and help, so that no module is imported."""
        if cmd_name not in COMMANDS:
            return None
        return TyperCommand(cmd_name, short_help=COMMANDS[cmd_name]) if ctx.resilient_parsing else imported(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command named by the first argument. Raises InputError for an unknown name."""
        if args[0] not in COMMANDS and not ctx.resilient_parsing:
            from harness.common.validation import suggestion

            raise InputError(f"invalid command {args[0]!r}; {suggestion(args[0], COMMANDS)}")
        if args[0] not in COMMANDS:
            return super().resolve_command(ctx, args)
        return args[0], imported(args[0]), args[1:]

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def show_version(requested: bool) -> None:
    """Print the version and exit."""
    if requested:
        print(f"harness {importlib.metadata.version('ablation-harness')}")
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=dict(command_line.SETTINGS),
    epilog="Example: harness run leakyrelu_vs_relu --profile smoke",
)


@app.callback(invoke_without_command=True)
def harness(
    ctx: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback shows it
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="show the version and exit")
    ] = False,
) -> None:
    """Run ablation experiments: claims are registered before training, and each ends in a verdict.

    `harness COMMAND --help` describes a command.
    """
    if ctx.invoked_subcommand is None:
        say(ctx.get_help())
        raise typer.Exit(EXIT_BAD_INPUT)


def main(argv: Sequence[str] | None = None) -> int:
    """The `harness` command; its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    code = command_line.run(typer.main.get_command(app), arguments, "harness")
    if "--install-completion" in arguments:
        completion.complete_at_first_tab(Path.home())
    return code


if __name__ == "__main__":
    sys.exit(main())
