"""The options of the command, validated -> the folders, the images and the settings of experiments."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InputError
from harness.tasks.cifar_resnet import cifar10
from harness.tasks.protocol import Accelerator

ROOT = Path(__file__).parents[2]
DOCUMENT = "evidence.json"  # by which a pack is recognized: what does not belong to it is removed there
EPOCHS = 20  # of the first pass through the experiments
REHEARSAL = ("training.epochs=1", "data.train_limit=256")  # two steps of the small network


@dataclass(frozen=True)
class Settings:
    """What is done where. All paths are absolute.

    `images`: a folder with CIFAR-10 or its archive, an image folder, a tar of one; None: CIFAR-10, downloaded.
    """

    folder: Path
    pack: Path
    tars: Path
    device: Accelerator
    rehearse: bool
    images: Path | None
    only: tuple[str, ...]

    @property
    def results(self) -> Path:
        """The results folder of the harness."""
        return self.folder / "results"

    @property
    def evidence(self) -> Path:
        """Records and logs of checks, benchmarks and experiments."""
        return self.folder / "evidence"

    @property
    def image_folder(self) -> Path | None:
        """The image folder, or the tar of one; None: CIFAR-10 itself, or in a rehearsal the shipped miniature."""
        return None if self.rehearse or self.images is None or cifar10.is_in(self.images) else self.images

    @property
    def overrides(self) -> tuple[str, ...]:
        """What `--set` adds to every experiment. With more than the place of the images, plans are rehearsals."""
        if self.rehearse:
            return REHEARSAL
        return () if self.image_folder is None else (f"data.root={self.image_folder}",)

    @property
    def profile(self) -> str | None:
        """The profile of every experiment: of a rehearsal, and for images that are not CIFAR-10's archive."""
        return "smoke" if self.rehearse else None if self.image_folder is None else "jpeg"

    @property
    def data(self) -> dict[str, object]:
        """The block `data` of a configuration."""
        if self.rehearse:
            return {"dataset": "cifar10_mini"}
        return (
            {"dataset": "cifar10"} if self.image_folder is None else {"dataset": "image_folder", "root": str(self.image_folder)}
        )

    @property
    def benchmark_images(self) -> str | None:
        """The value of throughput.py's `--images`; None: the shipped miniature."""
        if self.images is None:
            return None if self.rehearse else "cifar10"
        return "cifar10" if cifar10.is_in(self.images) else str(self.images)

    @property
    def environment(self) -> dict[str, str]:
        """Variables of every command: one cache for all."""
        return {**os.environ, "HARNESS_CACHE": str(self.results / "cache")}

    def check(self) -> None:
        """Raises InputError for options that do not fit together or this machine's files."""
        if self.device == "cpu" and not self.rehearse:
            raise InputError("--device cpu: the experiments would take weeks; add --rehearse, or use --device cuda")
        folder, pack = self.folder.resolve(), self.pack.resolve()
        if folder.is_relative_to(pack) or pack.is_relative_to(folder):
            raise InputError(
                f"--pack {self.pack}: may neither be inside of --results {self.folder} nor contain it; use another folder"
            )
        if self.pack.exists() and any(self.pack.iterdir()) and not (self.pack / DOCUMENT).exists():
            raise InputError(f"--pack {self.pack}: is not empty; use a new folder, or that of an earlier start")
        if self.images is not None and not self.images.exists():
            raise InputError(
                f"invalid value for --images: {str(self.images)!r} does not exist; expected a folder with {cifar10.ARCHIVE}, "
                "an image folder or a tar of one"
            )

    def link_images(self) -> None:
        """Show CIFAR-10 to every command, where it would be downloaded to; the folder given may be read-only."""
        if self.images is None or not cifar10.is_in(self.images):
            return
        source = self.images.parent if self.images.name in (cifar10.FOLDER, cifar10.ARCHIVE) else self.images
        target = self.results / "cache" / "cifar10"
        target.mkdir(parents=True, exist_ok=True)
        for name in (cifar10.FOLDER, cifar10.ARCHIVE):
            if (source / name).exists() and not os.path.lexists(target / name):
                (target / name).symlink_to(source / name)


def python(*arguments: str) -> list[str]:
    """A command of this interpreter."""
    return [sys.executable, *arguments]


def harness(*arguments: str) -> list[str]:
    """A command of the harness."""
    return python("-m", "harness", *arguments)
