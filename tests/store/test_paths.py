import pytest

from harness.errors import StoreError
from harness.store.paths import Paths


@pytest.mark.parametrize("name", ["..", "../up", "a/b", "/etc/passwd", ".hidden", "", "a\n", "x" * 200])
def test_names_that_could_leave_the_folder_are_refused(tmp_path, name):
    with pytest.raises(StoreError, match="invalid name"):
        Paths(tmp_path).plan(name)
    with pytest.raises(StoreError, match="invalid name"):
        Paths(tmp_path).report(name)


@pytest.mark.parametrize("name", ["relu", "leakyrelu_vs_relu@smoke", "sweep@smoke+0a1b2c", "dropout=0.5, lr=1e-3"])
def test_names_of_plans_become_file_names_as_they_are(tmp_path, name):
    assert Paths(tmp_path).plan(name) == tmp_path / "plans" / f"{name}.json"


@pytest.mark.parametrize("run_id", ["", "..", "0123456789a", "0123456789AB", "0123456789ab/..", "0123456789abc"])
def test_only_run_ids_name_runs(tmp_path, run_id):
    with pytest.raises(StoreError, match="invalid run id"):
        Paths(tmp_path).run(run_id)
