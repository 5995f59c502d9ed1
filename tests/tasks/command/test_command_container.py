"""The image of a container command."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.tasks.command.container import container

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    "line",
    [
        "docker run --rm -it -v /data:/data:ro --gpus all -e A=b IMAGE python train.py --seed=3",
        "docker run --rm --volume=/data:/data --shm-size 8g -itv/data:/data IMAGE",
        "docker --context far container run -w /code IMAGE python run exec",
        "podman run --userns=keep-id --init -d --name x IMAGE bash train.sh",
        "apptainer exec --nv -B /data -c IMAGE python train.py",
        "singularity run --bind /data --cleanenv -ce IMAGE",
    ],
)
def test_the_image_is_the_first_word_after_the_options(line: str, tmp_path: Path) -> None:
    found = container(line.replace("IMAGE", "mine/image:v2").split(), tmp_path)
    assert (found.image, found.image_digest, found.known) == ("mine/image:v2", None, False)
    assert found.unknown == "in the image mine/image:v2, whose name does not fix its content"


def test_a_digest_in_the_name_fixes_the_content(tmp_path: Path) -> None:
    found = container(["docker", "run", f"mine/image@{DIGEST}", "python"], tmp_path)
    assert (found.image_digest, found.unknown, found.known) == (DIGEST, None, True)


def test_the_file_of_an_image_has_a_digest(tmp_path: Path) -> None:
    (tmp_path / "mine.sif").write_bytes(b"image 1")
    first = container(["apptainer", "run", "mine.sif"], tmp_path)
    (tmp_path / "mine.sif").write_bytes(b"image number 2")
    second = container(["apptainer", "run", "mine.sif"], tmp_path)
    assert first.known
    assert first.image_digest != second.image_digest


@pytest.mark.parametrize(
    "line", ["docker exec running python train.py", "docker compose run service", "docker run --rm", "docker ps"]
)
def test_a_command_without_an_image_is_unknown(line: str, tmp_path: Path) -> None:
    found = container(line.split(), tmp_path)
    assert (found.image, found.unknown) == (None, "started through docker")
