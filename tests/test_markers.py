"""The markers that choose what `make test` and `make check` run."""

from __future__ import annotations

import re

from conftest import SLOW_S, TESTS, mismarked


def test_quick_and_slow_checks_together_run_every_test() -> None:
    script = (TESTS.parent / "scripts" / "check").read_text()
    assert set(re.findall(r'run_tests "([^"]+)"', script)) == {"slow", "not slow"}
    assert set(re.findall(r'-m "\$1 and ([^"]+)"', script)) == {"alone", "not alone"}
    targets = dict(re.findall(r"^(\w+):(.*)", (TESTS.parent / "Makefile").read_text(), re.MULTILINE))
    assert targets["check"].split() == ["style", "test", "slow"]


def test_a_test_that_took_too_long_for_its_marker_is_named_with_its_time() -> None:
    durations = [
        ("quick", SLOW_S, False),
        ("long", SLOW_S + 3, True),
        ("longer", SLOW_S + 1, False),
        ("longest", SLOW_S + 2, False),
    ]
    assert mismarked(durations) == ["   7.0 s  longest", "   6.0 s  longer"]
