"""What the benchmarks count and compare: the operations of a step, the reference's networks."""

import importlib
import json
import subprocess
import sys

import numpy as np
import paddle
import pytest
from conftest import ROOT
from paddle import nn

from data_reader import InputError
from data_reader.transforms import denormalise
from paddle_gans import models


@pytest.fixture(autouse=True)
def found(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


class Judge(nn.Layer):
    """A model whose discriminator is one 3x3 convolution: 2 channels to 4, on 5 x 5 pixels."""

    PRODUCTS = 4 * 5 * 5 * 2 * 3 * 3

    def __init__(self):
        super().__init__()
        self.discriminator = nn.Sequential(nn.Conv2D(2, 4, 3, padding=1))


@pytest.mark.parametrize(
    ("image_wants", "weight_wants", "passes"),
    [(False, False, 1), (False, True, 2), (True, False, 2 + 3), (True, True, 3 + 3)],
)
def test_operations_are_those_that_the_gradients_need(image_wants, weight_wants, passes):
    """An image that is a leaf and wants a gradient is one whose slope is differentiated."""
    operations = importlib.import_module("operations")
    model, x = Judge(), paddle.rand([1, 2, 5, 5])
    x.stop_gradient = not image_wants
    model.discriminator[0].weight.stop_gradient = not weight_wants
    with operations.Count(model) as count:
        model.discriminator(x)
    assert count.operations == 2 * Judge.PRODUCTS * passes
    with paddle.no_grad(), operations.Count(model) as count:
        model.discriminator(x)
    assert count.operations == 2 * Judge.PRODUCTS
    model.discriminator(x)  # the hooks are gone
    assert count.operations == 2 * Judge.PRODUCTS


def test_a_transposed_convolution_and_a_linear_layer_by_hand():
    operations = importlib.import_module("operations")
    model = nn.Sequential(nn.Conv2DTranspose(2, 3, 4, stride=2), nn.Flatten(), nn.Linear(300, 7))
    with paddle.no_grad(), operations.Count(model) as count:
        model(paddle.rand([2, 2, 4, 4]))  # [2, 3, 10, 10]
    assert count.operations == 2 * (2 * 2 * 4 * 4 * 3 * 4 * 4 + 2 * 300 * 7)


def sizes(parameters):
    return sorted(tuple(sorted(p.shape)) for p in parameters)


@pytest.mark.parametrize("name", models.names())
def test_the_reference_has_the_same_networks(name):
    """As many arrays, of the same sizes; shapes are sorted, for linear layers lie the other way."""
    torch = pytest.importorskip("torch", reason="PyTorch is in the extra `bench`")
    reference = importlib.import_module("torch_reference")
    setting = importlib.import_module("step").SETTINGS[name]
    theirs = reference.MODELS[name](torch.contiguous_format, setting.size, 1)
    ours = models.find(name)(crop_size=setting.size, **setting.options)
    networks = [n for n in vars(theirs).values() if isinstance(n, torch.nn.Module)]
    trained = [p for o in ours.optimizers.values() for p in o._parameter_list]
    count = sum(p.numel() for network in networks for p in network.parameters())
    mine = sum(p.size for p in trained)
    if name == "stargan_v2":  # D's output of every domain is one 1x1 convolution here
        assert count == mine
        return
    assert sizes(p for n in networks for p in n.parameters()) == sizes(trained)


def test_a_step_is_measured_against_one_without_a_part_of_the_fast_path():
    command = [sys.executable, str(ROOT / "benchmarks" / "step.py"), "--model", "dcgan"]
    command += ["--batch", "4", "--rounds", "1", "--against", "pooling"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["against"] == "pooling"
    assert found["train_ratio"] > 0
    assert 0 < found["train_share"] < 2
    assert "x without pooling" in done.stdout


def test_learn_trains_with_any_flag_and_measures_a_run_that_exists(pairs, tmp_path, capsys):
    """Once by training, once by --measure-only: the same metrics from the same weights."""
    learn = importlib.import_module("learn")
    words = ["--model", "pix2pix", "--data", str(pairs), "--out", str(tmp_path / "run")]
    tiny = ["--generator", "resnet", "--base-dim", "4", "--crop-size", "32", "--steps", "2"]
    assert learn.main([*words, *tiny, "--residual-num", "1", "--ema-decay", "0.9"]) == 0
    trained = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert learn.main([*words, "--measure-only"]) == 0
    measured = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert measured == trained
    assert (measured["steps"], measured["ema_decay"], measured["images"]) == (2, 0.9, 2)
    assert measured["l1"] > 0
    with pytest.raises(InputError, match="holds a run already"):
        learn.main([*words, "--steps", "2"])
    with pytest.raises(InputError, match="--measure-only takes the options from"):
        learn.main([*words, "--measure-only", "--steps", "2"])
    with pytest.raises(InputError, match="did you mean"):
        learn.main([*words[:4], "--ema-decai", "0.9"])


class Blocks:
    """Photographs of four by four blocks in three dull colours, and their label maps."""

    COLOURS = np.float32([[-1, -1, 1], [1, -1, -1], [-1, 1, -1]])

    def __len__(self):
        return 4

    def item(self, index, rng):
        blocks = rng.integers(0, 3, (4, 4)).repeat(16, 0).repeat(16, 1)
        labels = self.COLOURS[blocks].transpose(2, 0, 1)
        return {"a": -labels / 2, "b": labels}


def test_labels_are_read_from_what_looks_like_the_photographs(monkeypatch):
    reader = importlib.import_module("measures._label_reader")
    monkeypatch.setattr(reader, "STEPS", 40)
    items = [Blocks().item(0, np.random.default_rng(i)) for i in range(3)]
    photos, maps = ([denormalise(item[side]) for item in items] for side in "ab")
    palette = reader.find_palette(maps)
    assert len(palette.colours) == 3
    read = reader.label_reader(Blocks(), "a", palette)
    found = reader.label_figures(read, palette, photos, photos[:1] + maps[1:], maps)
    assert found["labels_of_real"] > 0.9
    assert found["labels_of_generated"] < found["labels_of_real"]


def test_label_maps_saved_as_jpeg_are_known_by_their_colours_and_photographs_are_none():
    reader = importlib.import_module("measures._label_reader")
    rng = np.random.default_rng(0)
    colours = np.array(list(reader.CMP_FACADES.values()))
    label_map = colours[rng.integers(0, 12, (8, 8))].repeat(16, 0).repeat(16, 1)
    noisy = np.clip(label_map + rng.integers(-9, 10, label_map.shape), 0, 255).astype(np.uint8)
    assert list(reader.find_palette([noisy]).names) == list(reader.CMP_FACADES)
    assert reader.find_palette([rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)]) is None


def test_processes_are_measured_and_compared_round_by_round(capsys):
    process = importlib.import_module("process")
    found = process.run([sys.executable, "-c", "bytearray(50 << 20)"])
    assert found.keys() == process.FIGURES.keys()
    assert min(found.values()) > 0
    assert found["peak_mib"] > 50
    with pytest.raises(SystemExit, match="ended with 3"):
        process.run([sys.executable, "-c", "raise SystemExit(3)"])
    rows = [[dict.fromkeys(process.FIGURES, x) for x in pair] for pair in ((1, 2), (4, 4), (1, 5))]
    figures = process.report("infer", rows)["seconds"]
    assert figures == {"ours": 1, "torch": 4, "ratio": 2, "spread": [1, 5]}
    assert "ours 1.00 s, PyTorch 4.00 s: 2.00 (1.00 to 5.00)" in capsys.readouterr().out
