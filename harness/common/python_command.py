"""The command that runs Python in another process with the same imports."""

from __future__ import annotations

import sys
from pathlib import Path

import harness


def interpreter() -> list[str]:
    """`python`, with -P (the current folder is not on sys.path) if this process was started with it.

    Unlike the variable PYTHONSAFEPATH, the option is not inherited by training programs, which may import modules beside their
    script. Also with -P if the current folder has another package or module named harness, which would be imported instead.
    """
    return [sys.executable, *(["-P"] if sys.flags.safe_path or _shadowed() else [])]


def command(module: str) -> list[str]:
    """`python -m module`."""
    return [*interpreter(), "-m", module]


def _shadowed() -> bool:
    package = Path("harness/__init__.py")  # a folder without it does not come before a package elsewhere
    try:
        return Path("harness.py").exists() or (package.exists() and not package.samefile(harness.__file__))
    except OSError:  # a folder that cannot be read: nothing is imported from it either
        return False
