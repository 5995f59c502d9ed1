"""Finds the files of a program: those that its command names, and whatever these import, start or name in turn.

Followed are Python files, shell scripts, configurations and files of arguments. Modules are searched beside the script, in the
working directory and its `src`, and on a PYTHONPATH that is stated; not in installed packages. Data that code opens is not found.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from harness.tasks.command.inputs.configurations import DOTTED, strings_of
from harness.tasks.command.inputs.files import (
    is_file,
    is_folder,
    is_installed,
    is_of_environment,
    kind_of,
    matching,
    name_of,
    text_of,
    yaml_files,
)
from harness.tasks.command.inputs.found import YAML_BELOW, Detected, Found, How, Unknown
from harness.tasks.command.inputs.hydra import FOLDER, FOLDER_OPTIONS, SHORT, Calls
from harness.tasks.command.inputs.lead import Lead, Place
from harness.tasks.command.inputs.modules import first_module, module, search_path
from harness.tasks.command.inputs.python_code import Code, HydraCall, code_of, read_code
from harness.tasks.command.inputs.shell import ASSIGNMENT, VARIABLE, commands_of
from harness.tasks.command.inputs.words import (
    data_folders,
    has_arguments,
    inline_code,
    kind_by_interpreter,
    modules_of,
    named_files,
    options_of,
    parts_of,
)

DEEPEST = 8  # configurations that name configurations, and scripts that start scripts
MOST = 100  # files that one configuration names; more are a list of data
FOLLOWED_ENDINGS = (".py", ".sh", ".yaml", ".yml", ".json", ".toml")


def detect(
    words: Sequence[str],
    directory: Path,
    variables: Mapping[str, str] | None = None,
    literal: Iterable[str] | None = None,
    listed: Sequence[str] = (),
) -> Detected:
    """The files that `words` name and all that these lead to, each once; for a package its folder.

    Names are relative to `directory` if the files are inside it. `variables` are those of the program's environment. Words that
    are not among the `literal` ones (default: all are) come from settings. `listed` files of code are followed, not found.
    """
    return _Search(directory, words, variables or {}, None if literal is None else frozenset(literal)).run(listed)


class _Search:
    def __init__(
        self, directory: Path, words: Sequence[str], variables: Mapping[str, str], literal: frozenset[str] | None
    ) -> None:
        self.directory, self.command, self.variables, self.literal = directory, words, variables, literal
        self.found: dict[str, Found] = {}
        self.unknown: dict[Unknown, None] = {}
        self.scripts: set[tuple[str, str]] = set()  # started, with their working directories
        self.calls = Calls(directory, words)

    def run(self, listed: Sequence[str]) -> Detected:
        modules = search_path(self.variables.get("PYTHONPATH", ""), self.directory)
        place = Place(self.directory, modules)
        self._words(self.command, place)
        for name in listed:
            path = self.directory / Path(name).expanduser()
            if is_file(path) and kind_of(path) in ("python", "shell"):
                known = self.found.get(name)
                self._follow(Lead(Found(name, "listed"), path.parent, place))
                if known is None:
                    self.found.pop(name, None)
        return Detected(tuple(self.found.values()), tuple(each for each in self.unknown if not self._is_known(each, listed)))

    def _is_known(self, unknown: Unknown, listed: Sequence[str]) -> bool:
        """Whether a file of that name was found another way or listed, or the folder was listed, or files in it were."""
        if unknown.name.endswith("/"):
            known = [Path(os.path.normpath(self.directory / Path(each).expanduser())) for each in (*self.found, *listed)]
            folder = self.directory / unknown.name
            return any(path.is_relative_to(folder) or folder.is_relative_to(path) for path in known)
        folders = [self.directory / each for each in listed if is_folder(self.directory / each)]
        if unknown.name == FOLDER:
            return any(True for folder in folders for _ in yaml_files(folder))
        if VARIABLE.fullmatch(unknown.name):
            return any(PurePath(each).suffix in (".py", ".sh") for each in listed)
        names = {PurePath(each).name for each in (*self.found, *listed)}
        return unknown.name in names or (unknown.name != "" and any(is_file(folder / unknown.name) for folder in folders))

    def _words(self, words: Sequence[str], place: Place) -> None:
        """Follow what one command names: files first, then modules, code, and folders of configurations."""
        own = tuple(path for word in words if word.startswith("PYTHONPATH=") for path in search_path(word[11:], place.base))
        place = replace(place, modules=(*own, *place.modules))
        for text in named_files(words, place.base):
            if place.by and is_of_environment(place.base / text):
                continue
            name = self._name(Path(os.path.normpath(place.base / text))) if place.by or place.base != self.directory else text
            self._follow(
                Lead(self._found(text, name, words, place), (place.base / text).parent, place, kind_by_interpreter(text, words))
            )
        for text in data_folders(words, place.base):
            what = f"{place.by or 'the command'} names the folder {text}, of which nothing counts"
            self.unknown[Unknown(what, self._name(Path(os.path.normpath(place.base / text))) + "/")] = None
        if words and PurePath(words[0]).name == "make":
            self.unknown[Unknown(f"{place.by or 'the command'} starts make, whose recipes are not followed", "Makefile")] = None
        for parts in modules_of(words):
            if (path := self._module_of((*parts, "__main__"), place.base, place)) is not None:
                how: How = "started" if place.by else "named"
                self._follow(Lead(Found(self._name(path), how, place.by), place.base, place))
        beside = dict.fromkeys([*((place.base / text).parent for text in named_files(words, place.base)), place.base])
        self._objects(words, list(beside), place)
        for kind, code in inline_code(words):
            if kind == "shell":
                self._shell(code, place.base, place if place.by else replace(place, how=self._spelled([code])))
            else:
                lead = Lead(Found("", "named", place.by), place.base, place)
                self._continue(deque(self._leads(code_of(code, place.base / "-c", self.directory), place.base, lead)))
        for option, value in options_of(words, FOLDER_OPTIONS):
            folders = [place.base / value]
            if option in SHORT and not self.calls.scripts:
                continue  # an option of another program
            if option in ("--config-path", "-cp"):  # relative to the script
                folders = [*(folder / value for folder in self.calls.scripts), *folders]
            if folder := next(filter(is_folder, folders), None):
                lead = Lead(Found("", "hydra", place.by), place.base, place)
                self._composed(HydraCall(folder, None), None, lead)

    def _found(self, text: str, name: str, words: Sequence[str], place: Place) -> Found:
        if place.by:
            return Found(name, "started" if kind_of(place.base / text) in ("python", "shell") else "named", place.by)
        return Found(name, place.how or self._spelled([word for word in words if text in parts_of(word)]))

    def _spelled(self, words: Iterable[str]) -> How:
        """Whether one of the words stands in the command as it is, or all come from settings."""
        return "named" if self.literal is None or any(word in self.literal for word in words) else "setting"

    def _objects(self, words: Sequence[str], beside: Sequence[Path], place: Place) -> None:
        """Follow Python objects, as in `model._target_=models.net.Net`."""
        for text in (part for word in words for part in parts_of(word)):
            if DOTTED.fullmatch(text) and not is_file(place.base / text):
                for folder in beside:
                    if (path := self._module_of(text.split("."), folder, place)) is not None:
                        self._follow(Lead(self._found(text, self._name(path), words, place), folder, place))
                        break

    def _follow(self, first: Lead) -> None:
        self._continue(deque([first]))

    def _continue(self, waiting: deque[Lead]) -> None:
        while waiting:
            lead = waiting.popleft()
            name = lead.found.name
            if not self.found.keys().isdisjoint((name, *map(str, PurePath(name).parents))) or self.calls.covers(
                self.directory / name
            ):
                continue  # itself, its package, or its folder of configurations
            self.found[name] = lead.found
            path = self.directory / Path(name).expanduser()
            if path.is_dir():
                for file in sorted(path.rglob("*.py")):
                    waiting += self._leads(read_code(file, self.directory), file.parent, lead, file)
                continue
            match lead.kind or kind_of(path):
                case "python":
                    waiting += self._leads(read_code(path, self.directory), path.parent, lead, path)
                case "shell":
                    self._shell(text_of(path), path.parent, replace(lead.place, by=name, depth=lead.place.depth + 1))
                case "configuration":
                    waiting += self._strings([path], name, lead)
                case "other" if has_arguments(path, self.command):
                    lines = text_of(path).splitlines()
                    self._words([word for line in lines for word in (line.strip(), *line.split())], replace(lead.place, by=name))

    def _leads(self, code: Code, own: Path, lead: Lead, file: Path | None = None) -> list[Lead]:
        """What Python code in the folder `own` leads to; `file` is None for the code of `python -c`."""
        by = lead.found.name if file is None else self._shown(lead, file)
        found = []
        for dots, parts in code.imports:
            above = (own / "x").parents
            here = 0 < dots <= len(above)
            path = module(above[dots - 1], parts) if here else self._module_of(parts, lead.beside, lead.place)
            if path is not None:
                found.append(replace(lead, found=Found(self._name(path), "imported", by), kind=None))
        found += self._named(code.files, [own, lead.place.base], by, lead)
        for call in code.hydra:
            self._hydra(call, by, file, lead)
        return found

    def _hydra(self, call: HydraCall, by: str, file: Path | None, lead: Lead) -> None:
        if file is not None:
            self.calls.scripts.append(file.parent)
        if call.why:
            text = f"the folder of Hydra's configurations is not known, as {call.why} in {by}"
            self.unknown[Unknown(text, FOLDER)] = None
        self._composed(call, file, replace(lead, found=Found("", "hydra", by), kind=None))

    def _composed(self, call: HydraCall, script: Path | None, lead: Lead) -> None:
        """Follow what Hydra may compose: files, and all configurations below folders."""
        for path in self.calls.inputs(call, script):
            own = replace(lead, found=replace(lead.found, name=self._name(path)))
            if not str(path).endswith(YAML_BELOW):
                self._follow(own)
                continue
            folder = Path(str(path).removesuffix(YAML_BELOW))
            if not self.calls.covers(folder / "x.yaml") and (files := sorted(yaml_files(folder))):
                self.calls.folders.append(folder)
                self.found[own.found.name] = own.found
                self._continue(deque(self._strings(files, own.found.name, own)))

    def _strings(self, files: Iterable[Path], by: str, lead: Lead) -> list[Lead]:
        """Follow the strings in configurations that are files or Python objects."""
        inner = replace(lead, place=replace(lead.place, depth=lead.place.depth + 1))
        found: list[Lead] = []
        for file in files:
            texts = strings_of(file)
            own = self._named(texts, [file.parent, lead.place.base], by, inner)
            if len(own) > MOST:
                text = f"{self._name(file)} names {len(own)} files, of which none counts"
                self.unknown[Unknown(text)] = None
                own = []
            for text in texts:
                if DOTTED.fullmatch(text) and not is_file(lead.place.base / text):
                    parts = text.split(".")
                    path = self._module_of(parts, lead.beside, lead.place) or module(file.parent, parts)
                    own += [] if path is None else [replace(inner, found=Found(self._name(path), "named", by), kind=None)]
            found += own
        if found and lead.place.depth >= DEEPEST:
            self._too_deep(by)
            return []
        return found

    def _too_deep(self, by: str) -> None:
        self.unknown[Unknown(f"{by} is reached through {DEEPEST} other files; what it names does not count")] = None

    def _named(self, texts: Iterable[str], folders: Sequence[Path], by: str, lead: Lead) -> list[Lead]:
        found = []
        for text in texts:
            path = next((folder / text for folder in folders if is_file(folder / text)), None)
            if path is not None and not is_installed(text):
                path = Path(os.path.normpath(path))
                beside = path.parent if kind_of(path) == "python" else lead.beside
                found.append(replace(lead, found=Found(self._name(path), "named", by), beside=beside, kind=None))
        return found

    def _shell(self, text: str, folder: Path, place: Place) -> None:
        """Follow the commands of a script in `folder`, in the order in which they stand."""
        if (text, str(place.base)) in self.scripts:
            return
        if place.depth > DEEPEST:
            self._too_deep(place.by)
            return
        self.scripts.add((text, str(place.base)))
        for words in commands_of(text, str(folder.absolute()), self.variables):
            if words[0] in ("cd", "pushd"):
                target = place.base / words[1] if len(words) > 1 else None
                place = replace(place, base=Path(os.path.normpath(target))) if target and is_folder(target) else place
                continue
            wild = [word for word in words if any(sign in word for sign in "*?[") and "$" not in word]
            globbed = [str(path) for word in wild if word.endswith(FOLLOWED_ENDINGS) for path in matching(place.base, word)]
            start = 1 if words[0] == "export" else 0
            if len(words) > start and all(ASSIGNMENT.fullmatch(word) for word in words[start:]):
                paths = [path for word in words if word.startswith("PYTHONPATH=") for path in search_path(word[11:], place.base)]
                place = replace(place, modules=(*paths, *place.modules))
            for word in words:
                variable = VARIABLE.fullmatch(word) is not None and not word.strip("${}").isdigit()  # $1 is from the command
                started = variable and kind_by_interpreter(word, words) is not None
                if started or (("$" in word or "`" in word) and word.endswith(FOLLOWED_ENDINGS)):
                    what = f"{place.by or 'the command'} names {word}, which is not known before it runs"
                    self.unknown[Unknown(what, PurePath(word).name)] = None
            self._words([*words, *globbed], place)

    def _module_of(self, parts: Sequence[str], beside: Path, place: Place) -> Path | None:
        """The file or package of a module, in the first folder that has it."""
        folders = (beside, place.base, *place.modules, place.base / "src")
        return first_module(folders, parts)

    def _name(self, path: Path) -> str:
        return name_of(path, self.directory)

    def _shown(self, lead: Lead, file: Path) -> str:
        return lead.found.name if is_file(self.directory / lead.found.name) else self._name(file)
