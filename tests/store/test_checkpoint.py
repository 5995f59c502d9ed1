import subprocess
import sys

import pytest

from harness.errors import StoreError
from harness.store import checkpoint
from harness.store.checkpoint import DamagedError, pack, unpack

PLAIN = {"epoch": 3, "share": 0.1 + 0.2, "tiny": 5e-324, "list": [1, None, True, "ü"], "generator": [3, [2**32 - 1] * 5, None]}


def test_a_plain_state_comes_back_with_the_same_bits_and_without_torch():
    script = (
        "import sys; from harness.store.checkpoint import pack, unpack\n"
        f"state = {PLAIN!r}\n"
        "assert unpack(pack(state)) == state\n"
        "assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_state_with_tensors_comes_back_with_types_and_bits():
    import torch

    state = {
        "training": {"w": torch.randn(3, 4), "half": torch.ones(2, dtype=torch.bfloat16)},
        "rows": [{"loss": "nan", "x": None}],
        7: (1, 2),
    }
    again = unpack(pack(state))
    assert torch.equal(again["training"]["w"], state["training"]["w"])
    assert again["training"]["half"].dtype == torch.bfloat16
    assert again["rows"] == state["rows"]
    assert again[7] == (1, 2)


def test_the_file_loads_with_torch_alone(tmp_path):
    import torch

    path = tmp_path / "checkpoint.pt"
    path.write_bytes(pack({"w": torch.arange(4)}))
    assert torch.load(path, weights_only=True)["w"].tolist() == [0, 1, 2, 3]


def test_code_in_a_checkpoint_is_not_run():
    import hashlib
    import io

    import torch

    buffer = io.BytesIO()
    torch.save({"f": print}, buffer)
    payload = buffer.getvalue()
    with pytest.raises(DamagedError, match="UnpicklingError"):
        unpack(payload + checkpoint.MARK + hashlib.sha256(payload).hexdigest().encode())


def test_a_checkpoint_that_cannot_be_accessed_is_an_error(tmp_path):
    path = tmp_path / "checkpoint.pt"
    assert checkpoint.stamp(path) is None
    path.symlink_to(path)
    with pytest.raises(StoreError, match=r"checkpoint.pt: cannot be read: Too many levels of symbolic links"):
        checkpoint.stamp(path)


@pytest.mark.parametrize(
    "harm", [lambda data: data[:0], lambda data: data[:-1], lambda data: data[: len(data) // 2], lambda data: b"\0" * len(data)]
)
def test_a_torn_checkpoint_fails_its_checksum(harm):
    with pytest.raises(DamagedError, match="checksum"):
        unpack(harm(pack(PLAIN)))


def test_any_flipped_bit_is_noticed():
    data = pack({"a": [1, 2, 3]})
    for place in range(len(data)):
        with pytest.raises(DamagedError):
            unpack(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
