import math

import torch

from harness.tasks.cifar_resnet import config, initial, model

SMALL = config.Model(stem_width=8, widths=(8, 16), depths=(2, 2))


def weights(settings: config.Model, seed: int = 0, classes: int = 10) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        network = model.build(settings, classes)
    return initial.weights(network, seed)


def shared(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> set[str]:
    """Names of the same shape in both; asserts that their values are the same bits."""
    common = {name for name in one.keys() & other.keys() if one[name].shape == other[name].shape}
    assert all(torch.equal(one[name], other[name]) for name in common)
    return common


def test_every_parameter_and_buffer_gets_a_value():
    for activation in ("leaky_relu", "prelu"):
        settings = config.Model(**{**SMALL.model_dump(), "activation": activation})
        assert weights(settings).keys() == model.build(settings, 10).state_dict().keys()


def test_variants_share_what_has_the_same_name_and_shape():
    base = weights(SMALL)
    for change in ({"activation": "prelu"}, {"activation": "relu"}, {"dropout": 0.0}, {"negative_slope": 0.3}):
        assert shared(base, weights(config.Model(**{**SMALL.model_dump(), **change}))) == base.keys()


def test_a_layer_more_elsewhere_changes_nothing():
    deeper = weights(config.Model(**{**SMALL.model_dump(), "depths": (3, 2)}))
    base = weights(SMALL)
    assert shared(base, deeper) == base.keys()
    assert any(name.startswith("stages.0.2.") for name in deeper)


def test_a_wider_stem_changes_only_what_touches_it():
    base = weights(SMALL)
    different = base.keys() - shared(base, weights(config.Model(**{**SMALL.model_dump(), "stem_width": 12})))
    assert {name for name in different if not name.startswith("stem.")} == {
        "stages.0.0.conv1.weight",
        "stages.0.0.shortcut.conv.weight",
    }


def test_seeds_and_names_differ():
    one, other = weights(SMALL, seed=0), weights(SMALL, seed=1)
    assert not torch.equal(one["stem.conv.weight"], other["stem.conv.weight"])
    assert not torch.equal(one["head.bias"], other["head.bias"])
    assert not torch.equal(one["stages.0.0.conv2.weight"], one["stages.0.1.conv2.weight"])
    assert one["head.weight"][0, 0] != one["head.bias"][0]


def test_drawing_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    weights(SMALL)
    assert torch.equal(before, torch.get_rng_state())


def test_distributions_are_he_fan_out_and_torchs_linear():
    values = weights(config.Model())
    conv = values["stages.2.1.conv2.weight"]
    assert abs(conv.std().item() / math.sqrt(2 / (256 * 9)) - 1) < 0.01
    stem = values["stem.conv.weight"]
    assert abs(stem.std().item() / math.sqrt(2 / (32 * 9)) - 1) < 0.1
    head = values["head.weight"]
    assert head.abs().max() <= 1 / 32
    assert abs(head.std().item() / (1 / 32 / math.sqrt(3)) - 1) < 0.02
    assert torch.equal(values["stages.0.0.norm3.weight"], torch.ones(256))
    assert torch.equal(values["stages.0.0.norm3.bias"], torch.zeros(256))


def test_prelu_starts_at_the_configured_slope():
    values = weights(config.Model(**{**SMALL.model_dump(), "activation": "prelu", "negative_slope": 0.125}))
    assert values["stages.1.0.activation2.weight"].tolist() == [0.125]
