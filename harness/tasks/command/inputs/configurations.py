"""Configuration file (YAML, JSON, TOML) -> the strings in it, each of which may name a file or a Python object."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from harness.tasks.command.inputs.files import stamp_of

LARGEST = 1 << 20  # [bytes] larger files are data, not configurations
LONGEST = 300  # characters of a string that may be a path
DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")  # `models.net.Net`, as in _target_ and class_path
GROUP = re.compile(r"(?:override\s+|optional\s+)*/?([\w.-]+)")  # the start of an entry of Hydra's defaults list


def strings_of(file: Path) -> tuple[str, ...]:
    """The strings in a file, each once and on one line; none if it is large or not valid. Cached by size and time."""
    stamp = stamp_of(file)
    return () if stamp is None or stamp[1] > LARGEST else _strings(*stamp)


@lru_cache(maxsize=4096)
def _strings(file: str, _size: int, _modified: int) -> tuple[str, ...]:
    try:
        text = Path(file).read_text(encoding="utf-8")
        match Path(file).suffix:
            case ".json":
                found = _inside(json.loads(text))
            case ".toml":
                found = _inside(tomllib.loads(text))
            case _:
                found = _scalars(text)
        return tuple(dict.fromkeys(text for text in found if 0 < len(text) <= LONGEST and text.isprintable()))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return ()


def _inside(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _inside(each)


def _scalars(text: str) -> Iterator[str]:
    """Read as events, which neither resolve tags such as !include nor repeat aliases. Keys are among them, and do no harm."""
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.ScalarEvent):
            yield event.value


def hydra_groups(file: Path) -> list[str]:
    """The groups and files (without their ending) that the defaults list of a Hydra configuration names."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return []
    entries = content.get("defaults") if isinstance(content, dict) else None
    listed = entries if isinstance(entries, list) else ()
    names = [key for entry in listed for key in (entry if isinstance(entry, dict) else [entry])]
    return [found[1] for name in names if (found := GROUP.match(str(name)))]
