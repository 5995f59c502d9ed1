"""Labels -> fixed, stratified subsets: the same on every machine, whatever a run's seed."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence


def quotas(counts: Sequence[int], size: int) -> list[int]:
    """How many of `size` images each class gives, in proportion to its `counts`; the largest remainders are rounded up.

    `size` is at most the sum of `counts`; equal remainders go to the lower class.
    """
    total = sum(counts)
    shares = [size * count // total for count in counts]
    remainders = sorted(range(len(counts)), key=lambda c: (-(size * counts[c] % total), c))
    for c in remainders[: size - sum(shares)]:
        shares[c] += 1
    return shares


def stratified(labels: Sequence[int], among: Iterable[int], size: int, purpose: str) -> list[int]:
    """`size` of the indices `among`, each class keeping its share; sorted.

    An image's rank within its class is the SHA-256 of `purpose`, its class and its place in the class, so that it depends on no
    random number generator's version, and a larger subset (of the same `among`) holds, class by class, the smaller one.
    """
    place: dict[int, int] = defaultdict(int)
    ranked: dict[int, list[tuple[bytes, int]]] = defaultdict(list)
    candidates = set(among)
    for index, label in enumerate(labels):
        if index in candidates:
            ranked[label].append((hashlib.sha256(f"{purpose}/{label}/{place[label]}".encode()).digest(), index))
        place[label] += 1
    classes = sorted(ranked)
    shares = quotas([len(ranked[label]) for label in classes], size)
    return sorted(index for label, share in zip(classes, shares, strict=True) for _, index in sorted(ranked[label])[:share])
