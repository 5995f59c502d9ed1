"""Groups of several sources -> one sequence, the same whenever each source was read.

If all sources give steps, groups of one step become one, in the order of steps; otherwise the k-th groups of all sources become
one. A source that is behind is waited for, so that the sequence does not depend on when its file was read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.tasks.command.reading.groups import Group, Grouping


def joined(sources: Sequence[Grouping]) -> Iterator[Group]:
    """The groups that are known to be complete, taken from the sources. One that is not finite is not held back."""
    while True:
        if bad := next((source for source in sources if source.complete and not source.complete[0].finite), None):
            yield bad.complete.popleft()
            continue
        ready = [source for source in sources if source.complete]
        if not ready or any(not source.complete and not source.ended for source in sources):
            return
        steps = [source.complete[0].step for source in ready]
        if all(step is not None for step in steps):
            least = min(step for step in steps if step is not None)
            ready = [source for source in ready if source.complete[0].step == least]
        yield _one([source.complete.popleft() for source in ready])


def _one(groups: Sequence[Group]) -> Group:
    step = next((group.step for group in groups if group.step is not None), None)
    values = {name: value for group in groups for name, value in group.values.items()}
    extra = {name: value for group in groups for name, value in group.extra.items()}
    return Group(step, values, extra)
