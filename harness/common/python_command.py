"""A module of the harness -> the command that runs it in a process of its own, which imports from where this one does."""

from __future__ import annotations

import sys


def command(module: str) -> list[str]:
    """`python -m module`; with -P, which keeps the current folder out of sys.path, where this process was started with it.

    An option, unlike the variable PYTHONSAFEPATH, does not reach the programs that are trained: a script imports what lies
    beside it.
    """
    return [sys.executable, *(["-P"] if sys.flags.safe_path else []), "-m", module]
