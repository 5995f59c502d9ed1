import pytest

from harness.errors import StoreError
from harness.execution.process import output_to


def test_output_goes_to_the_log_only_inside_the_context(tmp_path, capfd):
    with output_to(tmp_path / "log.txt"):
        print("inside")
    print("outside")
    assert (tmp_path / "log.txt").read_text() == "inside\n"
    assert capfd.readouterr().out == "outside\n"


def test_a_log_that_cannot_be_written_is_reported(tmp_path):
    with pytest.raises(StoreError, match=r"log\.txt: cannot be written"), output_to(tmp_path / "missing" / "log.txt"):
        pass


def test_an_error_of_another_file_is_not_blamed_on_the_log(tmp_path):
    with pytest.raises(StoreError, match="other: cannot be used"), output_to(tmp_path / "log.txt"):
        (tmp_path / "other").read_text()
