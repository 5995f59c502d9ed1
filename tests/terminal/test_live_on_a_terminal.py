"""The live view on a terminal that is resized while it trains: in tmux, which breaks long lines anew as most terminals do.

What no longer fits above the cursor then, tmux moves out of sight.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROGRAM = """
import os, sys, time
from pathlib import Path
from harness.terminal.live import Event, progress
from harness.terminal.live_footer import Footer
from harness.terminal.live_layout import VariantProgress, variant_lines
from harness.terminal.tables import styled
from harness.terminal.training import Now

folder = Path(sys.argv[1])

class Rows:
    address = "results/reports/made_up/index.html"
    looks = 0
    def introduction(self):
        return [styled("made_up   A question")]
    def update(self, state):
        self.looks += 1
        failure = folder / "fail"
        if not failure.exists():
            return []
        failure.unlink()
        return [Event([styled("a run FAILED")])]
    def look(self, most):
        pass
    def body(self, width, height):
        now = [Now("seed 1", self.looks, 100_000, "94.1 %", 41_000.0, 360.0)]
        return variant_lines([VariantProgress(f"variant {place}", 1, 3, now, pending=1) for place in range(4)], width, height)
    def footer(self, elapsed):
        facts = {"done": "4/12 runs done", "later": "up to 80 at later looks", "states": "4 running, 4 pending", "outcomes": ""}
        times = {"best": "", "look": "next look: 3 seeds", "elapsed": "0:05 elapsed", "left": "6 min left, from 4 finished runs"}
        return Footer(**facts, **times, speed="164,000 samples/s", devices="1 GPU h spent", note="", address="report: " + self.address)
    def now(self):
        return []

with progress(Rows()) as view:
    drawn = None
    while not (folder / "end").exists():
        size = os.get_terminal_size(2)
        if size != drawn or (folder / "fail").exists():  # only then: a frame drawn before the new size is known leaves rests
            view.update(None)
            drawn = size
        time.sleep(0.02)
print("the shell again")
"""


class Screen:
    """A tmux window in which the program runs."""

    def __init__(self, folder: Path) -> None:
        self.socket, self.folder = str(folder / "tmux"), folder
        (folder / "program.py").write_text(PROGRAM)
        command = f"{sys.executable} {folder / 'program.py'} {folder}; cat"
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "30", command)

    def tmux(self, *arguments: str) -> str:
        """The output of a tmux command."""
        environment = {key: value for key, value in os.environ.items() if key not in ("TMUX", "NO_COLOR", "FORCE_COLOR")}
        command = ["tmux", "-S", self.socket, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout

    def resize(self, width: int) -> None:
        self.tmux("resize-window", "-x", str(width), "-y", "30")

    def until(self, condition: Callable[[list[str]], bool]) -> list[str]:
        """The lines of the screen once they meet `condition`."""
        limit = time.monotonic() + 30
        while not condition(lines := self.tmux("capture-pane", "-p").rstrip().splitlines()):
            assert time.monotonic() < limit, "\n".join(lines)
            time.sleep(0.05)
        return lines


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    screen = Screen(tmp_path)
    yield screen
    screen.tmux("kill-server")


def is_whole(lines: list[str]) -> bool:
    """Whether the screen shows one frame and nothing of earlier ones."""
    joined = " ".join(lines)
    once = [
        "4/12 runs done",
        "left, from 4 finished",
        "next look: 3 seeds",
        "164,000 samples/s",
        "Ctrl-C keeps everything",
    ]
    return [joined.count(text) for text in once] == [1] * len(once) and joined.count("variant ") == 4


@pytest.mark.slow
@pytest.mark.needs("tmux")
def test_a_resized_terminal_shows_one_frame_that_fits(screen: Screen) -> None:
    assert "made_up   A question\n\n  variant     done   now\n  variant 0    1/3   seed 1, " in "\n".join(
        screen.until(is_framed_for(120))
    )
    for width in (50, 42, 150):
        screen.resize(width)
        lines = screen.until(is_framed_for(width))
        assert max(map(len, lines)) <= width
    (screen.folder / "fail").touch()
    lines = screen.until(lambda lines: "a run FAILED" in lines)
    assert lines.index("a run FAILED") < lines.index("  variant     done   now")
    (screen.folder / "end").touch()
    lines = screen.until(lambda lines: lines[-1] == "the shell again")
    shown = " ".join(lines)
    assert (shown.count("4/12 runs done"), shown.count("variant 3")) == (1, 1)
    assert "Ctrl-C" not in shown


def is_framed_for(width: int) -> Callable[[list[str]], bool]:
    """Whether the screen shows one frame, as blocks below 50 columns."""
    headings = 1 if width >= 50 else 0

    def condition(lines: list[str]) -> bool:
        rest = [line for line in lines if line.split() != ["variant", "done", "now"]]
        return is_whole(rest) and len(lines) - len(rest) == headings

    return condition
