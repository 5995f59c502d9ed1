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
    advice = "do not trust these results; harness verify says what to do"
    return f"NOT CONSISTENT: {plural(len(problems), 'problem')} in the files behind this page ({advice}): {'; '.join(problems[:SHOWN])}{more}"
