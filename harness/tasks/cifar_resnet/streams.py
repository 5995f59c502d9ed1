"""(seed, purpose, epoch) -> random generator -> random bits."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

PIECE = 1 << 15  # words that a thread draws at a time: 256 KB stay in a core's cache


def stream_seed(seed: int, purpose: str, epoch: int = 0) -> int:
    """The 63-bit seed of a stream: the first 8 bytes of SHA-256 over `seed/purpose/epoch`, the top bit cleared."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stream(seed: int, purpose: str, epoch: int = 0, device: str | torch.device = "cpu") -> torch.Generator:
    """A fresh generator for one purpose ("order", "augment", "dropout", ...) in one epoch of a run with `seed`.

    The seed derived is the same on every machine and in every version. The numbers drawn from it are torch's: equal on one
    kind of device with one version of torch, different between CPU and CUDA. Streams are independent: runs that differ in one
    part share the randomness of the rest.
    """
    return torch.Generator(device).manual_seed(stream_seed(seed, purpose, epoch))


class Pcg64:
    """NumPy's PCG64DXSM on the CPU, with those methods of `torch.Generator` that are used here; several threads draw from it.

    It can be moved to any place of its sequence, so that threads draw different parts of the same numbers: what is drawn does
    not depend on how many there are. torch's generator for CPUs (Mersenne Twister) draws on one thread.
    """

    device = torch.device("cpu")

    def __init__(self) -> None:
        self._seed, self._drawn = 0, 0

    def manual_seed(self, seed: int) -> None:
        """Start the sequence of `seed`, a whole number from 0 to 2^63 - 1, all of whose bits count."""
        self._seed, self._drawn = seed, 0

    def get_state(self) -> Tensor:
        """int64 [2]: the seed and the number of words drawn."""
        return torch.tensor([self._seed, self._drawn])

    def set_state(self, state: Tensor) -> None:
        self._seed, self._drawn = state.tolist()

    def words(self, count: int) -> Tensor:
        """The next `count` words of 64 random bits: int64 [count]."""
        drawn = np.empty(count, dtype=np.uint64)
        share = max(PIECE, -(-count // torch.get_num_threads()))

        def fill(first: int) -> None:
            source = np.random.PCG64DXSM(self._seed).advance(self._drawn + first)
            end = min(first + share, count)
            for start in range(first, end, PIECE):
                drawn[start : min(start + PIECE, end)] = source.random_raw(min(PIECE, end - start))  # without the GIL

        shares = range(0, count, share)
        if len(shares) > 1:
            with ThreadPoolExecutor(len(shares)) as threads:
                list(threads.map(fill, shares))  # raises what a thread raised
        else:
            fill(0)
        self._drawn += count
        return torch.from_numpy(drawn.view(np.int64))


Generator = torch.Generator | Pcg64


def random_words(count: int, generator: Generator) -> Tensor:
    """Words of 64 random bits: int64 [count], on the generator's device."""
    if isinstance(generator, Pcg64):
        return generator.words(count)
    words = torch.empty(count, dtype=torch.int64, device=generator.device)
    return words.random_(-(1 << 63), None, generator=generator)
