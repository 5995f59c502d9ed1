"""Files of provenance that differ only in what belongs to one run."""

import json
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.store.atomic import read_json
from harness.store.provenance import Provenance, content_digest
from harness.store.provenances import Provenances

DOCUMENT = {
    "schema": 1,
    "code": {"commit": None, "dirty": False, "digest": "0"},
    "packages": {"torch": "2.13.0"},
    "python": "3.12.0",
    "platform": "Linux",
    "host": "node",
    "device": "cpu",
    "threads": 1,
    "command": ["harness", "run"],
    "started": "2026-01-01T00:00:00.000+00:00",
    "ended": "2026-01-01T01:00:00.000+00:00",
    "url": "https://wandb.ai/a/b/runs/1",
}


def write(folder: Path, name: str, **changes: object) -> Path:
    path = folder / name
    path.write_text(json.dumps({**DOCUMENT, **changes}, indent=1))
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"started": "2026-01-02T00:00:00.000+00:00", "ended": "2026-01-02T01:00:00.000+00:00"},
        {"url": None},
        {"ended": None},
        {"host": "other"},
        {"threads": None, "started": 'say "ended": "now"'},
        {"packages": {"torch": "2.13.0", "ended": "1.0"}},
        {"ended": None, "packages": {"ended": "1.0"}},
    ],
)
def test_each_file_gives_what_it_holds_whichever_were_read_before(tmp_path: Path, changes: dict[str, object]) -> None:
    files = Provenances()
    first, second, third = write(tmp_path, "a"), write(tmp_path, "b", **changes), write(tmp_path, "c", **changes, device="cuda")
    fourth = write(tmp_path, "d", **{**changes, "ended": "2026-01-05T00:00:00.000+00:00"})
    for path in (first, second, first, third, second, fourth):
        alone = read_json(path, Provenance)
        assert files.read(path) == alone
        assert content_digest(files.read(path)) == content_digest(alone)


def test_runs_that_are_alike_share_what_is_equal(tmp_path: Path) -> None:
    files = Provenances()
    one, other = (files.read(write(tmp_path, str(day), started=f"2026-01-0{day}T00:00:00.000+00:00")) for day in (1, 2))
    assert one.started != other.started
    assert one.packages is other.packages
    assert one.model_fields_set is other.model_fields_set


def test_a_file_with_a_field_of_another_type_is_refused_although_it_resembles_one_that_is_whole(tmp_path: Path) -> None:
    files = Provenances()
    files.read(write(tmp_path, "a"))
    with pytest.raises(StoreError, match="started"):
        files.read(write(tmp_path, "b", started=7))
