"""Loading: pixels as they lie on disk, fixed subsets, and a cache that is never believed when it is damaged."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harness.errors import DataError
from harness.tasks.cifar_resnet import config, data, decoded, image_folder
from harness.tasks.cifar_resnet.cifar10 import MEAN, STD
from harness.tasks.cifar_resnet.subsets import quotas, stratified

SIZE = 8


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """A folder of random pictures, 12 training and 3 test images in each of two classes."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 3)):
        for label in ("a", "b"):
            (tmp_path / "noise" / split / label).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "noise" / split / label / f"{i:02}.png")
    return tmp_path / "noise"


def folder(root: Path, **keys: int) -> config.Data:
    return config.Data(dataset="image_folder", root=str(root), **{"image_size": SIZE, **keys})


def stored(root: Path, split: str) -> torch.Tensor:
    files = sorted((root / split).glob("*/*"))
    return torch.stack([torch.tensor(np.asarray(Image.open(file))).permute(2, 0, 1) for file in files])


def the_array(cache: Path) -> Path:
    (array,) = (cache / "decoded").glob("*.npy")
    return array


def test_pixels_and_labels_are_those_on_disk(noise: Path) -> None:
    loaded = data.load(folder(noise))
    assert torch.equal(loaded.train.pixels, stored(noise, "train"))
    assert torch.equal(loaded.test.pixels, stored(noise, "test"))
    assert loaded.train.labels.tolist() == [0] * 12 + [1] * 12
    assert (loaded.train.pixels.dtype, loaded.train.labels.dtype) == (torch.uint8, torch.int64)
    assert (loaded.classes, loaded.validation) == (("a", "b"), None)


def test_a_tar_in_any_order_loads_the_same_pixels(noise: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "noise.tar.gz", "w:gz") as tar:
        for path in sorted(noise.glob("*/*/*"), key=lambda path: path.name, reverse=True):
            tar.add(path, f"noise/{path.relative_to(noise)}")
    assert torch.equal(data.load(folder(tmp_path / "noise.tar.gz")).train.pixels, stored(noise, "train"))


def test_an_image_folder_is_normalised_by_its_own_training_images(noise: Path) -> None:
    loaded = data.load(folder(noise, validation_size=4))
    pixels = stored(noise, "train").double() / 255
    assert torch.allclose(torch.tensor(loaded.mean).double(), pixels.mean(dim=(0, 2, 3)), atol=1e-6)
    assert torch.allclose(torch.tensor(loaded.std).double(), pixels.std(dim=(0, 2, 3), correction=0), atol=1e-6)


def test_the_miniature_is_real_balanced_and_normalised_as_cifar10() -> None:
    loaded = data.load(config.Data(dataset="cifar10_mini"))
    assert loaded.train.pixels.shape == (2000, 3, 32, 32)
    assert loaded.test.labels.bincount().tolist() == [50] * 10
    assert loaded.train.labels.bincount().tolist() == [200] * 10
    assert (loaded.mean, loaded.std) == (MEAN, STD)
    assert (loaded.train.pixels.double().mean(dim=(0, 2, 3)) / 255 - torch.tensor(MEAN)).abs().max() < 0.02
    assert loaded.classes[0] == "airplane"
    assert loaded.classes[9] == "truck"


def test_validation_and_limit_are_fixed_balanced_and_apart(noise: Path) -> None:
    first, again = (data.load(folder(noise, validation_size=6, train_limit=8)) for _ in range(2))
    assert first.validation is not None
    assert again.validation is not None
    assert torch.equal(first.train.pixels, again.train.pixels)
    assert torch.equal(first.validation.pixels, again.validation.pixels)
    assert first.validation.labels.tolist() == [0] * 3 + [1] * 3
    assert first.train.labels.tolist() == [0] * 4 + [1] * 4
    held_out = {image.numpy().tobytes() for image in first.validation.pixels}
    trained = {image.numpy().tobytes() for image in first.train.pixels}
    assert (len(held_out), len(trained), held_out & trained) == (6, 8, set())
    assert data.facts(folder(noise, validation_size=6, train_limit=8)).train_count == 8


def test_the_held_out_images_never_change() -> None:
    """Golden: ranks are SHA-256 digests; a change here makes old validation numbers incomparable."""
    assert stratified([0, 1] * 6, range(12), 4, "validation") == [0, 3, 9, 10]


def test_quotas_keep_each_classs_share() -> None:
    assert quotas([500, 500], 101) == [51, 50]
    assert quotas([90, 10], 10) == [9, 1]
    assert quotas([3, 3, 3], 9) == [3, 3, 3]
    assert quotas([7, 5], 0) == [0, 0]


def test_a_larger_limit_holds_the_smaller_one() -> None:
    labels = [i % 3 for i in range(90)]
    assert set(stratified(labels, range(90), 30, "train_limit")) < set(stratified(labels, range(90), 60, "train_limit"))


