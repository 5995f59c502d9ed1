"""A folder or tar of `train/<class>/*` and `test/<class>/*` -> listing, fingerprint, file contents. Does not decode."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DataError
from harness.tasks.cifar_resnet import cache_file
from harness.tasks.protocol import cache_folder

SPLITS = ("train", "test")
EXPECTED = "train/<class>/* and test/<class>/*"
HINT = f"give a folder, or a tar of it, with {EXPECTED} (--set data.root=PATH)"


@dataclass(frozen=True)
class Listing:
    """The content of an image folder or tar.

    `files` are paths `train/<class>/<name>`, then `test/<class>/<name>`, sorted; `classes` are sorted: the labels.
    `fingerprint` is `sha256:<of the tar's bytes>` or `listing-sha256:<of a folder's paths and sizes>`; `stamp`
    also changes, on this machine, when a file of a folder is rewritten with the same size. `top` is the tar's top folder: "",
    or a name with a `/`.
    """

    fingerprint: str
    stamp: str
    files: tuple[str, ...]
    classes: tuple[str, ...]
    top: str = ""

    def counts(self, split: str) -> list[int]:
        """Images of each class in `train` or `test`."""
        images = Counter(class_of(file) for file in self.files if file.startswith(split + "/"))
        return [images[name] for name in self.classes]


def class_of(file: str) -> str:
    """The class in a listing's path."""
    return file.split("/")[1]


def list_images(root: Path) -> Listing:
    """List a folder (some 60,000 files in half a second) or a tar (read once, then remembered by path, size and time).

    Raises DataError if `root` does not exist or is not such a folder or tar, the classes of train/ and test/ differ, a class is
    empty, or the tar is damaged or unsafe.
    """
    try:
        if root.is_dir():
            return _list_folder(root)
        if root.is_file():
            return _list_tar(root)
    except OSError as error:
        raise DataError(f"{root}: cannot be read: {error.strerror}") from error
    raise DataError(f"no data at {root}: {'not found' if not root.exists() else 'not a folder or file'}; {HINT}")


def read_images(root: Path, listing: Listing) -> Iterator[tuple[int, str, bytes]]:
    """Every file of `listing` once, in the fastest order: its index in `listing.files`, its path, its bytes.

    Raises DataError if the content has changed since it was listed.
    """
    index = {file: i for i, file in enumerate(listing.files)}
    digest = hashlib.sha256()
    if root.is_dir():
        for file, i in index.items():
            try:
                data = (root / file).read_bytes()
            except OSError as error:
                raise DataError(f"{root / file}: cannot be read: {error.strerror}") from error
            _add(digest, file, len(data))
            yield i, file, data
        fingerprint = f"listing-sha256:{digest.hexdigest()}"
    else:
        from harness.tasks.cifar_resnet.archive import read_tar

        for entry in read_tar(root, digest):
            file = entry.name.removeprefix(listing.top)
            if entry.data is not None and file in index:
                yield index[file], file, entry.data
        fingerprint = f"sha256:{digest.hexdigest()}"
    if fingerprint != listing.fingerprint:
        raise DataError(
            f"{root}: changed while it was read ({fingerprint} instead of {listing.fingerprint}); run the command again"
        )


def _list_folder(root: Path) -> Listing:
    sizes: dict[str, int] = {}
    times: dict[str, int] = {}
    folders: list[str] = []
    for split in SPLITS:
        if not (root / split).is_dir():
            continue
        for entry in _entries(root / split):
            if not entry.is_dir():
                continue
            folders.append(f"{split}/{entry.name}")
            for file in _entries(entry.path):
                name = f"{split}/{entry.name}/{file.name}"
                if _hidden(name):
                    continue
                if file.is_dir():
                    raise DataError(f"{root / name}: a folder inside a class; expected {EXPECTED}")
                status = file.stat()
                sizes[name], times[name] = status.st_size, status.st_mtime_ns
    files, classes = _arranged(root, sizes, folders)
    listed, stamped = hashlib.sha256(), hashlib.sha256()
    for name in files:
        _add(listed, name, sizes[name])
        _add(stamped, name, times[name])
    return Listing(f"listing-sha256:{listed.hexdigest()}", stamped.hexdigest(), files, classes)


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return list(entries)


def _list_tar(root: Path) -> Listing:
    status = root.stat()
    path = str(root.resolve())
    known = {"path": path, "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
    memo = cache_folder() / "fingerprints" / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}.json"
    remembered = cache_file.read_json(memo)
    if not isinstance(remembered, dict) or {key: remembered.get(key) for key in known} != known:
        remembered = {**known, **_read_listing(root)}
        cache_file.write_json(memo, remembered)
    files = tuple(remembered["files"])
    classes = tuple(sorted({class_of(file) for file in files}))
    return Listing(remembered["fingerprint"], "", files, classes, remembered["top"])


def _read_listing(root: Path) -> dict[str, object]:
    """Fingerprint, top folder and files of a tar, from one pass over it."""
    from harness.tasks.cifar_resnet.archive import read_tar

    digest = hashlib.sha256()
    names: set[str] = set()
    folders: set[str] = set()
    for entry in read_tar(root, digest):
        if entry.name in names:
            raise DataError(f"{root}: {entry.name!r} is in it twice; create the archive again")
        (folders if entry.data is None else names).add(entry.name)
    top = _top_folder(names | folders)
    files = []
    for name in (name.removeprefix(top) for name in names):
        depth = name.count("/")
        if depth < 2 or name.split("/")[0] not in SPLITS or _hidden(name):
            continue
        if depth > 2:
            raise DataError(f"{root}: {name!r} lies in a folder inside a class; expected {EXPECTED}")
        files.append(name)
    class_folders = [name for name in (name.removeprefix(top) for name in folders) if name.count("/") == 1]
    arranged, _ = _arranged(root, files, [name for name in class_folders if name.split("/")[0] in SPLITS])
    return {"fingerprint": f"sha256:{digest.hexdigest()}", "top": top, "files": arranged}


def _top_folder(names: Iterable[str]) -> str:
    """The common top folder, with its `/`; "" when train/ and test/ are at the top."""
    first = {name.split("/")[0] for name in names if not _hidden(name)}
    if len(first) == 1 and not first & set(SPLITS):
        return first.pop() + "/"
    return ""


def _arranged(root: Path, files: Iterable[str], folders: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sorted files, and the classes. Raises DataError if they cannot be used for training."""
    found = {split: set[str]() for split in SPLITS}
    for name in (*files, *folders):
        split, label, *_ = name.split("/")
        if not _hidden(label):
            found[split].add(label)
    for split, labels in found.items():
        if not labels:
            raise DataError(f"{root}: no {split}/<class>/* found; {HINT}")
    filled = {tuple(file.split("/")[:2]) for file in files}
    empty = sorted(f"{split}/{label}" for split, labels in found.items() for label in labels if (split, label) not in filled)
    for split, other in (SPLITS, SPLITS[::-1]):
        if missing := sorted(found[split] - found[other]):
            raise DataError(
                f"{root}: classes differ: {', '.join(missing)} in {split}/, not in {other}/; use the same classes in both"
            )
    if empty:
        raise DataError(f"{root}: no images in {', '.join(empty)}; add at least one to each class of train/ and test/")
    ordered = sorted(files, key=lambda file: (SPLITS.index(file.split("/")[0]), *file.split("/")[1:]))
    return tuple(ordered), tuple(sorted(found["train"]))


def _hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _add(digest: hashlib._Hash, name: str, number: int) -> None:
    digest.update(os.fsencode(name) + f"\0{number}\n".encode())
