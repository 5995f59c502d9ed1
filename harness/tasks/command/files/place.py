"""Where a metric's file is: a path or a pattern in the folder of a run -> files."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from harness.common.patience import answered, is_transient
from harness.tasks.command.files.pace import Clock
from harness.tasks.command.files.reading import is_file, listed, unreadable

RUN_DIR = "{run_dir}/"
SCAN_S = 1.0  # seconds between two searches for files that match a pattern


def in_run_dir(text: str) -> str:
    """The path of a metric's `file` relative to {run_dir}."""
    return text.removeprefix(RUN_DIR)


def wrong_path(text: str) -> str | None:
    """What is wrong with a metric's `file`, or None."""
    path = PurePosixPath(in_run_dir(text))
    if "\0" in text:
        return f"{text!r} has a NUL character; use a name in {{run_dir}}, such as results.csv"
    if path.is_absolute() or text.startswith("~") or ".." in path.parts or not path.parts:
        return f"{text!r} is not in {{run_dir}}, and files elsewhere would mix runs; let the program write to {{run_dir}}"
    if other := re.search(r"\{[A-Za-z]\w*\}", str(path)):
        return f"{text!r} has {other[0]}; use * instead, or only {{run_dir}}/ at the beginning"
    if any("**" in part and part != "**" for part in path.parts):
        return f"{text!r} has ** within a name; use ** between slashes, for any number of folders"
    if path.name == "**":
        return f"{text!r} names folders only; add a file, such as **/results.csv"
    return None


class Place:
    """The files in a run's folder that match `pattern`.

    Several are an error, unless the program `resumes`: it may begin another file then (version_0, version_1), and all are read in
    natural order. Names that differ in more than numbers are an error even then.
    """

    def __init__(self, run_dir: Path, pattern: str, *, resumes: bool, clock: Clock = time.monotonic) -> None:
        self.run_dir, self.pattern, self.resumes = run_dir, pattern, resumes
        self._scan = None if "*" not in pattern else Scan(run_dir, pattern, clock)

    def find(self, *, now: bool = False) -> list[Path]:
        """The files; `now` searches although it has just been done. Raises TrainingFailed."""
        if self._scan is None:
            path = self.run_dir / self.pattern
            return [path] if is_file(path) else []
        found = self._scan.files(now=now)
        names = [name_in(self.run_dir, path) for path in found]
        if len(found) > 1 and not (self.resumes and alike(names)):
            advice = "name one of them" if not self.resumes else "they differ in more than numbers; name one of them"
            raise unreadable(f"{self.pattern} in {{run_dir}} matches several files: {listed(names)}; {advice}")
        return found

    def why_none(self) -> str:
        """After `find` found nothing: what is there."""
        others = [name_in(self.run_dir, path) for path in _files_below(self.run_dir)]
        close = [name for name in others if PurePosixPath(name).suffix == PurePosixPath(self.pattern).suffix]
        others = [*close, *(name for name in others if name not in close)]
        there = (
            f"there are: {listed(others)}" if others else "it is empty: let the program write there, by {run_dir} in the command"
        )
        return f"file {self.pattern} was not found in {{run_dir}}; {there}"


class Scan:
    """The files below a folder that match a pattern, in natural order, each once although a link leads to it, too.

    Links to folders are not followed. Unlike `Path.glob` it continues if the program removes a folder meanwhile.
    """

    def __init__(self, folder: Path, pattern: str, clock: Clock = time.monotonic) -> None:
        self.folder, self._matches = folder, _expression(pattern)
        self._clock, self._next = clock, float("-inf")
        self._found: list[Path] = []

    def files(self, *, now: bool = False) -> list[Path]:
        """The files; searched again at most once a second, unless `now`."""
        if now or self._clock() >= self._next:
            real: dict[Path, Path] = {}
            for path in _files_below(self.folder):
                if self._matches.fullmatch(name_in(self.folder, path)) and is_file(path):
                    target = answered(path, path.resolve)
                    if target not in real or not answered(path, path.is_symlink):
                        real[target] = path
            self._found = sorted(real.values(), key=lambda path: natural(name_in(self.folder, path)))
            self._next = self._clock() + SCAN_S
        return self._found


def name_in(folder: Path, path: Path) -> str:
    """The path as messages show it."""
    return path.relative_to(folder).as_posix()


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sort key by which version_9 comes before version_10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"([0-9]+)", name)]


def alike(names: Sequence[str]) -> bool:
    """Whether names differ in numbers only."""
    return len({re.sub(r"[0-9]+", "#", name) for name in names}) <= 1


def _expression(pattern: str) -> re.Pattern[str]:
    """Of a path with * and **, where only these are special."""
    parts = [
        ("(?:[^/]+/)*" if part == "**" else re.escape(part).replace(r"\*", "[^/]*") + "/")
        for part in PurePosixPath(pattern).parts
    ]
    return re.compile("".join(parts).removesuffix("/"))


def _files_below(folder: Path) -> list[Path]:
    """All files, each folder's sorted; none if it does not exist. Raises StoreError if it does not respond."""

    def problem(error: OSError) -> None:
        if is_transient(error) or error.filename == str(folder):
            raise error

    def once() -> list[Path]:
        found = []
        for root, folders, names in os.walk(folder, onerror=problem):
            folders.sort()
            found += [Path(root, name) for name in sorted(names)]
        return found

    try:
        return answered(folder, once)
    except OSError:
        return []
