"""The evaluate command: on each model, from its files to the table and metrics.json."""

import json
import os

import numpy as np
import paddle
import pytest
from conftest import TINY, noise_image, save_lpips, save_program
from paddle import nn

import paddle_gans
from data_reader import InputError
from data_reader.images import read_image, write_image
from paddle_gans.evaluate import main
from paddle_gans.metrics.image_metrics import geometric_mean, lattice, psnr

DOMAINS = ("cat", "dog", "owl")


def save(folder, count, size=40, seed=0):
    for i in range(count):
        write_image(folder / f"{i}.png", noise_image(seed + i, size, size))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A small set of each layout."""
    root = tmp_path_factory.mktemp("data")
    for split, count in (("train", 4), ("test", 3)):
        for i in range(count):
            image = noise_image(10 * len(split) + i)
            write_image(root / "pairs" / f"{split}A" / f"{i}.png", image)
            write_image(root / "pairs" / f"{split}B" / f"{i}.png", 255 - image)
            write_image(root / "photos" / split / f"{i}.png", image)
        for y, name in enumerate(DOMAINS):
            save(root / "domains" / split / name, count - y % 2, 64, 100 * y + len(split))
        save(root / "large" / f"{split}A", count, 64, len(split))
        save(root / "large" / f"{split}B", count, 64, 50 + len(split))
    save(root / "singles" / "train", 6, 28)
    save(root / "large_singles" / "train", 4, 64)
    return root


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """A run of one step of each model."""
    folder = tmp_path_factory.mktemp("runs")
    for name, model, place, more in (
        ("to_b", "pix2pix", "pairs", {}),
        ("large", "pix2pix", "large", {"crop_size": 64}),
        ("cyclegan", "cyclegan", "pairs", {"load_size": 0}),
        ("large_cyclegan", "cyclegan", "large", {"load_size": 0, "crop_size": 64}),
        ("large_dcgan", "dcgan", "large_singles", {"crop_size": 64, "channels": 3}),
        ("dcgan", "dcgan", "singles", {}),
        ("colorization", "colorization", "photos", {}),
        ("stargan_v2", "stargan_v2", "domains", {}),
    ):
        settings = {**TINY[model], **more, "workers": 0, "steps": 1, "batch_size": 2}
        paddle_gans.train(model, data=str(data / place), out=str(folder / name), **settings)
    return folder


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Flags of a feature network, and of LPIPS with random weights."""
    folder = tmp_path_factory.mktemp("networks")
    paddle.seed(0)
    layers = nn.Sequential(nn.Conv2D(3, 6, 5, stride=4), nn.AdaptiveAvgPool2D(1), nn.Flatten())
    save_program(folder / "own", layers, [None, 3, -1, -1])
    return {
        "features": ["--features", folder / "own"],
        "lpips": ["--lpips", *save_lpips(folder)],
    }


@pytest.fixture
def evaluate(runs, data, tmp_path):
    """Run the command; return what it wrote."""

    def run(name, place, *flags):
        output = tmp_path / "metrics.json"
        words = ["--weights", runs / name, "--data", place if place == "demo" else data / place]
        assert main([str(w) for w in (*words, "--output", output, *flags)]) == 0
        return json.loads(output.read_text())

    return run


def refused(*words):
    with pytest.raises(InputError) as caught:
        main([str(word) for word in words])
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Metrics by model.


def test_pairs_are_measured_against_their_truth(evaluate, runs, data, capsys):
    found = evaluate("to_b", "pairs")
    assert found["metrics"] == ["psnr", "ssim", "ciede2000", "chroma"]
    translate = paddle_gans.load(runs / "to_b")
    middle = slice(4, 36)  # the test set's views are the middle 32 of 40 pixels
    values = []
    for i in range(3):
        a, b = (read_image(data / "pairs" / f"test{s}" / f"{i}.png")[middle, middle] for s in "AB")
        values.append(psnr(translate(a), b))
    figures = found["figures"]["a to b"]
    assert figures["psnr"] == pytest.approx(np.mean(values), abs=0.01)
    assert found["counts"] == {"a to b": {"made": 3, "real": 3}}
    said = capsys.readouterr().out
    assert f"{figures['ssim']:.4f}" in said
    assert "tag fid_weights" in said  # why there is no FID
    assert "note: lattice needs 64 pixels a side, the images have 32" in said
    assert "higher" in said


