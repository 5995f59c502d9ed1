"""A program of several steps -> the programs of its single steps, with the settings that each depends on. Pure.

A step depends on the settings that its own command names, and on those of the steps whose folders it names: {steps.NAME}.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from harness.errors import InputError
from harness.tasks.command import template
from harness.tasks.command.inputs import fingerprint as inputs
from harness.tasks.command.model import OF_A_STEP, Program, ProgramStep
from harness.tasks.resources import IN_COMMANDS


def last(program: Program) -> Program:
    """The last step as a program of one command; `program` itself if it has no steps."""
    return plain(program, next(reversed(program.steps))) if program.steps else program


def plain(program: Program, name: str) -> Program:
    """One step as a program of one command, with the knobs that its own command names."""
    step = program.steps[name]
    own = {field: getattr(step, field) for field in OF_A_STEP}
    inputs = program.inputs if step.inputs is None else step.inputs
    return Program.model_validate({**_shared(program, named_knobs(program, step)), **own, "inputs": inputs})


def alone(program: Program, name: str) -> Program:
    """What the run of a step is made of: the step with the earlier steps that it needs, and the knobs that these name."""
    names = needed(program, name)
    if not names:
        return plain(program, name)
    steps = {one: program.steps[one] for one in (*names, name)}
    knobs = {knob for step in steps.values() for knob in named_knobs(program, step)}
    return Program.model_validate({**_shared(program, knobs), "steps": steps, "inputs": program.inputs})


def needed(program: Program, name: str) -> tuple[str, ...]:
    """The earlier steps that a step needs, directly or through others, in order."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for one in template.steps_in(program.steps[waiting.pop()].command):
            if one not in found:
                found.add(one)
                waiting.append(one)
    return tuple(one for one in program.steps if one in found)


def named_knobs(program: Program, step: ProgramStep) -> tuple[str, ...]:
    """The knobs that the step's command names; {knobs} names all."""
    names = set(template.placeholders(step.command))
    return tuple(knob for knob in program.knobs if "knobs" in names or knob in names)


def requests(program: Program) -> tuple[str, ...]:
    """The resources whose values a command line of the program contains: {gpus} and the like, unless they are knobs."""
    steps = program.steps.values() or [program]
    named = {name for step in steps for line in (step.command, step.resume or "") for name in template.placeholders(line)}
    return tuple(name for name in IN_COMMANDS if name in named and name not in program.knobs)


def with_own_requests(program: Program) -> Program:
    """`program` with what each step requests itself written into its command lines, where nothing else can change it."""

    def written(step: ProgramStep) -> ProgramStep:
        own = step.resources.requested
        texts = {name: str(own[name]) for name in IN_COMMANDS if name in own and name not in program.knobs}
        lines = {"command": template.filled(step.command, texts), "resume": step.resume and template.filled(step.resume, texts)}
        return ProgramStep.model_validate({**dict(step), **lines})

    return Program.model_validate({**dict(program), "steps": {name: written(step) for name, step in program.steps.items()}})


def joined(fingerprints: Mapping[str, str]) -> str:
    """The fingerprints of the steps' inputs as one."""
    return "; ".join(f"{name}: {found}" for name, found in fingerprints.items())


def parts(program: Program, data: str) -> dict[str, str]:
    """The inverse of `joined` for the steps of `program`. Raises InputError."""
    found = re.fullmatch("; ".join(f"{re.escape(name)}: (.*?)" for name in program.steps), data, re.DOTALL)
    if found is None:
        raise InputError(f"these are not the inputs of the steps {', '.join(program.steps)}: {data!r}; plan again with --replan")
    return dict(zip(program.steps, found.groups(), strict=True))


def part(program: Program, data: str, name: str) -> str:
    """Of the inputs of all steps those of one, with those of the steps that it needs: as of the program `alone`."""
    found = parts(program, data)
    needs = needed(program, name)
    return joined({one: found[one] for one in (*needs, name)}) if needs else found[name]


def differences(program: Program, stored: str, requested: str) -> str:
    """How two fingerprints differ, `inputs.differences` step by step; empty if only the order does, or the steps differ."""
    if not program.steps:
        return inputs.differences(stored, requested)
    try:
        old, new = parts(program, stored), parts(program, requested)
    except InputError:
        return ""
    found = {name: inputs.differences(old[name], new[name]) for name in old}
    return "; ".join(f"step {name}: {each}" for name, each in found.items() if each)


def _shared(program: Program, knobs: Iterable[str]) -> dict[str, object]:
    wanted = set(knobs)
    return {
        "directory": program.directory,
        "knobs": {name: knob for name, knob in program.knobs.items() if name in wanted},
        "environment": program.environment,
        "style": program.style,
        "identical_seeds": program.identical_seeds,
        "repository": program.repository,
        "link": program.link,
        "prepare": program.prepare,
    }
