"""Reads the `search:` section: space, objectives and methods of an Optuna study, and the confirmation of the winner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from harness.common.nested import flatten
from harness.common.stopping import duration
from harness.common.validation import validate
from harness.common.yaml_nodes import Entry, Node, from_plain
from harness.errors import InputError, Position, Problem
from harness.experiment import file
from harness.experiment.compose import ConfigTree
from harness.experiment.parameters import Parameters
from harness.experiment.space import Categorical, Range, Values, changes, values_of
from harness.experiment.tuning import check_held_out, check_no_resources, check_selectable
from harness.tasks.protocol import Task, result_metrics, selection_metric

DEFAULT_TRIALS = 100
DEFAULT_PRUNE_AFTER = 1  # only the task knows how long runs are: with a higher default nothing might be pruned, unnoticed
MULTI_OBJECTIVE = ("tpe", "nsga2", "random")  # samplers that support several objectives


@dataclass(frozen=True)
class Search:
    """A validated search."""

    space: tuple[Range | Categorical, ...]
    objectives: Mapping[str, str]  # metric -> minimize or maximize
    constraints: Mapping[str, file.Limit]
    sampler: str
    pruner: str
    prune_after: int  # the first epoch at which a trial may be pruned
    trials: int  # in total
    seeds: int  # runs per trial
    budget_s: float | None  # of training, summed over devices
    first: tuple[Values, ...]  # tried first; starts with the base if that is in the space
    base_in_space: bool
    confirm: file.Confirm | None


def read_search(node: Node, tree: ConfigTree, base_tree: Node, task: Task) -> tuple[Search | None, list[Problem]]:
    """The search around the configuration `base_tree`, or None and the problems."""
    section, found = validate(file.Search, node)
    if section is None or found:
        return None, []  # reported with the file's structure
    reader = _Reader(node, tree, base_tree, task)
    search = reader.search(section)
    return (None, reader.problems) if reader.problems else (search, [])


class _Reader:
    """Reads the parts of the section; collects problems."""

    def __init__(self, node: Node, tree: ConfigTree, base_tree: Node, task: Task) -> None:
        self.node, self.tree, self.base_tree, self.task = node, tree, base_tree, task
        self.metrics = result_metrics(task)
        self.problems: list[Problem] = check_held_out(node, tree, base_tree, "a search")

    def search(self, section: file.Search) -> Search:
        """The search; valid only if there are no problems."""
        space = self._space(section)
        objectives = self._objectives(section)
        self._constraints(section.constraints or {})
        sampler, pruner = self._methods(section, objectives, space)
        own = self._values(self.base_tree, space)
        first = [*([own] if own is not None else []), *self._first(space)]
        return Search(
            space=tuple(space),
            objectives={name: self.metrics[name].goal for name in objectives if name in self.metrics},
            constraints=section.constraints or {},
            sampler=sampler,
            pruner=pruner,
            prune_after=section.prune_after or DEFAULT_PRUNE_AFTER,
            trials=section.trials or DEFAULT_TRIALS,
            seeds=section.seeds or 1,
            budget_s=self._budget(section.budget),
            first=tuple(values for place, values in enumerate(first) if values not in first[:place]),
            base_in_space=own is not None,
            confirm=section.confirm,
        )

    def _space(self, section: file.Search) -> list[Range | Categorical]:
        space = self.node.get("space")
        if space is None or not section.space:
            self._problem(self.node, "space: missing; add a parameter for each configuration path to vary")
            return []
        return Parameters(self.tree, self.base_tree, self.problems).read(space, section.space)

    def _objectives(self, section: file.Search) -> tuple[str, ...]:
        if section.objectives is None:
            chosen = selection_metric(self.task)
            if chosen is None:
                self._problem(self.node, "objectives: missing, and the task has no validation metric; name a metric")
            return (chosen,) if chosen else ()
        named = (section.objectives,) if isinstance(section.objectives, str) else section.objectives
        at = self.node.entries["objectives"].node
        for name in named:
            self.problems.extend(check_selectable(name, self.metrics, at))
        if len(set(named)) < len(named):
            self._problem(at, "an objective twice; remove one")
        return named

    def _constraints(self, limits: Mapping[str, file.Limit]) -> None:
        known = [name for name, metric in self.metrics.items() if metric.exact]
        for name, limit in limits.items():
            entry = self.node.entries["constraints"].node.entries[name]
            if name not in known:
                message = f"{name} is not known before training; choose from: {', '.join(known)}"
                self.problems.append(Problem(entry.key_at, entry.node.path, message))
            if (limit.at_most is None) == (limit.at_least is None):
                self._problem(entry.node, "needs either at_most or at_least")
            elif (limit.at_most if limit.at_most is not None else limit.at_least or 1.0) <= 0:
                self._problem(entry.node, "the bound must be above 0")

    def _methods(self, section: file.Search, objectives: Sequence[str], space: Sequence[Range | Categorical]) -> tuple[str, str]:
        sampler, pruner = section.sampler or "tpe", section.pruner or "none"
        at = self.node.entries["sampler"].node if section.sampler else self.node
        if len(objectives) > 1 and sampler not in MULTI_OBJECTIVE:
            self._problem(at, f"{sampler} supports one objective; for several choose from: {', '.join(MULTI_OBJECTIVE)}")
        if len(objectives) > 1 and pruner != "none":
            self._problem(self.node.entries["pruner"].node, f"{pruner} supports one objective; for several use none")
        elif pruner != "none" and objectives and objectives[0] in self.metrics and objectives[0] not in self.task.metrics:
            message = f"{pruner} compares epochs, but {objectives[0]} is not measured each epoch; use none"
            self._problem(self.node.entries["pruner"].node, message)
        if pruner == "none" and section.prune_after is not None:
            self._problem(
                self.node.entries["prune_after"].node,
                "prune_after without a pruner; remove it, or use pruner median or hyperband",
            )
        if sampler == "cmaes" and any(isinstance(item, Categorical) or item.when for item in space):
            self._problem(at, "cmaes supports ranges only; for choices and conditions use tpe, random or nsga2")
        if sampler == "cmaes" and section.constraints:
            allowed = "use tpe, which learns from them, or random or nsga2, which skip what is out of bounds"
            self._problem(at, f"cmaes does not support constraints; {allowed}")
        return sampler, pruner

    def _budget(self, text: str | None) -> float | None:
        try:
            return None if text is None else duration(text)
        except InputError as error:
            self._problem(self.node.entries["budget"].node, str(error))
            return None

    def _first(self, space: Sequence[Range | Categorical]) -> list[Values]:
        section = self.node.get("first")
        found: list[Values] = []
        for item in section.value if section and isinstance(section.value, tuple) else ():
            for path, entry in item.entries.items():
                self.problems.extend(check_no_resources([path], self.tree, entry))
            laid = self.tree.assign(self.base_tree, item.entries.items())
            config, wrong = self.tree.validated(laid)
            self.problems.extend(wrong)
            values = self._values(laid, space)
            if config is not None and values is None:
                self._problem(item, "lies outside the space; use a configuration that the parameters can give")
            elif values is not None:
                found.append(values)
        return found

    def _values(self, tree: Node, space: Sequence[Range | Categorical]) -> Values | None:
        """The parameters' values in a configuration; None if it is invalid or outside the space."""
        config, _ = self.tree.validated(tree)
        values = None if config is None else values_of(space, flatten(config.model_dump(mode="json")))
        return values if values is not None and self._configured(space, values) == config else None

    def _configured(self, space: Sequence[Range | Categorical], values: Values) -> BaseModel | None:
        at = Position("search")
        changed = [(path, Entry(at, from_plain(value, at, path))) for path, value in changes(space, values).items()]
        return self.tree.validated(self.tree.assign(self.base_tree, changed))[0]

    def _problem(self, node: Node, message: str) -> None:
        self.problems.append(Problem(node.at, node.path, message))
