"""Text of a results folder -> the same without paths of one machine; refusals of what must not be published."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.store import atomic
from harness.store.paths import Paths
from harness.store.provenance import Provenance, content_digest

# Places that say nothing about a user or a machine.
NEUTRAL = ("/bin", "/dev", "/etc", "/lib", "/opt", "/sbin", "/srv", "/usr")
ABSOLUTE = re.compile(r"(?<![\w./:…])/[\w.@+-]+(?:/[\w.@+-]+)*")
# Fields of provenance.json, and of each of its restarts, that hold paths.
FIELDS, OF_ENVIRONMENT = ("command",), ("called", "interpreter", "folders")
TEXTS = {".json", ".jsonl", ".txt", ".log", ".html", ".md", ".tex", ".csv", ".svg"}
HOST_IN_LOG = re.compile(r"^--- \S+ lease \d+, ([^,\n]+), process", re.MULTILINE)
RECORDS = ("plans", "studies", "ledger", "environments")  # in which every path that is not neutral is refused
SHOWN = 3


def shorten(folder: Path) -> dict[str, str]:
    """Shorten the paths in each provenance.json; returns the new `content_digest` of those that changed, by run id.

    Logs that hold such paths are removed: nothing reads them.
    """
    changed = {}
    for path in sorted(folder.glob("runs/*/provenance*.json")):
        before = json.loads(path.read_bytes())
        after = _shortened_origin(before)
        if after == before:
            continue
        atomic.write_json(path, after)
        if path.name == "provenance.json":
            changed[path.parent.name] = content_digest(Provenance.model_validate(after))
    for log in folder.glob("runs/*/log.txt"):
        if any(not neutral(found) for found in ABSOLUTE.findall(log.read_text(errors="replace"))):
            log.unlink()
    return changed


def neutral(path: str) -> bool:
    """Whether an absolute path says nothing about a machine or its user."""
    return path in NEUTRAL or path.startswith(tuple(f"{place}/" for place in NEUTRAL))


def shortened(text: str) -> str:
    """`/home/me/.venv/bin/python` -> `…/python`, in all of a text; neutral paths stay."""
    return ABSOLUTE.sub(lambda found: found[0] if neutral(found[0]) else f"…/{Path(found[0]).name}", text)


def _shortened_origin(origin: dict[str, Any]) -> dict[str, Any]:
    """provenance.json, or one of its restarts."""
    fields = {name: _texts(origin[name]) for name in FIELDS if name in origin}
    environment = origin.get("environment")
    if environment is not None:
        fields["environment"] = environment | {name: _texts(environment[name]) for name in OF_ENVIRONMENT if name in environment}
    if origin.get("restarts"):
        fields["restarts"] = [_shortened_origin(each) for each in origin["restarts"]]
    return origin | fields


def _texts(value: Any) -> Any:
    if isinstance(value, list):
        return [_texts(each) for each in value]
    return shortened(value) if isinstance(value, str) else value


def refuse(folder: Path, hosts: set[str], private: Sequence[Path]) -> None:
    """Raises InputError if a text names a home folder, a temporary one, one of `private`, or another host than `hosts`.

    Plans, searches, the ledger and lists of packages may name no place of a machine at all.
    """
    if unknown := sorted({*_hosts(folder)} - hosts):
        names = ", ".join(unknown)
        raise InputError(f"the results name the host {names}; confirm that it may be published: --host {unknown[0]}")
    places = [str(Path.home()), tempfile.gettempdir(), *(str(place) for place in private if not neutral(str(place)))]
    named = re.compile("|".join([r"/(?:home|Users)/\w", *(rf"{re.escape(place)}\b" for place in places if place != "/")]))
    wrong = []
    for path in sorted(folder.rglob("*")):
        if path.suffix not in TEXTS:
            continue
        text = path.read_text(errors="replace")
        if found := named.search(text):
            wrong.append(f"{path.relative_to(folder)}: {text[found.start() : found.start() + 60].split()[0]}")
        elif path.relative_to(folder).parts[0] in RECORDS and (named_too := _not_neutral(text)):
            wrong.append(f"{path.relative_to(folder)}: {named_too}")
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more files" if len(wrong) > SHOWN else ""
        what = "paths of this machine are in the results; train them from a neutral place, such as /srv"
        raise InputError(f"{what}: {'; '.join(wrong[:SHOWN])}{more}")


def _not_neutral(text: str) -> str:
    """The first absolute path that says something about a machine; empty without any."""
    return next((path for path in ABSOLUTE.findall(text) if not neutral(path)), "")


def _hosts(folder: Path) -> Iterator[str]:
    """The host names in provenances, the ledger and logs."""
    for path in folder.glob("runs/*/provenance*.json"):
        origin = Provenance.model_validate_json(path.read_bytes())
        yield from (start.host for start in origin.starts)
    for path in Paths(folder).ledger.glob("*/*.json"):
        yield from filter(None, [json.loads(path.read_bytes()).get("host")])
    for log in folder.glob("runs/*/log.txt"):
        yield from HOST_IN_LOG.findall(log.read_text(errors="replace"))
