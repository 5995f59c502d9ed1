"""The session of tests: the markers that choose what `make test` and `make check` run, and what a test leaves behind."""

from __future__ import annotations

import re
import signal
from types import SimpleNamespace
from typing import cast

import pytest
from conftest import HANDLERS, SLOW_S, TESTS, mismarked, pytest_collection_modifyitems, required

from harness.common.stopping import Stop


def test_quick_and_slow_checks_together_run_every_test() -> None:
    script = (TESTS.parent / "scripts" / "check").read_text()
    assert set(re.findall(r'run_tests "([^"]+)"', script)) == {"slow", "not slow"}
    assert set(re.findall(r'-m "\$1 and ([^"]+)"', script)) == {"alone", "not alone"}
    targets = dict(re.findall(r"^(\w+):(.*)", (TESTS.parent / "Makefile").read_text(), re.MULTILINE))
    assert targets["check"].split() == ["style", "docs", "test", "slow"]


def test_a_test_that_took_too_long_for_its_marker_is_named_with_its_time() -> None:
    durations = [
        ("quick", SLOW_S, False),
        ("long", SLOW_S + 3, True),
        ("longer", SLOW_S + 1, False),
        ("longest", SLOW_S + 2, False),
    ]
    assert mismarked(durations) == ["   7.0 s  longest", "   6.0 s  longer"]


@pytest.fixture
def forty(request: pytest.FixtureRequest) -> list[pytest.Item]:
    """Forty tests, of which the even ones are slow."""
    made = []
    for number in range(40):
        item = pytest.Function.from_parent(request.node.parent, name=f"test_{number}", callobj=lambda: None)
        if number % 2 == 0:
            item.add_marker(pytest.mark.slow)
        made.append(item)
    return made


def test_shares_of_the_slow_tests_make_up_all_of_them(monkeypatch: pytest.MonkeyPatch, forty: list[pytest.Item]) -> None:
    shares, config = [], cast(pytest.Config, SimpleNamespace(hook=SimpleNamespace(pytest_deselected=lambda **_: None)))
    for turn in range(3):
        monkeypatch.setenv("HARNESS_SLOW_SHARE", f"{turn}/3")
        left = [*forty]
        pytest_collection_modifyitems(config, left)
        assert [each for each in left if each.get_closest_marker("slow") is None] == forty[1::2]
        shares.append([each for each in left if each.get_closest_marker("slow") is not None])
    assert all(shares)
    assert sorted(each.name for share in shares for each in share) == sorted(each.name for each in forty[::2])


@pytest.mark.parametrize(
    ("expression", "markers"),
    [
        ("slow and not alone", {"slow"}),
        ("slow and alone", {"slow", "alone"}),
        ("not slow and alone", {"alone"}),
        ("not slow and not alone", set()),
        ("", set()),
        ("slow or alone", set()),
        ("not (slow and alone)", set()),
        ("gpu and slow", {"slow"}),
    ],
)
def test_modules_are_left_out_only_if_none_of_their_tests_can_be_selected(expression: str, markers: set[str]) -> None:
    assert required(expression) == markers


def test_the_text_of_a_module_names_the_markers_that_choose_its_tests() -> None:
    shared = [path for path in TESTS.rglob("*.py") if path.stem != "conftest" and not path.name.startswith("test_")]
    assert shared
    assert not [path for path in shared if re.search(r"mark\.(slow|alone)\b", path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("turn", [1, 2])
def test_a_worker_in_a_test_leaves_the_signals_to_the_tests_after_it(turn: int) -> None:  # noqa: ARG001
    assert {number: signal.getsignal(number) for number in HANDLERS} == HANDLERS
    Stop().on_signals()
