"""What runs need of a machine, in words."""

import pytest

from harness.reporting import phrases
from harness.tasks.resources import NOTHING, Resources


@pytest.mark.parametrize(
    ("requested", "words"),
    [
        (NOTHING, ""),
        (Resources(gpus=1, nodes=1), "1 GPU"),
        (Resources(nodes=1), "1 node"),
        (Resources(gpus=2, cpus=8, memory="64G"), "2 GPUs, 8 processors and 64G of memory"),
        (Resources(gpus=4, nodes=2), "2 nodes, each with 4 GPUs"),
        (Resources(nodes=2), "2 nodes"),
    ],
)
def test_requests_are_words(requested, words):
    assert phrases.resources(requested) == words
