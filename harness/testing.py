"""Contract tests for tasks, to be called in the tests of their authors.

    from harness.testing import check_task

    def test_my_task_keeps_the_contract():
        check_task(MY_TASK, Config(epochs=3))

It trains the configuration up to 15 times (13 with three epochs): use a small one.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from harness.store import checkpoint
from harness.store.records import encode
from harness.tasks.identity import identity
from harness.tasks.protocol import REQUIRED_MEMBERS, Accelerator, Number, Task, Training, parse_config, with_optional_members

COSTS = frozenset({"seconds", "samples_per_second", "peak_memory_bytes"})  # differ between runs
STOPS = 4  # number of interruptions tested inside epochs, and between them
MAX_EPOCHS = 100_000  # most calls of advance

Row = Mapping[str, Number | None]


def check_task(
    task: Task, config: BaseModel | None = None, *, seed: int = 0, device: Accelerator = "cpu", not_measured: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Check a task with `config` (default: `task.Config()`), which should have at least two epochs.

    Returns remarks about allowed but notable behaviour. `not_measured` names declared metrics that this configuration does not
    measure. Raises AssertionError for the first violated rule:

    - all members exist; `Config` has defaults for all fields, is frozen, forbids unknown keys, and round-trips through JSON
    - `fingerprint` is a constant string; `describe` gives finite numbers
    - epochs count from 1, steps never decrease, every declared metric is measured and finite
    - the same seed gives identical rows and predictions, another seed gives others
    - `state_dict` can be loaded from a checkpoint with weights_only
    - interrupted between or inside epochs, and resumed by a new or the same object, the run gives identical bits
    """
    remarks: list[str] = []
    _check_members(task)
    config = _resolved(task, config, device)
    _check_description(task, config)
    trial = _Trial(task, config, seed, device)
    rows, arrays = trial.uninterrupted()
    _check_rows(task, rows, not_measured)
    if len(rows) < 2:
        remarks.append("one epoch: use a configuration with two or more to test resuming between epochs")
    repeated, repeated_arrays = trial.uninterrupted()
    _same(rows, repeated, "trained twice with the same seed")
    _same_arrays(arrays, repeated_arrays, "trained twice with the same seed")
    others, _ = _Trial(task, config, seed + 1, device).uninterrupted()
    if _bits(others) == _bits(rows):
        raise AssertionError(f"seeds {seed} and {seed + 1} give identical rows: the seed has no effect")
    for epoch in _evenly_spaced(range(1, len(rows))):
        _compare(rows, arrays, trial.interrupted(after_epoch=epoch), f"stopped after epoch {epoch} and resumed")
    calls = trial.calls
    if calls == 0:
        remarks.append("advance never calls should_stop: runs can be stopped between epochs only")
    for call in _evenly_spaced(range(1, calls + 1)):
        how = f"stopped inside an epoch (at call {call} of should_stop) and resumed"
        _compare(rows, arrays, trial.interrupted(at_call=call), how)
        _compare(rows, arrays, trial.interrupted(at_call=call, new_object=False), f"{how} by the same object")
    return tuple(remarks)


