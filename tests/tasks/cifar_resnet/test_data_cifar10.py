"""CIFAR-10's road, through torchvision's own class with the lists of a small archive made here."""

from __future__ import annotations

import contextlib
import hashlib
import io
import pickle
import shutil
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import DataError
from harness.tasks.cifar_resnet import cifar10, config, data
from harness.tasks.cifar_resnet.task import CIFAR_RESNET
from harness.tasks.cifar_resnet.vision import import_torchvision

ARCHIVE = "cifar-10-python.tar.gz"  # the name that our messages and pages give

CIFAR10: Any = import_torchvision().datasets.CIFAR10


@pytest.fixture
def small(tmp_path: Path) -> Any:
    """torchvision's CIFAR10 for an archive of 2 x 4 training and 3 test images, in `tmp_path / "published"`."""
    rng = np.random.default_rng(0)
    batches = {}
    for name, count in (("data_batch_1", 4), ("data_batch_2", 4), ("test_batch", 3)):
        pixels = rng.integers(0, 256, (count, 3072), dtype=np.uint8)
        batches[name] = pickle.dumps({"data": pixels, "labels": list(range(count))})
    batches["batches.meta"] = pickle.dumps({"label_names": list(cifar10.CLASSES)})
    archive = tmp_path / "published" / ARCHIVE
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in batches.items():
            member = tarfile.TarInfo(f"{CIFAR10.base_folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    sums = {name: hashlib.md5(content).hexdigest() for name, content in batches.items()}

    class Small(CIFAR10):  # type: ignore[misc]
        url = archive.as_uri()
        tgz_md5 = hashlib.md5(archive.read_bytes()).hexdigest()
        train_list = [[name, sums[name]] for name in ("data_batch_1", "data_batch_2")]  # noqa: RUF012
        test_list = [["test_batch", sums["test_batch"]]]  # noqa: RUF012
        meta = {"filename": "batches.meta", "key": "label_names", "md5": sums["batches.meta"]}  # noqa: RUF012

    return Small


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing: requests are no news."""


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address under which this machine, and no other, can fetch what is in `folder`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def offline(small: Any) -> Any:
    return type("Offline", (small,), {"url": "file:///nowhere/cifar-10-python.tar.gz"})


def test_the_known_facts_are_torchvisions() -> None:
    assert (CIFAR10.tgz_md5, CIFAR10.filename) == (cifar10.MD5, ARCHIVE)
    assert data.facts(config.Data()).fingerprint == "cifar10:md5:c58f30108f718f92721af3b95e74349a"


def test_facts_need_no_data_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    known = data.facts(config.Data(validation_size=5000))
    assert (known.classes, known.train_count, known.test_count) == (cifar10.CLASSES, 45_000, 10_000)
    assert not (tmp_path / "cache").exists()


def test_an_archive_already_there_is_unpacked_without_a_network(small: Any, tmp_path: Path) -> None:
    arrays = cifar10.read(tmp_path / "published", offline(small))
    assert (arrays.pixels.shape, arrays.train_count) == ((11, 32, 32, 3), 8)
    assert arrays.labels.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2]
    first = pickle.loads((tmp_path / "published" / small.base_folder / "data_batch_1").read_bytes())["data"][0]
    assert np.array_equal(arrays.pixels[0].transpose(2, 0, 1).ravel(), first)


@pytest.mark.parametrize("inside", [False, True])
def test_a_folder_already_there_is_taken_named_or_by_its_parent(small: Any, tmp_path: Path, inside: bool) -> None:
    cifar10.read(tmp_path / "published", small)
    (tmp_path / "published" / ARCHIVE).unlink()
    root = tmp_path / "published"
    assert cifar10.read(root / small.base_folder if inside else root, offline(small)).train_count == 8


def test_missing_data_are_fetched(small: Any, tmp_path: Path) -> None:
    with served(tmp_path / "published") as address:
        online = type("Online", (small,), {"url": f"{address}/{ARCHIVE}"})
        assert cifar10.read(tmp_path / "empty", online).train_count == 8
    assert (tmp_path / "empty" / ARCHIVE).is_file()


def test_without_data_and_network_the_error_names_the_ways_out(small: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        cifar10.read(tmp_path / "empty", offline(small))
    for part in (str(tmp_path / "empty"), ARCHIVE, "--set data.root=PATH", "data.dataset=cifar10_mini", "image_folder"):
        assert part in str(caught.value)


def test_a_damaged_file_is_never_unpickled(small: Any, tmp_path: Path) -> None:
    root = tmp_path / "published"
    cifar10.read(root, small)
    (root / ARCHIVE).unlink()
    (root / small.base_folder / "data_batch_2").write_bytes(b"cos\nsystem\n(S'touch harm'\ntR.")
    with pytest.raises(DataError, match="CIFAR-10 is missing or incomplete"):
        cifar10.read(root, offline(small))


def test_loading_goes_from_the_archive_to_a_data_set_and_then_needs_the_cache_only(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(import_torchvision().datasets, "CIFAR10", small)
    settings = config.Data(root=str(tmp_path / "published"))
    first = data.load(settings)
    assert (first.train.pixels.shape, first.test.labels.tolist()) == ((8, 3, 32, 32), [0, 1, 2])
    shutil.rmtree(tmp_path / "published")
    assert data.load(settings).train.pixels.equal(first.train.pixels)
    assert (first.mean, first.std) == (cifar10.MEAN, cifar10.STD)


def test_a_data_set_that_is_still_to_be_downloaded_is_missing(tmp_path: Path) -> None:
    settings = config.Config.model_validate({"data": {"dataset": "cifar10", "root": str(tmp_path)}})
    (told,) = CIFAR_RESNET.missing(settings)
    assert told.startswith(f"CIFAR-10 is not in {tmp_path}: the first run downloads it (170 MB)")
    (tmp_path / "cifar-10-batches-py").mkdir()
    assert CIFAR_RESNET.missing(settings) == []
    assert CIFAR_RESNET.missing(config.Config.model_validate({"data": {"dataset": "cifar10_mini"}})) == []
