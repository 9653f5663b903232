"""infer and evaluate choose what they do by a model's data_class: models that no file names."""

import json

import numpy as np
import pytest
from conftest import ROOT, infer, noise_image, save_program
from paddle import nn

import paddle_gans
from data_reader import InputError
from data_reader.datasets import ImageDataset
from data_reader.images import read_image, write_image
from paddle_gans import evaluate
from paddle_gans.infer import main


def measured(weights, data, output, *flags):
    """What evaluate writes."""
    words = ["--weights", weights, "--data", data, "--output", output, *flags]
    assert evaluate.main([str(word) for word in words]) == 0
    return json.loads(output.read_text())


def test_a_plain_model_is_trained_translates_and_is_evaluated(plain_model, pairs, tmp_path):
    run = tmp_path / "run"
    paddle_gans.train("plain", data=str(pairs), out=str(run), steps=2, workers=0)
    photo = noise_image(0, 21, 34)
    write_image(tmp_path / "a.png", photo)
    assert infer(run, tmp_path / "a.png", tmp_path / "b.png") == 0
    assert np.array_equal(read_image(tmp_path / "b.png"), paddle_gans.load(run)(photo))

    found = measured(run, pairs, tmp_path / "metrics.json")
    assert found["metrics"] == ["psnr", "ssim", "ciede2000", "chroma"]
    assert found["counts"] == {"a to b": {"made": 2, "real": 2}}


def test_a_model_without_a_kind_of_data_says_what_is_missing(
    plain_model, pairs, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    paddle_gans.train("plain", data=str(pairs), out=str(run), steps=1, workers=0)
    monkeypatch.setattr(plain_model, "data_class", ImageDataset)
    with pytest.raises(InputError, match="is ImageDataset; evaluate needs Paired, Unpaired"):
        measured(run, pairs, tmp_path / "metrics.json")


def test_the_sixth_model_generates_and_is_evaluated(add_model, tmp_path):
    add_model(ROOT / "examples" / "conditional_dcgan.py", "conditional_dcgan")
    run = tmp_path / "run"
    paddle_gans.train("conditional_dcgan", out=str(run), steps=1, workers=0, base_dim=4)
    words = ["--weights", run, "--output", tmp_path / "sevens.png", "--digit", 7, "--count", 4]
    assert main([str(word) for word in words]) == 0
    assert read_image(tmp_path / "sevens.png").shape == (2 * 28 + 2, 2 * 28 + 2, 3)

    network = nn.Sequential(nn.Conv2D(1, 3, 5, stride=4), nn.AdaptiveAvgPool2D(1), nn.Flatten())
    save_program(tmp_path / "features", network, [None, 1, 28, 28])
    flags = ["--features", tmp_path / "features", "--limit", 20, "--metrics", "fid"]
    found = measured(run, "demo", tmp_path / "metrics.json", *flags)
    assert found["counts"] == {"drawn": {"made": 20, "real": 20}}
    assert found["figures"]["drawn"]["fid"] > 0