class _Trial:
    """One configuration and seed. `calls` counts the calls of should_stop in an uninterrupted training."""

    def __init__(self, task: Task, config: BaseModel, seed: int, device: Accelerator) -> None:
        self.task, self.config, self.seed, self.device = task, config, seed, device
        self.calls = 0

    def uninterrupted(self) -> tuple[list[Row], Mapping[str, Any] | None]:
        """Rows and predictions of an uninterrupted training."""
        self.calls = 0
        return self._finish(self._start(), [], self._never)

    def interrupted(
        self, after_epoch: int | None = None, at_call: int | None = None, new_object: bool = True
    ) -> tuple[list[Row], Mapping[str, Any] | None]:
        """Rows and predictions of a training that is stopped once and resumed."""
        training, rows = self._start(), cast(list[Row], [])
        calls = itertools.count(1)
        try:
            while len(rows) != after_epoch and not training.finished:
                row = training.advance(lambda: at_call is not None and next(calls) >= at_call)
                if row is None:
                    break
                rows.append(row)
            if new_object and not training.finished:
                saved = _checkpointed(training.state_dict())
                training.close()
                training = self._start()
                training.load_state_dict(saved)
        except BaseException:
            training.close()
            raise
        return self._finish(training, rows, lambda: False)

    def _start(self) -> Training:
        training: Training = with_optional_members(self.task.start(self.config, self.seed, self.device), Training)
        return training

    def _never(self) -> bool:
        self.calls += 1
        return False

    def _finish(
        self, training: Training, rows: list[Row], should_stop: Callable[[], bool]
    ) -> tuple[list[Row], Mapping[str, Any] | None]:
        try:
            for _ in range(MAX_EPOCHS):
                if training.finished:
                    return rows, training.predictions()
                row = training.advance(should_stop)
                if row is not None:
                    rows.append(row)
                elif not training.finished:
                    raise AssertionError("advance returned None although should_stop returned False; return the epoch's row")
            raise AssertionError(f"not finished after {MAX_EPOCHS:,} epochs; `finished` never becomes true")
        finally:
            training.close()


def _check_members(task: Task) -> None:
    missing = [member for member in REQUIRED_MEMBERS if not hasattr(task, member)]
    if missing:
        raise AssertionError(f"the task lacks {', '.join(missing)}")
    if not isinstance(task.version, str) or not task.version:
        raise AssertionError(f"invalid version {task.version!r}; expected a string, which is part of every run id")
    if not task.metrics:
        raise AssertionError("metrics is empty; declare at least one, the default of claims")
    if not (isinstance(task.Config, type) and issubclass(task.Config, BaseModel)):
        raise AssertionError("Config is not a pydantic model; derive it from pydantic.BaseModel")
    settings = task.Config.model_config
    if settings.get("extra") != "forbid":
        raise AssertionError('Config accepts unknown keys; set model_config = ConfigDict(extra="forbid", …)')
    if not settings.get("frozen"):
        raise AssertionError("Config is mutable; set model_config = ConfigDict(frozen=True, …)")
    try:
        task.Config()
    except ValidationError as error:
        raise AssertionError(f"Config() fails: every field needs a valid default: {error}") from error


def _resolved(task: Task, config: BaseModel | None, device: Accelerator) -> BaseModel:
    config = task.Config() if config is None else config
    resolved = task.resolve(config, device)
    if task.resolve(resolved, device) != resolved:
        raise AssertionError("resolve changes a resolved configuration; return it unchanged")
    try:
        back = parse_config(task, resolved.model_dump(mode="json"))
    except ValidationError as error:
        raise AssertionError(f"the configuration cannot be read back from JSON, in which plans store it: {error}") from error
    if back != resolved:
        raise AssertionError(f"the configuration changes in JSON, in which plans store it: {resolved!r} -> {back!r}")
    try:
        json.dumps(identity(resolved), allow_nan=False)
    except ValueError as error:
        raise AssertionError(f"the configuration contains a number that is not valid in a run id: {error}") from error
    return resolved


def _check_description(task: Task, config: BaseModel) -> None:
    first, second = task.fingerprint(config), task.fingerprint(config)
    if not isinstance(first, str) or not first:
        raise AssertionError(f"invalid fingerprint {first!r}; expected a string that identifies the data")
    if first != second:
        raise AssertionError(f"fingerprint changes between two calls: {first!r}, {second!r}")
    for name, value in task.describe(config).items():
        if not _is_finite(value):
            raise AssertionError(f"describe gives {value!r} for {name}; expected a finite number")


