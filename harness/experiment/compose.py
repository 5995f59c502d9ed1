"""Merges an experiment file, the files it extends, a profile and --set into top-level keys and layers of configuration.

The file inherits task, config, resources and profiles along `extends`. Configuration is applied in this order: the bases'
`config` (outermost first), the file's, the profile's in the same order, then --set; `resources` likewise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from harness.common.validation import shape_of, suggestion, validate
from harness.common.yaml_nodes import Entry, Node, from_plain, join, plain, read_file, read_value
from harness.errors import InputError, Position, Problem
from harness.experiment.file import DESIGN_KEYS, NOT_BESIDE_SEARCH, ExperimentFile
from harness.experiment.places import find_shipped, is_file
from harness.tasks.resources import Resources, field_of, requests_in

BLOCK = "resources:"  # of a tree: what a run needs of a machine. No setting has a colon at the end of its name.
LAYERED = ("config", "resources")  # keys of files and profiles that are merged
PROFILE_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True)
class Override:
    """One --set: a dotted configuration path and its value."""

    path: str
    node: Node

    @property
    def entry(self) -> Entry:
        """As an entry of a configuration."""
        return Entry(self.node.at, self.node)


@dataclass(frozen=True)
class Composed:
    """The effective keys (without extends and profiles), the layers of those that are merged, and the problems so far."""

    root: Node
    fields: Mapping[str, Entry]
    layers: tuple[Node, ...]  # of configuration
    resources: tuple[Node, ...]  # layers of resources
    overrides: tuple[Override, ...]
    profile_names: tuple[str, ...]
    problems: tuple[Problem, ...]


def compose(path: Path, profile: str | None, settings: Sequence[str], given: Node | None = None) -> Composed:
    """Raises InputError if a file is not valid YAML; other problems are collected. `given`: instead of the content of `path`."""
    problems: list[Problem] = []
    chain = _chain(path, problems, given)
    chain = [_without_nulls(node) for node in chain]
    child = chain[-1]
    profiles = [node.get("profiles") for node in chain]
    names = dict.fromkeys(name for node in profiles if node for name in node.entries)
    for name in names:
        if not PROFILE_NAME.fullmatch(name):
            where = next(node.entries[name] for node in profiles if node and name in node.entries)
            problems.append(Problem(where.key_at, where.node.path, "invalid profile name; use letters, digits, _ and -"))
    chosen: list[Node] = []
    if profile is not None:
        chosen = [found for node in profiles if node and (found := node.get(profile))]
        if profile not in names:
            problems.append(Problem(Position(str(path)), "", f"no profile {profile!r}; {suggestion(profile, names)}"))
    fields = {key: entry for key, entry in child.entries.items() if key not in (*LAYERED, "profiles", "extends")}
    inherited = [node.entries["task"] for node in chain if "task" in node.entries]
    if inherited:
        fields["task"] = inherited[-1]
    if any("search" in node.entries for node in (child, *chosen)):
        # Profiles of an extended file may set seeds and claims, which a search does not take.
        chosen = [node if node.at.file == child.at.file else _without(node, NOT_BESIDE_SEARCH) for node in chosen]
    for node in chosen:
        own = _without_nulls(node).entries
        if any(key in own for key in DESIGN_KEYS):
            fields = {key: entry for key, entry in fields.items() if key not in (*DESIGN_KEYS, "design")}
        # What a profile sets to null or an empty list is taken from the file.
        before = fields
        fields = {key: entry for key, entry in fields.items() if key not in node.entries}
        fields.update({key: entry for key, entry in own.items() if key not in LAYERED})
        if "search" in own and "search" in before:  # a rehearsal searches the same space with fewer trials
            fields["search"] = _merged(before["search"], own["search"])
    layers, resources = (
        tuple(layer for node in (*chain, *chosen) if (layer := node.get(key)) and layer.entries) for key in LAYERED
    )
    overrides = _overrides(settings, problems)
    return Composed(child, fields, layers, resources, overrides, tuple(names), tuple(problems))


def _without_nulls(node: Node) -> Node:
    """A file or profile without keys that are null or an empty list, which count as absent."""
    kept = {key: entry for key, entry in node.entries.items() if entry.node.value is not None and entry.node.value != ()}
    return Node(kept, node.at, node.path)


def _without(node: Node, keys: Sequence[str]) -> Node:
    """A mapping without some of its keys."""
    return Node({key: entry for key, entry in node.entries.items() if key not in keys}, node.at, node.path)


def _merged(below: Entry, above: Entry) -> Entry:
    """`below` updated with the entries of `above`."""
    return Entry(above.key_at, Node({**below.node.entries, **above.node.entries}, above.node.at, below.node.path))


def _chain(path: Path, problems: list[Problem], given: Node | None) -> list[Node]:
    """The file, or what was given instead, and all files that it extends, outermost first."""
    chain: list[Node] = []
    seen: list[Path] = []
    following: Path | None = path
    extends: Node | None = None
    while following is not None:
        if extends is not None and is_file(following) and following.resolve() in seen:
            cycle = " -> ".join(item.name for item in [*seen, following])
            problems.append(Problem(extends.at, "extends", f"cycle: {cycle}; extend another file"))
            break
        if extends is not None and not is_file(following):
            advice = "use a path relative to this file, or the name of a file that comes with the package, such as paper.yaml"
            problems.append(Problem(extends.at, "extends", f"file not found: {following}; {advice}"))
            break
        node = given if given is not None and not chain else read_file(following)
        seen.append(following.resolve())
        if not isinstance(node.value, Mapping):
            raise InputError(
                [*problems, Problem(node.at, "", "not an experiment; expected a mapping with question, config, variants, …")]
            )
        problems.extend(validate(ExperimentFile, node)[1])
        chain.insert(0, node)
        extends = node.get("extends")
        following = extended(following, extends.value) if extends is not None and isinstance(extends.value, str) else None
    return chain


def extended(file: Path, extends: str) -> Path:
    """The file that `file` names: relative to it; else the one of that name that comes with the package, if there is one."""
    beside = file.parent / extends
    return beside if is_file(beside) else find_shipped(extends) or beside


def _overrides(settings: Sequence[str], problems: list[Problem]) -> tuple[Override, ...]:
    found: dict[str, Override] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        key, at = key.strip(), Position(f"--set {setting}")
        if not equals or not key:
            problems.append(Problem(at, "", "invalid setting; expected path=value, such as training.epochs=2"))
            continue
        try:
            node = read_value(text, at.file, key)
        except InputError as error:
            problems.extend(error.problems)
            continue
        if key in found:
            problems.append(Problem(at, key, "set twice; use each path once"))
        found[key] = Override(key, node)
    return tuple(found.values())


class ConfigTree:
    """A task's configuration and what its runs need of a machine, as a tree of nodes: defaults, changes, validation.

    `resources` and paths such as `resources.gpus` set what runs need, unless the task has settings of these names. Requests that
    are part of the configuration (see `Request`) are stored there, others in a block of the tree.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        self.model = model
        self.shape = shape_of(model)
        self.is_flat = all(len(path) == 1 for path in self.shape.paths.values())
        self.in_config = requests_in(model)
        settings = {*self.shape.paths} - {field_of(name) for name in self.in_config}
        self.has_requests = not any(path.partition(".")[0] == "resources" for path in settings)
        requests = {"resources": (BLOCK,), **{field_of(name): self._request(name) for name in Resources.model_fields}}
        self.paths = {**self.shape.paths, **(requests if self.has_requests else {})}
        self.defaults = from_plain(model().model_dump(), Position("defaults"))

    def validated(self, tree: Node) -> tuple[BaseModel | None, list[Problem]]:
        """The tree's configuration, or None and the problems, of requests too."""
        settings = {key: entry for key, entry in tree.entries.items() if key != BLOCK}
        config, problems = validate(self.model, Node(settings, tree.at, tree.path))
        wrong = validate(Resources, requests)[1] if (requests := tree.get(BLOCK)) else []
        return (None if wrong else config), [*problems, *wrong]

    def resources(self, tree: Node, config: BaseModel) -> Resources:
        """What a run needs of a machine. `config`: of `tree`, which is valid."""
        requests = tree.get(BLOCK)
        own = {name: getattr(config, field_of(name)) for name in self.in_config}
        return Resources.model_validate({**(plain(requests) if requests else {}), **own})

    def is_request(self, path: str) -> bool:
        """Whether `path` sets what runs need of a machine."""
        return self.has_requests and path.partition(".")[0] == "resources"

    def changes_results(self, path: str) -> bool:
        """Whether `path` is part of the configuration, and not only a request."""
        return self.parts(path)[0] != BLOCK

    def parts(self, path: str) -> tuple[str, ...]:
        """A dotted path -> the keys that lead there. In a flat configuration, a program's, dots are part of a name."""
        if path in self.paths:
            return self.paths[path]
        if self.is_request(path):
            return (BLOCK, path.partition(".")[2])
        return (path,) if self.is_flat else tuple(path.split("."))

    def by_request(self, changes: Iterable[tuple[str, Entry]]) -> tuple[tuple[str, Entry], ...]:
        """`changes` with a dotted path for each request in a mapping `resources`: requests are merged one by one."""
        found: list[tuple[str, Entry]] = []
        for key, entry in changes:
            if key == "resources" and self.has_requests and isinstance(entry.node.value, Mapping):
                found = [*((field_of(name), each) for name, each in entry.node.entries.items()), *found]
            else:
                found.append((key, entry))
        return tuple(found)

    def request(self, tree: Node, resources: Node) -> Node:
        """`tree` with the requests of a mapping, whatever settings the task has."""
        for name, entry in resources.entries.items():
            tree = self._set(tree, self._request(name), entry)
        return tree

    def _request(self, name: str) -> tuple[str, ...]:
        return (field_of(name),) if name in self.in_config else (BLOCK, name)

    def overlapping(self, path: str, others: Iterable[str]) -> str | None:
        """The first of `others` that sets `path`, a part of it, or a block that contains it; else None."""

        def meet(one: tuple[str, ...], two: tuple[str, ...]) -> bool:
            return all(part == same for part, same in zip(one, two, strict=False))

        return next((other for other in others if meet(self.parts(path), self.parts(other))), None)

    def assign(self, tree: Node, changes: Iterable[tuple[str, Entry]]) -> Node:
        """`tree` with changes applied.

        A dotted key sets a leaf, a mapping replaces its block, but `resources` are merged. Setting the tag of a union
        (`schedule.name`) drops the keys that the new type lacks. The order in the file does not matter: blocks are applied first,
        then tags, then leaves.
        """
        keyed = [(self.parts(key), entry) for key, entry in self.by_request(changes)]
        for path, entry in sorted(keyed, key=self._rank):
            tree = self._set(tree, path, entry)
        return tree

    def _rank(self, change: tuple[tuple[str, ...], Entry]) -> tuple[bool, bool, int]:
        path, entry = change
        tags = self.shape.tags(path[:-1])
        return not isinstance(entry.node.value, Mapping), tags is None or path[-1] != tags[0], len(path)

    def _set(self, tree: Node, path: tuple[str, ...], entry: Entry, depth: int = 0) -> Node:
        """`tree`, the block at path[:depth], with the rest of the path set; the blocks above get the position of the change."""
        head, rest = path[depth], path[depth + 1 :]
        entries = dict(tree.entries)
        if rest:
            present = entries[head].node if head in entries else Node({}, entry.key_at, "")
            entries[head] = Entry(entry.key_at, self._set(present, path, entry, depth + 1))
        else:
            tags = self.shape.tags(path[:-1])
            if tags is not None and head == tags[0] and isinstance(entry.node.value, str) and entry.node.value in tags[1]:
                keep = tags[1][entry.node.value]
                entries = {key: value for key, value in entries.items() if key in keep}
            entries[head] = Entry(entry.key_at, self._with_tag(entry.node, path))
        return Node(entries, entry.node.at, _block_path(entry.node.path, path[depth:]))

    def _with_tag(self, node: Node, path: tuple[str, ...]) -> Node:
        """A block that replaces a tagged union gets the default tag if it has none."""
        tags = self.shape.tags(path)
        if tags is None or not isinstance(node.value, Mapping) or tags[0] in node.value:
            return node
        default: Node | None = self.defaults
        for part in (*path, tags[0]):
            default = default.get(part) if default else None
        if default is None:
            return node
        tag = Entry(node.at, Node(default.value, node.at, join(node.path, tags[0])))
        return Node({tags[0]: tag, **node.value}, node.at, node.path)


def _block_path(path: str, rest: tuple[str, ...]) -> str:
    """`path` without the dotted `rest` at its end."""
    return path.removesuffix("." + ".".join(rest)) if path != ".".join(rest) else ""
