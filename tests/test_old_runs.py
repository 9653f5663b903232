"""Run folders written by version 0.1.0, before its files moved, still open.

``tests/old_runs/`` holds two training steps of three tiny models: all of pix2pix's run folder
except its images, and the networks of the other two. ``translated.png`` is every fourth pixel of
what that version made of ``noise_image(0, 64, 64)``.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import paddle
import pytest
from conftest import noise_image

import paddle_gans
from data_reader.images import read_image
from paddle_gans import models
from paddle_gans.training import checkpoint, resume

OLD = Path(__file__).with_name("old_runs")
SETTINGS = {
    "pix2pix": {},
    "cyclegan": {"direction": "b2a"},
    "stargan_v2": {"domain": "dog", "seed": 3},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_an_old_run_folder_translates(name):
    translate = paddle_gans.load(OLD / name)
    assert (translate.name, translate.step) == (name, 2)
    made = translate(noise_image(0, 64, 64), **SETTINGS[name])[::4, ::4]
    expected = read_image(OLD / name / "translated.png")
    assert np.abs(made.astype(int) - expected).max() <= 1


def model_of(name: str):
    options = json.loads((OLD / name / "config.json").read_text())["options"]
    return models.find(name)(**options)


def test_an_old_checkpoint_restores_the_networks_and_the_optimizers():
    source, state, damaged = checkpoint.newest(OLD / "pix2pix" / "checkpoints")
    assert (state["step"], damaged) == (2, [])
    model = model_of("pix2pix")
    checkpoint.load_checkpoint(source, model)
    for name, layer in model.named_children():
        saved = paddle.load(str(source / f"{name}.pdparams"), return_numpy=True)
        assert set(saved) == set(layer.state_dict())
        for key, tensor in layer.state_dict().items():
            np.testing.assert_array_equal(tensor.numpy(), saved[key])
    names = checkpoint.parameter_names(model)
    for name, optimizer in model.optimizers.items():
        saved = paddle.load(str(source / f"{name}.pdopt"), return_numpy=True)
        arrays = checkpoint.optimizer_arrays(optimizer, names)
        assert set(saved) == set(arrays)
        assert any("moment" in key for key in arrays)
        for key, array in arrays.items():
            np.testing.assert_array_equal(array, saved[key])


def test_training_starts_from_old_weights(tmp_path):
    model = model_of("cyclegan")
    shutil.copytree(OLD / "cyclegan", tmp_path / "old")
    assert "generator_ba.pdparams" in resume.init_from(model, tmp_path / "old")
    saved = paddle.load(str(OLD / "cyclegan" / "generator_ba.pdparams"), return_numpy=True)
    for key, tensor in model.generator_ba.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), saved[key])