def test_a_batch_is_no_part_of_the_figures(evaluate, networks):
    flags = [*networks["features"], *networks["lpips"], "--kid-subset", 3]
    one = evaluate("to_b", "pairs", *flags, "--batch-size", 1)["figures"]["a to b"]
    all_at_once = evaluate("to_b", "pairs", *flags)["figures"]["a to b"]
    assert one == pytest.approx(all_at_once, rel=1e-3, abs=1e-5)
    assert {"fid", "kid", "lpips"} <= set(one)


def test_grids_of_results_beside_those_of_their_truths(evaluate, runs, data):
    figures = evaluate("large", "large")["figures"]["a to b"]
    assert list(figures)[-3:] == ["lattice", "lattice_truth", "lattice_ratio"]
    assert figures["lattice_ratio"] == figures["lattice"] / figures["lattice_truth"]
    translate = paddle_gans.load(runs / "large")
    pairs = [[read_image(data / "large" / f"test{s}" / f"{i}.png") for s in "AB"] for i in range(3)]
    truth = geometric_mean(lattice(b) for _, b in pairs)
    assert figures["lattice_truth"] == pytest.approx(truth, rel=1e-6)
    results = geometric_mean(lattice(translate(a)) for a, _ in pairs)
    assert figures["lattice"] == pytest.approx(results, rel=0.01)


def test_grids_without_a_truth_are_beside_as_many_real_images(evaluate, data):
    found = evaluate("large_cyclegan", "large")
    assert found["metrics"] == ["lattice"]
    place = data / "large" / "testA"
    real = geometric_mean(lattice(read_image(p)) for p in place.iterdir())
    figures = found["figures"]["b to a"]
    assert figures["lattice_truth"] == pytest.approx(real, rel=1e-6)
    assert figures["lattice_ratio"] == figures["lattice"] / figures["lattice_truth"]

    drawn = evaluate("large_dcgan", "large_singles", "--outputs", 2)["figures"]["drawn"]
    place = data / "large_singles" / "train"
    real = geometric_mean(lattice(read_image(place / f"{i}.png")) for i in (0, 1))
    assert drawn["lattice_truth"] == pytest.approx(real, rel=1e-6)
    assert drawn["lattice_ratio"] == drawn["lattice"] / drawn["lattice_truth"]


def test_both_directions_of_a_cyclegan(evaluate, networks):
    found = evaluate("cyclegan", "pairs", *networks["features"], "--metrics", "fid", "kid",
                     "--kid-subset", "2")  # fmt: skip
    assert set(found["figures"]) == {"a to b", "b to a"}
    assert set(found["figures"]["b to a"]) == {"fid", "kid", "kid_std"}
    paired = evaluate("cyclegan", "pairs", "--paired")["figures"]
    assert set(paired["a to b"]) == {"psnr", "ssim", "ciede2000", "chroma", "chroma_truth"}


def test_colours_are_measured_against_the_photograph(evaluate, networks):
    found = evaluate("colorization", "photos", *networks["features"])
    figures = found["figures"]["grey to colour"]
    assert figures["chroma_truth"] > figures["chroma"]  # one step gives next to none
    assert "fid" in figures


def test_drawn_images_are_as_many_as_real_ones(evaluate, networks, capsys):
    found = evaluate("dcgan", "singles", *networks["features"], "--kid-subset", 4)
    assert found["counts"] == {"drawn": {"made": 6, "real": 6}}
    same = evaluate("dcgan", "singles", *networks["features"], "--kid-subset", 4, "--no-cache",
                    "--batch-size", 4)  # fmt: skip
    assert same["figures"]["drawn"] == pytest.approx(found["figures"]["drawn"], rel=1e-3)
    other = evaluate("dcgan", "singles", *networks["features"], "--seed", 1, "--outputs", 9)
    assert other["counts"]["drawn"]["made"] == 9
    assert other["figures"]["drawn"]["fid"] != found["figures"]["drawn"]["fid"]
    assert "no test set" in capsys.readouterr().out


