"""Golden digests of claims: plans on disk hold them, so each must stay what it was when that plan was made."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter
from test_claims_reader import claim

from harness.experiment import load_experiment
from harness.experiment.claims import KINDS, Claim, as_dict, digest

# Of one claim, registered with a margin of 0.25.
ONE_CLAIM = {
    "improves: a=1": "39407ce114af",
    "{worsens: [a=1, a=2], over: a=3}": "5f015ee659f5",
    "{equivalent: all}": "e1ebcfd09c03",
    "{no_gain: a=1, metric: train_loss, margin: 0.1}": "b6b442acedef",
    "{no_loss: a=1, failed_counts_as: 10}": "726fb73c98ce",
    "best_in_range: [1, 2]": "cb85009fe1d7",
    "{best_in_range: [1, 2], margin: 0}": "983ffb277f86",
    "declines_beyond: 2": "b95ce3c57e91",
    "{no_proportional_gain: 1, dose: parameters}": "57954704b679",
    "{at_least: {a=1: 90.5}}": "e2e849612e48",
    "{at_most: {a=1: 5000000}, metric: parameters}": "7c4d0bd4a83f",
    "{contrast: {a=1: 1, a=2: -0.5, a=3: -0.5}, is: positive}": "36f7a21ba408",
    "{at_least: {a=1: 90}, where: {a: 1}}": "f450068bf188",
    "{improves: a=1, margin: 1}": "2b2a37efa432",
    "{at_least: {a=1: 90}}": "9bcd66dce71a",
    "{contrast: {a=1: 1, a=2: -1}, is: negligible, margin: 2}": "1f308346a383",
}
SHIPPED = {
    "experiments/augmentations.yaml": "8e04ab751037",
    "experiments/bottleneck_vs_basic.yaml": "255b517bab28",
    "experiments/channel_width.yaml": "07a175805009",
    "experiments/dropout_sweep.yaml": "f4d3c2db0214",
    "experiments/label_smoothing.yaml": "4cdde9c79f8a",
    "experiments/leakyrelu_vs_relu.yaml": "cf606646eb2b",
    "experiments/learning_rates.yaml": "5bf675208288",
    "experiments/lookahead.yaml": "388552b53a25",
    "experiments/paper.yaml": "bf237819ee73",
    "experiments/schedulers.yaml": "ef4a01c84bdf",
    "experiments/search.yaml": "be33fd1c90f2",
    "examples/python_task/width.yaml": "55331112dd1c",
    "examples/argparse_script/momentum.yaml": "0adf7f15f56a",
}
# Claims as plans have them on disk since the first version, without what later versions added.
ON_DISK = {
    '{"metric":"m","where":{},"failed_counts_as":null,"kind":"improves","variants":["b"],"over":["a"],"margin":0.25}': "improves",
    '{"metric":"m","kind":"contrast","weights":{"a":1.0,"b":-1.0},"sign":"positive","margin":0.25}': "contrast",
    '{"metric":"m","where":{"lr":"0.1"},"kind":"best_in_range","factor":"width","inside":[8,16],"margin":0.0}': "best_in_range",
    '{"metric":"m","kind":"declines_beyond","factor":"width","beyond":8}': "declines_beyond",
    '{"metric":"m","kind":"no_proportional_gain","factor":"width","beyond":8.0}': "no_proportional_gain",
    '{"metric":"m","failed_counts_as":10.0,"kind":"at_least","variant":"a","value":90.5}': "at_least",
}


@pytest.mark.parametrize(("text", "expected"), ONE_CLAIM.items())
def test_the_digest_of_each_kind_of_claim_is_golden(text: str, expected: str) -> None:
    assert digest((claim(text),), {"margin": 0.25}) == expected


def test_every_kind_of_claim_has_a_golden_digest() -> None:
    assert {claim(text).kind for text in ONE_CLAIM} == set(KINDS)


@pytest.mark.parametrize(("file", "expected"), SHIPPED.items())
def test_the_digest_of_each_shipped_experiment_is_golden(file: str, expected: str) -> None:
    experiment = load_experiment(file)
    registered = {name: getattr(experiment, name) for name in ("looks", "margin", "alpha", "baseline")}
    assert digest(experiment.claims, registered) == expected


@pytest.mark.parametrize(("text", "kind"), ON_DISK.items(), ids=ON_DISK.values())
def test_a_claim_on_disk_is_read_and_has_the_digest_of_its_written_form(text: str, kind: str) -> None:
    adapter: TypeAdapter[Claim] = TypeAdapter(Claim)
    found = adapter.validate_json(text)
    assert found.kind == kind
    assert digest([adapter.validate_json(adapter.dump_json(found))], {}) == digest([found], {})
    assert as_dict(adapter.validate_python(as_dict(found))) == as_dict(found)
