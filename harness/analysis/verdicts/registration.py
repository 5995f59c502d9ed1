"""Whether a claim was written before the results that it is judged on: `Registered`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

CLOCKS_DIFFER = timedelta(minutes=10)  # at most, between machines that train for one plan


@dataclass(frozen=True)
class Written:
    """When claims were written, and the ids of the runs that had finished by then."""

    at: str  # ISO 8601, UTC; empty: not recorded
    known: frozenset[str] | None  # None: not recorded
    after_all: bool = False  # whether all results existed by then


@dataclass(frozen=True)
class Registered:
    """What was known of a claim's results when it was written; `after`: at least one of them.

    Then the claim is retrospective; not so in a loop of comparisons, if all the known results are of the version that it compares
    with: a loop keeps a version for its good results, which makes the next comparison harder, not easier.
    """

    when: Literal["before", "after"]
    results_known: int | None  # None: not recorded
    results_used: int  # the runs that it is judged on; while it waits, those of the first look
    at: str  # when it was written: ISO 8601, UTC; empty: not recorded
    added: bool = False  # to the file, after the plan had been written and runs had started
    by_times: bool = False  # from the times in the files, which different machines may have written
    only: tuple[str, ...] = ()  # the references of the claim, if all the known results are theirs
    loop: str | None = None  # of comparisons, which uses the runs of these references again

    @property
    def retrospective(self) -> bool:
        """Whether some result was known, apart from those that a loop of comparisons uses again."""
        return self.when == "after" and self.loop is None


@dataclass(frozen=True)
class UsedRun:
    """A run that a claim is judged on."""

    id: str
    variant: str
    finished: bool
    ended: str | None = None  # ISO 8601, UTC; None: unfinished, or unknown


def registered(
    written: Written | None,
    used: Sequence[UsedRun],
    references: frozenset[str],
    *,
    added: bool,
    loop: str | None = None,
) -> Registered | None:
    """What was known of the results `used` of a claim; `references`: the variants that it only compares with.

    `loop`: the loop of comparisons that its plan is a member of.

    Known are those that were recorded as finished, and results copied here later that had ended long before. None: unknown, as
    nothing was written (an experiment without a plan) or neither known runs nor usable times are recorded.
    """
    if written is None:
        return None
    if written.known is None and added and not written.at:
        return Registered("after", None, len(used), "", added=True)
    known, by_times = _known(written, used)
    if known is None:
        return None
    owners = dict.fromkeys(run.variant for run in known)
    only = tuple(owners) if owners.keys() <= references else ()
    return Registered(
        when="after" if known else "before",
        results_known=len(known),
        results_used=len(used),
        at=written.at,
        added=added,
        by_times=by_times,
        only=only,
        loop=loop if only and not added else None,
    )


def _known(written: Written, used: Sequence[UsedRun]) -> tuple[list[UsedRun] | None, bool]:
    """The known runs (None: unknown), and whether that is from the times in the files."""
    if written.known is None:
        return _ended_before(written.at, used), True
    known = written.known
    others = [run for run in used if run.id not in known and run.finished and run.ended]
    earlier = {run.id for run in _ended_before(written.at, others, CLOCKS_DIFFER) or ()}
    return [run for run in used if run.id in known or run.id in earlier], bool(earlier)


def _ended_before(at: str, used: Sequence[UsedRun], by: timedelta = timedelta(0)) -> list[UsedRun] | None:
    """The runs that ended before `at`, by the clocks of the machines; None if a time cannot be read."""
    try:
        written = datetime.fromisoformat(at) - by
        return [run for run in used if run.finished and datetime.fromisoformat(run.ended or "") < written]
    except (ValueError, TypeError):  # no time, or one without a time zone
        return None
