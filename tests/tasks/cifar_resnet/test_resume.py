from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from tiny_runs import always, data_set, never, rows, run, settings, through_a_file, without_timings


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


RESUMED = {
    "sgd with lookahead": {},
    "sgd, nesterov, no dropout": {"optimizer": {"nesterov": True, "lookahead": None}, "model": {"dropout": 0.0}},
    "adamw with lookahead": {"optimizer": {"name": "adamw"}},
    "plateau": {"schedule": {"name": "plateau", "patience_epochs": 0}, "optimizer": {"lr": 1.0}},
    "one cycle, prelu": {"schedule": {"name": "one_cycle"}, "model": {"activation": "prelu"}},
    "masks from pcg64": {"training": {"dropout_generator": "pcg64"}},
    "bf16": {"training": {"precision": "bf16", "epochs": 2}},
}


@pytest.mark.parametrize("change", RESUMED.values(), ids=RESUMED)
def test_a_run_stopped_at_every_step_gives_the_same_bits(change: dict[str, Any]):
    """Each step is done by a fresh object that has seen nothing but the file the one before left."""
    chosen, data = settings(**change), data_set(validation="schedule" in change)
    whole = run(chosen, data)
    expected = rows(whole)
    state, found, stops = through_a_file(run(chosen, data).state_dict()), [], 0
    while True:
        training = run(chosen, data)
        training.load_state_dict(state)
        if training.finished:
            break
        row = training.advance(always)
        if row is None:
            stops += 1
        else:
            found.append(without_timings(row))
        state = through_a_file(training.state_dict())
    assert stops == 3 * len(expected)
    assert found == expected
    assert_same(state["network"], whole.state_dict()["network"])
    assert_same(state["optimizer"], whole.state_dict()["optimizer"])
    assert_same(training.predictions(), whole.predictions())


def assert_same(one: Any, other: Any) -> None:
    """The same bits throughout two nests of dicts, lists, arrays and tensors."""
    if isinstance(one, Mapping):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    elif hasattr(one, "shape"):
        assert (one == other).all()
    else:
        assert one == other


def test_the_same_object_goes_on_after_a_stop():
    training, found = run(), []
    while not training.finished:
        row = training.advance(always)
        found += [] if row is None else [without_timings(row)]
    assert found == rows(run())


def test_a_stop_is_asked_for_after_each_step():
    asked: list[int] = []
    training = run()

    def counting() -> bool:
        assert training.inside is not None
        asked.append(training.inside.step)
        return False

    training.advance(counting)
    assert asked == [1, 2, 3]


def test_a_state_is_a_copy_and_loading_leaves_it_as_it_is():
    training = run()
    training.advance(always)
    state = training.state_dict()
    kept = through_a_file(state)
    training.advance(never)
    assert_same(state, kept)
    other = run()
    other.load_state_dict(state)
    other.advance(never)
    assert_same(state, kept)


def test_seconds_before_a_stop_count():
    training = run()
    training.advance(always)
    state = training.state_dict()
    state["inside"]["seconds"] += 1000
    training.load_state_dict(state)
    row = training.advance(never)
    assert row is not None
    assert row["seconds"] > 1000
    assert row["samples_per_second"] < 24 / 1000
