"""The help, usage errors and exit codes of a command."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest
import typer

from harness.errors import InputError, Position, Problem
from harness.terminal import shell
from harness.terminal.command_line import command, grouped, main_of
from harness.terminal.tables import styled


def paint(
    *,
    thing: Annotated[str, typer.Argument(metavar="THING", help="what to paint")],
    others: Annotated[list[str] | None, typer.Argument(metavar="OTHER", help="what else to paint")] = None,
    colour: Annotated[
        Literal["red", "blue"], typer.Option(metavar="red|blue", help="its colour", rich_help_panel="The paint")
    ] = "red",
    coats: Annotated[int, typer.Option(min=1, max=5000, metavar="N", help="how often")] = 1,
    dry: Annotated[bool, typer.Option("--dry", help="wait until it is dry")] = False,
    secret: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Paint a thing.

    Examples:
      harness paint fence
    """
    print(thing, others, colour, coats, dry, secret)


def test_a_command_gets_its_arguments_and_returns_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main_of(paint)(["fence", "--colour", "blue", "gate"]) == 0
    assert capsys.readouterr().out == "fence ['gate'] blue 1 False None\n"

    def fails() -> None:
        raise typer.Exit(75)

    assert main_of(fails)([]) == 75


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_lists_options_in_groups_and_prints_the_examples_as_they_are(
    option: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main_of(paint)([option]) == 0
    assert (
        capsys.readouterr().out
        == """\
Usage: harness paint [OPTIONS] THING [OTHER...]

  Paint a thing.

Arguments:
  THING              what to paint [required]
  [OTHER...]         what else to paint

The paint:
  --colour red|blue  its colour [default: red]

Options:
  --coats N          how often [default: 1; 1 to 5,000]
  --dry              wait until it is dry
  -h, --help         show this help

Examples:
  harness paint fence
"""
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["fence", "--colour", "green"], "invalid value for --colour: 'green'; choose from: red, blue"),
        (["fence", "--coats", "0"], "invalid value for --coats: '0'; must be greater than or equal to 1"),
        (["fence", "--coats", "many"], "invalid value for --coats: 'many'; must be a valid integer"),
        (["fence", "--coloru", "red"], "no such option: --coloru; did you mean --colour?"),
        (["fence", "--zzz"], "no such option: --zzz; see: harness paint --help"),
        (["fence", "--colour"], "option '--colour' requires an argument"),
        ([], "missing argument 'THING'; see: harness paint --help"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main_of(paint)(words) == 2
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert out == ""
    assert line.startswith(says)


def test_hidden_options_are_not_listed() -> None:
    names = [name for rows in grouped(command(paint).params).values() for name, _ in rows]
    assert names == ["THING", "[OTHER...]", "--colour red|blue", "--coats N", "--dry"]


def test_an_error_prints_its_problems_to_stderr_and_returns_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    problems = [
        Problem(Position("mine.yaml", 9, 6), "variants.c.modl", "unknown key; did you mean model?"),
        Problem(Position("mine.yaml", 7, 6), "variants.b.model.stem_width", "invalid value 3.7; expected an integer from 1"),
    ]

    def fails() -> None:
        raise InputError(problems)

    assert main_of(fails)([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "mine.yaml:7:6: variants.b.model.stem_width: invalid value 3.7; expected an integer from 1",
        "mine.yaml:9:6: variants.c.modl: unknown key; did you mean model?",
        "2 problems; nothing was started",
    ]


def test_characters_missing_in_the_encoding_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))

    def shows() -> None:
        shell.show(styled("6 runs · cpu"))

    assert main_of(shows)([]) == 0
    sys.stdout.flush()
    assert raw.getvalue() == b"6 runs ? cpu\n"


def test_a_json_document_is_one_line_for_programs_and_several_for_people(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.show_json({"runs": [6]})
    assert capsys.readouterr().out == '{"runs": [6]}\n'
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    shell.show_json({"runs": [6]})
    assert capsys.readouterr().out == '{\n  "runs": [\n    6\n  ]\n}\n'


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_output_error_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def shows() -> None:
        shell.show_json({"runs": 6})

    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main_of(shows)([]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("harness shows: ")
    assert line.endswith("No space left on device")


def test_help_marks_a_required_argument_that_takes_several_values(capsys: pytest.CaptureFixture[str]) -> None:
    def paint(things: Annotated[list[str], typer.Argument(metavar="THING", help="what to paint")]) -> None:
        """Paint things."""

    assert main_of(paint)(["--help"]) == 0
    assert capsys.readouterr().out.startswith("Usage: harness paint [OPTIONS] THING...\n")
