"""Composed keys -> Experiment: the validated configuration of every variant, and the claims."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from harness.common.validation import suggestion, validate
from harness.common.yaml_nodes import Node, from_plain, plain
from harness.errors import InputError, Position, Problem
from harness.experiment import designs
from harness.experiment.claims import ALL, Claim, Factor, Setting, read_claim
from harness.experiment.compose import Composed, ConfigTree, Override
from harness.experiment.declared_seeds import DeclaredSeeds, declared_seeds
from harness.experiment.factors import draft_variants
from harness.experiment.file import LABEL, LABEL_WORDS, MAX_VARIANTS, NOT_BESIDE_SEARCH, TUNING_SEED
from harness.experiment.model import Experiment, Variant
from harness.experiment.searching import Search, read_search
from harness.experiment.tuning import Tuning, read_tuning
from harness.tasks.command.code.version import CODE
from harness.tasks.command.model import TASK_NAME, Program
from harness.tasks.command.reader import read_program
from harness.tasks.command.steps import last
from harness.tasks.command.task import command_task
from harness.tasks.identity import identity, location_paths, places
from harness.tasks.protocol import Task, result_metrics
from harness.tasks.registry import find_task, module_folder
from harness.tasks.resources import Resources, field_of

DEFAULT_TASK = "cifar_resnet"


class Reader:
    """Composed keys -> Experiment; collects problems and continues as far as possible."""

    def __init__(self, composed: Composed, path: Path) -> None:
        self.composed, self.path = composed, path
        self.problems: list[Problem] = list(composed.problems)

    def experiment(self, profile: str | None) -> Experiment | None:
        found = self._task()
        if found is None:
            return None
        task_name, task, program, folder = found
        space = ConfigTree(task.Config)
        tree, base = self._base(space, program)
        drafts, factors = draft_variants(self.composed, space, tree, base, self.problems)
        drafts = [replace(draft, changes=space.by_request(draft.changes)) for draft in drafts]
        self._check_overrides(space, drafts)
        variants = self._variants(space, tree, drafts, program)
        search, tuning = self._search(space, tree, task), self._tuning(space, tree, drafts, task)
        labels = [draft.label for draft in drafts]
        baseline = self._baseline(labels, variants, base, factors) if labels else None
        seeds = self._seeds()
        margin, claims = self._number("margin"), self.composed.fields.get("claims")
        over = {label: self._over(label, labels, baseline) for label in labels}
        levels = {draft.label: draft.levels for draft in drafts}
        by_cases = last(program).measured_by_cases if program is not None else None
        setting = Setting(labels, over, factors, levels, result_metrics(task), margin, seeds.looks, by_cases)
        read = self._claims(claims.node, setting) if claims and labels else []
        question = self._text("question")
        if "question" not in self.composed.fields:
            self.problems.append(
                Problem(self.composed.root.at, "question", "missing; expected the question that the experiment answers")
            )
        if "claims" not in self.composed.fields and len(seeds.looks) > 1:
            at = self.composed.fields["seeds"].node
            self.problems.append(Problem(at.at, at.path, "looks without claims; use a number of seeds, or add claims"))
        if tuning is not None and not self.problems and seeds.highest >= TUNING_SEED:
            at = self.composed.fields["seeds"].node
            message = f"seed {seeds.highest} is out of range; must be below {TUNING_SEED}, where the seeds of the tuning start"
            self.problems.append(Problem(at.at, at.path, message))
        if self.problems or question is None or baseline is None:
            return None
        return Experiment(
            path=self.path,
            stem=self.path.stem,
            profile=profile,
            evidence=profile is not None and self._evidence(),
            overrides=_rehearsal_overrides(self.composed.overrides, space),
            question=question,
            source=self._text("source"),
            tags=self._tags(),
            task_name=task_name,
            task=task,
            variants=tuple(variants),
            factors=tuple(factors),
            baseline=baseline,
            over=over,
            looks=seeds.looks,
            margin=margin,
            alpha=self._number("alpha") or 0.05,
            futility=seeds.futility,
            claims=tuple(read),
            tuning=tuning,
            search=search,
            program=program,
            folder=folder,
            first_seed=seeds.first,
            listed_seeds=seeds.listed,
        )

    def _tuning(self, space: ConfigTree, tree: Node, drafts: Sequence[designs.Draft], task: Task) -> Tuning | None:
        entry = self.composed.fields.get("tune")
        if entry is None:
            return None
        tuning, problems = read_tuning(entry.node, space, tree, drafts, task)
        self.problems.extend(problems)
        return tuning

    def _search(self, space: ConfigTree, tree: Node, task: Task) -> Search | None:
        entry = self.composed.fields.get("search")
        if entry is None:
            return None
        for key in NOT_BESIDE_SEARCH:
            if beside := self.composed.fields.get(key):
                allowed = "question, source, tags, task, config, resources, margin, alpha and profiles"
                message = f"{key} beside search; only {allowed} are allowed"
                self.problems.append(Problem(beside.key_at, key, message))
        search, problems = read_search(entry.node, space, tree, task)
        self.problems.extend(problems)
        if search is not None and search.confirm is not None and "margin" not in self.composed.fields:
            message = "needs a margin to judge the winner; add margin: the smallest difference that matters"
            self.problems.append(Problem(entry.node.entries["confirm"].key_at, "search.confirm", message))
        return search

    def _task(self) -> tuple[str, Task, Program | None, str | None] | None:
        """The task's name, the task, its program if it is a command, and the folder of its module if that is beside the file."""
        entry = self.composed.fields.get("task")
        if entry is not None and isinstance(entry.node.value, Mapping):
            program, problems = read_program(entry.node)
            self.problems.extend(problems)
            return None if program is None else (TASK_NAME, command_task(program), program, None)
        name = self._text("task") or DEFAULT_TASK
        folders = (Path(entry.node.at.file).parent, Path()) if entry else ()
        beside = next(filter(None, (module_folder(name, folder) for folder in folders)), None)
        try:
            return name, find_task(name, beside), None, beside
        except InputError as error:
            at = entry.node.at if entry else self.composed.root.at
            self.problems.append(Problem(at, "task", str(error)))
            return None

    def _base(self, space: ConfigTree, program: Program | None) -> tuple[Node, BaseModel | None]:
        tree = space.defaults
        for layer in self.composed.layers:
            for key, entry in layer.entries.items():
                if space.is_request(key):
                    message = "not a part of config; move it to resources: beside config, in a variant, or to --set"
                    self.problems.append(Problem(entry.key_at, entry.node.path, message))
            tree = space.assign(tree, ((key, entry) for key, entry in layer.entries.items() if not space.is_request(key)))
        own = program.resources.requested if program is not None else {}
        tree = space.request(tree, from_plain(own, Position("task.resources")))
        for layer in self.composed.resources:
            if not validate(Resources, layer)[1]:  # else reported with the file's structure
                tree = space.request(tree, layer)
        known = space.paths
        unknown = [override for override in self.composed.overrides if override.path not in known]
        for override in unknown:
            message = f"unknown configuration path; {suggestion(override.path, known)}"
            self.problems.append(Problem(override.node.at, override.path, message))
        # All at once, so that their order does not matter.
        tree = space.assign(tree, [(item.path, item.entry) for item in self.composed.overrides if item not in unknown])
        base, problems = space.validated(tree)
        self.problems.extend(problems)
        return tree, base

    def _check_overrides(self, tree: ConfigTree, drafts: Sequence[designs.Draft]) -> None:
        taken = [key for draft in drafts for key, _ in draft.changes]
        tune = self.composed.fields.get("tune")
        space = tune.node.get("space") if tune else None
        for override in self.composed.overrides:
            if rival := tree.overlapping(override.path, taken):
                message = f"the variants set {rival}; use a path that they do not set"
                self.problems.append(Problem(override.node.at, override.path, message))
            elif rival := tree.overlapping(override.path, space.entries if space else ()):
                message = f"tune sets {rival}; use a path that it does not set"
                self.problems.append(Problem(override.node.at, override.path, message))

    def _variants(self, space: ConfigTree, tree: Node, drafts: Sequence[designs.Draft], program: Program | None) -> list[Variant]:
        variants: list[Variant] = []
        if len(drafts) > MAX_VARIANTS:
            root = self.composed.root
            self.problems.append(Problem(root.at, "variants", f"{len(drafts):,} variants; use at most {MAX_VARIANTS}"))
            return variants
        known = {(problem.path.removeprefix("config."), problem.message) for problem in self.problems}
        same: dict[str, str] = {}
        labels: dict[str, str] = {}
        requested: dict[str, Resources] = {}
        for draft in drafts:
            laid = space.assign(tree, draft.changes)
            config, problems = space.validated(laid)
            self.problems.extend(p for p in problems if p not in self.problems and (p.path, p.message) not in known)
            if not re.fullmatch(LABEL, draft.label) or draft.label == ALL:
                words = "another name: claims use it for every variant" if draft.label == ALL else LABEL_WORDS
                self.problems.append(Problem(draft.at.at, draft.at.path, f"invalid label {draft.label!r}; use {words}"))
            if config is None:
                continue
            # Including locations: two folders may contain different images, which the plan checks.
            other = same.setdefault(json.dumps([identity(config), places(config)], sort_keys=True), draft.label)
            twin = labels.setdefault(draft.label.lower(), draft.label)
            resources = requested.setdefault(draft.label, space.resources(laid, config))
            self._check_requested(space, config)
            if other != draft.label:
                only = _only_in_resources(program is not None) if resources != requested[other] else ""
                message = f"{draft.label!r} is the same as {other!r}{only}; remove or change one"
                self.problems.append(Problem(draft.at.at, draft.at.path, message))
            elif twin != draft.label:
                message = f"{draft.label!r} and {twin!r} differ only in case; rename one"
                self.problems.append(Problem(draft.at.at, draft.at.path, message))
            variants.append(Variant(draft.label, config, draft.levels, resources))
        return variants

    def _check_requested(self, space: ConfigTree, config: BaseModel) -> None:
        """A problem if the command line of the program contains a resource that nothing requests."""
        for name in space.in_config:
            if getattr(config, field_of(name)) is None:
                task = self.composed.fields["task"].node
                at = task.get("command") or task
                problem = Problem(
                    at.at, at.path, f"{{{name}}} in a command, but no {name} requested; add resources: {{{name}: 8}}"
                )
                if problem not in self.problems:
                    self.problems.append(problem)

    def _baseline(
        self, labels: Sequence[str], variants: Sequence[Variant], base: BaseModel | None, factors: Sequence[Factor]
    ) -> str | None:
        entry = self.composed.fields.get("baseline")
        if "components" in self.composed.fields:
            if entry is not None:
                message = "components take no baseline; remove it, and use over: in claims"
                self.problems.append(Problem(entry.key_at, "baseline", message))
            return labels[0]
        if entry is not None:
            label = self._text("baseline")
            if label is not None and label not in labels:
                message = f"no variant {label!r}; {suggestion(label, labels)}"
                self.problems.append(Problem(entry.node.at, "baseline", message))
            return label
        same = [variant.label for variant in variants if base is not None and identity(variant.config) == identity(base)]
        if same or len(labels) == 1:
            return same[0] if same else labels[0]
        if base is None or len(variants) < len(labels):
            return None  # one of the invalid variants may be the base
        add = f"add the base value to the levels of {', '.join(f.name for f in factors)}, or " if factors else ""
        message = f"missing, and no variant is the base configuration; {add}set baseline to one of {', '.join(labels)}"
        self.problems.append(Problem(self.composed.root.at, "baseline", message))
        return None

    def _over(self, label: str, labels: Sequence[str], baseline: str | None) -> str:
        if "components" in self.composed.fields:
            return designs.compared_with(label, labels)
        return baseline or ""

    def _claims(self, node: Node, setting: Setting) -> list[Claim]:
        claims = []
        for item in node.value if isinstance(node.value, tuple) else ():
            claim, problems = read_claim(item, setting)
            self.problems.extend(problems)
            if claim is not None and claim in claims:
                self.problems.append(Problem(item.at, item.path, "the same claim twice; remove one"))
            elif claim is not None:
                claims.append(claim)
        return claims

    def _seeds(self) -> DeclaredSeeds:
        entry = self.composed.fields.get("seeds")
        if entry is not None:
            return declared_seeds(entry.node)
        if "search" in self.composed.fields:
            return DeclaredSeeds((1,))  # the search has its own numbers of seeds
        message = "missing; expected a number of seeds, or looks: an increasing list of numbers"
        self.problems.append(Problem(self.composed.root.at, "seeds", message))
        return DeclaredSeeds(())

    def _evidence(self) -> bool:
        entry = self.composed.fields.get("evidence")
        return entry is not None and entry.node.value is True

    def _text(self, key: str) -> str | None:
        entry = self.composed.fields.get(key)
        return entry.node.value if entry and isinstance(entry.node.value, str) else None

    def _tags(self) -> tuple[str, ...]:
        """The tags, each once."""
        entry = self.composed.fields.get("tags")
        tags = entry.node.value if entry and isinstance(entry.node.value, tuple) else ()
        return tuple(dict.fromkeys(node.value for node in tags if isinstance(node.value, str)))

    def _number(self, key: str) -> float | None:
        entry = self.composed.fields.get(key)
        value = entry.node.value if entry else None
        return float(value) if isinstance(value, int | float) else None


def _only_in_resources(is_program: bool) -> str:
    """Why two variants that differ in resources are one, and what makes them two."""
    said = ": resources are not part of a result"
    return f"{said} unless the command contains them, such as {{gpus}}" if is_program else said


def _rehearsal_overrides(overrides: Sequence[Override], space: ConfigTree) -> tuple[str, ...]:
    """The overrides that make the plan a rehearsal: all except locations and resources that no command line contains."""
    locations = location_paths(space.model) - {CODE}  # another version is other code
    kept = [override for override in overrides if override.path not in locations and space.changes_results(override.path)]
    return tuple(sorted(f"{override.path}={json.dumps(plain(override.node))}" for override in kept))
