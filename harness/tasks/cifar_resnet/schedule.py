"""Schedule configuration, epoch and step -> learning rate. Pure functions; no torch.

A schedule runs over the epochs after the warm-up, here called its length. All change the rate once per epoch, as the source does,
except one_cycle and warm_restarts, which are defined step by step. Lengths inside a schedule are shares of it, so that a
4-epoch rehearsal goes through the same phases as 400 epochs.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

from harness.tasks.cifar_resnet import config

Schedule = (
    config.Cosine
    | config.Constant
    | config.Linear
    | config.Step
    | config.Multistep
    | config.Exponential
    | config.OneCycle
    | config.WarmRestarts
    | config.Plateau
)

ONE_CYCLE_START = 25.0  # one_cycle climbs from lr / 25 ...
ONE_CYCLE_END = 25.0 * 1e4  # ... and ends at lr / 250,000: torch's defaults
PLATEAU_THRESHOLD = 1e-4  # an improvement is one by more than this share: torch's default


@dataclass(frozen=True)
class PlateauState:
    """Plateau's state: the best value of the watched loss, epochs without improvement, and drops so far."""

    best: float = math.inf
    stale_epochs: int = 0
    drops: int = 0


def update_plateau(schedule: Schedule, state: PlateauState, epoch: int, value: float) -> PlateauState:
    """The state after `epoch` (from 0) with `value` of the watched loss; unchanged in the warm-up and for other schedules.

    A value that is not a number counts as no improvement.
    """
    if not isinstance(schedule, config.Plateau) or epoch < schedule.warmup_epochs:
        return state
    if value < state.best * (1 - PLATEAU_THRESHOLD):
        return PlateauState(value, 0, state.drops)
    if state.stale_epochs + 1 > schedule.patience_epochs:
        return PlateauState(state.best, 0, state.drops + 1)
    return PlateauState(state.best, state.stale_epochs + 1, state.drops)


def rate(schedule: Schedule, lr: float, *, epochs: int, steps_per_epoch: int, epoch: int, step: int, drops: int = 0) -> float:
    """The learning rate of a step.

    `lr` is the peak, `epoch` and `step` (within the epoch) count from 0, `drops` is plateau's `PlateauState.drops`. The warm-up
    rises linearly, step by step, to the first rate of the schedule.
    """
    warmup_steps = schedule.warmup_epochs * steps_per_epoch
    done = epoch * steps_per_epoch + step
    length = epochs - schedule.warmup_epochs
    if done < warmup_steps:
        return (done + 1) / warmup_steps * lr * share(schedule, length, steps_per_epoch)
    return lr * share(schedule, length, steps_per_epoch, epoch=epoch - schedule.warmup_epochs, step=step, drops=drops)


def share(schedule: Schedule, length: int, steps_per_epoch: int, *, epoch: int = 0, step: int = 0, drops: int = 0) -> float:
    """The rate as a share of the peak; `epoch` counts from the end of the warm-up."""
    match schedule:
        case config.Constant():
            return 1.0
        case config.Cosine():
            return falling_cosine(epoch / length)
        case config.Linear():
            return 1 - epoch / length
        case config.Step():
            return math.pow(schedule.gamma, epoch // max(1, round(schedule.step_size * length)))
        case config.Multistep():
            reached = bisect_right([round(milestone * length) for milestone in schedule.milestones], epoch)
            return math.pow(schedule.gamma, reached)
        case config.Exponential():
            return math.pow(schedule.final_fraction, epoch / length)
        case config.OneCycle():
            return one_cycle(schedule.rising, length * steps_per_epoch, epoch * steps_per_epoch + step)
        case config.WarmRestarts():
            return warm_restarts(schedule.first_cycle, schedule.growth, (epoch + step / steps_per_epoch) / length)
        case config.Plateau():
            return math.pow(schedule.factor, drops)


def falling_cosine(progress: float) -> float:
    """1 at 0, 0 at 1."""
    return (1 + math.cos(math.pi * progress)) / 2


def one_cycle(rising: float, steps: int, step: int) -> float:
    """Smith's one-cycle policy with cosine flanks (the rate alone; momentum stays)."""
    start, end = 1 / ONE_CYCLE_START, 1 / ONE_CYCLE_END
    last = max(1, steps - 1)
    peak = min(max(0.0, rising * steps - 1), last)
    if step < peak:
        return 1 + (start - 1) * falling_cosine(step / peak)
    return end + (1 - end) * falling_cosine((step - peak) / (last - peak) if last > peak else 0.0)


def warm_restarts(first_cycle: float, growth: int, progress: float) -> float:
    """SGDR: cosines from 1 to 0, each `growth` times as long as the one before; lengths are shares of the schedule.

    Cycles are not rounded to whole epochs: rounded ones need not add up, and the last epoch would then be a restart.
    """
    begin, cycle = 0.0, first_cycle
    # 1e-9: where a step falls on a restart, the rounding of the shares must not keep it in the old cycle, at rate 0
    while progress - begin >= cycle - 1e-9:
        begin, cycle = begin + cycle, cycle * growth
    return falling_cosine(max(0.0, progress - begin) / cycle)
