"""A stream of this process -> the same, whose reader may leave: of `harness report | head` the command still does the rest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def may_leave(stream: IO[str]) -> Iterator[None]:
    """Inside, something is written to `stream`; if nobody reads it any more, that and what follows is discarded."""
    try:
        yield
    except BrokenPipeError:
        drop(stream)


def drop(stream: IO[str]) -> None:
    """Discard what `stream` has buffered, and what follows: writing it at exit would fail again."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
