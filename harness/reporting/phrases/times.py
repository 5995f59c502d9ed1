"""Time that is left, and what devices have spent, in words."""

from __future__ import annotations

from harness.execution.time_left import Basis
from harness.reporting.phrases.numbers import plural
from harness.tasks.protocol import Accelerator


def lasting(seconds: float) -> str:
    """A duration in its two largest units: 40 s, 6 min, 3 h 20 min, 2 d 4 h."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{round(seconds)} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def left(seconds: float | None, basis: Basis | None, noun: str = "run") -> str:
    """`3 h 20 min left, from 12 finished runs`, or that it is not known."""
    if seconds is None or basis is None:
        return "time left not known yet"
    if basis.source == "running":
        return f"{lasting(seconds)} left, from the speed of {plural(basis.runs, noun)}"
    if basis.source == "earlier":
        return f"{lasting(seconds)} left, {basis.words}"
    return f"{lasting(seconds)} left, from {basis.runs:,d} finished {noun}{'' if basis.runs == 1 else 's'}"


def device_time(spent: float, to_come: float | None, accelerator: Accelerator) -> str:
    """`4.1 GPU h spent, at most 60 to come`, from seconds; small times in minutes, on the CPU `h of training`."""
    unit, size = ("h", 3600.0) if max(spent, to_come or 0.0) >= 3600 else ("min", 60.0)
    whose = f"{unit} of training" if accelerator == "cpu" else f"GPU {unit}"
    return f"{_amount(spent / size)} {whose} spent" + (f", at most {_amount(to_come / size)} to come" if to_come else "")


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == 0 else f"{value:.1f}"
