"""Prepares the framework once, as the commands do, and offers tiny data."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_reader import framework

framework.prepare()

import paddle  # noqa: E402

from data_reader.errors import InputError  # noqa: E402
from data_reader.images import write_image  # noqa: E402
from paddle_gans.fast_cpu import disabled  # noqa: E402
from paddle_gans.infer import main  # noqa: E402
from paddle_gans.metrics import lpips  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent


def real_data(name: str) -> Path:
    """The real images that are at hand for tests, or a skip that says why."""
    folder = Path(os.environ.get("PADDLE_GANS_REAL_DATA", ROOT.parent / "shared" / "data")) / name
    if not folder.is_dir():
        pytest.skip(f"no real images at {folder}; PADDLE_GANS_REAL_DATA names another place")
    return folder


BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@contextlib.contextmanager
def chromium_page(*addresses):
    """A page in Chromium; what it fetches from elsewhere, and its errors, are failures."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"there is no browser: none of {', '.join(BROWSERS)}")
    elsewhere, errors = [], []
    # A film of a colour that changes, for pages that use a webcam.
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with playwright.sync_playwright() as driver:
        flags = ["--no-sandbox", *camera]
        browser = driver.chromium.launch(executable_path=program, args=flags)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        known = (*addresses, "data:", "blob:")
        page.on("request", lambda r: r.url.startswith(known) or elsewhere.append(r.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        browser.close()
    assert not elsewhere
    assert not errors


def noise_image(seed: int, height: int = 40, width: int = 40) -> np.ndarray:
    """An image in which every pixel can be told from the others."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype="uint8")


@pytest.fixture
def pairs(tmp_path) -> Path:
    """Six pairs of 40x40 pictures in trainA/ and trainB/, two in testA/ and testB/."""
    root = tmp_path / "pairs"
    for split, count in (("train", 6), ("test", 2)):
        for i in range(count):
            image = noise_image(100 * len(split) + i)
            write_image(root / f"{split}A" / f"{i}.png", image)
            write_image(root / f"{split}B" / f"{i}.png", 255 - image)
    return root


@contextlib.contextmanager
def small_disk(place, size="1500k"):
    """A real disk of a small size, where this process may mount one."""
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if subprocess.run(words, capture_output=True).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def infer(weights, inputs, output, *flags) -> int:
    """The command on one input or a list of them; returns its exit code."""
    inputs = inputs if isinstance(inputs, list) else [inputs]
    words = ["--weights", weights, "--input", *inputs, "--output", output, *flags]
    return main([str(word) for word in words])


def refused(*words) -> str:
    """The message of the InputError that the command ends with, as of ``infer``."""
    with pytest.raises(InputError) as caught:
        infer(*words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def below(folder: Path) -> list[str]:
    """The files in a folder and its folders, by name."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def save_program(prefix, network, shape):
    """Save a network as a program, with the framework's own layers; returns the network."""
    network.eval()
    with disabled():
        spec = [paddle.static.InputSpec(shape, "float32", "x")]
        paddle.jit.save(network, str(prefix), input_spec=spec)
    return network


def save_lpips(folder, backbone="alex"):
    """Save LPIPS with random weights as its two published files; returns their paths."""
    paddle.seed(0)
    state = lpips.LPIPS(backbone).state_dict()
    trunk = {name: x for name, x in state.items() if name.startswith("features.")}
    linear = {f"lin{n[7]}.model.1.weight": x.abs() for n, x in state.items() if n not in trunk}
    paths = folder / f"{backbone}.pdparams", folder / "linear.pdparams"
    paddle.save({**trunk, "classifier.1.bias": paddle.zeros([2])}, str(paths[0]))
    paddle.save(linear, str(paths[1]))
    return paths


def weights(run) -> dict[str, bytes]:
    """The files of a run folder that inference loads, by name."""
    return {p.name: p.read_bytes() for p in sorted(Path(run).glob("*.pdparams"))}


def log_of(run) -> list[dict]:
    """The lines of a run's log."""
    return [json.loads(line) for line in (Path(run) / "log.jsonl").read_text().splitlines()]


# Options that make a model build and train in a moment.
TINY = {
    "pix2pix": {"base_dim": 4, "residual_num": 1, "load_size": 0, "crop_size": 32},
    "cyclegan": {"base_dim": 4, "residual_num": 1, "crop_size": 32, "pool_size": 3},
    "cut": {"base_dim": 4, "residual_num": 1, "crop_size": 32, "projection_dim": 8},
    "dcgan": {"base_dim": 4},
    "colorization": {"base_dim": 4, "load_size": 0, "crop_size": 32},
    "stargan_v2": {"crop_size": 64, "base_dim": 4, "max_channels": 8, "hidden_dim": 8},
}


@pytest.fixture
def add_model(monkeypatch, tmp_path_factory):
    """Puts a file among the models of this process, as `cp FILE paddle_gans/models` does."""
    from paddle_gans import models

    def add(file: Path, name: str) -> type:
        folder = tmp_path_factory.mktemp("models")
        shutil.copy(file, folder / f"{name}.py")
        names = [*models.names(), name]
        monkeypatch.setattr(models, "names", lambda: names)
        monkeypatch.setattr(models, "__path__", [*models.__path__, str(folder)])
        monkeypatch.delitem(sys.modules, f"{models.__name__}.{name}", raising=False)
        return models.find(name)

    return add


@pytest.fixture
def plain_model(add_model):
    """The class of tests/plain_model.py, known as the model "plain"."""
    return add_model(ROOT / "tests" / "plain_model.py", "plain")
