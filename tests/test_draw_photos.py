"""Drawn scenes in colour: the same everywhere, of any size, and of colours that shapes explain."""

import hashlib
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_reader.colour import rgb_to_lab
from data_reader.errors import InputError
from draw_demo import photos as drawings
from draw_demo.photos import PHOTO_COUNTS, colour_scene

SURFACES = [*drawings.WALLS, *drawings.TABLES, *drawings.FIELDS]
THINGS = [*drawings.FRUIT, *drawings.FLOWERS]


def digest(*images):
    return hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest()[:16]


@pytest.fixture(scope="module")
def scenes():
    return np.stack([colour_scene(index, 64) for index in range(45)])


def test_every_supported_opencv_and_numpy_draws_the_same(scenes):
    # Recorded with OpenCV 4.11 (NumPy 1.26) and 5.0 (NumPy 2.4).
    assert digest(*scenes[:15]) == "745ca6d3627cdde9"
    assert digest(*(colour_scene(index, 128, "test") for index in range(3))) == "086620d254809f43"


def test_another_process_draws_the_same(scenes):
    code = (
        "from test_draw_photos import digest, colour_scene as s;"
        "print(digest(*(s(index, 64) for index in range(3))))"
    )
    root = Path(__file__).parents[1]
    environment = {"PYTHONPATH": f"{root}:{root / 'tools'}:{root / 'tests'}"}
    output = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True
    )
    assert output.stdout.strip() == digest(*scenes[:3]), output.stderr


def test_no_two_scenes_are_alike_and_the_splits_share_none(scenes):
    test = [colour_scene(index, 64, "test") for index in range(PHOTO_COUNTS["test"])]
    assert len({digest(scene) for scene in [*scenes, *test]}) == len(scenes) + len(test)


@pytest.mark.parametrize("size", [32, 64, 72, 101, 128, 256])
def test_a_scene_has_any_size_and_one_layout_at_all(size):
    for index in range(3):
        scene = colour_scene(index, size)
        assert scene.shape == (size, size, 3)
        assert scene.dtype == np.uint8
        small = cv2.resize(scene, (16, 16), interpolation=cv2.INTER_AREA)
        usual = cv2.resize(colour_scene(index, 64), (16, 16), interpolation=cv2.INTER_AREA)
        assert np.abs(small.astype(int) - usual).mean() < 12


def test_scenes_are_colourful_and_lightness_alone_does_not_say_how(scenes):
    lab = np.stack([rgb_to_lab(scene) for scene in scenes]).reshape(-1, 3)
    assert np.hypot(lab[:, 1], lab[:, 2]).mean() > 20
    assert np.percentile(lab[:, 0], 5) < 35
    assert np.percentile(lab[:, 0], 95) > 75
    level, ab = (lab[:, 0] / 4).astype(int), lab[:, 1:]
    mean = np.stack([ab[level == k].mean(0) if (level == k).any() else [0, 0] for k in range(26)])
    explained = 1 - ((ab - mean[level]) ** 2).sum() / ((ab - ab.mean(0)) ** 2).sum()
    assert explained < 0.1
    hues = np.histogram(np.degrees(np.arctan2(lab[:, 2], lab[:, 1])), 8, (-180, 180))[0]
    assert (hues > 0.02 * len(lab)).sum() >= 7  # of eight octants


def looks(draw, seeds=range(6)):
    """Mean L and the hue in degrees of what `draw(stage, rng)` colours, for several draws."""
    found = []
    for seed in seeds:
        generator = np.random.default_rng(seed)
        stage = drawings.Stage(96, generator)
        stage.light[:] = 0.2
        draw(stage, generator)
        lab = rgb_to_lab(drawings.develop(stage.light, 48, generator, 0)).reshape(-1, 3)
        coloured = lab[np.hypot(lab[:, 1], lab[:, 2]) > 12]
        a, b = coloured[:, 1:].mean(0)
        found.append((coloured[:, 0].mean(), np.degrees(np.arctan2(b, a))))
    return np.array(found).T


def spread(degrees):
    """The largest angle between two of these."""
    apart = np.abs((degrees[:, None] - degrees + 180) % 360 - 180)
    return apart.max()


@pytest.mark.parametrize("surface", SURFACES, ids=lambda f: f.__name__)
def test_a_pattern_has_a_hue_and_many_lightnesses(surface):
    def draw(stage, generator):
        if surface in drawings.WALLS:
            places = stage.place[None], stage.place[:, None]
            stage.light[:] = surface(stage, *places, generator)
        else:
            stage.light[:] = drawings.ground(stage, -0.3, 0, surface, generator)

    lightness, hue = looks(draw)
    assert spread(hue) < 30
    assert np.ptp(lightness) > 6


@pytest.mark.parametrize("thing", THINGS, ids=lambda f: f.__name__)
def test_an_outline_has_a_hue_and_many_lightnesses(thing):
    lightness, hue = looks(lambda stage, generator: thing(stage, 0.5, 0.5, 0.3, generator))
    assert spread(hue) < 25
    assert np.ptp(lightness) > 8


def test_things_and_patterns_have_different_hues():
    def hues(things):
        draws = {f.__name__: looks(lambda s, g, f=f: f(s, 0.5, 0.5, 0.3, g))[1] for f in things}
        turns = {name: np.exp(1j * np.radians(found)).mean() for name, found in draws.items()}
        return {name: np.degrees(np.angle(turn)) for name, turn in turns.items()}

    fruit, flowers = hues(drawings.FRUIT), hues(drawings.FLOWERS)
    for found in (fruit, flowers):
        angles = np.array(sorted(found.values()))
        gaps = np.diff([*angles, angles[0] + 360])
        assert gaps.min() > 8, found
    assert 75 < fruit["lemon"] < 105
    assert 15 < fruit["apple"] < 50
    assert -70 < fruit["aubergine"] < -20
    assert -80 < flowers["cornflower"] < -45


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: colour_scene(0, 64, "val"), "train or test"),
        (lambda: colour_scene(-1), "index from 0"),
        (lambda: colour_scene(0, 16), "size from 32"),
    ],
)
def test_what_cannot_be_drawn_is_said(call, says):
    with pytest.raises(InputError, match=says):
        call()
