"""The pipe to the mirror: a worker never waits for it."""

from __future__ import annotations

import os

import pytest

from harness.store.records import Store
from harness.tracking.feed import Feed, Mirrored, lines

WORD = {"run": "0" * 12, "pid": 12345, "gpus": "0"}


def test_a_full_pipe_drops_the_line_and_returns() -> None:
    reading, writing = os.pipe()
    feed = Feed(writing)
    sent = 0
    while feed.send(WORD):
        sent += 1
    assert sent > 500  # runs whose start nobody has read yet
    assert not feed.send(WORD)
    os.close(writing)
    received = [line for several in lines(reading, 0.1) for line in several]
    assert len(received) == sent
    os.close(reading)


def test_a_mirror_that_is_gone_takes_nothing_and_hurts_nobody() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    assert not Feed(writing).send(WORD)
    os.close(writing)


def test_lines_come_whole_however_the_pipe_cuts_them() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"first\nsec")
    stream = lines(reading, 0.01)
    assert next(stream) == ["first"]
    assert next(stream) == []
    os.write(writing, b"ond\n")
    os.close(writing)
    assert next(stream) == ["second"]
    assert list(stream) == []
    os.close(reading)


def test_a_pipe_that_a_task_has_closed_hurts_nobody() -> None:
    reading, writing = os.pipe()
    feed = Feed(writing)
    os.close(writing)
    assert not feed.send(WORD)
    os.close(reading)


def test_a_mirror_that_cannot_start_leaves_a_command_without_one(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.paths.wandb.write_text("a file where a folder should be")
    os.environ["WANDB_MODE"] = "offline"
    with Mirrored(store.paths, "auto") as mirrored:
        assert (mirrored.arguments, mirrored.descriptors) == (["--track", "none"], ())
    assert capsys.readouterr().err.count("runs are not mirrored") == 1
