"""What a run needs of a machine."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from harness.tasks.resources import NOTHING, Resources, largest


def test_a_request_replaces_only_what_it_names() -> None:
    below = Resources(gpus=1, cpus=4, memory="16G")

    assert Resources(gpus=2).over(below) == Resources(gpus=2, cpus=4, memory="16G")
    assert NOTHING.over(below) == below


def test_the_largest_of_each_is_enough_for_all() -> None:
    each = [Resources(gpus=2, memory="900M"), Resources(cpus=8, memory="1G"), NOTHING]

    assert largest(each) == Resources(gpus=2, cpus=8, memory="1G")
    assert largest([]) == NOTHING


def test_a_request_of_no_gpu_does_not_speak_for_those_that_request_no_number() -> None:
    assert largest([Resources(gpus=0, cpus=1), NOTHING]) == Resources(cpus=1)
    assert largest([Resources(gpus=0), Resources(gpus=2), NOTHING]) == Resources(gpus=2)
    assert largest([Resources(gpus=0), Resources(gpus=0, cpus=2)]) == Resources(gpus=0, cpus=2)


@pytest.mark.parametrize(("memory", "size"), [("64G", 64 * 2**30), ("512M", 2**29), ("1T", 2**40), ("2048K", 2**21)])
def test_memory_is_a_number_with_a_unit(memory: str, size: int) -> None:
    assert Resources(memory=memory).memory_bytes == size


@pytest.mark.parametrize("memory", ["64", "64GB", "0G", "-1G", "1.5G", "G", ""])
def test_other_amounts_of_memory_are_refused(memory: str) -> None:
    with pytest.raises(ValidationError, match="such as 64G"):
        Resources(memory=memory)
