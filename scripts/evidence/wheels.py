"""A folder of wheels -> the packages that this environment lacks, installed from it. Uses the standard library only."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOR_CHECKS = ("pytest", "hypothesis")


def lacking(pyproject: Path = ROOT / "pyproject.toml") -> list[str]:
    """The requirements of the project, and of its checks, of which no version is installed here."""
    required = [*tomllib.loads(pyproject.read_text())["project"]["dependencies"], *FOR_CHECKS]
    return [requirement for requirement in required if not _is_installed(re.split(r"[^\w.-]", requirement, maxsplit=1)[0])]


def install(folder: Path) -> str | None:
    """Install what is lacking from the wheels in `folder`, without network. Returns pip's error; None: it is there."""
    if not (wanted := lacking()):
        return None
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--find-links", str(folder), *wanted]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if ended.returncode == 0 else (ended.stderr.strip() or ended.stdout.strip())


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
