"""Cache of decoded images: one memory-mapped uint8 array with labels and statistics, rebuilt if damaged."""

from __future__ import annotations

import hashlib
import io
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.common import optional_packages
from harness.errors import DataError
from harness.tasks.cifar_resnet import cache_file

if TYPE_CHECKING:
    from PIL import Image

SCHEMA = 1
Pixels = NDArray[np.uint8]
Statistics = tuple[float, float, float]


@dataclass(frozen=True)
class Source:
    """Images still to be decoded: the label of each, the first `train_count` being the training set, and the images themselves.

    `images()` yields each index once, in any order, with uint8 pixels [size, size, 3].
    """

    labels: list[int]
    train_count: int
    images: Callable[[], Iterator[tuple[int, Pixels]]]


@dataclass(frozen=True)
class Decoded:
    """Pixels uint8 [n, 3, size, size] (mapped; writing to them changes no file), labels [n], and the mean and standard deviation
    (0 to 1) of each channel over the training set, the first `train_count` images."""

    pixels: Pixels
    labels: list[int]
    train_count: int
    mean: Statistics
    std: Statistics


def decoded(folder: Path, identity: str, size: int, make: Callable[[], Source]) -> Decoded:
    """The images `identity` in `size` from the cache `folder`; created if they are missing or damaged.

    A cached file with another modification time is compared by its SHA-256, else by size and time only.
    Raises DataError when an image cannot be decoded or the cache cannot be written, PackageError when Pillow is missing.
    """
    array, about = _files(folder, identity, size)
    record = _checked(array, about, identity)
    if record is None:
        record = _make(array, about, identity, size, make())
    pixels = np.load(array, mmap_mode="c")
    mean, std = record["mean"], record["std"]
    return Decoded(pixels, record["labels"], record["train_count"], (mean[0], mean[1], mean[2]), (std[0], std[1], std[2]))


def is_decoded(folder: Path, identity: str, size: int) -> bool:
    """Whether the cache has the images, so that `decoded` makes nothing."""
    return _checked(*_files(folder, identity, size), identity) is not None


def _files(folder: Path, identity: str, size: int) -> tuple[Path, Path]:
    """The array, and the record about it."""
    key = hashlib.sha256(f"{SCHEMA}/{size}/{identity}".encode()).hexdigest()[:16]
    return folder / f"{key}.npy", folder / f"{key}.json"


def decode_image(data: bytes, size: int, name: str) -> Pixels:
    """A picture's file -> RGB pixels uint8 [size, size, 3]; another size is resized (Lanczos) without keeping its proportions.

    Transparency is dropped, 16-bit grey is brought to 8. Raises DataError naming the picture when it cannot be decoded.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            rgb = _grey(image) if image.mode.startswith("I") else image
            rgb = rgb if rgb.mode == "RGB" else rgb.convert("RGBA" if "transparency" in rgb.info else "RGB").convert("RGB")
            if rgb.size != (size, size):
                rgb = rgb.resize((size, size), Image.Resampling.LANCZOS)
            return np.asarray(rgb)
    except Exception as error:  # Pillow's parsers raise various exceptions
        raise DataError(
            f"{name}: cannot be decoded as an image ({type(error).__name__}: {error}); repair or remove it"
        ) from error


def resized(pixels: Pixels, size: int) -> Pixels:
    """Pixels uint8 [height, width, 3] in another size (Lanczos)."""
    if pixels.shape[:2] == (size, size):
        return pixels
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.LANCZOS))


def _grey(image: Image.Image) -> Image.Image:
    from PIL import Image

    return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))


def _checked(array: Path, about: Path, identity: str) -> dict[str, Any] | None:
    """The record of a valid cached array, or None."""
    record = cache_file.read_json(about)
    if not isinstance(record, dict) or record.get("identity") != identity:
        return None
    try:
        status = array.stat()
        if status.st_size != record["bytes"]:
            return None
        if status.st_mtime_ns != record["mtime_ns"]:
            if _sha256(array) != record["sha256"]:
                return None
            record["mtime_ns"] = status.st_mtime_ns
            cache_file.write_json(about, record)
    except OSError:  # missing or unreadable: rebuilt
        return None
    return record


def _make(array: Path, about: Path, identity: str, size: int, source: Source) -> dict[str, Any]:
    optional_packages.load("PIL")
    from PIL import Image

    shape = (len(source.labels), 3, size, size)
    with cache_file.replacing(array) as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        start, length = file.tell(), 3 * size * size
        left = set(range(len(source.labels)))
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            for index, pixels in source.images():
                # written, not mapped: a full disk then raises an error instead of SIGBUS
                file.seek(start + index * length)
                file.write(pixels.transpose(2, 0, 1).tobytes())
                left.discard(index)
        if left:
            raise DataError(f"{identity}: {len(left)} of {len(source.labels)} images were not found when the data were read")
    mean, std = _statistics(np.load(array, mmap_mode="r")[: source.train_count])
    record = {
        "identity": identity,
        "bytes": start + length * len(source.labels),
        "mtime_ns": array.stat().st_mtime_ns,
        "sha256": _sha256(array),
        "labels": source.labels,
        "train_count": source.train_count,
        "mean": mean,
        "std": std,
    }
    cache_file.write_json(about, record)
    return record


def _statistics(pixels: Pixels) -> tuple[list[float], list[float]]:
    """Mean and standard deviation (0 to 1) of each channel over all pixels; exact sums, so equal on every machine."""
    counts = np.zeros((3, 256), dtype=np.int64)
    for start in range(0, len(pixels), 1024):
        for channel in range(3):
            counts[channel] += np.bincount(pixels[start : start + 1024, channel].ravel(), minlength=256)
    means, deviations = [], []
    for histogram in counts.tolist():
        total = sum(histogram)
        mean = sum(value * count for value, count in enumerate(histogram)) / total
        variance = sum(value * value * count for value, count in enumerate(histogram)) / total - mean * mean
        means.append(mean / 255)
        deviations.append(math.sqrt(max(variance, 0.0)) / 255)
    return means, deviations


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
