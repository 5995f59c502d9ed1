"""What is shown above results whose files do not fit each other."""

from __future__ import annotations

from collections.abc import Sequence

from harness.reporting.phrases.numbers import plural

SHOWN = 3


def not_consistent(problems: Sequence[str]) -> str | None:
    """A warning with the first `problems`; None without any."""
    if not problems:
        return None
    more = f"; and {len(problems) - SHOWN:,d} more" if len(problems) > SHOWN else ""
    advice = "do not trust them; harness verify says what to do"
    count = f"{plural(len(problems), 'problem')} in the files of these results"
    return f"NOT CONSISTENT: {count} ({advice}): {'; '.join(problems[:SHOWN])}{more}"
