"""Output whose reader leaves: the command does the rest, writes its other stream, and ends with its own exit code."""

from __future__ import annotations

import subprocess
import sys
from typing import IO

import pytest

CODE = """
import sys
import typer
from harness.terminal import shell
from harness.terminal.command_line import main_of

def works() -> None:
    \"\"\"A command.\"\"\"
    input()
    {prints}
    raise typer.Exit(3)

sys.exit(main_of(works)([]))
"""


def ended(prints: str, closed: str) -> tuple[int, str]:
    """The exit code of a command whose stream `closed` is closed before it prints, and the text of its other stream."""
    process = subprocess.Popen(
        [sys.executable, "-c", CODE.format(prints=prints)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    streams: dict[str, IO[str] | None] = {"stdout": process.stdout, "stderr": process.stderr}
    unread, other = streams.pop(closed), next(iter(streams.values()))
    assert unread is not None
    assert other is not None
    assert process.stdin is not None
    unread.close()
    process.stdin.write("\n")
    process.stdin.close()
    text = other.read()
    other.close()
    return process.wait(), text


@pytest.mark.parametrize("what", ["shell.show('a')", "shell.show_json({'a': 1})", "shell.show_json({'a': 'b' * 100_000})"])
def test_after_stdout_is_closed_a_command_still_does_the_rest(what: str) -> None:
    assert ended(f"{what}; shell.say('more')", "stdout") == (3, "more\n")


@pytest.mark.parametrize("what", ["shell.say('a')", "shell.console(sys.stderr).print('a')"])
def test_after_stderr_is_closed_the_results_are_still_on_stdout(what: str) -> None:
    assert ended(f"{what}; shell.say('more'); shell.show('results')", "stderr") == (3, "results\n")