def test_every_ordered_pair_of_domains_in_both_ways(evaluate, networks):
    flags = [*networks["features"], *networks["lpips"], "--kid-subset", 3]
    found = evaluate("stargan_v2", "domains", *flags, "--outputs", 3)
    names = [f"{a} to {b}, {g}" for g in ("latent", "reference") for a in DOMAINS for b in DOMAINS
             if a != b]  # fmt: skip
    assert list(found["figures"]) == names
    # 3, 2, 3 test images of each domain in 3 styles; 4, 3, 4 real ones, of the training set.
    assert found["counts"]["dog to owl, latent"] == {"made": 6, "real": 4}
    assert found["counts"]["owl to dog, reference"] == {"made": 9, "real": 3}
    values = [found["figures"][name]["lpips_diversity"] for name in names[:6]]
    assert min(values) > 0
    assert found["means"]["latent"]["lpips_diversity"] == pytest.approx(np.mean(values))
    rows = [found["figures"][name] for name in names[:6]]
    mean, keys = found["means"]["latent"], ("lattice", "lattice_truth", "lattice_ratio")
    for key in keys:
        assert mean[key] == pytest.approx(geometric_mean(row[key] for row in rows))
    assert mean["lattice_ratio"] == pytest.approx(mean["lattice"] / mean["lattice_truth"])


def test_label_maps_are_measured_by_their_classes(evaluate, data, runs, tmp_path):
    place, colours = data / "labels", np.array([[255, 0, 0], [0, 0, 255]], "uint8")
    for split in ("train", "test"):
        for i in range(2):
            image = np.repeat(colours[None], 40, axis=0).repeat(20, axis=1)
            write_image(place / f"{split}A" / f"{i}.png", noise_image(i))
            write_image(place / f"{split}B" / f"{i}.png", image)
    found = evaluate("to_b", "labels")
    assert found["metrics"] == ["labels"]
    figures = found["figures"]["a to b"]
    assert set(figures) == {"pixel_accuracy", "class_accuracy", "class_iou"}
    assert figures["pixel_accuracy"] == pytest.approx(figures["class_accuracy"])  # equal halves
    assert set(evaluate("to_b", "labels", "--metrics", "psnr")["figures"]["a to b"]) == {"psnr"}
    for split in ("train", "test"):  # large enough for a lattice, of label maps on demand alone
        write_image(data / "large_labels" / f"{split}A" / "0.png", noise_image(0, 64, 64))
        image = np.repeat(colours[None], 64, axis=0).repeat(32, axis=1)
        write_image(data / "large_labels" / f"{split}B" / "0.png", image)
    assert evaluate("large", "large_labels")["metrics"] == ["labels"]
    assert evaluate("large", "large_labels", "--metrics", "lattice")["metrics"] == ["lattice"]
    palette = tmp_path / "palette.txt"
    palette.write_text("255 0 0 wall\n0 0 255 sky\n0 0 0 else\n")
    evaluate("to_b", "labels", "--palette", palette)
    # Where JPEG has blurred the colours, the palette alone says that these are classes.
    assert evaluate("to_b", "pairs", "--palette", palette)["metrics"] == ["labels"]


def test_the_embedded_data(evaluate, networks):
    found = evaluate("to_b", "demo", "--limit", 4, "--real", "train", *networks["features"])
    assert found["counts"] == {"a to b": {"made": 4, "real": 4}}


# Files.


