"""Turns functions with typed parameters into commands: help, usage errors, exit codes.

A command's docstring has a paragraph on what it does, then the sections `Examples:` and `Exit codes:`, printed verbatim.
"""

from __future__ import annotations

import inspect
import io
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import typer
from typer.core import TyperArgument, TyperCommand, TyperOption
from typer.exceptions import TyperException

from harness.common.optional_packages import explained
from harness.common.undecodable import SHOWN
from harness.errors import EXIT_BAD_INPUT, EXIT_OK, HarnessError
from harness.terminal.reader import drop
from harness.terminal.shell import flush, say

LONGEST_NAME = 30  # of an option in the left column of the help; a longer one has a line of its own
SETTINGS = {"help_option_names": ["-h", "--help"]}


class Runnable(Protocol):
    """A typer command or group."""

    def main(self, args: Sequence[str] | None, prog_name: str, *, standalone_mode: bool) -> Any:
        """Parse and run; returns an exit code or None."""


class Main(Protocol):
    """The `main` of a command's module."""

    def __call__(self, argv: Sequence[str] | None = None) -> int:
        """Run the command with `argv` (default: sys.argv); returns the exit code."""


class Command(TyperCommand):
    """A command whose help groups options by their `rich_help_panel`."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """`[OPTIONS]` and the arguments."""
        arguments = [parameter for parameter in self.get_params(ctx) if isinstance(parameter, TyperArgument)]
        return ["[OPTIONS]", *(parameter_help(parameter)[0] for parameter in arguments)]

    def get_help_option(self, ctx: Any) -> Any:
        """-h and --help."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.help = "show this help"
        return option

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the groups of arguments and options with aligned descriptions."""
        groups = grouped(self.get_params(ctx))
        lengths = [len(name) for rows in groups.values() for name, _ in rows]
        width = max(length for length in lengths if length <= LONGEST_NAME)
        for group, rows in groups.items():
            with formatter.section(group):
                formatter.write_dl([(name.ljust(width), text) for name, text in rows], col_max=width)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's signature
        """Write the sections of the docstring verbatim."""
        formatter.write(f"\n{self.epilog}\n")


def grouped(parameters: Iterable[Any]) -> dict[str, list[tuple[str, str]]]:
    """Group -> (name, description) of its parameters; arguments first, options without a group last."""
    groups: dict[str, list[tuple[str, str]]] = {"Arguments": []}
    for parameter in parameters:
        if not parameter.hidden:
            group = "Arguments" if isinstance(parameter, TyperArgument) else parameter.rich_help_panel or "Options"
            groups.setdefault(group, []).append(parameter_help(parameter))
    groups["Options"] = groups.pop("Options")
    return {group: rows for group, rows in groups.items() if rows}


def parameter_help(parameter: Any) -> tuple[str, str]:
    """A parameter's name with its metavar, and its help with default and range."""
    names, metavar, facts = ", ".join(sorted(parameter.opts, key=len)), parameter.metavar, []
    if parameter.required:
        facts.append("required")
    elif parameter.default not in (None, False):
        facts.append(f"default: {parameter.default}")
    if parameter.max is not None:
        facts.append(f"{parameter.min} to {parameter.max:,}")
    text = f"{parameter.help} [{'; '.join(facts)}]" if facts else parameter.help
    if isinstance(parameter, TyperArgument):
        shown = metavar if parameter.nargs == 1 else f"{metavar}..."
        return shown if parameter.required else f"[{shown}]", text
    return names if parameter.is_flag else f"{names} {metavar}", text


def command(function: Callable[..., None]) -> TyperCommand:
    """The command that parses arguments into the parameters of `function` and calls it."""
    description, _, sections = (inspect.getdoc(function) or "").partition("\n\n")
    app = typer.Typer(
        add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, context_settings=dict(SETTINGS)
    )
    app.command(cls=Command, help=description, epilog=sections)(function)
    made = typer.main.get_command(app)
    assert isinstance(made, TyperCommand)
    return made


def main_of(function: Callable[..., None]) -> Main:
    """The `main` of a command's module, for `python -m harness.NAME` and for tests."""

    def main(argv: Sequence[str] | None = None) -> int:
        return run(command(function), argv, f"harness {function.__name__}")

    return main


def run(runnable: Runnable, argv: Sequence[str] | None, name: str) -> int:
    """Run a command or group; returns the exit code.

    Usage errors, HarnessErrors, missing packages and output that cannot be written are reported on stderr without a traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # An encoding without `·` gets a question mark, a path that is not UTF-8 is escaped.
            stream.reconfigure(errors=SHOWN)
    try:
        try:
            code = runnable.main(None if argv is None else list(argv), name, standalone_mode=False)
        finally:
            flush()  # at exit an error could not be reported any more
    except HarnessError as error:
        say(str(error))
        return error.exit_code
    except BrokenPipeError:  # of what Python or a library prints, such as the help
        drop(sys.stdout)
        return EXIT_OK
    except OSError as error:
        drop(sys.stdout)
        say(str(explained(error) or f"{name}: {error}"))
        return EXIT_BAD_INPUT
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_OK
    except TyperException as error:
        say(explain(error))
        return EXIT_BAD_INPUT
    except Exception as error:  # Python would exit with 1, which means that a run failed
        missing = explained(error)
        say(traceback.format_exc().rstrip() if missing is None else str(missing))
        return EXIT_BAD_INPUT
    return code or EXIT_OK


def explain(error: TyperException) -> str:
    """A usage error on one line: the option or argument, the value, and what is allowed."""
    if isinstance(error, typer.BadParameter) and error.param is not None and error.message:
        option = error.param.opts[0] if isinstance(error.param, TyperOption) else error.param.metavar
        complaint = error.message.removeprefix("Value error, ").rstrip(".")
        value, is_choice, words = complaint.partition(" is not one of ")
        if is_choice:
            choices = words.replace("'", "")
            return f"invalid value for {option}: {value}; choose from: {choices}"
        if isinstance(error.__cause__, ValueError) and hasattr(error.__cause__, "errors"):  # pydantic's
            value = repr(error.__cause__.errors()[0]["input"])
        return f"invalid value for {option}: {value}; {complaint.replace('Input should be', 'must be')}"
    complaint = error.format_message().rstrip(".")
    complaint = complaint[0].lower() + complaint[1:]
    if close := getattr(error, "possibilities", None):  # of an option that does not exist
        return f"{complaint.partition(' (')[0]}; did you mean {close[0]}?"
    context: typer.Context | None = getattr(error, "ctx", None)
    return f"{complaint}; see: {context.command_path} --help" if context is not None else complaint
