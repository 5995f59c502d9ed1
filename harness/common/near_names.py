"""A name that was not found, and the known names -> those that may be meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

MOST_NEAR = 3
SHORTEST = 3  # characters of a part of a name


def near(name: str, known: Iterable[str], most: int = MOST_NEAR) -> list[str]:
    """At most `most` known names: that contain `name`, shortest first, and then similar ones."""
    names = list(dict.fromkeys(known))
    folded = name.casefold()
    containing = [each for each in names if folded in each.casefold()] if len(name) >= SHORTEST else []
    similar = difflib.get_close_matches(folded, [each.casefold() for each in names], n=most)
    also = [each for fold in similar for each in names if each.casefold() == fold]
    return list(dict.fromkeys([*sorted(containing, key=len), *also]))[:most]


def meant(names: Sequence[str]) -> str:
    """`did you mean a, b or c?`"""
    *rest, last = names
    return f"did you mean {', '.join(rest)} or {last}?" if rest else f"did you mean {last}?"


def files_near(path: Path, pattern: str = "*") -> list[str]:
    """The paths of files beside `path` with a similar name, most similar first; none if there is no such folder."""
    try:
        beside = sorted(each.name for each in path.parent.glob(pattern))
    except (OSError, ValueError, RuntimeError):  # not a folder, or an invalid name
        return []
    stems = near(path.stem, [Path(name).stem for name in beside])
    return [str(path.parent / name) for stem in stems for name in beside if Path(name).stem == stem][:MOST_NEAR]
