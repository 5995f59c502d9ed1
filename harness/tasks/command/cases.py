"""$HARNESS_CASES, or files that the program wrote -> the outcome of each case of an evaluation, as arrays and means."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from pydantic import Field, field_validator

from harness.common.patience import answered
from harness.tasks.command.measure import Measure, Strict, Text
from harness.tasks.command.reading import numbers
from harness.tasks.command.reading.finder import shown
from harness.tasks.protocol import TrainingFailed

VARIABLE = "$HARNESS_CASES"
ARRAYS = ("cases", "groups")  # names of stored arrays; all others are metrics
TABLES = {".csv": ",", ".tsv": "\t"}
LINES = (".jsonl", ".ndjson")
ONCE = "write each case once, or choose among records by file: and where: of cases:"
WORDS = {"true": 1.0, "false": 0.0}


class CaseFile(Strict):
    """Files in {run_dir} with a record for each case: JSON lines, CSV or TSV. Keys of nested JSON objects are dotted."""

    file: Text = Field(description="in {run_dir}: .jsonl, .csv, .tsv; * and ** are allowed, and all files that match are read")
    case: Text = Field("case", description="the key of a case's id")
    group: Text | None = Field(None, description="the key of the group that a case belongs to, such as doc.category")
    values: dict[str, Text] = Field({}, description="metric -> its key; default: each metric without a source, by its name")
    where: dict[str, bool | int | str] = Field(
        {}, description="read only records with these values, such as {filter: strict-match}"
    )

    @field_validator("file")
    @classmethod
    def _is_in_the_run_dir(cls, value: str) -> str:
        path = PurePath(value)
        if path.is_absolute() or ".." in path.parts or any("**" in part and part != "**" for part in path.parts):
            raise ValueError(f"{value!r} is not a file in {{run_dir}}; use a name such as samples.jsonl or '**/samples_*.jsonl'")
        if path.suffix not in (*TABLES, *LINES):
            raise ValueError(
                f"{value!r} is neither JSON lines nor a table; use a file that ends in {', '.join([*LINES, *TABLES])}"
            )
        return value

    @property
    def definition(self) -> dict[str, Any]:
        """What run ids depend on."""
        return self.model_dump(exclude_defaults=True)


@dataclass(frozen=True)
class Record:
    """One case as it was written."""

    place: str  # file and line
    case: Any
    group: Any
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Cases:
    """The outcomes of all cases of a run."""

    outcomes: Mapping[str, Mapping[str, float]]  # metric -> case -> outcome; the cases of all metrics are the same
    groups: Mapping[str, str] = field(default_factory=dict)  # case -> group; empty: none

    def means(self, metrics: Mapping[str, Measure]) -> dict[str, float]:
        """The mean over cases of each metric; in per cent if that is its unit."""
        return {
            name: (100.0 if metrics[name].unit == "%" else 1.0) * math.fsum(own.values()) / len(own)
            for name, own in self.outcomes.items()
        }

    @property
    def count(self) -> int:
        """The number of cases."""
        return len(next(iter(self.outcomes.values()), ()))

    def arrays(self) -> dict[str, Any]:
        """`cases` [case] and `groups` [case] as text, and each metric [case] as float64, by increasing case."""
        import numpy as np

        names = sorted(next(iter(self.outcomes.values())))
        found = {"cases": np.array(names)}
        if self.groups:
            found["groups"] = np.array([self.groups[name] for name in names])
        for metric, own in self.outcomes.items():
            found[metric] = np.array([own[name] for name in names], dtype=np.float64)
        return found


def collect(records: Sequence[Record], metrics: Mapping[str, Measure], earlier: int = 0) -> Cases:
    """Check records of one run and put them together.

    The first `earlier` records are those of interrupted attempts, which the resumed program may repeat: later ones replace them.
    Raises TrainingFailed (`output`), with file and line: for the same case twice, a case without an id, a metric or the group
    that others have, outcomes that are not finite numbers, and outcomes beyond 0 to 1 of a metric in per cent.
    """
    outcomes: dict[str, dict[str, float]] = {}
    groups: dict[str, str] = {}
    places: dict[str, tuple[int, str]] = {}
    measured = dict.fromkeys(name for record in records for name in record.values)
    grouped = any(record.group is not None for record in records)
    for number, record in enumerate(records):
        case = _text(record.case, "case", record.place)
        known = places.get(case)
        if known is not None and known[0] >= earlier:
            raise _failed(record.place, f"the case {case!r} again, after {known[1]}; {ONCE}")
        places[case] = number, record.place
        for name in measured:
            if name not in record.values:
                raise _failed(record.place, f"the case {case!r} has no {name}, which others have")
            value = _outcome(record.values[name], name, record.place)
            if metrics[name].unit == "%" and not 0 <= value <= 1:
                what = f"the {name} of the case {case!r} is {value:g}; outcomes of a metric in % are 0, 1 or between"
                raise _failed(record.place, f"{what}; use another unit, such as points")
            outcomes.setdefault(name, {})[case] = value
        if grouped:
            if record.group is None:
                raise _failed(record.place, f"the case {case!r} has no group, which others have")
            groups[case] = _text(record.group, "group", record.place)
    return Cases(outcomes, groups)


def read_lines(text: str, metrics: Mapping[str, Measure], name: str = VARIABLE) -> list[Record]:
    """The records of $HARNESS_CASES: a JSON object a line, with `case`, declared metrics and optionally `group`.

    Raises TrainingFailed.
    """
    found = []
    for place, record in _objects(text, name):
        values = {key: value for key, value in record.items() if key in metrics}
        if not values:
            keys = ", ".join(map(repr, record)) or "no keys"
            raise _failed(place, f"no metric of metrics: ({', '.join(metrics)}); the line has {keys}")
        if odd := next((key for key in values if key in ARRAYS), None):
            raise _failed(place, f"a metric named {odd!r} cannot be measured by cases; rename it")
        if "case" not in record:
            raise _failed(place, "no case: expected the id of the case, as a string or an integer")
        found.append(Record(place, record["case"], record.get("group"), values))
    return found


def read_files(source: CaseFile, folder: Path, metrics: Mapping[str, Measure]) -> list[Record]:
    """The records of the files that `source` names in `folder`. Raises TrainingFailed, StoreError."""
    paths = _matching(folder, source.file)
    if not paths:
        raise TrainingFailed("output", f"cases: no file matches {source.file!r} in {{run_dir}}", f"output: {source.file}")
    found = []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            text = answered(path, partial(path.read_text, encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError) as error:
            raise _failed(name, f"cannot be read: {error}") from error
        records = _rows(text, name, TABLES[path.suffix]) if path.suffix in TABLES else _objects(text, name)
        for place, record in records:
            if all(_agrees(_at(record, key, place), wanted) for key, wanted in source.where.items()):
                group = None if source.group is None else _at(record, source.group, place)
                if source.group is not None and group is None:
                    raise _failed(place, f"{source.group} is null; expected the group of the case")
                values = {metric: _at(record, key, place) for metric, key in keys_of(source, metrics).items()}
                found.append(Record(place, _at(record, source.case, place), group, values))
    if not found:
        where = f" with {', '.join(f'{key}: {value}' for key, value in source.where.items())}" if source.where else ""
        raise _failed(source.file, f"no cases{where}")
    return found


def _matching(folder: Path, pattern: str) -> list[Path]:
    def once() -> list[Path]:
        folder.stat()  # raises where `glob` finds nothing: the results folder may be away
        return sorted(path for path in folder.glob(pattern) if path.is_file())

    try:
        return answered(folder, once)
    except FileNotFoundError:
        return []


def keys_of(source: CaseFile, metrics: Mapping[str, Measure]) -> Mapping[str, str]:
    """Metric -> key in the files."""
    return source.values or {name: name for name, measure in metrics.items() if measure.source is None}


def _objects(text: str, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{name} line {number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _failed(place, f"not JSON ({error}): {shown(line)}") from error
        if not isinstance(record, dict):
            raise _failed(place, f"not a JSON object: {shown(line)}")
        yield place, record


def _rows(text: str, name: str, delimiter: str) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        header = next(reader, None) or []
        if twice := next((column for column in header if header.count(column) > 1), None):
            raise _failed(f"{name} line 1", f"two columns are named {twice!r}")
        for row in reader:
            if not row:
                continue
            place = f"{name} line {reader.line_num}"
            if len(row) != len(header):
                raise _failed(place, f"{len(row)} columns; the first line has {len(header)}")
            yield place, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise _failed(f"{name} line {reader.line_num}", f"cannot be read: {error}") from error


def _at(record: Mapping[str, Any], key: str, place: str) -> Any:
    """The value at a key, which may be dotted. Raises TrainingFailed without it."""
    if key in record:
        return record[key]
    value: Any = record
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise _failed(place, f"no {key!r}; it has {', '.join(map(repr, list(record)[:12])) or 'nothing'}")
        value = value[part]
    return value


def _agrees(value: Any, wanted: bool | int | str) -> bool:
    if isinstance(value, str) and not isinstance(wanted, str):  # from a table
        return value.strip().lower() == str(wanted).lower()
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def _text(value: Any, what: str, place: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise _failed(place, f"the {what} is {shown(json.dumps(value, default=str))}; expected a string or an integer")
    return value


def _outcome(value: Any, metric: str, place: str) -> float:
    if isinstance(value, str):  # from a table
        value = WORDS.get(value.strip().lower(), value)
    if isinstance(value, str) and numbers.readable(value):
        value = numbers.number(value)
    try:
        outcome = float(value) if isinstance(value, bool | int | float) else math.nan
    except OverflowError:
        outcome = math.inf
    if not math.isfinite(outcome):
        found = value if isinstance(value, float) else shown(json.dumps(value, default=str))
        raise _failed(place, f"the {metric} is {found}; expected a finite number, true or false")
    return outcome


def _failed(place: str, what: str) -> TrainingFailed:
    return TrainingFailed("output", f"cases: {place}: {what}", f"output: cases {re.sub(r'[0-9]+', '#', place)}")
