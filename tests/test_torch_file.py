"""What ``torch.save`` writes is read without PyTorch; hostile and damaged files are refused."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from data_reader.errors import InputError
from paddle_gans.weights import torch_file
from paddle_gans.weights.torch_file import pickled, pickled_name

# Files of the format before 1.6, and hostile ones.

STATE = {"weight": np.arange(6, dtype="float32").reshape(2, 3)}


def legacy(state: dict, order: str = "<", keys=None, counts=None) -> bytes:
    """The five pickles and the storages."""
    arrays: list = []
    body = pickle.PROTO + b"\x02" + torch_file.pickled_dict(state, arrays) + pickle.STOP
    parts = [pickle.dumps(x, 2) for x in (torch_file.MAGIC, torch_file.PROTOCOL)]
    parts += [pickle.dumps({"little_endian": order == "<"}, 2), body]
    parts.append(pickle.dumps([str(i) for i in range(len(arrays))] if keys is None else keys, 2))
    for i, x in enumerate(arrays):
        count = x.size if counts is None else counts[i]
        data = x.astype(x.dtype.newbyteorder(order)).tobytes()
        parts.append(struct.pack(f"{order}q", count) + data)
    return b"".join(parts)


def loaded(folder: Path, data: bytes):
    (folder / "x.pth").write_bytes(data)
    return torch_file.load(folder / "x.pth")


def refusal(folder: Path, data: bytes) -> str:
    with pytest.raises(InputError) as caught:
        loaded(folder, data)
    assert str(caught.value).startswith(str(folder / "x.pth"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_format_before_1_6(tmp_path, order):
    found = loaded(tmp_path, legacy({"a": STATE, "b": STATE["weight"] * 2}, order))
    np.testing.assert_array_equal(found["a"]["weight"], STATE["weight"])
    np.testing.assert_array_equal(found["b"], STATE["weight"] * 2)


def test_text_and_dicts_of_python_2(tmp_path):
    body = b"\x80\x02ccollections\nOrderedDict\n" + b"]" + b"]" + b"U\x01aaK\x07aa" + b"\x85R."
    parts = [pickle.dumps(x, 2) for x in (torch_file.MAGIC, torch_file.PROTOCOL, {})]
    data = b"".join([*parts, body, pickle.dumps([], 2)])
    assert loaded(tmp_path, data) == {"a": 7}


def test_a_legacy_file_cut_anywhere_is_refused(tmp_path):
    data = legacy(STATE)
    for end in range(16, len(data), 7):
        refusal(tmp_path, data[:end])
    assert "damaged" in refusal(tmp_path, data + b"more")
    assert "damaged" in refusal(tmp_path, legacy(STATE, keys=["1"]))
    assert "damaged" in refusal(tmp_path, legacy(STATE, counts=[2**40]))


def archive(program: bytes, how=zipfile.ZIP_STORED, **records: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as file:
        file.writestr("x/data.pkl", program)
        for name, data in records.items():
            file.writestr(f"x/{name.replace('__', '/')}", data)
    return out.getvalue()


def program(value: bytes) -> bytes:
    """A pickle of one entry, ``weight``."""
    return b"\x80\x02}" + pickled("weight") + value + b"s."


def tensor(
    key="0", kind="FloatStorage", count=6, offset=0, shape=(2, 3), strides=(3, 1), module="torch"
) -> bytes:
    about = pickled("storage") + pickled_name(module, kind) + pickled(key) + pickled("cpu")
    storage = b"(" + about + pickled(count) + b"t" + pickle.BINPERSID
    sizes = pickled(offset) + pickled(shape) + pickled(strides)
    rebuild = pickled_name("torch._utils", "_rebuild_tensor_v2")
    return rebuild + b"(" + storage + sizes + b"\x89}tR"


SIX = np.arange(6, dtype="float32").tobytes()


def one_tensor(**about) -> bytes:
    return archive(program(tensor(**about)), data__0=SIX)


def test_strides_offsets_and_types(tmp_path):
    turned = loaded(tmp_path, one_tensor(shape=(2, 2), strides=(1, 2), offset=1))["weight"]
    np.testing.assert_array_equal(turned, [[1, 3], [2, 4]])
    brain = loaded(
        tmp_path, one_tensor(kind="BFloat16Storage", count=12, shape=(12,), strides=(1,))
    )
    np.testing.assert_array_equal(brain["weight"][1::2], np.float32([0, 1, 2, 3, 4, 5]))
    big = np.arange(6, dtype=">f4").tobytes()
    data = archive(program(tensor()), data__0=big, byteorder=b"big")
    np.testing.assert_array_equal(loaded(tmp_path, data)["weight"].ravel(), np.arange(6))
    gpu = loaded(tmp_path, one_tensor(module="torch.cuda"))
    assert gpu["weight"].shape == (2, 3)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"shape": (2, 4), "strides": (4, 1)}, "without data of that size"),
        ({"offset": 1}, "without data of that size"),
        ({"offset": -1}, "damaged"),
        ({"strides": (-3, 1)}, "damaged"),
        ({"strides": (3,)}, "damaged"),
        ({"shape": (2**20, 2**20), "strides": (0, 0)}, "expanded tensor"),
        ({"shape": (2**61, 2**61), "strides": (2**61, 1)}, "without data of that size"),
        ({"shape": (1,) * 40, "strides": (1,) * 40}, "damaged"),
        ({"count": 2**50, "shape": (2**50,), "strides": (1,)}, "damaged"),
        ({"key": "1"}, "has no record data/1"),
        ({"key": "../../etc/passwd"}, "has no record"),
        ({"kind": "UntypedStorage"}, "asks for torch.UntypedStorage"),
        ({"kind": "ComplexFloatStorage"}, "asks for torch.ComplexFloatStorage"),
    ],
)
def test_a_tensor_that_claims_what_is_not_there(tmp_path, about, said):
    assert said in refusal(tmp_path, one_tensor(**about))


def test_many_tensors_over_the_same_data_are_refused(tmp_path):
    wide = tensor(count=9000, shape=(9000,), strides=(1,))
    entries = b"".join(pickled(str(i)) + wide + b"s" for i in range(20))
    data = archive(b"\x80\x02}" + entries + b".", data__0=bytes(36000))
    assert "share their data" in refusal(tmp_path, data)


def calls(sentinel: Path) -> dict[str, bytes]:
    """Pickles with which ``torch.load`` of old, or ``pickle.load``, makes a folder."""
    argument = pickled(str(sentinel))
    mkdir = pickled_name("os", "mkdir") + argument + b"\x85R"
    evil = f"__import__('os').mkdir({str(sentinel)!r})"
    evaluate = pickled_name("builtins", "eval") + pickled(evil) + b"\x85R"
    return {
        "a value": program(mkdir),
        "eval": program(evaluate),
        "a key": b"\x80\x02}" + mkdir + b"K\x01s.",
        "a storage": program(mkdir + pickle.BINPERSID),
        "a shape": program(tensor().replace(pickled((2, 3)), mkdir)),
        "INST": program(b"(" + argument + b"ios\nmkdir\n"),
        "a network": program(pickled_name("torch.nn.modules.conv", "Conv2d") + b")\x81}b"),
        "metadata": b"\x80\x02ccollections\nOrderedDict\n)R" + mkdir + b"b.",
        "a class called": program(pickled_name("torch", "FloatStorage") + b")R"),
    }  # fmt: skip


@pytest.mark.parametrize("which", calls(Path("x")))
@pytest.mark.parametrize("wrap", ["zip", "legacy"])
def test_nothing_in_a_file_is_run(tmp_path, which, wrap):
    sentinel = tmp_path / "made"
    body = calls(sentinel)[which]
    data = archive(body, data__0=SIX)
    if wrap == "legacy":
        parts = [pickle.dumps(x, 2) for x in (torch_file.MAGIC, torch_file.PROTOCOL, {})]
        data = b"".join([*parts, body, pickle.dumps(["0"], 2), struct.pack("<q", 6), SIX])
    refusal(tmp_path, data)
    assert not sentinel.exists()


def test_archives_that_torch_does_not_write(tmp_path):
    good = program(tensor())
    bomb = archive(good, zipfile.ZIP_DEFLATED, data__0=bytes(2**24))
    assert len(bomb) < 2**16
    assert "claim more than" in refusal(tmp_path, bomb)
    assert "compressed or encrypted" in refusal(
        tmp_path, archive(good, zipfile.ZIP_DEFLATED, data__0=SIX)
    )
    assert "TorchScript" in refusal(tmp_path, archive(good, constants__pkl=b"", code__m=b""))
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as file:
        file.writestr("readme.txt", "hello")
    assert "not of torch.save" in refusal(tmp_path, other.getvalue())
    assert "without data" in refusal(tmp_path, archive(program(tensor(count=5)), data__0=SIX))
    assert "damaged" in refusal(tmp_path, archive(program(tensor()), data__0=SIX[:-4]))
    flipped = bytearray(one_tensor())
    flipped[flipped.index(SIX) + 4] ^= 1
    assert "Bad CRC-32" in refusal(tmp_path, bytes(flipped))


def test_an_archive_cut_or_changed_anywhere_is_refused_or_read(tmp_path):
    data = one_tensor()
    for end in range(4, len(data), 11):
        refusal(tmp_path, data[:end])
    random = np.random.default_rng(0)
    for _ in range(150):
        changed = bytearray(data)
        changed[random.integers(4, len(data))] = random.integers(256)
        with contextlib.suppress(InputError):  # anything else is a bug
            loaded(tmp_path, bytes(changed))
