"""Drawn streets, landscapes and digits: the same everywhere, consistent, and all different."""

import hashlib
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_reader.embedded import STREET_LABELS
from data_reader.errors import InputError
from draw_demo import scenes as demo_scenes
from draw_demo import streets as demo

PALETTE = np.array(list(STREET_LABELS.values()))
NAMES = list(STREET_LABELS)


def digest(*images):
    return hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest()[:16]


def class_numbers(labels):
    """Numbers into NAMES [H, W]; a colour that no class has is an assertion error."""
    equal = (labels[..., None, :] == PALETTE).all(-1)
    assert equal.any(-1).all(), "a colour that is no label's"
    return equal.argmax(-1)


@pytest.fixture(scope="module")
def scenes():
    return [demo.street_scene(index, 64) for index in range(24)]


# ------------------------------------------------------------------------- street scenes


def test_another_process_draws_the_same():
    code = (
        "from test_draw_scenes import digest, demo, demo_scenes as s;"
        "print(digest(*demo.street_scene(5, 96, 'test'), s.landscape(3, 64, 'painting'),"
        " s.landscape(3), s.digit(17)[0]))"
    )
    root = Path(__file__).parents[1]
    paths = {"PYTHONPATH": f"{root}:{root / 'tools'}:{root / 'tests'}"}
    output = subprocess.run(
        [sys.executable, "-c", code], env=paths, capture_output=True, text=True, check=True
    ).stdout
    assert output.strip() == digest(
        *demo.street_scene(5, 96, "test"),
        demo_scenes.landscape(3, 64, "painting"),
        demo_scenes.landscape(3),
        demo_scenes.digit(17)[0],
    )


def test_every_supported_opencv_and_numpy_draws_the_same():
    # Recorded with OpenCV 4.8, 4.11 (NumPy 1.26) and 5.0 (NumPy 2.4).
    assert digest(*demo.street_scene(0)) == "e6686e03c4658b25"
    images = [demo_scenes.landscape(0, 64, style) for style in demo_scenes.STYLES]
    assert digest(*images) == "aa5d11470ca7c2bf"
    assert digest(*(demo_scenes.digit(index)[0] for index in range(50))) == "77844efcc655100b"


def test_no_two_scenes_are_alike_and_the_splits_share_none(scenes):
    test = [demo.street_scene(index, 64, "test") for index in range(12)]
    photos = {digest(photo) for photo, _ in scenes + test}
    layouts = {digest(labels) for _, labels in scenes + test}
    assert len(photos) == len(layouts) == 36


@pytest.mark.parametrize("size", [32, 64, 96, 101, 128, 256])
def test_a_scene_has_any_size_and_only_the_colours_of_labels(size):
    photo, labels = demo.street_scene(1, size)
    assert photo.shape == labels.shape == (size, size, 3)
    assert photo.dtype == labels.dtype == np.uint8
    class_numbers(labels)
    assert len(np.unique(photo.reshape(-1, 3), axis=0)) > size  # a photo is not flat


def test_a_scene_has_one_layout_at_all_sizes():
    for index in range(4):
        small = class_numbers(demo.street_scene(index, 64)[1])
        large = class_numbers(demo.street_scene(index, 128)[1])
        agree = np.mean([small == large[dy::2, dx::2] for dy in (0, 1) for dx in (0, 1)])
        assert agree > 0.93


def test_scenes_show_what_a_street_has(scenes):
    numbers = np.stack([class_numbers(labels) for _, labels in scenes])
    share = [[(scene == k).mean() for scene in numbers] for k in range(len(NAMES))]
    seen = {name: np.count_nonzero(values) for name, values in zip(NAMES, share)}
    assert min(seen[name] for name in ("sky", "road", "building")) == len(scenes)
    assert min(seen[name] for name in ("sidewalk", "vegetation", "car", "person", "pole")) > 20
    assert min(seen.values()) > 4
    assert 0.25 < np.mean(share[NAMES.index("road")]) < 0.5


def test_the_photo_has_the_colours_of_its_classes(scenes):
    numbers = np.stack([class_numbers(labels) for _, labels in scenes])
    photos = np.stack([photo for photo, _ in scenes]).astype(float)
    mean = {name: photos[numbers == k].mean(0) for k, name in enumerate(NAMES)}
    sky, road, tree = mean["sky"], mean["road"], mean["vegetation"]
    assert sky[2] - sky[0] > 40  # blue,
    assert abs(road[2] - road[0]) < 20  # grey,
    assert tree[1] > max(tree[0], tree[2]) + 10  # green
    assert sky.mean() > mean["building"].mean() > road.mean()
    assert mean["sidewalk"].mean() > road.mean() + 20
    # The sun comes from the left: it shines on the right row of houses only.
    right = np.arange(64) >= 40
    house = numbers == NAMES.index("building")
    assert photos[house & right].mean() > photos[house & (np.arange(64) < 24)].mean() + 5


