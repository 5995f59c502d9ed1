"""What is wrong with a `search:` is told with its line, its value and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
from searching import SPACE, toy_search

from harness.errors import InputError

WRONG = {
    "{space: {efect: {range: [-3, 3]}}}": "did you mean effect",
    "{space: {effect: {range: [3, -3]}}}": "[3.0, -3.0] is no range",
    "{space: {noise: {range: [0, 2], log: true}}}": "0.0 with log; allowed: a least value above 0",
    "{space: {noise: {range: [-1, 2]}}}": "-1.0 is out of range; allowed: a number from 0",
    "{space: {failure: {choice: [bug]}}}": "search.space.failure.choice: ['bug']",
    "{space: {effect: {range: [0, 1], when: {failure: bug}}, failure: {choice: [bug, oom]}}}": "stands above in the space",
    f"{{space: {SPACE}, sampler: grid}}": "grid",
    f"{{space: {SPACE}, objectives: scor}}": "no metric 'scor'",
    f"{{space: {SPACE}, objectives: [score, loss], sampler: cmaes}}": "cmaes takes one objective",
    f"{{space: {SPACE}, first: [{{effect: 9}}]}}": "lies outside of the space",
    f"{{space: {SPACE}, objectives: parameters, pruner: median}}": "parameters is not measured each epoch",
    f"{{space: {SPACE}, prune_after: 3}}": "nothing is pruned",
    f"{{space: {SPACE}, constraints: {{score: {{at_most: 1}}}}}}": "is not known before training",
}


@pytest.mark.parametrize("search", WRONG)
def test_it_is_refused_with_the_reason(tmp_path: Path, search: str) -> None:
    with pytest.raises(InputError) as caught:
        toy_search(tmp_path, search)
    assert "toys.yaml:5" in str(caught.value)
    assert WRONG[search] in str(caught.value)
    assert "allowed" in str(caught.value) or "did you mean" in str(caught.value)
