"""A task whose runs are read again from the logs of earlier runs, without training."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.tasks.command.knobs import Knobs
from harness.tasks.command.task import CommandTask
from harness.tasks.protocol import Number, Training


class Replay(CommandTask):
    """The task of a program whose run has happened: its `rows` are known."""

    def __init__(self, task: CommandTask, rows: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(task.definition, *task.planned)
        self.rows = rows

    @property
    def keeps_files(self) -> bool:
        """No: the files stay with the earlier run."""
        return False

    def start(self, config: Knobs, seed: int, device: str) -> _ReplayTraining:  # type: ignore[override]  # noqa: ARG002
        """A training that returns the rows."""
        return _ReplayTraining(self.rows)

    def start_in(self, config: Knobs, seed: int, device: str, folder: Path) -> _ReplayTraining:  # type: ignore[override]  # noqa: ARG002
        """As `start`."""
        return _ReplayTraining(self.rows)


class _ReplayTraining(Training):
    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._rows = deque(rows)

    @property
    def finished(self) -> bool:
        return not self._rows

    def advance(self, should_stop: Callable[[], bool]) -> Mapping[str, Number | None]:  # noqa: ARG002 - never waits
        return self._rows.popleft()

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing: it starts from the beginning."""

    def predictions(self) -> None:
        return None
