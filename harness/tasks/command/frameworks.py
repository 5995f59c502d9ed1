"""The imports of a script, or the words of its command -> how it reads its settings. Starts nothing."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.common.choices import Style
from harness.tasks.command.inputs.detection import detect

# Of a file that imports several, the first counts. A script with a parser of its own is not followed further.
FRAMEWORKS: dict[Style, tuple[str, ...]] = {
    "hydra": ("hydra", "hydra_zen"),
    "absl": ("absl.app", "absl.flags", "ml_collections"),
    "argparse": (
        *("argparse", "click", "typer", "fire", "jsonargparse", "tyro", "simple_parsing", "configargparse", "docopt"),
        *("lightning.pytorch.cli", "pytorch_lightning.cli", "transformers.HfArgumentParser"),
    ),
}


def guessed_style(words: Sequence[str], directory: Path) -> Style | None:
    """The style of the first file that imports a framework: the script, then what it imports; None if none does."""
    for found in detect(words, directory).found:
        path = directory / found.name
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        imported = [module for file in files for module in _modules(file)]
        for style, roots in FRAMEWORKS.items():
            if any(f"{module}.".startswith(f"{root}.") for module in imported for root in roots):
                return style
    return None


def written_style(words: Sequence[str]) -> Style | None:
    """Hydra's, if the command has `seed={seed}` without dashes, as for a console script; None without one."""
    bare = any(re.match(r"[a-z][\w./]*=\{(?:seed|run_dir)\}", word) for word in words)
    return "hydra" if bare and not any(word.startswith("--") for word in words) else None


def _modules(file: Path) -> Iterator[str]:
    """The dotted names that a Python file imports: `from absl import app` gives absl.app."""
    if file.suffix != ".py":
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the program's code
            tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
