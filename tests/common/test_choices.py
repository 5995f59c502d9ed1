"""Words that are chosen from: the Python API refuses another one as the command line does."""

from __future__ import annotations

from typing import get_args

import pytest

from harness.common.choices import Device, Retry, check_choice
from harness.errors import InputError
from harness.execution.devices import resolve_device


def test_a_word_that_is_no_choice_is_refused_with_the_choices() -> None:
    check_choice("--retry", "failed", Retry)
    with pytest.raises(InputError, match=r"^invalid value for --retry: 'completed'; choose from: failed, diverged$"):
        check_choice("--retry", "completed", Retry)


def test_a_device_from_python_is_checked_as_one_from_the_command_line() -> None:
    assert [resolve_device(device, gpus=1) for device in get_args(Device)] == ["cuda", "cpu", "cuda"]
    with pytest.raises(InputError, match="'tpu'"):
        resolve_device("tpu")  # type: ignore[arg-type]
