"""What ``paddle.save`` writes is read to the bit; ``paddle.load`` reads what ``dump`` writes."""

import io
import pickle
import pickletools
from collections import OrderedDict
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddle_gans.weights import paddle_file


def load_bytes(folder: Path, data: bytes):
    path = folder / "file.pdparams"
    path.write_bytes(data)
    return paddle_file.load(path)


def small_net() -> paddle.nn.Layer:
    return paddle.nn.Sequential(paddle.nn.Conv2D(3, 4, 3), paddle.nn.BatchNorm2D(4))


def assert_same(ours, theirs) -> None:
    """Equal, down to type, shape and every bit."""
    assert type(ours) is type(theirs)
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            assert_same(ours[key], theirs[key])
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs):
            assert_same(one, other)
    elif isinstance(theirs, np.ndarray):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        assert ours.tobytes() == theirs.tobytes()
    else:
        assert ours == theirs


# What paddle.save writes.


def saved_states() -> dict:
    paddle.seed(0)
    net = small_net()
    schedule = paddle.optimizer.lr.StepDecay(1e-3, 10)
    adam = paddle.optimizer.Adam(schedule, parameters=net.parameters())
    net(paddle.ones([1, 3, 8, 8])).sum().backward()
    adam.step()
    return {
        "network": net.state_dict(),
        "optimizer": adam.state_dict(),
        "nested": {"model": dict(net.state_dict()), "epoch": 3, "names": ["a", ("b", None)]},
        "ordered": OrderedDict(epoch=1, lr=0.5, inner=OrderedDict(w=paddle.ones([2]))),
        "types": {
            "bfloat16": paddle.to_tensor([1.0, -2.0], dtype="bfloat16"),
            "float16": paddle.to_tensor([1.0, -2.0], dtype="float16"),
            "int64": paddle.arange(300),
            "uint8": paddle.arange(256).astype("uint8"),
            "bool": paddle.to_tensor([True, False]),
            "one_byte": paddle.to_tensor([True]),
            "complex": paddle.to_tensor([1 + 2j]),
            "scalar": paddle.to_tensor(3.0),
            "empty": paddle.zeros([0, 3]),
            "two_mib": paddle.rand([2**19 + 1]),
        },
    }


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("which", ["network", "optimizer", "nested", "ordered", "types"])
def test_reads_what_paddle_saves(tmp_path, which, protocol):
    path = tmp_path / "saved.pdparams"
    paddle.save(saved_states()[which], str(path), protocol=protocol)
    theirs = paddle.load(str(path), return_numpy=True)
    if which == "types":  # Paddle returns the bits of bfloat16 as uint16
        theirs["bfloat16"] = np.float32([1, -2])
    assert_same(paddle_file.load(str(path)), plain_dicts(theirs))


def plain_dicts(value):
    """The same without OrderedDict."""
    if isinstance(value, dict):
        return {key: plain_dicts(item) for key, item in value.items()}
    return value


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_reads_values_that_are_not_tensors(tmp_path, protocol):
    values = {
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "slice": np.arange(10)[::3],
        "numpy scalar": np.float32(0.1),
        "numpy flag": np.bool_(True),
        "numbers": [0, 255, 256, 65536, -1, 2**40, -(2**100), 0.1, float("inf"), True, False],
        "string": "学習 \N{SLIGHTLY SMILING FACE}" * 100,
    }
    assert_same(load_bytes(tmp_path, pickle.dumps(values, protocol)), values)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_bare_tensor(tmp_path, protocol):
    tensor = paddle.to_tensor([[1.0, 2.0]])
    paddle.save(tensor, str(tmp_path / "t"), protocol=protocol)
    assert_same(paddle_file.load(tmp_path / "t"), {tensor.name: np.float32([[1, 2]])})


@pytest.mark.parametrize("protocol", [2, 3])  # protocol 4 has the lengths of the names in it
def test_reads_files_of_both_numpys(tmp_path, protocol):
    values = {"w": np.float32([1, 2, 3]), "s": np.float64(4)}
    data = pickle.dumps(values, protocol).replace(b"numpy._core.", b"numpy.core.")
    assert b"cnumpy.core.multiarray\n_reconstruct\n" in data
    assert_same(load_bytes(tmp_path, data), values)
    data = data.replace(b"numpy.core.", b"numpy._core.")
    assert_same(load_bytes(tmp_path, data), values)


def test_arrays_are_writable_and_tied_ones_stay_tied(tmp_path):
    tied = np.ones(3)
    got = load_bytes(tmp_path, pickle.dumps({"a": tied, "b": tied, "c": np.ones(3)}, 4))
    got["a"][0] = 7
    assert got["b"][0] == 7
    assert got["c"][0] == 1


# What dump writes.


def dumped(state) -> bytes:
    buffer = io.BytesIO()
    paddle_file.dump(state, buffer)
    return buffer.getvalue()


def test_dump_and_load_give_back_every_bit(tmp_path):
    rng = np.random.default_rng(0)
    state = {code: rng.bytes(48) for code in ("i1", "u4", "i8", "f2", "f4", "f8", "c16")}
    state = {code: np.frombuffer(data, f"<{code}") for code, data in state.items()}
    state["fortran"] = np.asfortranarray(rng.random((3, 4, 5)))
    state["strided"] = rng.random((6, 6))[::2, 1::3]
    state["scalar"] = np.array(1.5, np.float32)
    state["empty"] = np.zeros((2, 0), np.int64)
    state["__paddle_gans__"] = '{"model": "pix2pix", "名": 1}'
    state["LR_Scheduler"] = {"last_epoch": 3, "last_lr": 1e-4, "milestones": [1, (2, None)]}
    assert_same(load_bytes(tmp_path, dumped(state)), state)


def test_dump_names_only_what_every_numpy_has():
    strings = {arg for _, arg, _ in pickletools.genops(dumped({"w": np.ones(3)}))}
    assert {"numpy", "ndarray", "dtype"} <= strings
    assert not any("core" in item for item in strings if isinstance(item, str))


def test_paddle_loads_what_dump_wrote(tmp_path):
    net, other = small_net(), small_net()
    state = {key: tensor.numpy() for key, tensor in net.state_dict().items()}
    path = tmp_path / "net.pdparams"
    path.write_bytes(dumped({**state, "__paddle_gans__": "{}"}))
    loaded = paddle.load(str(path))
    assert loaded.pop("__paddle_gans__") == "{}"
    missing, unexpected = other.set_state_dict(loaded)
    assert not missing
    assert not unexpected
    for key, tensor in other.state_dict().items():
        assert tensor.numpy().tobytes() == state[key].tobytes()


@pytest.mark.parametrize(
    "value", [np.array([None]), np.array(["a"]), np.zeros(2, "f4,i4"), np.zeros(2, ">f4"), Path()]
)
def test_dump_refuses_what_load_would_not_read(value):
    with pytest.raises(TypeError, match="cannot be saved"):
        dumped({"w": value})


def test_dump_refuses_tensors():
    with pytest.raises(TypeError, match="Tensor cannot be saved"):
        dumped({"w": paddle.ones([2])})
