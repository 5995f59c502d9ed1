"""Streams: what is drawn for one purpose depends on nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from harness.tasks.cifar_resnet.streams import PIECE, Pcg64, stream, stream_seed


@pytest.fixture
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def pcg64(seed: int) -> Pcg64:
    generator = Pcg64()
    generator.manual_seed(seed)
    return generator


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


@pytest.mark.usefixtures("_threads")
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_number_of_threads_draws_numpys_sequence(threads: int) -> None:
    torch.set_num_threads(threads)
    generator = pcg64(2**63 - 1)
    drawn = torch.cat([generator.words(count) for count in (3, 3 * PIECE + 5, 1, PIECE)])
    expected = np.random.PCG64DXSM(2**63 - 1).random_raw(len(drawn))
    assert np.array_equal(drawn.numpy().view(np.uint64), expected)


def test_a_stored_state_continues_the_sequence_in_another_generator() -> None:
    whole, stopped, other = pcg64(5).words(30), pcg64(5), pcg64(6)
    stopped.words(10)
    other.set_state(stopped.get_state())
    assert torch.equal(other.words(20), whole[10:])


def test_every_bit_of_a_seed_counts() -> None:
    seeds = [0, *(1 << bit for bit in range(63))]
    assert len({tuple(pcg64(seed).words(2).tolist()) for seed in seeds}) == len(seeds)
