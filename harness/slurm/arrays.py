"""Numbers of workers -> arrays that a cluster accepts. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import InputError


@dataclass(frozen=True)
class Array:
    """One call of sbatch: an array of `workers` tasks, at most `throttle` at once; `plain`: one worker, without array."""

    workers: int
    throttle: int | None = None
    plain: bool = False

    @property
    def option(self) -> list[str]:
        """The sbatch option."""
        if self.plain:
            return []
        limit = "" if self.throttle is None else f"%{self.throttle}"
        return [f"--array=0-{self.workers - 1}{limit}" if self.workers > 1 else f"--array=0{limit}"]


def shares(total: int, sizes: Sequence[int]) -> list[int]:
    """`total` divided in proportion to `sizes`: at least 1 and at most its size for each.

    The next one goes where most are left for each that is there.
    """
    given = [1] * len(sizes)
    waiting = [(float(-size), place) for place, size in enumerate(sizes)]  # a heap: the most for each come first
    heapq.heapify(waiting)
    for _ in range(min(total, sum(sizes)) - len(sizes)):
        place = waiting[0][1]
        given[place] += 1
        heapq.heapreplace(waiting, (-sizes[place] / given[place], place))
    return given


def split_arrays(workers: Sequence[int], max_array_size: int, throttle: int | None = None) -> list[list[Array]]:
    """For each number of workers its arrays. MaxArraySize is an exclusive limit on the index, which starts at 0.

    All arrays share the throttle. Raises InputError if it is less than one worker per array.
    """
    plain = max_array_size <= 1  # 0: the cluster has no arrays
    cut = [[1] * count if plain else _cut(count, max_array_size) for count in workers]
    sizes = [size for part in cut for size in part]
    if throttle is None or throttle >= sum(sizes):
        limits = sizes
    elif throttle < len(sizes):
        reasons = [f"MaxArraySize {max_array_size}"] if len(sizes) > len(workers) else []
        reasons += ["the resources that runs need"] if len(workers) > 1 else []
        fewer = f"use --workers {throttle}, or a throttle" if throttle >= len(workers) else "use a throttle"
        raise InputError(
            f"throttle: {throttle} is too small: {' and '.join(reasons)} divide {sum(sizes)} workers into {len(sizes)} jobs; "
            f"{fewer} of at least {len(sizes)}"
        )
    else:
        limits = shares(throttle, sizes)
    made = iter(Array(size, None if limit >= size else limit, plain) for size, limit in zip(sizes, limits, strict=True))
    return [[next(made) for _ in part] for part in cut]


def _cut(workers: int, max_array_size: int) -> list[int]:
    count = -(-workers // max_array_size)
    return [workers // count + (place < workers % count) for place in range(count)]
