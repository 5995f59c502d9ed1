"""Streams: what is drawn for one purpose depends on nothing else."""

from __future__ import annotations

import torch

from harness.tasks.cifar_resnet.streams import stream, stream_seed


def test_the_derivation_of_seeds_never_changes() -> None:
    # SHA-256 of "0/order/0", "7/augment/3": its first 8 bytes, shifted right by one bit. A change makes old runs incomparable.
    assert stream_seed(0, "order") == 3955691223199900983
    assert stream_seed(7, "augment", 3) == 1324090354932207547


def test_a_stream_repeats_itself() -> None:
    first, again = (torch.rand(4, generator=stream(1, "augment", 2)) for _ in range(2))
    assert torch.equal(first, again)


def test_seed_purpose_and_epoch_each_make_another_stream() -> None:
    keys = [(0, "order", 0), (1, "order", 0), (0, "augment", 0), (0, "order", 1), (11, "order", 0), (1, "order", 10)]
    assert len({stream_seed(*key) for key in keys}) == len(keys)


def test_a_stream_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    torch.rand(3, generator=stream(0, "order"))
    assert torch.equal(before, torch.get_rng_state())
