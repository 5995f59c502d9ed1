import pytest

from harness.errors import StoreError
from harness.execution.process import output_to


def test_what_is_printed_goes_to_the_log_and_then_no_longer(tmp_path, capfd):
    with output_to(tmp_path / "log.txt"):
        print("inside")
    print("outside")
    assert (tmp_path / "log.txt").read_text() == "inside\n"
    assert capfd.readouterr().out == "outside\n"


def test_a_log_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(StoreError, match=r"log\.txt: cannot be written"), output_to(tmp_path / "missing" / "log.txt"):
        pass


def test_trouble_with_another_file_is_not_the_logs(tmp_path):
    with pytest.raises(StoreError, match="other: cannot be used"), output_to(tmp_path / "log.txt"):
        (tmp_path / "other").read_text()
