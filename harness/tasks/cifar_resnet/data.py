"""The data set: facts for planning (without torch or decoding), and images for training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from harness.common import optional_packages
from harness.errors import DataError
from harness.tasks.cifar_resnet import cifar10, config
from harness.tasks.cifar_resnet.image_folder import Listing, class_of, list_images, read_images
from harness.tasks.cifar_resnet.subsets import quotas, stratified
from harness.tasks.protocol import Examples, cache_folder

if TYPE_CHECKING:
    from torch import Tensor

    from harness.tasks.cifar_resnet.decoded import Decoded, Source

MINI = "cifar10_mini.tar"


@dataclass(frozen=True)
class Facts:
    """`fingerprint` is part of run ids; `train_count` allows for `validation_size` and `train_limit`."""

    fingerprint: str
    classes: tuple[str, ...]
    train_count: int
    test_count: int


@dataclass(frozen=True)
class Images:
    """Pixels uint8 [n, 3, size, size] and labels int64 [n], on the CPU."""

    pixels: Tensor
    labels: Tensor


@dataclass(frozen=True)
class DataSet:
    """The images of a run, the names of the labels, and the statistics (0 to 1, one a channel) to normalise with."""

    train: Images
    validation: Images | None
    test: Images
    classes: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def facts(data: config.Data) -> Facts:
    """Facts of the data set, without decoding it. CIFAR-10's are constants: it may not be downloaded yet.

    Raises DataError if an image folder is missing or invalid, or the requested subsets are too large.
    """
    if data.dataset == "cifar10":
        fingerprint, classes = f"cifar10:md5:{cifar10.MD5}", cifar10.CLASSES
        train, test = cifar10.TRAIN_COUNTS, cifar10.TEST_COUNTS
        return Facts(fingerprint, classes, _train_count(data, train), sum(test))
    with _root(data) as root:
        return _listed_facts(data, list_images(root))


def load(data: config.Data) -> DataSet:
    """The images, decoded, from the cache if possible (mapped, in milliseconds).

    The validation split and `train_limit` are fixed, stratified by class, and do not depend on a run's seed. CIFAR-10 and its
    miniature are normalised by CIFAR-10's known statistics, an image folder by those of its whole train/.
    Raises DataError as `facts` does, and if the data cannot be read, does not match its fingerprint, or contains an image that
    cannot be decoded. Raises PackageError without torch, or without `required_packages`.
    """
    torch = optional_packages.load("torch", "image data")

    known, images = _decoded(data)
    mean, std = (images.mean, images.std) if data.dataset == "image_folder" else (cifar10.MEAN, cifar10.STD)

    pixels, labels = torch.from_numpy(images.pixels), torch.tensor(images.labels)
    train_labels = images.labels[: images.train_count]

    def chosen(indices: Sequence[int]) -> Images:
        index = torch.tensor(indices)
        return Images(pixels[index], labels[index])

    train = Images(pixels[: images.train_count], labels[: images.train_count])
    validation = None
    left: Sequence[int] = range(images.train_count)
    if data.validation_size:
        held_out = stratified(train_labels, left, data.validation_size, "validation")
        validation = chosen(held_out)
        left = sorted(set(left) - set(held_out))
    if data.train_limit is not None:
        left = stratified(train_labels, left, data.train_limit, "train_limit")
    if len(left) < images.train_count:
        train = chosen(left)
    test = Images(pixels[images.train_count :], labels[images.train_count :])
    return DataSet(train, validation, test, known.classes, mean, std)


def examples(data: config.Data, cases: Sequence[int]) -> Examples:
    """The test images with these numbers, and the names of the labels; no images if they are still to be downloaded.

    Raises DataError as `load` does.
    """
    if missing(data):
        return Examples(facts(data).classes)
    known, images = _decoded(data)
    pixels = images.pixels[images.train_count :][list(cases)]
    return Examples(known.classes, pixels.transpose(0, 2, 3, 1))


def _decoded(data: config.Data) -> tuple[Facts, Decoded]:
    """The whole data set, from the cache if possible."""
    from harness.tasks.cifar_resnet.decoded import decoded

    folder = _decoded_folder()
    if data.dataset == "cifar10":
        known = facts(data)
        return known, decoded(folder, known.fingerprint, data.image_size, lambda: _cifar10(data))
    with _root(data) as root:
        listing = list_images(root)
        known = _listed_facts(data, listing)
        identity = _identity(known, listing)
        return known, decoded(folder, identity, data.image_size, lambda: _image_folder(root, listing, data.image_size))


def required_packages(data: config.Data) -> tuple[str, ...]:
    """The packages that decode the images, by the names that are imported; none of them once the images are in the cache.

    Raises DataError as `facts` does.
    """
    names = ("torchvision", "PIL") if data.dataset == "cifar10" else ("PIL",)
    return names if all(map(optional_packages.is_installed, names)) or not _are_decoded(data) else ()


def _are_decoded(data: config.Data) -> bool:
    from harness.tasks.cifar_resnet.decoded import is_decoded

    if data.dataset == "cifar10":
        return is_decoded(_decoded_folder(), facts(data).fingerprint, data.image_size)
    with _root(data) as root:
        listing = list_images(root)
    return is_decoded(_decoded_folder(), _identity(_listed_facts(data, listing), listing), data.image_size)


def _identity(known: Facts, listing: Listing) -> str:
    """Of the images of a folder in the cache."""
    return f"{known.fingerprint} {listing.stamp}".strip()


def _decoded_folder() -> Path:
    return cache_folder() / "decoded"


@contextlib.contextmanager
def _root(data: config.Data) -> Iterator[Path]:
    """The path of an image folder or of the built-in miniature."""
    if data.root is not None and data.dataset == "image_folder":
        yield Path(data.root).expanduser()
        return
    with resources.as_file(resources.files("harness.tasks.cifar_resnet") / MINI) as path:
        yield path


def _listed_facts(data: config.Data, listing: Listing) -> Facts:
    train_count = _train_count(data, listing.counts("train"))
    return Facts(f"{data.dataset}:{listing.fingerprint}", listing.classes, train_count, sum(listing.counts("test")))


def _train_count(data: config.Data, counts: Sequence[int]) -> int:
    """The number of training images, from `counts` per class. Raises DataError if a class would be empty."""
    if data.validation_size >= sum(counts):
        raise DataError(f"data.validation_size {data.validation_size} must be less than the {sum(counts)} training images")
    left = [count - share for count, share in zip(counts, quotas(counts, data.validation_size), strict=True)]
    if min(left) == 0:
        raise DataError(
            f"data.validation_size {data.validation_size} leaves a class without training images; use a smaller number"
        )
    if data.train_limit is None:
        return sum(left)
    if not len(counts) <= data.train_limit <= sum(left):
        allowed = f"{len(counts)} (one per class) to {sum(left)}"
        raise DataError(f"data.train_limit {data.train_limit} is out of range; expected {allowed}, or null for all")
    if min(quotas(left, data.train_limit)) == 0:
        raise DataError(f"data.train_limit {data.train_limit} leaves a class without training images; use a larger number")
    return data.train_limit


def _image_folder(root: Path, listing: Listing, size: int) -> Source:
    from harness.tasks.cifar_resnet.decoded import Source, decode_image

    label = {name: number for number, name in enumerate(listing.classes)}
    labels = [label[class_of(file)] for file in listing.files]
    train_count = sum(file.startswith("train/") for file in listing.files)
    return Source(
        labels,
        train_count,
        lambda: ((i, decode_image(content, size, str(root / file))) for i, file, content in read_images(root, listing)),
    )


def missing(data: config.Data) -> list[str]:
    """A sentence if CIFAR-10 is needed and not on this machine."""
    root = _cifar10_root(data)
    if data.dataset != "cifar10" or cifar10.is_in(root):
        return []
    return [f"CIFAR-10 is not in {root}: the first run downloads it (170 MB); without network put {cifar10.ARCHIVE} there"]


def _cifar10_root(data: config.Data) -> Path:
    return Path(data.root).expanduser() if data.root is not None else cache_folder() / "cifar10"


def _cifar10(data: config.Data) -> Source:
    from harness.tasks.cifar_resnet.decoded import Source, resized

    arrays = cifar10.read(_cifar10_root(data))
    return Source(
        arrays.labels.tolist(),
        arrays.train_count,
        lambda: ((i, resized(pixels, data.image_size)) for i, pixels in enumerate(arrays.pixels)),
    )
