#!/usr/bin/env python3
"""Run the commands of pages from top to bottom and write what they print into the pages: python scripts/make_pages.py.

A page runs in an empty folder with a copy of the files that `WITH` names. Its blocks of code, in order:

- python and yaml whose first line is a comment with a path, such as `# experiments/mine.yaml`: a file of that content.
- bash: commands; a block of text right after it is what they print, and without one they must succeed.
- console: commands of another tool after `$ `, each followed by what it prints.

Blocks of other kinds are only shown. What differs from one run to the next (`stable`) stays as it is on the page.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
MOONS = "examples/coming_from/moons.py"
WITH = {
    "tutorial.md": "examples/argparse_script/train.py",
    "coming-from/hydra.md": MOONS,
    "coming-from/optuna.md": MOONS,
    "coming-from/ray-tune.md": MOONS,
    "coming-from/wandb-sweeps.md": MOONS,
}
ELSEWHERE = ("coming-from/hydra.md", "coming-from/ray-tune.md")  # need libraries that are not installed here
BLOCK = re.compile(
    r"^```(?P<kind>bash|console|python|yaml)\n(?P<body>.*?)^```\n(?:\n```text\n(?P<printed>.*?)^```\n)?", re.MULTILINE | re.DOTALL
)
FILE = re.compile(r"# ([\w./-]+\.(?:py|yaml))\n")
COMMAND = re.compile(r"^\$ (?P<command>.*\n)(?P<printed>(?:(?!\$ ).*\n)*)", re.MULTILINE)
TIMEOUT_S = 600  # of one block

# What differs between machines and runs. A line of a run that has finished: workers finish them in any order.
LEFT_OUT = re.compile(
    r"^\[ *\d+/\d+\] .*\n|^Matplotlib is building the font cache.*\n|.*Killed.*\n|^\d+ of \d+ done already\n", re.MULTILINE
)
VARYING = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?|\b\d+:\d\d\b|\b[\d.,]+ (?:s|min|h) ago\b|entry \d+, head [0-9a-f]+"
)


def run(page: str, folder: Path, *, others: bool = True) -> str:
    """The page with what its commands print, run in `folder`; without `others`, console blocks are only shown.

    Raises CalledProcessError if commands whose output is not shown fail.
    """

    def block(match: re.Match[str]) -> str:
        kind, body, printed = match["kind"], match["body"], match["printed"]
        if kind == "bash":
            text = _output(body, folder, checked=printed is None)
            return match[0] if printed is None else match[0].replace(f"```text\n{printed}", f"```text\n{_kept(printed, text)}")
        if kind == "console":
            return f"```console\n{COMMAND.sub(command, body)}```\n" if others else match[0]
        if name := FILE.match(body):
            (folder / name[1]).parent.mkdir(parents=True, exist_ok=True)
            (folder / name[1]).write_text(body)
        return match[0]

    def command(match: re.Match[str]) -> str:
        text = _output(match["command"], folder, checked=False)
        return f"$ {match['command']}{_kept(match['printed'], text)}"

    return BLOCK.sub(block, page)


def stable(text: str) -> str:
    """Output without what differs from one run to the next."""
    return re.sub(r"[ \t]+", " ", re.sub(r"[ \t]+$", "", VARYING.sub("…", LEFT_OUT.sub("", text)), flags=re.MULTILINE))


def _kept(before: str, after: str) -> str:
    return before if stable(before) == stable(after) else after


def _output(commands: str, folder: Path, *, checked: bool) -> str:
    done = subprocess.run(
        ["bash", "-c", commands],
        cwd=folder,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "WANDB_MODE": "offline", "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=checked,
    )
    text = done.stdout.replace(f"{folder}/", "").strip("\n")
    return f"{text}\n" if text else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "pages",
        nargs="*",
        metavar="PAGE",
        help="such as tutorial.md; default: all; without --python, all but those of Hydra and Ray",
    )
    parser.add_argument("--python", type=Path, metavar="FOLDER", help="where the python with Hydra and Ray is")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.pages if name not in WITH]:
        parser.error(f"invalid value for PAGE: {unknown[0]!r}; choose from {', '.join(WITH)}")
    first = [arguments.python.absolute()] if arguments.python else []
    os.environ["PATH"] = os.pathsep.join(map(str, [*first, Path(sys.executable).parent, os.environ["PATH"]]))
    for name in arguments.pages or [name for name in WITH if first or name not in ELSEWHERE]:
        path = DOCS / name
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(ROOT / WITH[name], folder)
            path.write_text(run(path.read_text(), Path(folder)))


if __name__ == "__main__":
    main()
