"""Options of a worker: as they are typed, as a parent hands them over, and what is refused."""

from __future__ import annotations

import json
import typing

import pytest

from harness import worker
from harness.errors import InputError
from harness.execution.options import WorkerOptions, flag


def test_typed_options_survive_the_json_argument() -> None:
    words = ["--retry", "failed", "--retry=diverged", "--idle", "10m", "--checkpoint-every=0.5s", "--threads", "2", "--one-stage"]
    typed = WorkerOptions.read(words)
    assert typed == WorkerOptions(retry=("failed", "diverged"), idle=600, checkpoint_every=0.5, threads=2, one_stage=True)
    name, text = typed.arguments()
    assert name == "--options-json"
    assert WorkerOptions.read(**json.loads(text)) == typed


def test_typed_options_override_fields_and_empty_fields_are_ignored() -> None:
    assert WorkerOptions.read(["--track=none"], track="wandb", retry=None, only=[]) == WorkerOptions(track="none")


def test_every_option_of_the_command_is_a_field() -> None:
    parameters = typing.get_type_hints(worker.worker)
    assert parameters.keys() - {"plan", "options_json", "return"} <= WorkerOptions.model_fields.keys()


def test_every_problem_is_reported_with_its_option() -> None:
    with pytest.raises(InputError) as refused:
        WorkerOptions.read(
            ["--beat-s=0", "--threads=0", "--keep=all", "--retry=pruned"], device="tpu", stop_after="soon", tracks="none"
        )
    assert str(refused.value).splitlines() == [
        "invalid value for --device: 'tpu'; choose from: cpu, cuda",
        "invalid value for --threads: '0'; expected an integer from 1",
        "invalid value for --retry: 'pruned'; choose from: failed, diverged",
        "invalid value for --keep: 'all'; choose from: weights",
        "invalid value for --stop-after: invalid duration 'soon'; expected 90s, 10m, 3h50m, 1d, 1-12:30:00 or a number of seconds",
        "invalid value for --beat-s: invalid duration '0'; must be above 0",
        "unknown option --tracks; did you mean --track?",
    ]


@pytest.mark.parametrize("words", [["--keeep", "weights"], ["weights"], ["--help"], ["--keep"], ["--check", "5m"]])
def test_an_unknown_option_is_refused(words: list[str]) -> None:
    with pytest.raises(InputError, match="see `harness worker --help`"):
        WorkerOptions.read(words)


def test_a_later_start_has_the_time_that_is_left() -> None:
    options = WorkerOptions(stop_after=60)
    assert [options.after(elapsed).stop_after for elapsed in (0, 20, 90)] == [60, 40, 0]
    assert WorkerOptions().after(20).stop_after is None
    assert [flag(name) for name in ("stop_after", "beat_s")] == ["--stop-after", "--beat-s"]