def test_the_second_load_decodes_nothing(noise: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = data.load(folder(noise))

    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(decoded, "decode_image", refuse)
    assert torch.equal(data.load(folder(noise)).train.pixels, first.train.pixels)


def test_writing_to_loaded_pixels_changes_no_file(noise: Path) -> None:
    data.load(folder(noise)).train.pixels.zero_()
    assert torch.equal(data.load(folder(noise)).train.pixels, stored(noise, "train"))


@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied", "record cut", "record gone", "array gone"])
def test_a_damaged_cache_is_made_again(noise: Path, cache: Path, damage: str) -> None:
    data.load(folder(noise))
    array = the_array(cache)
    record = array.with_suffix(".json")
    content = bytearray(array.read_bytes())
    if damage == "flipped":
        content[-SIZE * SIZE * 40] ^= 1
        array.write_bytes(content)
        os.utime(array, ns=(0, 1))
    elif damage == "cut":
        array.write_bytes(content[:-1])
    elif damage == "emptied":
        array.write_bytes(b"")
    elif damage == "record cut":
        record.write_text(record.read_text()[:50])
    elif damage == "record gone":
        record.unlink()
    else:
        array.unlink()
    assert torch.equal(data.load(folder(noise)).train.pixels, stored(noise, "train"))


def test_a_cache_that_was_only_copied_is_believed(noise: Path, cache: Path) -> None:
    data.load(folder(noise))
    array = the_array(cache)
    os.utime(array, ns=(0, 1))
    before = array.stat().st_ino
    data.load(folder(noise))
    assert array.stat().st_ino == before
    assert json.loads(array.with_suffix(".json").read_text())["mtime_ns"] == 1


def test_another_size_is_another_cache(noise: Path, cache: Path) -> None:
    data.load(folder(noise))
    assert data.load(folder(noise, image_size=16)).train.pixels.shape == (24, 3, 16, 16)
    assert len(list((cache / "decoded").glob("*.npy"))) == 2


def test_a_picture_replaced_by_one_of_the_same_size_is_seen(noise: Path) -> None:
    data.load(folder(noise))
    path = noise / "train/a/00.png"
    size = path.stat().st_size
    buffer = io.BytesIO()
    Image.new("RGB", (SIZE, SIZE), (9, 9, 9)).save(buffer, "PNG")
    path.write_bytes(buffer.getvalue().ljust(size, b"\0"))
    os.utime(path, ns=(0, 1))
    assert data.load(folder(noise)).train.pixels[0].unique().tolist() == [9]


def test_data_that_changed_since_they_were_listed_are_refused(noise: Path) -> None:
    listing = image_folder.list_images(noise)
    (noise / "test/b/02.png").write_bytes(b"other")
    with pytest.raises(DataError, match="changed while it was read"):
        list(image_folder.read_images(noise, listing))


def load_in_child(root: str, start: object, sums: object) -> None:
    start.wait()  # type: ignore[attr-defined]
    sums.put(int(data.load(folder(Path(root))).train.pixels.sum()))  # type: ignore[attr-defined]


def test_processes_that_decode_at_once_do_no_harm(noise: Path, cache: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    start, sums = spawn.Barrier(2), spawn.Queue()
    children = [spawn.Process(target=load_in_child, args=(str(noise), start, sums)) for _ in range(2)]
    for child in children:
        child.start()
    results = [sums.get(timeout=120) for _ in children]
    for child in children:
        child.join()
    assert results == [int(stored(noise, "train").sum())] * 2
    assert sorted(path.suffix for path in (cache / "decoded").iterdir()) == [".json", ".npy"]


def test_a_picture_that_cannot_be_decoded_is_named_and_nothing_half_written_stays(noise: Path, cache: Path) -> None:
    whole = (noise / "train/b/03.png").read_bytes()
    (noise / "train/b/03.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"train/b/03\.png: cannot be decoded as an image.*repair or remove it"):
        data.load(folder(noise))
    assert list((cache / "decoded").iterdir()) == []


def test_a_picture_of_absurd_size_is_refused(noise: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    with pytest.raises(DataError, match=r"train/a/00\.png: cannot be decoded.*DecompressionBomb"):
        data.load(folder(noise))


def test_a_cache_that_cannot_be_written_says_what_to_do(noise: Path, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"cannot write .*cache.*set HARNESS_CACHE"):
        data.load(folder(noise))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_says_what_to_do(noise: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda path, mode="r": real(Path("/dev/full"), "wb") if mode == "xb" else real(path, mode))
    with pytest.raises(DataError, match="No space left on device; free disk space"):
        data.load(folder(noise))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "CMYK", "I;16"])
def test_every_kind_of_picture_becomes_rgb(mode: str) -> None:
    ramp = np.linspace(0, 255, SIZE * SIZE).astype(np.uint8).reshape(SIZE, SIZE)
    image = Image.fromarray(ramp.astype(np.uint16) * 256) if mode == "I;16" else Image.fromarray(ramp).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "TIFF" if mode == "CMYK" else "PNG")
    pixels = decoded.decode_image(buffer.getvalue(), SIZE, "ramp")
    assert (pixels.shape, pixels.dtype) == ((SIZE, SIZE, 3), np.uint8)
    if mode != "1":
        assert np.abs(pixels.astype(int) - ramp[:, :, None]).max() <= 1


def test_a_large_picture_is_resized_with_its_colours_kept() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (50, 30), (10, 200, 90)).save(buffer, "PNG")
    assert (decoded.decode_image(buffer.getvalue(), SIZE, "plain") == (10, 200, 90)).all()


def test_the_cache_may_be_removed_at_any_time(noise: Path, cache: Path) -> None:
    first = data.load(folder(noise)).train.pixels.clone()
    shutil.rmtree(cache)
    assert torch.equal(data.load(folder(noise)).train.pixels, first)


def test_examples_are_the_test_images_with_these_numbers(noise: Path) -> None:
    shown = data.examples(folder(noise), [4, 0])
    expected = stored(noise, "test")[[4, 0]].permute(0, 2, 3, 1).numpy()
    assert shown.classes == ("a", "b")
    assert shown.images is not None
    assert np.array_equal(shown.images, expected)


def test_examples_download_nothing(tmp_path: Path) -> None:
    shown = data.examples(config.Data(dataset="cifar10", root=str(tmp_path / "nothing")), [0])
    assert (len(shown.classes), shown.images) == (10, None)
    assert not (tmp_path / "nothing").exists()
