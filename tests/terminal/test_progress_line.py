"""The line that says how far a command is: on a terminal alone."""

from __future__ import annotations

import io
import sys

import pytest

from harness.terminal.progress_line import STEP, progress_line


class Screen(io.StringIO):
    """What a terminal gets."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_how_many_of_how_many_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    with progress_line("checking runs") as progress:
        for done in range(2 * STEP + 2):
            progress(done, 2 * STEP + 1)
    assert f"checking runs {2 * STEP + 1}/{2 * STEP + 1}" in screen.getvalue()


def test_a_pipe_gets_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_line("checking runs") as progress:
        progress(STEP, STEP)
    assert capsys.readouterr() == ("", "")
