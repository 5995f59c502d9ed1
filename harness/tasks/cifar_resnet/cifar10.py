"""Reads CIFAR-10 with torchvision, which downloads and checks it."""

from __future__ import annotations

import contextlib
import fcntl
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER, ARCHIVE = "cifar-10-batches-py", "cifar-10-python.tar.gz"
MD5 = "c58f30108f718f92721af3b95e74349a"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRAIN_COUNTS = (5000,) * 10  # images a class
TEST_COUNTS = (1000,) * 10
MEAN = (0.4914, 0.4822, 0.4465)  # of the training pixels, 0 to 1
STD = (0.2470, 0.2435, 0.2616)


@dataclass(frozen=True)
class Arrays:
    """Training images, then test images, in the archive's order: pixels uint8 [n, 32, 32, 3], labels int64 [n]."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    train_count: int


def is_in(root: Path) -> bool:
    """Whether `root` has the data set, or is its folder or archive; unread, it may still be damaged."""
    names = (FOLDER, ARCHIVE)
    return (root.name in names and root.exists()) or any((root / name).exists() for name in names)


def read(root: Path, dataset: Any = None) -> Arrays:
    """The data set in `root`: its folder `cifar-10-batches-py`, or its archive, or after a download into it.

    `root` may also be that folder or archive itself. `dataset` is torchvision's CIFAR10 or a subclass with lists of its own.
    Raises DataError if the data is incomplete and cannot be downloaded.
    """
    if dataset is None:
        from harness.tasks.cifar_resnet.vision import import_torchvision

        dataset = import_torchvision().datasets.CIFAR10
    if root.name in (dataset.base_folder, dataset.filename):
        root = root.parent
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root), warnings.catch_warnings():
            # Python 3.12 and 3.13 warn of unpacking without a filter; torchvision compares its checksum before
            warnings.simplefilter("ignore", DeprecationWarning)
            train = dataset(root, train=True, download=True)
            test = dataset(root, train=False)
    except (OSError, RuntimeError, EOFError) as error:
        raise DataError(
            f"CIFAR-10 is missing or incomplete in {root}, and downloading {dataset.url} failed: {error}; "
            f"put {dataset.filename} there, give its folder (--set data.root=PATH), or use real images that need no download: "
            "--set data.dataset=cifar10_mini, or an image folder or tar: --set data.dataset=image_folder --set data.root=PATH"
        ) from error
    import numpy as np

    labels = np.asarray([*train.targets, *test.targets], dtype=np.int64)
    return Arrays(np.concatenate([train.data, test.data]), labels, len(train.targets))


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[None]:
    """A lock for downloading and unpacking; not needed for a read-only folder."""
    try:
        lock = (root / ".lock").open("w")
    except PermissionError:
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
