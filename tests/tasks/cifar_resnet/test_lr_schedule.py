import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from harness.tasks.cifar_resnet import config, schedule

LR = 0.4
EPOCHS = 12
STEPS = 5

ALL = [
    config.Cosine(),
    config.Constant(),
    config.Linear(),
    config.Step(),
    config.Multistep(),
    config.Exponential(),
    config.OneCycle(),
    config.WarmRestarts(),
    config.Plateau(),
]
BY_STEP = (config.OneCycle, config.WarmRestarts)


def rates(settings: schedule.Schedule, epochs: int = EPOCHS, steps: int = STEPS) -> list[float]:
    """The rate of every step, for plateau without a drop."""
    return [
        schedule.rate(settings, LR, epochs=epochs, steps_per_epoch=steps, epoch=epoch, step=step)
        for epoch in range(epochs)
        for step in range(steps)
    ]


def torch_rates(make: Callable[[torch.optim.Optimizer], Any], epochs: int = EPOCHS, steps: int = STEPS) -> list[float]:
    """The same from torch's scheduler, asked once an epoch."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler = make(optimizer)
    found = []
    for _ in range(epochs):
        found += [optimizer.param_groups[0]["lr"]] * steps
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize(
    ("settings", "make"),
    [
        (config.Cosine(), lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=EPOCHS)),
        (config.Constant(), lambda o: lr_scheduler.ConstantLR(o, factor=1)),
        (config.Linear(), lambda o: lr_scheduler.LinearLR(o, 1, 0, total_iters=EPOCHS)),
        (config.Step(step_size=0.25, gamma=0.3), lambda o: lr_scheduler.StepLR(o, EPOCHS // 4, gamma=0.3)),
        (config.Multistep(milestones=(0.5, 0.75)), lambda o: lr_scheduler.MultiStepLR(o, [6, 9], gamma=0.1)),
        (config.Exponential(final_fraction=0.02), lambda o: lr_scheduler.ExponentialLR(o, 0.02 ** (1 / EPOCHS))),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_epoch_schedules_equal_torchs(settings: schedule.Schedule, make: Callable[[torch.optim.Optimizer], Any]):
    assert rates(settings) == pytest.approx(torch_rates(make), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("epochs", "steps", "rising"), [(12, 5, 0.3), (4, 15, 0.5), (400, 3, 0.1), (2, 5, 0.9)])
def test_one_cycle_equals_torchs(epochs: int, steps: int, rising: float):
    def make(optimizer: torch.optim.Optimizer) -> lr_scheduler.OneCycleLR:
        return lr_scheduler.OneCycleLR(optimizer, LR, total_steps=epochs * steps, pct_start=rising, cycle_momentum=False)

    expected = torch_rates(make, epochs * steps - 1, 1)  # torch's refuses a step after the last
    assert rates(config.OneCycle(rising=rising), epochs, steps)[:-1] == pytest.approx(expected, rel=1e-9)
    assert rates(config.OneCycle(rising=rising), epochs, steps)[-1] == pytest.approx(LR / 25 / 1e4)


@pytest.mark.parametrize("growth", [1, 2, 3])
def test_warm_restarts_equal_torchs_at_fractions_of_an_epoch(growth: int):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2, T_mult=growth)
    expected = []
    for place in range(14 * STEPS):
        scheduler.step(place / STEPS)
        expected.append(optimizer.param_groups[0]["lr"])
    assert rates(config.WarmRestarts(first_cycle=1 / 7, growth=growth), 14) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("epochs", [4, 100, 400])
def test_warm_restarts_end_at_the_end_of_a_cycle(epochs: int):
    found = rates(config.WarmRestarts(), epochs, 390)
    assert found[-1] < 0.001 * LR
    assert sum(rate > 0.999999 * LR and before < 0.1 * LR for before, rate in zip([0, *found], found, strict=False)) == 3


@pytest.mark.parametrize("patience", [0, 2])
def test_plateau_equals_torchs(patience: int):
    losses = [3.0, 2.5, 2.5, 2.4999, 2.6, 2.7, 2.0, 2.0, 2.1, math.nan, 2.2, 2.3, 1.5, 1.6, 1.7, 1.8, 1.9]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=patience, eps=0)
    settings = config.Plateau(patience_epochs=patience, factor=0.5)
    seen = schedule.PlateauState()
    for epoch, loss in enumerate(losses):
        rate = schedule.rate(settings, LR, epochs=20, steps_per_epoch=STEPS, epoch=epoch, step=0, drops=seen.drops)
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"])
        scheduler.step(loss)
        seen = schedule.update_plateau(settings, seen, epoch, loss)
    assert seen.drops > 1


def test_plateau_watches_from_the_end_of_the_warm_up_and_other_schedules_never():
    settings = config.Plateau(warmup_epochs=3, patience_epochs=0)
    assert schedule.update_plateau(settings, schedule.PlateauState(), 2, 1.0) == schedule.PlateauState()
    assert schedule.update_plateau(settings, schedule.PlateauState(), 3, 1.0) == schedule.PlateauState(best=1.0)
    assert schedule.update_plateau(config.Cosine(), schedule.PlateauState(), 3, 1.0) == schedule.PlateauState()


@pytest.mark.parametrize("settings", ALL, ids=lambda value: value.name)
def test_warm_up_climbs_linearly_to_the_schedules_own_start(settings: schedule.Schedule):
    warm = type(settings).model_validate({**settings.model_dump(), "warmup_epochs": 3})
    found, alone = rates(warm), rates(settings, EPOCHS - 3)
    assert found[: 3 * STEPS] == pytest.approx([alone[0] * (step + 1) / (3 * STEPS) for step in range(3 * STEPS)])
    assert found[3 * STEPS :] == alone


@pytest.mark.parametrize("settings", ALL, ids=lambda value: value.name)
def test_only_one_cycle_and_warm_restarts_change_within_an_epoch(settings: schedule.Schedule):
    found = rates(settings)
    constant = all(len(set(found[epoch * STEPS : (epoch + 1) * STEPS])) == 1 for epoch in range(EPOCHS))
    assert constant != isinstance(settings, BY_STEP)


def test_shares_scale_with_the_length():
    for settings in (config.Step(), config.Multistep()):
        assert rates(settings, 4, 1) == rates(settings, 400, 1)[::100]


@given(st.sampled_from(ALL), st.integers(1, 40), st.integers(1, 7), st.floats(0, 0.99))
def test_every_rate_is_within_zero_and_the_peak(settings: schedule.Schedule, epochs: int, steps: int, warm: float):
    warmed = type(settings).model_validate({**settings.model_dump(), "warmup_epochs": int(warm * epochs)})
    assert all(0 <= rate <= LR * (1 + 1e-12) for rate in rates(warmed, epochs, steps))


@given(st.floats(0.01, 0.99), st.integers(1, 6), st.integers(1, 6))
def test_one_cycle_takes_any_share_and_length(rising: float, epochs: int, steps: int):
    assert all(0 < rate <= LR * (1 + 1e-12) for rate in rates(config.OneCycle(rising=rising), epochs, steps))
