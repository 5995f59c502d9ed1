"""A text, run ids -> a number that names the runs it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from harness.reporting import phrases

NAMED = 6  # ids that a number names when it is pointed at


@dataclass(frozen=True)
class Number:
    """What is shown, and the ids of the runs that it comes from. `value` is what a table sorts by."""

    text: str
    ids: tuple[str, ...] = ()
    value: float | None = None

    @property
    def title(self) -> str:
        """`from 2 runs: a00000000000, a00000000001`."""
        if not self.ids:
            return ""
        named = ", ".join(self.ids[:NAMED])
        rest = f" and {len(self.ids) - NAMED:,d} more" if len(self.ids) > NAMED else ""
        return f"from {phrases.plural(len(self.ids), 'run')}: {named}{rest}"
