"""The command that runs a module of the harness in another process with the same imports."""

from __future__ import annotations

import sys
from pathlib import Path

import harness


def command(module: str) -> list[str]:
    """`python -m module`, with -P (the current folder is not on sys.path) if this process was started with it.

    Unlike the variable PYTHONSAFEPATH, the option is not inherited by training programs, which may import modules beside their
    script. Also with -P if the current folder has another module or folder named harness, which `-m` would import instead.
    """
    return [sys.executable, *(["-P"] if sys.flags.safe_path or _shadowed() else []), "-m", module]


def _shadowed() -> bool:
    here = Path("harness")
    try:
        return Path("harness.py").exists() or (here.exists() and not here.samefile(Path(harness.__file__).parent))
    except OSError:  # a folder that cannot be read: nothing is imported from it either
        return False
