"""Image folders and tars: what is found in them, and what is refused."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from harness.errors import DataError
from harness.tasks.cifar_resnet import archive, config, data
from harness.tasks.cifar_resnet.image_folder import list_images

Files = dict[str, bytes]


def picture(shade: int, size: int = 8) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), (shade, 255 - shade, 7)).save(buffer, "PNG")
    return buffer.getvalue()


def pictures() -> Files:
    return {
        f"{split}/{label}/{i}.png": picture(10 * i + 100 * (label == "dog"))
        for split, count in (("train", 4), ("test", 2))
        for label in ("cat", "dog")
        for i in range(count)
    }


def as_folder(root: Path, files: Files) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def as_tar(path: Path, files: Files, mode: str = "w", prefix: str = "") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def folder_config(root: Path, **keys: int) -> config.Data:
    return config.Data(dataset="image_folder", root=str(root), image_size=8, **keys)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def test_a_folder_is_listed_in_the_order_of_its_labels(tmp_path: Path) -> None:
    listing = list_images(as_folder(tmp_path / "pets", pictures()))
    assert listing.classes == ("cat", "dog")
    assert listing.files[:5] == (*(f"train/cat/{i}.png" for i in range(4)), "train/dog/0.png")
    assert (listing.counts("train"), listing.counts("test")) == ([4, 4], [2, 2])


def test_facts_name_fingerprint_classes_and_counts(tmp_path: Path) -> None:
    found = data.facts(folder_config(as_folder(tmp_path / "pets", pictures()), validation_size=2, train_limit=4))
    assert found.fingerprint.startswith("image_folder:listing-sha256:")
    assert (found.classes, found.train_count, found.test_count) == (("cat", "dog"), 4, 4)


def test_facts_need_no_torch() -> None:
    code = "import sys; from harness.tasks.cifar_resnet import config, data; data.facts(config.Data(dataset='cifar10_mini')); print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
@pytest.mark.parametrize("prefix", ["", "./", "pets/", "./pets/"])
def test_a_tar_of_any_kind_lists_like_its_folder(tmp_path: Path, mode: str, prefix: str) -> None:
    folder = list_images(as_folder(tmp_path / "folder", pictures()))
    shuffled = dict(sorted(pictures().items(), key=lambda item: item[0][::-1]))
    tar = list_images(as_tar(tmp_path / "pets.tar", shuffled, mode, prefix))
    assert (tar.files, tar.classes) == (folder.files, folder.classes)


def test_hidden_files_and_what_lies_beside_train_and_test_do_not_count(tmp_path: Path) -> None:
    extra = {
        "README.md": b"pets",
        "train/.DS_Store": b"",
        "train/cat/._0.png": b"",
        "train/labels.csv": b"",
        "notes/a/b.txt": b"",
    }
    for root in (as_folder(tmp_path / "a", pictures() | extra), as_tar(tmp_path / "a.tar", pictures() | extra)):
        assert set(list_images(root).files) == set(pictures())


def test_a_tars_fingerprint_is_remembered_until_the_file_changes(tmp_path: Path) -> None:
    path = as_tar(tmp_path / "pets.tar", pictures())
    first = list_images(path)
    intact = path.read_bytes()
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    path.write_bytes(b"x" * len(intact))
    os.utime(path, ns=times)
    assert list_images(path) == first  # same size and time: not read again
    path.write_bytes(intact.replace(b"train/cat/3.png", b"train/cat/4.png"))
    os.utime(path, ns=(times[0], times[1] + 1))
    with pytest.raises(DataError, match=r"pets\.tar"):  # read again: that header's checksum is wrong now
        list_images(path)


def test_a_folders_fingerprint_changes_with_a_name_or_a_size(tmp_path: Path) -> None:
    root = as_folder(tmp_path / "pets", pictures())
    first = list_images(root).fingerprint
    (root / "train/cat/0.png").rename(root / "train/cat/9.png")
    renamed = list_images(root).fingerprint
    (root / "train/cat/9.png").write_bytes(picture(3, size=9) + b"more")
    assert len({first, renamed, list_images(root).fingerprint}) == 3


def without(prefix: str) -> Files:
    return {name: content for name, content in pictures().items() if not name.startswith(prefix)}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (without("test/"), r"no test/<class>/\* found; give a folder"),
        (without("train/"), r"no train/<class>/\* found; give a folder"),
        (without("test/dog"), r"classes differ: dog in train/, not in test/"),
        (without("train/dog"), r"classes differ: dog in test/, not in train/"),
        (pictures() | {"train/cat/more/0.png": b""}, r"train/cat/more.*inside a class"),
    ],
)
@pytest.mark.parametrize("make", [as_folder, as_tar])
def test_data_that_cannot_be_trained_on_are_refused(
    tmp_path: Path, files: Files, message: str, make: Callable[[Path, Files], Path]
) -> None:
    root = make(tmp_path / "pets", files)
    with pytest.raises(DataError, match=message) as caught:
        data.facts(folder_config(root))
    assert str(root) in str(caught.value)


def test_an_empty_class_is_refused(tmp_path: Path) -> None:
    root = as_folder(tmp_path / "pets", pictures())
    for split in ("train", "test"):
        (root / split / "eel").mkdir()
    with pytest.raises(DataError, match="no images in test/eel, train/eel"):
        data.facts(folder_config(root))


def test_missing_data_say_where_they_were_looked_for_and_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: not found; give a folder.*--set data\.root=PATH"):
        data.facts(folder_config(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"validation_size": 8}, r"data\.validation_size 8 must be less than the 8 training images"),
        ({"validation_size": 7}, r"leaves a class without training images"),
        ({"train_limit": 9}, r"data\.train_limit 9 is out of range; expected 2 \(one per class\) to 8"),
        ({"train_limit": 1}, r"data\.train_limit 1 is out of range"),
        ({"validation_size": 4, "train_limit": 5}, r"data\.train_limit 5 is out of range"),
    ],
)
def test_subsets_that_do_not_fit_are_refused(tmp_path: Path, keys: dict[str, int], message: str) -> None:
    root = as_folder(tmp_path / "pets", pictures())
    with pytest.raises(DataError, match=message):
        data.facts(folder_config(root, **keys))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_a_tar_cut_short_anywhere_is_refused(tmp_path: Path, mode: str) -> None:
    whole = as_tar(tmp_path / "pets.tar", pictures(), mode).read_bytes()
    cut = tmp_path / "cut.tar"
    for length in range(0, len(whole) - 10_000 if mode == "w" else len(whole), max(1, len(whole) // 40)):
        cut.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"cut\.tar: .*truncated"):
            list_images(cut)


def test_a_tar_with_a_damaged_header_is_refused(tmp_path: Path) -> None:
    path = as_tar(tmp_path / "pets.tar", pictures())
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(b"train/dog/2.png")] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"damaged or truncated after 'train/dog/1\.png'"):
        list_images(path)


def test_a_file_that_is_no_tar_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(picture(1, size=64) * 20)
    with pytest.raises(DataError, match=r"photo\.png: not a tar file"):
        list_images(tmp_path / "photo.png")


@pytest.mark.parametrize("name", ["../evil.png", "train/cat/../../../evil.png", "/etc/evil.png"])
def test_names_that_lead_out_of_the_archive_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="leaves the archive"):
        list_images(as_tar(tmp_path / "pets.tar", pictures() | {name: b"x"}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_an_archive_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = as_tar(tmp_path / "pets.tar", pictures())
    with tarfile.open(path, "a") as tar:
        member = tarfile.TarInfo("train/cat/odd.png")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(DataError, match=r"'train/cat/odd\.png' is a link, a device or sparse"):
        list_images(path)


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = as_tar(tmp_path / "pets.tar", pictures())
    with tarfile.open(path, "a") as tar:
        tar.addfile(tarfile.TarInfo("train/cat/0.png"))
    with pytest.raises(DataError, match=r"'train/cat/0\.png' is in it twice"):
        list_images(path)


def test_absurd_sizes_are_refused_before_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = as_tar(tmp_path / "pets.tar", pictures() | {"train/cat/huge.png": b"\0" * 100_000}, "w:gz")
    monkeypatch.setattr(archive, "LARGEST_FILE", 99_999)
    with pytest.raises(DataError, match=r"huge\.png' has 100,000 bytes; must be at most 99,999"):
        list_images(path)


def test_a_compressed_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = as_tar(tmp_path / "bomb.tar", pictures() | {"train/cat/zeros.png": b"\0" * 10_000_000}, "w:xz")
    monkeypatch.setattr(archive, "EXPANSION_FROM", 2**20)
    with pytest.raises(DataError, match=r"bomb\.tar: expands to over 200 times its size"):
        list_images(path)
