"""Trained weights that come with the package: every command takes their names."""

import json
import shutil

import numpy as np
import pytest
from conftest import ROOT

import paddle_gans
from data_reader import InputError
from data_reader.images import read_image
from paddle_gans import __main__ as program
from paddle_gans.weights import formats, pretrained

NAMES = pretrained.names()
FIELDS = {
    "model", "title", "data", "source", "terms", "pixels", "steps", "hours", "machine", "commands",
    "figures", "limits",
}  # fmt: skip


def example(name):
    """An image; StarGAN v2's results are square."""
    width = 64 if name.startswith("stargan_v2") else 96
    return np.random.default_rng(0).integers(0, 256, (64, width, 3)).astype(np.uint8)


def test_all_weights_take_at_most_60_mb():
    assert sum(f.stat().st_size for f in pretrained.FOLDER.rglob("*") if f.is_file()) < 60e6


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_all_and_the_files_are_half_precision(name):
    card = pretrained.card(name)
    assert set(card) == FIELDS
    assert card["model"] == name_of_model(name)
    assert all(str(ROOT) not in text for text in map(str, card.values()))
    for file in formats.network_files(pretrained.FOLDER / name):
        arrays, entry = formats.read_network(file)
        assert entry["model"] == card["model"]
        assert all(np.isfinite(a).all() for a in arrays.values())
        assert all(a.dtype != np.float32 or np.abs(a).max() > 60000 for a in arrays.values())


def name_of_model(name):
    return next(m for m in ("pix2pix", "cyclegan", "stargan_v2", "colorization", "dcgan", "cut")
                if name.startswith(m))  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_load_by_name(name):
    translate = paddle_gans.load(name)
    if not translate.takes_images:
        assert len(translate(count=2)) == 2
        return
    image = example(name)
    results = translate(image)
    for result in results if isinstance(results, list) else [results]:
        assert result.shape == image.shape


def test_the_list_has_every_name_and_a_card_its_terms(capsys):
    assert program.main(["weights"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in NAMES)
    for name in NAMES:
        assert program.main(["weights", name]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        card = pretrained.card(name)
        assert card["title"] in shown
        assert " ".join(card["terms"].split()) in shown
        assert all(" ".join(command.split()) in shown for command in card["commands"])
        assert "{" not in shown


def test_a_misspelt_name_is_told_the_right_one():
    with pytest.raises(InputError, match=f"did you mean {NAMES[0]}"):
        paddle_gans.load(NAMES[0][:-1])
    with pytest.raises(InputError, match="no trained weights 'nosuch'"):
        program.main(["weights", "nosuch"])


def test_a_folder_of_the_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(pretrained.FOLDER / NAMES[0], tmp_path / NAMES[0])
    assert paddle_gans.load(NAMES[0]).path.resolve().is_relative_to(tmp_path)


def test_infer_and_evaluate_by_name_write_into_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(pretrained.FOLDER.rglob("*"))
    assert program.main(["evaluate", "--weights", "pix2pix_demo", "--data", "demo",
                         "--limit", "2", "--metrics", "psnr"]) == 0  # fmt: skip
    assert json.loads((tmp_path / "pix2pix_demo_metrics.json").read_text())["figures"]
    source = min((ROOT / "data_reader/demo/streets/testB").glob("*.*g"))
    assert program.main(["infer", "--weights", "pix2pix_demo", "--input", str(source),
                         "--output", "out.png"]) == 0  # fmt: skip
    assert read_image(tmp_path / "out.png").shape == read_image(source).shape
    assert sorted(pretrained.FOLDER.rglob("*")) == before


def test_fine_tuning_starts_from_the_weights(tmp_path, capsys):
    options = pretrained_options("pix2pix_demo")
    paddle_gans.train("pix2pix", data="demo", steps=1, limit=2, out=tmp_path / "run",
                      init_from="pix2pix_demo", learning_rate=0.0, **options)  # fmt: skip
    assert "weights from pix2pix_demo\n" in capsys.readouterr().out
    image = example("pix2pix_demo")
    given, tuned = paddle_gans.load("pix2pix_demo"), paddle_gans.load(tmp_path / "run")
    assert np.array_equal(given(image), tuned(image))
    with pytest.raises(InputError, match="--base-dim"):
        paddle_gans.train("pix2pix", data="demo", steps=1, limit=2, out=tmp_path / "other",
                          init_from="pix2pix_demo", **{**options, "base_dim": 4})  # fmt: skip


def pretrained_options(name):
    (file,) = formats.network_files(pretrained.FOLDER / name)
    options = formats.read_network(file)[1]["options"]
    return {k: options[k] for k in ("generator", "base_dim", "residual_num", "upsample")}


def test_the_page_names_them(tmp_path):
    from paddle_gans.serving import app

    assert app.titles([paddle_gans.load(name) for name in NAMES]) == NAMES
