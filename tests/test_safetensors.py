"""``.safetensors`` wherever weights are read, and ``convert --format`` writes them."""

import json
import subprocess
import sys

import numpy as np
import paddle
import pytest
from conftest import TINY, noise_image
from test_old_runs import OLD, SETTINGS, model_of

import paddle_gans
from data_reader.errors import InputError
from data_reader.images import read_image, write_image
from paddle_gans import convert, infer
from paddle_gans.training import resume
from paddle_gans.weights import formats, torch_file
from paddle_gans.weights.arrays import layer_arrays

safetensors_numpy = pytest.importorskip("safetensors.numpy")


def converted(name, folder, *words):
    assert convert.main([str(OLD / name), "--to", str(folder), *words]) == 0
    return folder


def assert_same_files(one, other):
    files = formats.network_files(one)
    assert [p.stem for p in files] == [p.stem for p in formats.network_files(other)]
    for path in files:
        arrays, entry = formats.read_network(path)
        there, entry_there = formats.read_network(other / f"{path.stem}.safetensors")
        assert entry == entry_there
        assert set(arrays) == set(there)
        for key, array in arrays.items():
            assert (array.dtype, array.shape) == (there[key].dtype, there[key].shape)
            assert array.tobytes() == there[key].tobytes()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_run_folder_there_and_back_and_its_images(tmp_path, name):
    there = converted(name, tmp_path / "there", "--format", "safetensors")
    assert {path.suffix for path in there.iterdir()} == {".safetensors"}
    assert_same_files(OLD / name, there)
    photo = noise_image(0, 64, 64)
    expected = paddle_gans.load(OLD / name)(photo, **SETTINGS[name])
    np.testing.assert_array_equal(paddle_gans.load(there)(photo, **SETTINGS[name]), expected)
    file = there / "generator.safetensors"
    if file.exists():  # and finds its partners
        np.testing.assert_array_equal(paddle_gans.load(file)(photo, **SETTINGS[name]), expected)
    assert convert.main([str(there), "--to", str(tmp_path / "back"), "--format", "pdparams"]) == 0
    for path in formats.network_files(OLD / name):
        again = paddle.load(str(tmp_path / "back" / path.name), return_numpy=True)
        for key, value in paddle.load(str(path), return_numpy=True).items():
            np.testing.assert_array_equal(again[key], value)


def test_the_package_opens_what_is_written_and_the_other_way_round(tmp_path):
    arrays = {
        "fortran": np.asfortranarray(np.arange(6, dtype="float32").reshape(2, 3)),
        "strided": np.arange(12, dtype="int64")[::3],
        "scalar": np.float32(1.5).reshape(()),
        "empty": np.zeros((0, 3), "float16"),
        "flags": np.array([True, False]),
    }
    path = tmp_path / "x.safetensors"
    formats.write_network(path, arrays, {"model": "名"})
    opened = safetensors_numpy.load_file(path)
    found, entry = formats.read_network(path)
    assert entry == {"model": "名"}
    assert set(opened) == set(found) == set(arrays)
    for key, array in arrays.items():
        np.testing.assert_array_equal(opened[key], array, strict=True)
        np.testing.assert_array_equal(found[key], array, strict=True)
        assert found[key].flags.writeable
    safetensors_numpy.save_file({"w": arrays["strided"].copy()}, tmp_path / "y.safetensors")
    plain, entry = formats.read_network(tmp_path / "y.safetensors")
    assert entry == {}
    np.testing.assert_array_equal(plain["w"], arrays["strided"])
    command = f"from safetensors.numpy import load_file; print(sorted(load_file({str(path)!r})))"
    told = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert told.stdout.strip() == str(sorted(arrays))


def test_infer_from_it_equals_infer_from_pdparams(tmp_path):
    there = converted("pix2pix", tmp_path / "there", "--format", "safetensors")
    write_image(tmp_path / "photo.png", noise_image(1, 40, 40))
    for weights, out in ((OLD / "pix2pix", "a"), (there / "generator.safetensors", "b")):
        words = [
            "--weights",
            weights,
            "--input",
            tmp_path / "photo.png",
            "--output",
            tmp_path / out,
        ]
        assert infer.main([str(word) for word in words]) == 0
    one, other = (read_image(tmp_path / out / "photo.png") for out in "ab")
    np.testing.assert_array_equal(one, other)


def test_training_starts_from_it(tmp_path):
    there = converted("cyclegan", tmp_path / "there", "--format", "safetensors")
    model = model_of("cyclegan")
    assert "generator_ba.safetensors" in resume.init_from(model, there)
    expected, _ = formats.read_network(OLD / "cyclegan" / "generator_ba.pdparams")
    for key, array in layer_arrays(model.generator_ba).items():
        np.testing.assert_array_equal(array, expected[key])