def _check_rows(task: Task, rows: list[Row], not_measured: tuple[str, ...]) -> None:
    if not rows:
        raise AssertionError("the training ended without a row")
    for number, row in enumerate(rows, start=1):
        missing = [name for name in ("epoch", "step", "seconds") if name not in row]
        if missing:
            raise AssertionError(f"row {number} lacks {', '.join(missing)}")
        if row["epoch"] != number:
            raise AssertionError(f"row {number} has epoch {row['epoch']!r}; count epochs from 1")
        for name, value in row.items():
            if isinstance(value, str | bool) or (value is not None and not hasattr(value, "__float__")):
                raise AssertionError(f"row {number} has {value!r} for {name}; expected a number, or None for not measured")
        for name in task.metrics:
            if row.get(name) is not None and not _is_finite(row[name]):
                raise AssertionError(f"{name} is {row[name]!r} in row {number}: the run would end as diverged")
    steps = [row["step"] for row in rows]
    if any(cast(float, later) < cast(float, earlier) for earlier, later in itertools.pairwise(steps)):
        raise AssertionError(f"the steps decrease: {steps}; count steps from the start of the run")
    for name in task.metrics:
        if all(row.get(name) is None for row in rows) and name not in not_measured:
            known = [key for key in rows[-1] if key not in ("epoch", "step", "seconds")]
            have = f"they have {', '.join(known) or 'no metric'}"
            raise AssertionError(f"{name} is declared, but no row has it ({have}); measure it, or name it in not_measured")
    first = next(iter(task.metrics))
    if rows[-1].get(first) is None and first not in not_measured:
        raise AssertionError(f"the last row lacks {first}, which is the default of claims")


def _checkpointed(state: dict[str, Any]) -> dict[str, Any]:
    try:
        return checkpoint.unpack(checkpoint.pack(state))
    except Exception as error:
        culprit = next(_unserializable(state, "state_dict()"), f"{type(error).__name__}: {error}")
        raise AssertionError(
            f"the state cannot be loaded from a checkpoint with weights_only: {culprit};"
            " use dicts, lists, tensors, numbers, strings, None"
        ) from error


def _unserializable(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _unserializable(item, f"{path}[{key!r}]")
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from _unserializable(item, f"{path}[{place}]")
    elif not (value is None or isinstance(value, bool | int | float | str | bytes) or type(value).__module__ == "torch"):
        yield f"{path} is a {type(value).__module__}.{type(value).__qualname__}"


def _compare(
    rows: list[Row], arrays: Mapping[str, Any] | None, found: tuple[list[Row], Mapping[str, Any] | None], how: str
) -> None:
    _same(rows, found[0], how)
    _same_arrays(arrays, found[1], how)


def _same(rows: list[Row], others: list[Row], how: str) -> None:
    if len(rows) != len(others):
        raise AssertionError(f"{how}, it has {len(others)} rows instead of {len(rows)}")
    for number, (row, other) in enumerate(zip(_bits(rows), _bits(others), strict=True), start=1):
        for name in dict.fromkeys([*row, *other]):
            if row.get(name) != other.get(name):
                values = f"{row.get(name)!r} and {other.get(name)!r}"
                raise AssertionError(
                    f"{how}, {name} differs from row {number} on: {values}; does the state include all random generators?"
                )


def _same_arrays(arrays: Mapping[str, Any] | None, others: Mapping[str, Any] | None, how: str) -> None:
    import numpy as np

    first, second = arrays or {}, others or {}
    if [*first] != [*second]:
        raise AssertionError(f"{how}, predictions have {[*second]} instead of {[*first]}")
    for name in first:
        if not np.array_equal(np.asarray(first[name]), np.asarray(second[name]), equal_nan=True):
            raise AssertionError(f"{how}, the predictions {name} differ")


def _bits(rows: list[Row]) -> list[dict[str, Any]]:
    return [{name: encode(value) for name, value in row.items() if name not in COSTS} for row in rows]


def _evenly_spaced(places: range) -> list[int]:
    """At most STOPS of `places`, evenly spaced, including the first and the last."""
    if len(places) <= STOPS:
        return list(places)
    return sorted({places[round(share * (len(places) - 1) / (STOPS - 1))] for share in range(STOPS)})


def _is_finite(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(encode(value), int | float) and math.isfinite(value)
