"""Reads the `space:` of a search. Each parameter is checked by validating the configurations that it gives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from harness.common.validation import suggestion
from harness.common.yaml_nodes import Entry, Node, from_plain, plain
from harness.errors import Position, Problem
from harness.experiment import file
from harness.experiment.claims import level_label
from harness.experiment.compose import ConfigTree
from harness.experiment.space import Categorical, Condition, Range
from harness.experiment.tuning import check_held_out_unchanged, check_no_resources, check_no_version

Changes = tuple[tuple[str, Entry], ...]


class Parameters:
    """Reads one space against a base configuration; collects problems."""

    def __init__(self, tree: ConfigTree, base_tree: Node, problems: list[Problem]) -> None:
        self.tree, self.base_tree, self.problems = tree, base_tree, problems
        self.contexts: dict[str, dict[str, Changes]] = {}  # choice -> option -> its changes and those it depends on
        self.found: list[Range | Categorical] = []

    def read(self, space: Node, section: Mapping[str, file.Parameter]) -> list[Range | Categorical]:
        """The valid parameters."""
        for name, parameter in section.items():
            entry = space.entries[name]
            new = self._parameter(name, parameter, entry)
            if new is not None:
                self.problems.extend(check_held_out_unchanged(_paths(new), self.tree, entry))
                self.problems.extend(check_no_version(_paths(new), self.tree, entry))
                self.problems.extend(check_no_resources(_paths(new), self.tree, entry))
                self._check_disjoint(new, entry)
                self.found.append(new)
        return self.found

    def _parameter(self, name: str, parameter: file.Parameter, entry: Entry) -> Range | Categorical | None:
        node = entry.node
        if (parameter.range is None) == (parameter.choice is None):
            self._problem(node, "needs either range or choice, such as {range: [0.01, 0.1]} or {choice: [relu, gelu]}")
            return None
        conditions = self._conditions(node)
        if conditions is None:
            return None
        when, context = conditions
        if isinstance(parameter.choice, Mapping):
            if parameter.path:
                self._problem(node, "path beside named options; remove it: each option names its own paths")
                return None
            return self._choice(name, node, when, context, name)
        path = parameter.path or name
        if path not in self.tree.paths:
            self.problems.append(
                Problem(entry.key_at, node.path, f"unknown configuration path; {suggestion(path, self.tree.paths)}")
            )
            return None
        if parameter.range is None:
            return self._choice(name, node, when, context, path)
        found = self._range(path, parameter, node, context)
        return found and Range.model_validate({**dict(found), "name": name, "when": when})

    def _choice(self, name: str, node: Node, when: Condition, context: Changes, path: str) -> Categorical | None:
        misplaced = [key for key in ("log", "int", "step") if key in node.entries]
        if misplaced:
            self._problem(node, f"{misplaced[0]} beside choice; remove it, or use range")
            return None
        listed = node.entries["choice"].node
        options: dict[str, Changes] = {}
        if isinstance(listed.value, Mapping):
            options = {label: tuple(patch.node.entries.items()) for label, patch in listed.entries.items()}
        elif isinstance(listed.value, tuple):
            options = {level_label(plain(item)): ((path, Entry(item.at, item)),) for item in listed.value}
        if len(options) < 2:
            self._problem(listed, "fewer than two different options; use two or more")
            return None
        for label, own in options.items():
            self._check((*context, *own), own[0][1].node.path if len(own) == 1 else listed.path)
            self.contexts.setdefault(name, {})[label] = (*context, *own)
        bare = {label: {key: _as_json(plain(entry.node)) for key, entry in own} for label, own in options.items()}
        return Categorical(name=name, when=when, options=bare)

    def _range(self, path: str, parameter: file.Parameter, node: Node, context: Changes) -> Range | None:
        assert parameter.range is not None
        (low, high), listed = parameter.range, node.entries["range"].node
        whole = all(float(value).is_integer() for value in (low, high, parameter.step or 1.0))
        wrong = None
        if low >= high:
            wrong = f"invalid range [{low}, {high}]; expected the smaller value first"
        elif parameter.log and low <= 0:
            wrong = f"log with a range from {low}; use a lower end above 0"
        elif parameter.log and parameter.step is not None:
            wrong = "log and step; use one of them"
        elif parameter.int and not whole:
            wrong = f"int with the range [{low}, {high}]; use integers"
        elif parameter.step is not None and (last := _last_step(low, high, parameter.step)) != high:
            ends = f"{high:g} cannot be reached in steps of {parameter.step:g} from {low:g}"
            wrong = f"{ends}; use an upper end such as {last:g}"
        if wrong:
            self._problem(listed, wrong)
            return None
        # A path that accepts 16 but not 16.5 takes integers.
        integer = parameter.int or (whole and self._accepts_integers_only(path, low, high, context))
        for item, value in zip(listed.value if isinstance(listed.value, tuple) else (), (low, high), strict=True):
            end = from_plain(int(value) if integer else float(value), item.at, item.path)
            self._check((*context, (path, Entry(item.at, end))), item.path)
        return Range(name=path, path=path, low=low, high=high, log=parameter.log, integer=integer, step=parameter.step)

    def _conditions(self, node: Node) -> tuple[Condition, Changes] | None:
        """`when` as labels, and changes that make the parameter active."""
        choices = {item.name: item for item in self.found if isinstance(item, Categorical)}
        section = node.get("when")
        when: dict[str, tuple[str, ...]] = {}
        context: Changes = ()
        for name, entry in section.entries.items() if section else ():
            if name not in choices:
                allowed = suggestion(name, choices) if choices else "move it below the choice"
                self.problems.append(Problem(entry.key_at, entry.node.path, f"no choice {name!r} above; {allowed}"))
                return None
            value, options = plain(entry.node), choices[name].options
            labels = tuple(level_label(item) for item in (value if isinstance(value, tuple) else (value,)))
            if unknown := next((label for label in labels if label not in options), None):
                self._problem(entry.node, f"{name} has no option {unknown!r}; {suggestion(unknown, options)}")
                return None
            when[name] = labels
            context += self.contexts[name][labels[0]]
        return when, context

    def _check_disjoint(self, new: Range | Categorical, entry: Entry) -> None:
        """Parameters that may be active together must set different paths."""
        for other in self.found:
            exclusive = any(not set(new.when[name]) & set(other.when[name]) for name in new.when.keys() & other.when.keys())
            theirs = _paths(other)
            shared = next((path for path in _paths(new) if self.tree.overlapping(path, theirs)), None)
            # A parameter of an option that sets the enclosing block is applied after that block.
            inside = other.name in new.when and all(path not in theirs for path in _paths(new))
            if shared and not exclusive and not inside:
                message = f"sets {shared}, as does {other.name}; use different paths, or when:"
                self.problems.append(Problem(entry.key_at, entry.node.path, message))

    def _check(self, changes: Changes, path: str) -> None:
        _, wrong = self.tree.validated(self.tree.assign(self.base_tree, changes))
        self.problems.extend(found for found in wrong if found.path.startswith(path) and found not in self.problems)

    def _accepts(self, path: str, value: Any, context: Changes) -> bool:
        at = Position("search")
        tried = Entry(at, from_plain(value, at, "search"))
        _, wrong = self.tree.validated(self.tree.assign(self.base_tree, [*context, (path, tried)]))
        return not any(found.path.startswith("search") for found in wrong)

    def _accepts_integers_only(self, path: str, low: float, high: float, context: Changes) -> bool:
        # Try both ends: one may be out of the path's own range.
        return any(
            self._accepts(path, int(end), context) and not self._accepts(path, end + inwards, context)
            for end, inwards in ((low, 0.5), (high, -0.5))
        )

    def _problem(self, node: Node, message: str) -> None:
        self.problems.append(Problem(node.at, node.path, message))


def _last_step(low: float, high: float, step: float) -> float:
    """The last step from `low` up to `high`, at least one; in exact decimals, because binary floats cannot represent 0.1."""
    first, last, each = (Fraction(str(value)) for value in (low, high, step))
    return float(first + max((last - first) // each, 1) * each)


def _paths(parameter: Range | Categorical) -> list[str]:
    if isinstance(parameter, Range):
        return [parameter.path]
    return list(dict.fromkeys(path for option in parameter.options.values() for path in option))


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))