def test_figures_stand_beside_the_weights_and_real_features_are_kept(runs, data, networks):
    run = runs / "cyclegan"
    words = ["--weights", run / "generator_ab.pdparams", "--data", data / "pairs",
             *networks["features"]]  # fmt: skip
    assert main([str(word) for word in words]) == 0
    assert set(json.loads((run / "metrics.json").read_text())["figures"]) == {"a to b"}
    (kept,) = (run / "metrics_cache").iterdir()
    before = kept.stat().st_mtime_ns
    assert main([str(word) for word in words]) == 0  # replaces its own figures
    assert kept.stat().st_mtime_ns == before
    assert len(list((run / "metrics_cache").iterdir())) == 1


def test_nothing_else_is_replaced(runs, data, tmp_path):
    start = ("--weights", runs / "to_b", "--data", data / "pairs", "--output")
    assert "something other" in refused(*start, runs / "to_b" / "config.json")
    assert "must end in .json" in refused(*start, tmp_path / "figures.txt")
    (tmp_path / "folder.json").mkdir()
    assert "cannot be a file there" in refused(*start, tmp_path / "folder.json")
    assert sorted(os.listdir(tmp_path)) == ["folder.json"]


# Errors.


def test_what_is_missing_is_named(runs, data, networks):
    weights, place = ("--weights", runs / "to_b"), ("--data", data / "pairs")
    assert "--weights is missing" in refused(*place)
    assert "--data is missing" in refused(*weights)
    assert "tag fid_weights" in refused(*weights, *place, "--metrics", "fid")
    assert "--lpips BACKBONE: alexnet" in refused(*weights, *place, "--metrics", "lpips")
    three = ("--lpips", "one.pth", "two.pth", "three.pth")
    assert "takes one or two files, not 3" in refused(*weights, *place, *three)
    said = refused("--weights", runs / "dcgan", "--data", data / "singles")
    assert said.startswith("no metric is possible. FID and KID need")
    flags = ("--metrics", "psnr")
    said = refused("--weights", runs / "cyclegan", *place, *flags)
    assert "no truth" in said
    assert "--paired" in said
    said = refused("--weights", runs / "stargan_v2", "--data", data / "domains", *flags)
    assert "no truth" in said
    assert "--paired" not in said
    assert "not a label map" in refused(*weights, *place, "--metrics", "labels")
    assert "does not exist" in refused(*weights, "--data", data / "nowhere")
    said = refused(*weights, *place, "--metrics", "lattice")
    assert said == "--metrics lattice: lattice needs 64 pixels a side, the images have 32"


def test_too_few_and_uneven_images_are_named(runs, data, networks, tmp_path):
    weights, place = ("--weights", runs / "to_b"), ("--data", data / "pairs")
    said = refused(*weights, *place, *networks["features"], "--metrics", "kid")
    assert "3 generated images, fewer than a subset of KID has, 1000" in said
    said = refused(*weights, *place, *networks["features"], "--metrics", "fid", "--limit", 1)
    assert "1 generated image; FID needs at least 2" in said
    for name in ("trainA", "trainB", "testA"):
        save(tmp_path / name, 3)
    save(tmp_path / "testB", 2)
    uneven = ("--weights", runs / "cyclegan", "--data", tmp_path, "--paired")
    assert "3 A and 2 B" in refused(*uneven)
    write_image(tmp_path / "testB" / "other.png", noise_image(0))
    assert "partners need equal names" in refused(*uneven)
    small = ("--weights", runs / "dcgan", "--data", data / "singles", *networks["lpips"])
    assert "no truth" in refused(*small, "--metrics", "lpips")


def test_wrong_values_are_named(runs, data, tmp_path):
    start = ("--weights", runs / "to_b", "--data", data / "pairs")
    assert "--limit must be at least 1" in refused(*start, "--limit", 0)
    assert "--kid-subset must be at least 2" in refused(*start, "--kid-subset", 1)
    assert "give one of them" in refused(*start, "--cache", tmp_path, "--no-cache")
    assert "invalid choice" in refused(*start, "--metrics", "isc")
    assert "does not exist" in refused(*start, "--features", tmp_path / "none")
    star = ("--weights", runs / "stargan_v2", "--data", data / "domains")
    assert "2 outputs or more" in refused(*star, "--outputs", 1)
