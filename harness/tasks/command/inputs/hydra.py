"""Which files Hydra may compose: the YAML files below the folder of a call of `hydra.main`, or those of its groups."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.tasks.command.inputs.configurations import hydra_groups
from harness.tasks.command.inputs.files import is_experiment, is_file, is_folder
from harness.tasks.command.inputs.found import YAML_BELOW
from harness.tasks.command.inputs.python_code import HydraCall
from harness.tasks.command.inputs.words import options_of

FOLDER = "/hydra"  # the name of what is unknown: no file has it
NAME_OPTIONS = ("--config-name", "-cn")
SHORT = ("-cp", "-cd")
FOLDER_OPTIONS = ("--config-path", "--config-dir", *SHORT)


class Calls:
    """The calls of one program: the folders of their scripts, and the folders whose YAML files count."""

    def __init__(self, directory: Path, words: Sequence[str]) -> None:
        self.directory, self.words = directory, words
        self.scripts: list[Path] = []
        self.folders: list[Path] = []

    def covers(self, file: Path) -> bool:
        """Whether a YAML file is below a folder that counts."""
        return file.suffix == ".yaml" and any(Path(os.path.normpath(file)).is_relative_to(folder) for folder in self.folders)

    def inputs(self, call: HydraCall, script: Path | None) -> Iterator[Path]:
        """Files, and folders with `YAML_BELOW` after them.

        A folder of configurations counts as a whole. One with the script or the working directory in it may contain anything:
        there, the call's configuration counts, and the groups that its defaults list or the command names.
        """
        if call.folder is None or not is_folder(call.folder):
            return
        folder = Path(os.path.normpath(call.folder))
        inside = [self.directory, *([script.parent] if script else [])]
        if not any(Path(os.path.normpath(each)).is_relative_to(folder) for each in inside):
            yield folder / YAML_BELOW.strip("/")
            return
        configs = [call.config] if call.config else []
        configs += [value for _, value in options_of(self.words, NAME_OPTIONS)]
        waiting = [folder / (config.removesuffix(".yaml") + ".yaml") for config in configs]
        if not waiting:
            waiting = [file for file in sorted(folder.glob("*.yaml")) if not is_experiment(file)]
        groups = [word.lstrip("+~").partition("=")[0].partition("@")[0].split("/")[0] for word in self.words if "=" in word]
        seen: dict[Path, None] = {}
        while waiting:
            file = waiting.pop(0)
            if file not in seen and is_file(file):
                seen[file] = None
                names = hydra_groups(file)
                groups += names
                waiting += [above / f"{name}.yaml" for name in names for above in dict.fromkeys((file.parent, folder))]
        yield from seen
        for group in dict.fromkeys(groups):
            if group and not group.startswith((".", "-")) and is_folder(folder / group):
                yield folder / group / YAML_BELOW.strip("/")
