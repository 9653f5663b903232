"""What the field does to the program: numbers of other types, wrapped names, broken output."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import paddle
import pytest
from conftest import ROOT, TINY
from test_convert import ARTICLE, UNET, theirs

from data_reader.errors import InputError, InputWarning
from paddle_gans import convert, models
from paddle_gans.training import resume
from paddle_gans.weights import formats, paddle_file, torch_file, torch_write
from paddle_gans.weights.arrays import layer_arrays, load_state_strict

CASES = Path(os.environ.get("PADDLE_GANS_CASES", ROOT.parent / "shared" / "cases"))
VALUES = np.float32([[0.0017, -2.5], [1, 0]])


def case(name: str):
    """An input that failed in the field, or a skip."""
    if not (CASES / name).exists():
        pytest.skip(f"{CASES / name} is not there")
    return CASES / name


# Numbers of another type


def linear() -> paddle.nn.Linear:
    return paddle.nn.Linear(2, 2, bias_attr=False)


PADDLE_TYPES = {
    **dict.fromkeys(["float16", "bfloat16", "float32", "float64"], True),
    **dict.fromkeys(["bool", "int8", "uint8", "int16", "int32", "int64"], False),
    **dict.fromkeys(["complex64", "complex128", "float8_e4m3fn", "float8_e5m2"], False),
}


@pytest.mark.parametrize("kind", PADDLE_TYPES)
def test_every_type_that_paddle_saves_is_read_right_or_refused(tmp_path, kind):
    if "float8" in kind and not hasattr(paddle, kind):
        pytest.skip("this Paddle has no such type")
    path = tmp_path / "w.pdparams"
    paddle.save({"weight": paddle.to_tensor(VALUES).astype(kind)}, str(path))
    layer = linear()
    if not PADDLE_TYPES[kind]:
        with pytest.raises(InputError, match=r"w\.pdparams: weight holds .* save them as float32"):
            load_state_strict(layer, formats.load(path), str(path))
        return
    load_state_strict(layer, formats.load(path), str(path))
    np.testing.assert_allclose(layer.weight.numpy(), VALUES, rtol=0.01)


def torch_untyped(kind: str) -> bytes:
    """A state dict with a tensor of a type without a storage class, as PyTorch saves it."""
    text = [b"\x80\x02}X\x01\x00\x00\x00w", b"ctorch._utils\n_rebuild_tensor_v3\n(("]
    text += [b"X\x07\x00\x00\x00storagectorch.storage\nUntypedStorage\n"]
    text += [b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQK\x00K\x02\x85K\x01\x85\x89"]
    text += [b"ccollections\nOrderedDict\n)R", f"ctorch\n{kind}\ntRs.".encode()]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/data.pkl", b"".join(text))
        archive.writestr("a/data/0", bytes(2))
    return buffer.getvalue()


@pytest.mark.parametrize("kind", torch_file.UNTYPED)
def test_types_without_a_storage_class_are_refused_by_name(tmp_path, kind):
    (tmp_path / "w.pth").write_bytes(torch_untyped(kind))
    with pytest.raises(InputError, match=rf"holds a tensor of torch\.{kind}; only float32"):
        torch_file.load(tmp_path / "w.pth")


def test_bfloat16_networks_of_the_field_are_read_as_floats(tmp_path):
    folder = case("bf16_pdparams")
    narrow, wide = (
        formats.read_network(folder / f"g_{name}.pdparams")[0] for name in ("bfloat16", "resaved")
    )
    for name, array in wide.items():
        np.testing.assert_allclose(narrow[name], array, rtol=0.01, atol=1e-6)
    words = [str(folder / "c_bf16.pdparams"), "--to", str(tmp_path / "a"), "--direction", "a2b"]
    assert convert.main(words) == 0
    found = formats.read_network(tmp_path / "a" / "generator_ab.pdparams")[0]
    assert max(np.abs(x).max() for x in found.values()) < 10


def test_bfloat16_layers_are_saved_as_float32(tmp_path):
    layer = linear()
    load_state_strict(layer, {"weight": VALUES})
    layer.to(dtype="bfloat16")
    np.testing.assert_allclose(layer_arrays(layer)["weight"], VALUES, rtol=0.01)
    with pytest.raises(TypeError, match="uint16"):
        paddle_file.dump({"w": np.uint16([1])}, io.BytesIO())


@pytest.mark.parametrize("value", [np.nan, np.inf, 15068.0])
def test_values_that_no_training_leads_to_are_warned_of(value):
    arrays = {"weight": np.where(VALUES == 1, np.float32(value), VALUES)}
    with pytest.warns(InputWarning, match=r"w\.pth: .* weight \(up to "):
        load_state_strict(linear(), arrays, "w.pth")


# Names that other programs put before those of the weights


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "netG.", "a.generator._orig_mod."])
def test_a_network_loads_whatever_its_names_begin_with(tmp_path, prefix):
    path = tmp_path / "w.pdparams"
    paddle.save({f"{prefix}weight": paddle.to_tensor(VALUES)}, str(path))
    layer = linear()
    load_state_strict(layer, formats.load(path))
    np.testing.assert_array_equal(layer.weight.numpy(), VALUES)


def test_the_same_weight_wrapped_and_not_is_refused(tmp_path):
    path = tmp_path / "w.pdparams"
    paddle.save({"module.w": paddle.ones([1]), "w": paddle.ones([1])}, str(path))
    with pytest.raises(InputError, match="holds w twice"):
        formats.load(path)


def converted(source: Path, folder: Path, *flags: str) -> list[str]:
    assert convert.main([str(source), "--to", str(folder), "--quiet", *flags]) == 0
    return sorted(path.stem for path in folder.iterdir())


def test_a_compiled_network_is_converted(tmp_path):
    source = case("compiled_names") / "c_compiled.pth"
    assert converted(source, tmp_path / "to", "--direction", "a2b") == ["generator_ab"]


@pytest.mark.parametrize(
    ("prefixes", "model", "parts"),
    [
        ({"netG.": "generator", "netD.": "discriminator"}, "pix2pix", UNET),
        ({"module.gan.generator._orig_mod.": "generator"}, "pix2pix", UNET),
        ({"G_AB.": "generator_ab", "G_BA.": "generator_ba"}, "cyclegan", ARTICLE),
        ({"model.gen_a2b.module.": "generator_ab"}, "cyclegan", ARTICLE),
        ({"generator_B.": "generator_ba", "vgg.": ""}, "cyclegan", ARTICLE),
    ],
)
def test_networks_in_one_dict_are_told_by_their_names(tmp_path, prefixes, model, parts):
    state = {
        prefix + name: array
        for prefix, part in prefixes.items()
        for name, array in (theirs(model, part, parts) if part else {"0.weight": VALUES}).items()
    }
    with (tmp_path / "last.ckpt").open("wb") as file:
        torch_write.dump(state, file)
    expected = sorted(filter(None, prefixes.values()))
    assert converted(tmp_path / "last.ckpt", tmp_path / "to") == expected


def test_a_run_starts_from_one_file_of_the_whole_model(tmp_path):
    model = models.find("dcgan")(**TINY["dcgan"])
    paddle.save(model.state_dict(), str(tmp_path / "all.pdparams"))
    other = models.find("dcgan")(**TINY["dcgan"])
    resume.init_from(other, tmp_path / "all.pdparams")
    for name, array in layer_arrays(model).items():
        np.testing.assert_array_equal(layer_arrays(other)[name], array)
