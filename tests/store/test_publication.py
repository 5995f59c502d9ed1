"""publication.json: what it lists may be missing, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from harness.__main__ import main
from harness.errors import EXIT_OK, EXIT_RUNS_FAILED
from harness.reporting.pages import gather
from harness.store import publication
from harness.store.atomic import to_json
from harness.store.paths import Paths
from harness.store.provenance import Provenance, content_digest
from harness.store.publication import Publication
from harness.store.records import Store

DEMO = Path(__file__).parents[2] / "results" / "published" / "demo"


@pytest.fixture
def published(tmp_path: Path) -> Paths:
    """A copy of real results, of which two runs lack their predictions."""
    paths = Paths(shutil.copytree(DEMO, tmp_path / "results"))
    for run_id in ids(paths)[:2]:
        paths.run(run_id).predictions.unlink()
    return paths


def ids(paths: Paths) -> list[str]:
    return sorted(path.name for path in paths.runs.iterdir())


def verified(paths: Paths, capsys: pytest.CaptureFixture[str], *run_ids: str) -> tuple[int, str]:
    code = main(["verify", "--results", str(paths.root), *run_ids])
    return code, capsys.readouterr().out


def test_only_the_files_that_it_lists_may_be_missing(published: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = ids(published)[:2]
    publication.write(published, Publication(left_out={"predictions.npz": (first,)}))
    code, out = verified(published, capsys)
    assert code == EXIT_RUNS_FAILED
    assert "1 problem" in out
    assert f"{second}/predictions.npz: is missing, but existed when the run finished" in out
    publication.write(published, Publication(left_out={"predictions.npz": (first, second)}))
    code, out = verified(published, capsys)
    assert code == EXIT_OK
    assert "note   " in out
    assert "says that predictions.npz of 2 runs was left out" in out.replace("\n", " ")
    assert verified(published, capsys, first)[0] == EXIT_OK


def test_a_report_says_why_it_has_no_intervals_for_new_images(published: Paths) -> None:
    store = Store(published)
    plan = store.load_plan("leakyrelu_vs_relu@smoke")
    assert plan is not None
    assert "predictions are missing, damaged or inconsistent" in gather(store, plan).images_missing
    publication.write(published, Publication(left_out={"predictions.npz": tuple(ids(published)[:2])}))
    assert gather(store, plan).images_missing == ("the predictions of 2 runs were left out when these results were published")


def test_a_file_that_it_lists_and_that_is_there_is_checked(published: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    listed = ids(published)
    publication.write(published, Publication(left_out={"predictions.npz": tuple(listed)}))
    published.run(listed[2]).predictions.write_bytes(b"altered")
    code, out = verified(published, capsys)
    assert code == EXIT_RUNS_FAILED
    assert "has changed since the run finished" in out


def test_a_provenance_must_be_the_runs_own_or_the_one_that_was_published(
    published: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    left_out = {"predictions.npz": tuple(ids(published)[:2])}
    path = published.run(ids(published)[3]).provenance
    origin = Provenance.model_validate({**json.loads(path.read_bytes()), "command": ("…/worker.py",)})
    path.write_bytes(to_json(origin))
    publication.write(published, Publication(left_out=left_out))
    assert verified(published, capsys)[0] == EXIT_RUNS_FAILED
    assert main(["report", "--results", str(published.root), "--json"]) == EXIT_RUNS_FAILED
    publication.write(published, Publication(left_out=left_out, shortened={path.parent.name: content_digest(origin)}))
    code, out = verified(published, capsys)
    assert (code, "no problems found" in out) == (EXIT_OK, True)


def test_an_altered_publication_is_a_problem(published: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    publication.write(published, Publication(left_out={"predictions.npz": tuple(ids(published)[:1])}))
    text = published.publication.read_text()
    published.publication.write_text(text.replace(ids(published)[0], ids(published)[1]))
    code, out = verified(published, capsys)
    assert code == EXIT_RUNS_FAILED
    assert "publication.json: was altered after it was written" in out


def test_only_predictions_may_be_left_out(published: Paths) -> None:
    with pytest.raises(ValidationError, match=r"predictions\.npz"):
        Publication.model_validate({"left_out": {"metrics.jsonl": ids(published)}})
