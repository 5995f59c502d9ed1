"""Create cifar10_mini.tar (200 training and 50 test images per class) from an image folder of CIFAR-10, or its tar.

    python scripts/make_cifar10_mini.py FOLDER_OR_TAR harness/training/cifar10_mini.tar

The images shipped are JPEG-recompressed (quality 75) copies of CIFAR-10's, evenly spread over the sorted list of each class and
copied as they are, so accuracies on them say nothing about CIFAR-10 itself. The same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import io
import sys
import tarfile
from itertools import groupby
from pathlib import Path

from harness.errors import HarnessError
from harness.tasks.cifar_resnet.cache_file import replacing
from harness.tasks.cifar_resnet.image_folder import list_images, read_images

IMAGES_PER_CLASS = {"train": 200, "test": 50}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="folder or tar with train/<class>/* and test/<class>/*")
    parser.add_argument("out", type=Path, help="the tar to write")
    arguments = parser.parse_args(argv)
    try:
        write_mini(arguments.source, arguments.out)
    except HarnessError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def write_mini(source: Path, out: Path) -> None:
    """Write the miniature of the image folder or tar `source` to `out`. Raises DataError."""
    listing = list_images(source)
    wanted = set(spread(listing.files))
    contents = {file: data for _, file, data in read_images(source, listing) if file in wanted}
    with replacing(out) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(contents):
            member = tarfile.TarInfo(name)  # owner, group and time are 0
            member.size, member.mode = len(contents[name]), 0o644
            tar.addfile(member, io.BytesIO(contents[name]))


def spread(files: tuple[str, ...]) -> list[str]:
    """IMAGES_PER_CLASS evenly spaced files of each class; all if there are fewer."""
    chosen = []
    for (split, _), group in groupby(files, key=lambda file: file.split("/")[:2]):
        of_class = list(group)
        count = min(IMAGES_PER_CLASS[split], len(of_class))
        chosen += [of_class[i * len(of_class) // count] for i in range(count)]
    return chosen


if __name__ == "__main__":
    sys.exit(main())
