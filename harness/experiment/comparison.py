"""Refs of a git repository and options -> an experiment that compares these versions of the code: `harness compare`.

The experiment is the one that a file with the same content would be, but its messages name options instead of lines.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.common.validation import show
from harness.common.yaml_nodes import Entry, Node, from_plain, plain, read_value
from harness.errors import InputError, Position, Problem
from harness.experiment.claims import ALL
from harness.experiment.draft import KnobDraft, ProgramDraft
from harness.experiment.file import LABEL
from harness.experiment.load import from_node
from harness.experiment.model import Experiment
from harness.experiment.scaffold import Draft, flow, relative
from harness.experiment.versions import Versions, refuse_unknown_code, same_code
from harness.tasks.command.code.version import CODE, WORKING_TREE, CodeVersion
from harness.tasks.identity import identity
from harness.tasks.protocol import Accelerator

NAME = "compare"  # the first word of a plan's name
LONGEST = 60  # name of a plan
LONGEST_LABEL = 80
SAME_CODE = ("no_loss", "no_gain", "equivalent")  # the claims that hold for two versions of the same code


@dataclass(frozen=True)
class Comparison:
    """What the options of `harness compare` say; the first ref is the baseline."""

    refs: Sequence[str]
    program: ProgramDraft
    repository: Path
    seeds: str = "5"  # a number, or looks such as 3,5,8
    first_seed: int = 0
    margin: float | None = None
    claims: Sequence[str] = ()  # as in a file; empty: every other version improves
    knobs: Sequence[KnobDraft] = ()  # with one value each
    directory: str = "."  # relative to the top of the repository
    link: Sequence[str] = ()
    prepare: str | None = None
    inputs: Sequence[str] = ()
    resume: str | None = None
    question: str | None = None
    alpha: float | None = None
    futility: float | None = None

    @property
    def labels(self) -> Mapping[str, str]:
        """Ref -> the label of its variant. Raises InputError if a ref is named twice, or only one is named."""
        if twice := [ref for place, ref in enumerate(self.refs) if ref in self.refs[:place]]:
            raise InputError(f"{twice[0]!r} is named twice; name each version once")
        if len(self.refs) < 2:
            raise InputError(
                f"nothing to compare {self.refs[0]!r} with; name another branch, tag or commit, or . for the working tree"
            )
        found: dict[str, str] = {}
        for ref in self.refs:
            label, number = _label(ref), 1
            while (own := label if number == 1 else f"{label} {number}").lower() in map(str.lower, found.values()):
                number += 1
            found[ref] = own
        return found

    def experiment(self) -> Experiment:
        """Named `compare`; see `named`. Raises InputError with every problem, each with its option."""
        try:
            return from_node(self._document(), NAME)
        except InputError as error:
            if not error.problems:
                raise
            # Paths of keys: people see options.
            raise InputError(Problem(problem.at, "", problem.message) for problem in error.problems) from error

    def draft(self, name: str, into: Path) -> Draft:
        """The file of the experiment in the folder `into`. Raises InputError."""
        labels = self.labels
        return Draft(
            name=name,
            command=self.program.with_all(self.knobs),
            directory=self.directory,
            metrics=self.program.metrics,
            style=self.program.style,
            knobs=self.knobs,
            inputs=self.inputs,
            resume=self.resume,
            question=self.question or self._question(),
            looks=self._looks(),
            first_seed=self.first_seed,
            futility=self.futility,
            alpha=self.alpha,
            margin=self.margin,
            claims=[flow(plain(claim)) for claim in self._claims()],
            repository=relative(self.repository, into),
            link=self.link,
            prepare=self.prepare,
            versions={label: ref for ref, label in labels.items()},
        )

    def _document(self) -> Node:
        labels = self.labels
        places = {ref: Position(f"version {place}") for place, ref in enumerate(self.refs, 1)}
        variants = {
            label: Entry(places[ref], from_plain({CODE: ref}, places[ref], f"variants.{label}")) for ref, label in labels.items()
        }
        keys = {
            "question": _node(self.question or self._question(), "--question"),
            "task": self._task(),
            "variants": Node(variants, Position("versions"), "variants"),
            "baseline": _node(labels[self.refs[0]], "version 1"),
            "seeds": self._seeds(),
            "margin": None if self.margin is None else _node(self.margin, "--margin"),
            "alpha": None if self.alpha is None else _node(self.alpha, "--alpha"),
            "claims": Node(tuple(self._claims()), Position("--claim"), "claims"),
        }
        return _mapping(keys, "harness compare")

    def _task(self) -> Node:
        metrics = {
            each.name: Entry(
                at := Position(f"--metric {each.name}"),
                from_plain({"goal": each.goal, **_given(unit=each.unit, split=each.split), **each.where}, at),
            )
            for each in self.program.metrics
        }
        knobs = {each.name: Entry(at := Position(f"--set {each.name}"), from_plain(_knob(each), at)) for each in self.knobs}
        keys = {
            "command": _node(self.program.with_all(self.knobs), "--command"),
            "repository": _node(str(self.repository.absolute()), "--repository"),
            "directory": _node(self.directory, "--directory"),
            "style": _node(self.program.style, "--style"),
            "metrics": Node(metrics, Position("--metric"), "metrics"),
            "knobs": Node(knobs, Position("--set"), "knobs") if knobs else None,
            "link": _node(tuple(self.link), "--link") if self.link else None,
            "prepare": _node(self.prepare, "--prepare") if self.prepare else None,
            "inputs": _node(tuple(self.inputs), "--input") if self.inputs else None,
            "resume": _node(self.resume, "--resume") if self.resume else None,
        }
        return _mapping(keys, "task")

    def _seeds(self) -> Node:
        looks = self._looks()
        number = {"looks": looks} if len(looks) > 1 else {"n": looks[0]}
        keys = {
            **{name: _node(value, "--seeds") for name, value in number.items()},
            "futility": None if self.futility is None else _node(self.futility, "--futility"),
            "first": _node(self.first_seed, "--first-seed"),
        }
        return _mapping(keys, "--seeds")

    def _looks(self) -> tuple[int, ...]:
        try:
            looks = tuple(int(part) for part in self.seeds.split(","))
        except ValueError as error:
            allowed = "expected a number of seeds, or looks: increasing numbers such as 3,5,8"
            raise InputError(f"invalid value for --seeds: {show(self.seeds)}; {allowed}") from error
        if len(looks) == 1 and self.futility is not None:
            raise InputError(
                "--futility has no effect without looks; use --seeds with several numbers, such as 3,5,8, or remove it"
            )
        return looks

    def _claims(self) -> Iterator[Node]:
        labels = self.labels
        if not self.claims:
            if self.margin is None:
                raise InputError("missing option --margin; give the smallest difference that matters, in the unit of the metric")
            for ref in self.refs[1:]:
                yield from_plain({"improves": labels[ref]}, Position(f"--claim 'improves: {ref}'"))
        renamed = {ref: label for ref, label in labels.items() if ref != label}
        for text in self.claims:
            at = f"--claim {text!r}"
            yield _labelled(read_value(_quoted(text, self.refs), at, ""), renamed)

    def _question(self) -> str:
        base, *others = self.labels.values()
        listed = " or ".join([", ".join(others[:-1]), others[-1]] if len(others) > 1 else others)
        return f"Does {listed} change {self.program.metrics[0].name} against {base}?"


@dataclass(frozen=True)
class Named:
    """An experiment with the name of its plan. `same`: the labels whose code is that of an earlier one -> that one."""

    experiment: Experiment
    same: Mapping[str, str]
    commits: Mapping[str, str]  # label -> commit

    @property
    def nothing_to_compare(self) -> str:
        """Which labels have the same code, and what differs beside it; empty if none do."""
        program = self.experiment.program
        assert program is not None
        code = {label: CodeVersion(ref=label, commit=commit) for label, commit in self.commits.items()}
        return "\n".join(same_code(program.repository or "", label, other, code) for label, other in self.same.items())


def named(experiment: Experiment, accelerator: Accelerator, loop: str | None = None) -> Named:
    """The experiment with a name that is a function of what it trains: the content of each version's files, not its commit.

    So the same command continues the same plan, and so it does when a branch has moved without a change of the code; other code,
    another command or setting makes another plan. Claims, margin and numbers of seeds are not part of the name: the plan keeps
    those it was registered with. In a `loop` a comparison is another one than outside. Raises InputError, DataError.
    """
    task = experiment.task
    contents: dict[str, tuple[str, str]] = {}
    same: dict[str, str] = {}
    commits: dict[str, str] = {}
    versions = Versions(task, accelerator, "harness compare")
    for variant in experiment.variants:
        config = versions.resolve(variant.config)
        commits[variant.label] = getattr(config, CODE)
        content = (json.dumps(identity(config), sort_keys=True), task.fingerprint(config))
        other = next((label for label, known in contents.items() if known == content), None)
        if other is not None:
            refuse_unknown_code(task, config, experiment.first_seed, accelerator)
            same[variant.label] = other
        contents[variant.label] = content
    values = [task.version, experiment.baseline, experiment.first_seed, list(contents.items()), *([loop] if loop else [])]
    digest = hashlib.sha256(json.dumps(values).encode()).hexdigest()[:8]
    words = re.sub(r"[^A-Za-z0-9]+", "-", "-".join([NAME, *contents])).strip("-")
    name = f"{words[: LONGEST - len(digest) - 1].strip('-')}-{digest}"
    # A plan of it has these commits, though a branch or the working tree changed meanwhile.
    return Named(replace(experiment, path=Path(name), stem=name, commits=versions.commits), same, commits)


def _label(ref: str) -> str:
    """The ref itself, if labels may be written so; of a full commit the first digits."""
    if ref == WORKING_TREE:
        return "working tree"
    if re.fullmatch(r"[0-9a-f]{40,64}", ref):
        return ref[:12]
    if re.fullmatch(LABEL, ref) and ref != ALL:
        return ref
    label = re.sub(r"[^A-Za-z0-9 _.,=+/-]", "-", ref).strip(" .")[: LONGEST_LABEL - 4].strip()
    if not any(map(str.isalnum, label)):  # all of it is in another script
        return "version"
    return f"version {label}" if label == ALL else label


def _labelled(node: Node, labels: Mapping[str, str]) -> Node:
    """A claim with labels where it names refs that are not their own labels."""
    if isinstance(node.value, tuple):
        return replace(node, value=tuple(_labelled(item, labels) for item in node.value))
    if isinstance(node.value, Mapping):
        entries = {labels.get(key, key): Entry(entry.key_at, _labelled(entry.node, labels)) for key, entry in node.value.items()}
        return replace(node, value=entries)
    return replace(node, value=labels[node.value]) if isinstance(node.value, str) and node.value in labels else node


def _quoted(claim: str, refs: Sequence[str]) -> str:
    """A claim with quotes around refs that YAML reads as numbers, such as the commits 1234567 and 12e4567."""
    for ref in refs:
        if re.fullmatch(r"[\w.+-]+", ref) and not _is_text(ref):
            claim = re.sub(rf"(?<=[\s\[{{,]){re.escape(ref)}(?=[\s\]}},:]|$)", f"'{ref}'", claim)
    return claim


def _is_text(word: str) -> bool:
    """Whether YAML reads it as text."""
    try:
        return isinstance(read_value(word, word, "").value, str)
    except InputError:  # a number that is too large
        return False


def _node(value: Any, option: str) -> Node:
    return from_plain(value, Position(option))


def _mapping(keys: Mapping[str, Node | None], name: str) -> Node:
    entries = {key: Entry(node.at, node) for key, node in keys.items() if node is not None}
    return Node(entries, Position(name), "")


def _given(**texts: str | None) -> dict[str, str]:
    return {key: text for key, text in texts.items() if text}


def _knob(knob: KnobDraft) -> Any:
    return {"default": knob.levels[0], "flag": knob.flag} if knob.flag is not None else knob.levels[0]
