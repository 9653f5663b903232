"""The embedded data sets: ordinary files, in the layouts that the ordinary readers find."""

import ast
import itertools

import cv2
import numpy as np
import pytest
from conftest import ROOT, below

from data_reader import InputError, demo_path, layout
from data_reader.digits import read_digits
from data_reader.embedded import DEMO, STREET_LABELS
from data_reader.images import read_image
from data_reader.write_demo import FOLDERS
from data_reader.write_demo import main as write_demo
from draw_demo.write import WRITERS
from paddle_gans import models


def model_of(name):
    model_class = models.find(name)
    return model_class(**model_class.demo_options)


# Files.


def test_the_files_are_few_enough_for_a_package():
    assert sorted(path.name for path in DEMO.iterdir()) == sorted(WRITERS)
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file()) <= 12_000_000


def test_the_package_holds_every_file():
    calls = ast.walk(ast.parse((ROOT / "setup.py").read_text()))
    (data,) = (n.value for n in calls if isinstance(n, ast.keyword) and n.arg == "package_data")
    patterns = ast.literal_eval(data)["data_reader"]
    packed = {path for pattern in patterns for path in DEMO.parent.glob(pattern)}
    assert packed == {path for path in DEMO.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_the_drawing_programs_write_these_files(name, tmp_path):
    """To the byte with NumPy 2; with 1.26, one image of 2960 differs by a level."""
    WRITERS[name](tmp_path)
    kept, files = demo_path(name), below(tmp_path)
    assert files == below(kept)
    differ = [f for f in files if (tmp_path / f).read_bytes() != (kept / f).read_bytes()]
    assert len(differ) <= 2
    for file in differ:
        drawn = read_image(tmp_path / file).astype(int)
        assert np.abs(drawn - read_image(kept / file)).max() <= 2, file


# What the readers find.


@pytest.mark.parametrize(("train", "count"), [(True, 400), (False, 60)])
def test_streets_are_pairs_with_exact_colours(train, count):
    pairs, what = layout.paired(demo_path("streets"), train=train)
    assert len(pairs) == count
    assert "equal names" in what
    palette = np.array(list(STREET_LABELS.values()))
    for pair in pairs[:20]:
        photo, labels = read_image(pair.a), read_image(pair.b)
        assert photo.shape == labels.shape == (128, 128, 3)
        assert (labels[..., None, :] == palette).all(-1).any(-1).all()


def test_label_maps_are_resized_by_nearest_neighbour():
    options = {**models.find("pix2pix").demo_options, "load_size": 72, "crop_size": 64}
    item = models.find("pix2pix")(**options).dataset(None, train=False).item(0, None)
    labels = np.rint((item["b"].transpose(1, 2, 0) + 1) * 127.5).astype(int)
    palette = np.array(list(STREET_LABELS.values()))
    assert (labels[..., None, :] == palette).all(-1).any(-1).all()


@pytest.mark.parametrize("train", [True, False])
def test_the_other_sets_have_their_layouts_and_counts(train):
    a, b, _ = layout.unpaired([demo_path("landscapes")], train=train)
    assert len(a) == len(b) == (300 if train else 40)
    assert not {path.stem for path in a} & {path.stem for path in b}
    faces, _, _ = layout.domains(demo_path("faces"), train=train)
    assert list(faces) == ["cat", "dog", "rabbit"]
    assert {len(images) for images in faces.values()} == {300 if train else 12}
    colours, _ = layout.photos(demo_path("colours"), train=train)
    assert len(colours) == (400 if train else 24)
    for path in (a[0], b[-1], faces["dog"][0], colours[0]):
        assert read_image(path).shape == (128, 128, 3)
    digits = read_digits(demo_path("digits"), train=train, size=28, channels=1)
    count = 6000 if train else 1000
    assert digits.items.shape == (count, 28, 28)
    assert np.bincount(digits.labels).tolist() == [count // 10] * 10


@pytest.mark.parametrize("name", models.names())
def test_a_model_without_data_reads_them_as_it_reads_other_files(name):
    model = model_of(name)
    train, test = model.dataset(None, train=True), model.dataset(None, train=False)
    assert train.fingerprint() != test.fingerprint()
    folder = {path.relative_to(DEMO).parts[0] for _, path in train.paths()}
    assert len(folder) == 1
    same = model.dataset(str(demo_path(*folder)), train=True)
    assert same.fingerprint() == train.fingerprint()
    assert str(DEMO) in train.files(0, np.random.default_rng(0))[0]
    rngs = (np.random.default_rng(5) for _ in range(2))
    items = [dataset.item(3, rng) for dataset, rng in zip((train, same), rngs)]
    for key, value in items[0].items():
        np.testing.assert_array_equal(value, items[1][key])
    assert train.warnings() == []


# python -m data_reader.write_demo


@pytest.mark.parametrize("what", FOLDERS)
def test_images_are_copied(what, tmp_path, capsys):
    assert write_demo([str(tmp_path), "--what", what, "--count", "3"]) == 0
    copies = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(copies) == 3 * len(FOLDERS[what])
    originals = {path.read_bytes() for path in demo_path(what).rglob("*") if path.is_file()}
    assert {path.read_bytes() for path in copies} <= originals
    assert f"3 images in {copies[0].parent}" in capsys.readouterr().out


def test_copies_have_the_layouts_of_the_readers(tmp_path):
    for what, split in itertools.product(("streets", "faces", "colours"), ("train", "test")):
        words = ["--what", what, "--split", split, "--count", "2"]
        assert write_demo([str(tmp_path / what), *words]) == 0
    for train in (True, False):
        assert len(layout.paired(tmp_path / "streets", train=train)[0]) == 2
        sources, _, _ = layout.domains(tmp_path / "faces", train=train)
        assert {name: len(found) for name, found in sources.items()} == {
            "cat": 2,
            "dog": 2,
            "rabbit": 2,
        }
        assert len(layout.photos(tmp_path / "colours", train=train)[0]) == 2


def test_another_size_is_resized(tmp_path):
    assert write_demo([str(tmp_path), "--split", "train", "--count", "1", "--size", "64"]) == 0
    labels = read_image(tmp_path / "trainB" / "0000.png")
    assert labels.shape == (64, 64, 3)
    assert {tuple(colour) for colour in labels.reshape(-1, 3)} <= set(STREET_LABELS.values())
    photo = read_image(tmp_path / "trainA" / "0000.png")
    whole = read_image(demo_path("streets") / "trainA" / "0000.jpg")
    whole = cv2.resize(whole, (64, 64), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(photo, whole)


def test_no_images_and_tiny_ones_are_refused(tmp_path):
    for words in (["--count", "0"], ["--size", "8"]):
        with pytest.raises(InputError, match="at least"):
            write_demo([str(tmp_path / "out"), *words])
    assert not (tmp_path / "out").exists()
