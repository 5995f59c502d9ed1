"""The command that runs a module of the harness in another process with the same imports."""

from __future__ import annotations

import sys


def command(module: str) -> list[str]:
    """`python -m module`, with -P (the current folder is not on sys.path) if this process was started with it.

    Unlike the variable PYTHONSAFEPATH, the option is not inherited by training programs, which may import modules beside their
    script.
    """
    return [sys.executable, *(["-P"] if sys.flags.safe_path else []), "-m", module]