def test_other_peoples_weights_in_it_are_converted(tmp_path):
    """PyTorch's names and layouts, as in a state dict."""
    assert convert.main([str(OLD / "cyclegan"), "--to-torch", str(tmp_path / "torch")]) == 0
    state = torch_file.load(tmp_path / "torch" / "G_BA.pth")
    state = {name: np.ascontiguousarray(x) for name, x in state.items()}
    safetensors_numpy.save_file(state, tmp_path / "G_BA.safetensors")
    words = ["--to", str(tmp_path / "run"), "--format", "safetensors"]
    assert convert.main([str(tmp_path / "G_BA.safetensors"), *words]) == 0
    found, entry = formats.read_network(tmp_path / "run" / "generator_ba.safetensors")
    assert entry["network"] == "generator_ba"
    expected, _ = formats.read_network(OLD / "cyclegan" / "generator_ba.pdparams")
    assert set(found) == set(expected)
    for key, array in expected.items():
        np.testing.assert_array_equal(found[key], array)


@pytest.mark.parametrize("damage", ["cut", "header", "garbage", "empty", "length"])
def test_damaged_files_are_user_errors(tmp_path, damage):
    there = converted("pix2pix", tmp_path / "there", "--format", "safetensors")
    path = there / "generator.safetensors"
    data = path.read_bytes()
    path.write_bytes(
        {
            "cut": data[:-5],
            "header": data[:8] + b"[" + data[9:],
            "garbage": bytes(range(256)) * 9,
            "empty": b"",
            "length": b"\xff" * 8 + data[8:],
        }[damage]
    )
    with pytest.raises(InputError, match=r"generator\.safetensors is damaged") as caught:
        formats.read_network(path)
    assert "\n" not in str(caught.value)
    write_image(tmp_path / "photo.png", noise_image(1, 40, 40))
    command = [sys.executable, "-m", "paddle_gans.infer", "--weights", path]
    command += ["--input", tmp_path / "photo.png", "--output", tmp_path / "out"]
    if damage == "cut":
        done = subprocess.run(command, capture_output=True, text=True, cwd=OLD.parent.parent)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {path} is damaged")
        assert not (tmp_path / "out").exists()


def test_flipped_bytes_are_refused_or_read(tmp_path):
    there = converted("pix2pix", tmp_path / "there", "--format", "safetensors")
    data = (there / "generator.safetensors").read_bytes()
    path, rng = tmp_path / "x.safetensors", np.random.default_rng(0)
    header = 8 + int.from_bytes(data[:8], "little")
    refused = 0
    for _ in range(300):
        changed = bytearray(data)
        changed[rng.integers(header)] = rng.integers(256)
        path.write_bytes(changed)
        try:
            arrays, entry = formats.read_network(path)
            assert isinstance(entry, dict)
            assert all(x.dtype.kind in "biuf" for x in arrays.values())
        except InputError:
            refused += 1
    assert 0 < refused < 300


def test_an_entry_that_is_not_json_and_a_file_that_is_missing(tmp_path):
    path = tmp_path / "x.safetensors"
    w = {"w": np.zeros(2, "float32")}
    safetensors_numpy.save_file(w, path, metadata={formats.ENTRY: "{"})
    with pytest.raises(InputError, match="not JSON"):
        formats.read_network(path)
    with pytest.raises(InputError, match=r"y\.safetensors does not exist"):
        formats.read_network(tmp_path / "y.safetensors")


def test_types_that_numpy_does_not_have_are_read_or_refused_by_name(tmp_path):
    path = tmp_path / "x.safetensors"
    bits = np.float32([1, -2.5]).view("u4") >> 16
    for kind, data in (("BF16", bits.astype("u2").tobytes()), ("F8_E4M3", bytes(2))):
        about = {"dtype": kind, "shape": [2], "data_offsets": [0, len(data)]}
        header = json.dumps({"w": about}).encode()
        path.write_bytes(len(header).to_bytes(8, "little") + header + data)
        if kind == "BF16":
            np.testing.assert_array_equal(formats.load(path)["w"], np.float32([1, -2.5]))
        else:
            with pytest.raises(InputError, match="type F8_E4M3; save them as float32"):
                formats.load(path)


def test_without_the_package_the_error_says_how_to_install_it(tmp_path, monkeypatch):
    there = converted("pix2pix", tmp_path / "there", "--format", "safetensors")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(InputError, match="pip install safetensors"):
        paddle_gans.load(there)
    with pytest.raises(InputError, match=r"cannot be written .*pip install safetensors"):
        converted("pix2pix", tmp_path / "again", "--format", "safetensors")
    assert not (tmp_path / "again").exists()


def test_a_run_may_save_its_networks_as_safetensors(tmp_path):
    pytest.importorskip("safetensors")
    out = tmp_path / "run"
    settings = {"out": out, "workers": 0, "batch_size": 2, **TINY["dcgan"]}
    paddle_gans.train("dcgan", steps=2, format="safetensors", **settings)
    assert not list(out.glob("*.pdparams"))
    paddle_gans.train("dcgan", steps=3, **settings)  # the older file must not be loaded instead
    assert [p.suffix for p in formats.network_files(out)] == [".pdparams"]
    assert not list(out.glob("*.safetensors"))
    paddle_gans.train("dcgan", steps=2, format="safetensors", **{**settings, "out": tmp_path / "2"})
    out = tmp_path / "2"
    drawn = paddle_gans.load(out / "generator.safetensors")(count=2, seed=1)
    paddle_gans.train("dcgan", steps=2, **{**settings, "out": tmp_path / "usual"})
    expected = paddle_gans.load(tmp_path / "usual" / "generator.pdparams")(count=2, seed=1)
    np.testing.assert_array_equal(drawn, expected)
