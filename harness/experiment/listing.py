"""The places of experiments -> what `harness list` shows: each file with its question, and which files are hidden by others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.common.yaml_nodes import Node, read_file
from harness.errors import InputError
from harness.experiment.places import FOLDER, files, places


@dataclass(frozen=True)
class Listed:
    """One experiment file. `hidden_by`: the file that its name means, as that one is found first; None: its name means it."""

    name: str
    file: Path
    place: Path  # its folder
    question: str
    is_search: bool
    profiles: tuple[str, ...]  # its own, without inherited ones
    hidden_by: Path | None
    problem: str = ""  # why it cannot be read


def listed(folder: Path = FOLDER) -> list[Listed]:
    """Every experiment in every place, in the order in which names are looked up. A damaged file is listed with its problem.

    A link to a file that is listed already is left out: in the repository, those that come with the package are in experiments/.
    """
    found: list[Listed] = []
    first: dict[str, Path] = {}
    for place in places(folder):
        for path in files(place):
            used = first.setdefault(path.stem, path)
            if used is path or not path.samefile(used):
                found.append(_read(path, None if used is path else used))
    return found


def _read(path: Path, hidden_by: Path | None) -> Listed:
    try:
        root = read_file(path)
        problem = "" if isinstance(root.value, Mapping) else f"{root.at}: not an experiment"
    except InputError as error:
        root, problem = None, str(error.problems[0] if error.problems else error)
    entries = root.entries if root is not None and not problem else {}
    question = entries["question"].node.value if "question" in entries else ""
    return Listed(
        name=path.stem,
        file=path,
        place=path.parent,
        question=question if isinstance(question, str) else "",
        is_search="search" in entries,
        profiles=_keys(entries["profiles"].node) if "profiles" in entries else (),
        hidden_by=hidden_by,
        problem=problem,
    )


def _keys(node: Node) -> tuple[str, ...]:
    return tuple(node.entries) if isinstance(node.value, Mapping) else ()
