"""(seed, purpose, epoch) -> random generator."""

from __future__ import annotations

import hashlib

import torch


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
