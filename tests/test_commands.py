"""The commands as a user meets them before anything is trained."""

import importlib
import inspect
import subprocess
import sys
import time
from functools import partial

import paddle
import pytest
from conftest import ROOT, noise_image

import paddle_gans
from data_reader import InputError
from paddle_gans import __version__, models
from paddle_gans.training.config import OPTIONS
from paddle_gans.weights import formats

WITHOUT_FRAMEWORK = """
import runpy, sys
sys.modules["paddle"] = None
sys.argv = [{0!r}, *{1!r}]
runpy.run_module({0!r}, run_name="__main__")
"""


def without_framework(module, *arguments):
    """Run a command in a process in which importing Paddle fails."""
    code = WITHOUT_FRAMEWORK.format(module, list(arguments))
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    "module",
    ["paddle_gans", "paddle_gans.train", "paddle_gans.infer", "paddle_gans.convert",
     "paddle_gans.evaluate", "paddle_gans.export", "paddle_gans.serve", "data_reader.download",
     "data_reader.write_demo"],
)  # fmt: skip
def test_help_is_quick_and_needs_no_framework(module):
    start = time.monotonic()
    done = without_framework(module, "--help")
    assert done.returncode == 0, done.stderr
    assert f"python -m {module}" in done.stdout
    assert time.monotonic() - start < 5  # a fraction of a second on a free machine


def test_the_bare_command_lists_commands_and_models():
    said = without_framework("paddle_gans").stdout
    assert "paddle_gans.train" in said
    assert all(name in said for name in models.names())
    assert "translation with a conditional GAN" in said
    assert all(models.descriptions().values())
    assert without_framework("paddle_gans", "--version").stdout.strip() == __version__
    path = without_framework("paddle_gans", "--path").stdout.strip()
    assert path.endswith("train.py")


def test_one_command_runs_all_others():
    done = without_framework("paddle_gans", "train", "--help")
    assert done.stdout == without_framework("paddle_gans.train", "--help").stdout
    wrong = without_framework("paddle_gans", "trian")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: argument COMMAND: invalid choice: 'trian'")


def test_paddle_hub_builds_models_and_opens_weights(tmp_path):
    assert sorted(paddle.hub.list(str(ROOT), source="local")) == models.names()
    build = partial(paddle.hub.load, str(ROOT), "pix2pix", source="local")
    model = build(base_dim=4, residual_num=1, crop_size=32)
    assert type(model).__name__ == "Pix2Pix"
    assert "pix2pix" in paddle.hub.help(str(ROOT), "pix2pix", source="local")
    entry = {"model": "pix2pix", "options": {"base_dim": 4, "residual_num": 1},
             "network": "generator", "translate": {}, "step": 0}  # fmt: skip
    formats.save_network(tmp_path / "generator.pdparams", model.generator, entry)
    translate = build(weights=tmp_path / "generator.pdparams")
    assert translate(noise_image(0)).shape == (40, 40, 3)
    with pytest.raises(InputError, match="did you mean base_dim"):
        build(base_dims=4)


def test_without_the_framework_the_command_says_what_to_install():
    code = (
        "import importlib.util as u, runpy, sys\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'paddle' else find(name, *a)\n"
        "sys.argv = ['train', '--model', 'pix2pix']\n"
        "runpy.run_module('paddle_gans.train', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: PaddlePaddle is not installed")
    assert "pip install -e '.[cpu]'" in done.stderr


def test_train_is_a_function_with_the_parameters_of_every_run():
    parameters = inspect.signature(paddle_gans.train).parameters
    assert list(parameters) == ["model", *OPTIONS, "on_log", "on_sample", "options"]
    assert parameters["seed"].default == 0
    assert "device" in inspect.signature(paddle_gans.load).parameters
    with pytest.raises(ImportError, match="train_command"):
        importlib.import_module("paddle_gans.train")
    assert callable(paddle_gans.train)