def test_labels_explain_the_photo_and_only_where_they_are(scenes):
    def unexplained(shift_down, shift_right):
        """The photos' variance within the classes, of their whole variance."""
        within = whole = 0.0
        for photo, labels in scenes:
            numbers = np.roll(class_numbers(labels), (shift_down, shift_right), (0, 1))[4:-4, 4:-4]
            pixels = photo[4:-4, 4:-4].astype(float)
            whole += ((pixels - pixels.mean((0, 1))) ** 2).sum()
            for k in np.unique(numbers):
                members = pixels[numbers == k]
                within += ((members - members.mean(0)) ** 2).sum()
        return within / whole

    here = unexplained(0, 0)
    assert 0.15 < here < 0.5  # a mask tells much, and leaves something to learn
    for shift in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        assert unexplained(*shift) > here * 1.02


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: demo.street_scene(0, 128, "val"), "train or test"),
        (lambda: demo.street_scene(-1), "index from 0"),
        (lambda: demo.street_scene(0, 8), "size from 32"),
        (lambda: demo_scenes.landscape(0, 64, "monet"), "photo or painting"),
        (lambda: demo_scenes.landscape(0, 64, "photo", "val"), "train or test"),
        (lambda: demo_scenes.landscape(0, 16), "size from 32"),
        (lambda: demo_scenes.digit(0, "val"), "train or test"),
        (lambda: demo_scenes.digit(-3), "counts from 0"),
    ],
)
def test_what_cannot_be_drawn_is_said(call, says):
    with pytest.raises(InputError, match=says):
        call()


# ------------------------------------------------------------------------- landscapes


@pytest.fixture(scope="module")
def landscapes():
    return {
        style: np.stack([demo_scenes.landscape(index, 64, style) for index in range(20)])
        for style in demo_scenes.STYLES
    }


def test_a_threshold_on_roughness_tells_paintings_from_photos(landscapes):
    def roughness(image):
        # Neighbouring dabs differ in hue; the median leaves outlines out of account.
        hue = image[..., 0].astype(int) - image[..., 2]
        return np.median(np.abs(np.diff(hue, axis=1)))

    photos, paintings = ([roughness(p) for p in landscapes[style]] for style in demo_scenes.STYLES)
    assert max(photos) * 2 < min(paintings)


def test_paintings_are_more_vivid_and_warmer(landscapes):
    def vividness(images):
        return np.ptp(images.astype(int), axis=-1).mean()

    photos, paintings = (landscapes[style] for style in demo_scenes.STYLES)
    assert vividness(paintings) > vividness(photos) + 5
    assert paintings[..., 0].mean() > photos[..., 0].mean() + 5


def test_photos_and_paintings_show_different_places(landscapes):
    def sketch(images):
        grey = images.mean(-1).reshape(20, 8, 8, 8, 8).mean((2, 4)).reshape(20, -1)
        return (grey - grey.mean(0)) / grey.std(0)

    photos, paintings = (sketch(landscapes[style]) for style in demo_scenes.STYLES)
    likest = (paintings @ photos.T).argmax(1)
    assert (
        np.count_nonzero(likest == np.arange(20)) <= 5
    )  # by chance 1; the same places would be 20
    assert len({digest(p) for style in demo_scenes.STYLES for p in landscapes[style]}) == 40
    test = demo_scenes.landscape(0, 64, "photo", "test")
    assert np.abs(test.astype(int) - landscapes["photo"][0]).mean() > 10


def test_a_landscape_has_any_size():
    for size in (32, 96, 128):
        for style in demo_scenes.STYLES:
            image = demo_scenes.landscape(2, size, style)
            assert image.shape == (size, size, 3)
            assert image.dtype == np.uint8
    small = demo_scenes.landscape(2, 64).astype(int)
    large = cv2.resize(demo_scenes.landscape(2, 128), (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(small - large).mean() < 10


# ------------------------------------------------------------------------- digits


@pytest.fixture(scope="module")
def digits():
    return {
        split: (
            np.stack([demo_scenes.digit(index, split)[0] for index in range(count)]),
            np.array([demo_scenes.digit(index, split)[1] for index in range(count)]),
        )
        for split, count in (("train", 600), ("test", 200))
    }


def test_digits_are_balanced_and_all_different(digits):
    images, labels = digits["train"]
    assert np.bincount(labels).tolist() == [60] * 10
    assert len({digest(image) for split in digits for image in digits[split][0]}) == 800
    assert images.dtype == np.uint8
    assert images.shape == (600, 28, 28)


def test_digits_are_white_on_black_and_centred_by_mass(digits):
    images, _ = digits["train"]
    assert (images[:, [0, 0, -1, -1], [0, -1, 0, -1]] == 0).all()
    assert (images.max((1, 2)) > 200).all()
    grey = (images > 0) & (images < 255)
    assert 0.3 < grey.sum() / (images > 0).sum() < 0.9  # soft edges
    mass = images / images.sum((1, 2), keepdims=True)
    place = np.arange(28)
    for centre in ((mass.sum(1) * place).sum(1), (mass.sum(2) * place).sum(1)):
        assert np.abs(centre - 13.5).max() <= 0.25
    for axis in (1, 2):
        extent = (images.max(axis) > 0).sum(1)
        assert extent.max() <= 22
    assert np.maximum(*((images.max(axis) > 0).sum(1) for axis in (1, 2))).min() >= 19


def test_a_digit_is_the_one_that_its_label_says(digits):
    images, labels = digits["train"]
    means = np.stack([images[labels == k].mean(0).ravel() for k in range(10)])
    test, truth = digits["test"]
    distance = ((test.reshape(200, 1, -1) - means) ** 2).sum(-1)
    assert (distance.argmin(1) == truth).mean() > 0.8
