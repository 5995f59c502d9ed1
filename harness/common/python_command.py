"""The command that runs Python in another process with the same imports."""

from __future__ import annotations

import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent  # harness.__file__ is None where a folder without code hides an editable install


def interpreter() -> list[str]:
    """`python`, with -P (the current folder is not on sys.path) if this process was started with it.

    Unlike the variable PYTHONSAFEPATH, the option is not inherited by training programs, which may import modules beside their
    script. Also with -P if the current folder has another module or folder named harness, which would be imported instead.
    """
    return [sys.executable, *(["-P"] if sys.flags.safe_path or _shadowed() else [])]


def command(module: str) -> list[str]:
    """`python -m module`."""
    return [*interpreter(), "-m", module]


def _shadowed() -> bool:
    here = Path("harness")
    try:
        return Path("harness.py").exists() or (here.exists() and not here.samefile(PACKAGE))
    except OSError:  # a folder that cannot be read: nothing is imported from it either
        return False
