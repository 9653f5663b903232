"""CIE Lab: against the formula, against OpenCV, and the colours that RGB does not have."""

import math
import tracemalloc

import cv2
import numpy as np
import pytest

from data_reader import colour
from data_reader.colour import (
    chroma,
    ciede2000,
    decode,
    encode,
    lab_to_rgb,
    psnr,
    rgb_to_lab,
)


def cube(step):
    """An image of RGB colours that fill the cube."""
    levels = np.append(np.arange(0, 255, step), 255).astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    return grid.reshape(len(levels), -1, 3)


def formula(rgb):
    """Lab in double precision from the definitions of sRGB and CIE, D65."""
    light = rgb / 255
    light = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
    matrix = [
        [0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]  # fmt: skip
    xyz = light @ np.array(matrix).T / [0.950456, 1, 1.088754]
    x, y, z = np.moveaxis(
        np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * 841 / 108 + 4 / 29), -1, 0
    )
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def hue_between(first, second):
    """Degrees between the hues of two Lab images."""
    angles = [np.degrees(np.arctan2(lab[..., 2], lab[..., 1])) for lab in (first, second)]
    return np.abs((angles[1] - angles[0] + 180) % 360 - 180)


def everywhere(seed=0, count=40_000):
    """Lab colours in and far outside of RGB's gamut."""
    low, high = (0, -110, -110), (100, 110, 110)
    rng = np.random.default_rng(seed)
    return rng.uniform(low, high, (count, 3)).astype("f4").reshape(200, -1, 3)


# ------------------------------------------------------------------------- RGB to Lab


def test_lab_is_that_of_the_formula():
    off = np.abs(rgb_to_lab(cube(5)) - formula(cube(5))).reshape(-1, 3)
    assert (off.max(0) < (0.01, 0.04, 0.02)).all()
    red, grey = rgb_to_lab(np.array([[[255, 0, 0], [119, 119, 119]]], np.uint8))[0]
    np.testing.assert_allclose(red, (53.24, 80.09, 67.20), atol=0.02)  # as published
    np.testing.assert_allclose(grey, (50.03, 0, 0), atol=0.02)


def test_lab_is_that_of_opencv_as_far_as_its_table_is_exact():
    levels = cube(5)
    direct = cv2.cvtColor(np.float32(levels) / 255, cv2.COLOR_RGB2LAB)
    off = np.abs(rgb_to_lab(levels) - direct)
    assert off.max() < 0.5
    assert off.mean() < 0.1
    # It is the table that is off, by more than twelve times as much as ours.
    truth = formula(levels)
    assert np.abs(direct - truth).max() > 12 * np.abs(rgb_to_lab(levels) - truth).max()


def test_floats_and_bytes_give_the_same_lab():
    levels = cube(15)
    floats = np.float32(levels) / 255
    np.testing.assert_allclose(rgb_to_lab(floats), rgb_to_lab(levels), atol=1e-3)
    # OpenCV treats the last pixels of a row slightly otherwise.
    mirrored = rgb_to_lab(floats[:, ::-1])[:, ::-1]
    np.testing.assert_allclose(mirrored, rgb_to_lab(floats), atol=0.03)
    assert rgb_to_lab(floats.astype("f8")).dtype == np.float32
    beyond = rgb_to_lab(np.array([[[1.2, 1.2, 1.2], [-0.1, -0.1, -0.1]]]))
    np.testing.assert_allclose(beyond[0, :, 0], (100, 0), atol=1e-3)


def test_greys_have_no_colour_and_keep_their_order():
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    lab = rgb_to_lab(greys)
    assert np.abs(lab[..., 1:]).max() < 1e-3
    assert (np.diff(lab[0, :, 0]) > 0).all()
    np.testing.assert_allclose(lab[0, [0, 255], 0], (0, 100), atol=1e-4)


# ------------------------------------------------------------------------- Lab to RGB


def test_there_and_back_is_exact():
    levels = cube(5)
    np.testing.assert_array_equal(lab_to_rgb(rgb_to_lab(levels)), levels)
    np.testing.assert_array_equal(lab_to_rgb(rgb_to_lab(np.float32(levels) / 255)), levels)
    # So it is through what a network sees and gives.
    np.testing.assert_array_equal(lab_to_rgb(decode(*encode(rgb_to_lab(levels)))), levels)


def test_colours_that_rgb_does_not_have_keep_their_hue_and_lightness():
    asked = everywhere()
    given = rgb_to_lab(lab_to_rgb(asked))
    vivid = np.hypot(given[..., 1], given[..., 2]) > 20  # else eight bits are too coarse for a hue
    lost = np.hypot(asked[..., 1], asked[..., 2]) - np.hypot(given[..., 1], given[..., 2]) > 2
    assert lost.mean() > 0.5
    assert hue_between(asked, given)[vivid].max() < 2.5
    assert np.abs(given[..., 0] - asked[..., 0]).max() < 0.5
    clipped = rgb_to_lab(np.rint(255 * cv2.cvtColor(asked, cv2.COLOR_LAB2RGB)).astype(np.uint8))
    assert hue_between(asked, clipped)[vivid].max() > 45  # what clipping would do
    assert np.abs(clipped[..., 0] - asked[..., 0]).max() > 20


def test_no_more_chroma_is_lost_than_must_be():
    asked = everywhere(1)
    rgb = lab_to_rgb(asked)
    given = rgb_to_lab(rgb)
    lost = np.hypot(asked[..., 1], asked[..., 2]) - np.hypot(given[..., 1], given[..., 2]) > 2
    at_an_end = (rgb.min(-1) <= 1) | (rgb.max(-1) >= 254)
    assert at_an_end[lost].all()


def test_colours_that_rgb_has_are_left_alone(monkeypatch):
    levels = cube(17)  # with all faces of the cube, where every colour is suspect
    lab = rgb_to_lab(levels)
    monkeypatch.setattr(colour, "_largest_share", None)  # fails if it is called
    np.testing.assert_array_equal(lab_to_rgb(lab), levels)


def test_lightness_beyond_black_and_white_is_clipped():
    lab = np.array([[[120, 0, 0], [-5, 0, 0], [100, 80, 30], [0, 50, -90]]], np.float32)
    assert lab_to_rgb(lab)[0, :2].tolist() == [[255] * 3, [0] * 3]
    assert lab_to_rgb(lab)[0, 2].min() >= 254  # white and black have no room for colour
    assert lab_to_rgb(lab)[0, 3].max() <= 3
    assert lab[0, 0, 0] == 120  # the argument is untouched


def test_strips_do_not_show(monkeypatch):
    asked = everywhere(2, 6000)
    whole, back = lab_to_rgb(asked), rgb_to_lab(lab_to_rgb(asked))
    monkeypatch.setattr(colour, "STRIP", 70)
    np.testing.assert_array_equal(lab_to_rgb(asked), whole)
    np.testing.assert_array_equal(rgb_to_lab(whole), back)


def test_a_photograph_needs_little_memory_besides_the_result():
    asked = np.tile(everywhere(3), (10, 8, 1))  # 3 megapixels, most out of gamut
    tracemalloc.start()
    try:
        result = lab_to_rgb(asked)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most - result.nbytes < 60e6


@pytest.mark.parametrize("convert", [rgb_to_lab, lab_to_rgb])
@pytest.mark.parametrize("shape", [(3, 8, 8), (8, 8), (8, 8, 4)])
def test_other_shapes_are_refused(convert, shape):
    with pytest.raises(ValueError, match=r"\[H, W, 3\]"):
        convert(np.zeros(shape, np.float32))


# ------------------------------------------------------------------------- planes and figures


def test_planes_have_the_ranges_of_the_paper():
    lab = np.array([[[0, -110, 110], [50, 0, 0], [100, 55, -11]]], np.float32)
    l, ab = encode(lab)  # noqa: E741
    assert (l.shape, ab.shape, l.dtype, ab.dtype) == ((1, 1, 3), (2, 1, 3), np.float32, np.float32)
    np.testing.assert_allclose(l[0, 0], (-1, 0, 1))
    np.testing.assert_allclose(ab[:, 0].T, [(-1, 1), (0, 0), (0.5, -0.1)], rtol=1e-6)
    back = decode(l, ab)
    np.testing.assert_allclose(back, lab, atol=1e-5)
    assert back.flags.c_contiguous
    assert back.dtype == np.float32


def test_chroma_is_a_length():
    ab = np.array([3.0, 4.0]).reshape(2, 1, 1) * np.ones((2, 5, 6))
    np.testing.assert_allclose(chroma(ab), np.full((5, 6), 5.0))
    assert chroma(np.stack([ab, 2 * ab])).shape == (2, 5, 6)


def test_psnr_by_hand():
    assert psnr(np.full(10, 25.5), 255) == pytest.approx(20)
    assert psnr(np.array([0.0, 2.0]), 2) == pytest.approx(10 * math.log10(2))
    assert psnr(np.full(4, 255, np.uint8), 255) == pytest.approx(0)  # bytes do not overflow
    assert psnr(np.zeros(3), 1) == math.inf


# L a b of two colours and their difference: Sharma, Wu and Dalal 2005, table 1.
PAIRS = """
50 2.6772 -79.7751 50 0 -82.7485 2.0425; 50 3.1571 -77.2803 50 0 -82.7485 2.8615
50 2.8361 -74.02 50 0 -82.7485 3.4412; 50 -1.3802 -84.2814 50 0 -82.7485 1
50 -1.1848 -84.8006 50 0 -82.7485 1; 50 -0.9009 -85.5211 50 0 -82.7485 1
50 0 0 50 -1 2 2.3669; 50 -1 2 50 0 0 2.3669
50 2.49 -0.001 50 -2.49 0.0009 7.1792; 50 2.49 -0.001 50 -2.49 0.001 7.1792
50 2.49 -0.001 50 -2.49 0.0011 7.2195; 50 2.49 -0.001 50 -2.49 0.0012 7.2195
50 -0.001 2.49 50 0.0009 -2.49 4.8045; 50 -0.001 2.49 50 0.001 -2.49 4.8045
50 -0.001 2.49 50 0.0011 -2.49 4.7461; 50 2.5 0 50 0 -2.5 4.3065
50 2.5 0 73 25 -18 27.1492; 50 2.5 0 61 -5 29 22.8977
50 2.5 0 56 -27 -3 31.903; 50 2.5 0 58 24 15 19.4535
50 2.5 0 50 3.1736 0.5854 1; 50 2.5 0 50 3.2972 0 1
50 2.5 0 50 1.8634 0.5757 1; 50 2.5 0 50 3.2592 0.335 1
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.263
61.2901 3.7196 -5.3901 61.4292 2.248 -4.962 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.694 23.0331 14.973 -42.5619 2.0373
36.4612 47.858 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.441 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.135 0.9033 -0.0636 -0.5514 0.9082
"""


def test_ciede2000_gives_the_published_differences():
    rows = PAIRS.strip().replace(";", "\n").splitlines()
    table = np.array([row.split() for row in rows], float)
    assert table.shape == (34, 7)
    first, second, published = table[:, :3], table[:, 3:6], table[:, 6]
    np.testing.assert_allclose(ciede2000(first, second), published, atol=6e-5)
    np.testing.assert_allclose(ciede2000(second, first), published, atol=6e-5)


def test_ciede2000_of_images():
    lab = rgb_to_lab(cube(51))
    assert ciede2000(lab, lab).shape == lab.shape[:2]
    assert ciede2000(lab, lab).max() == 0
    brighter = lab + np.float32([1, 0, 0])
    assert 0.5 < ciede2000(lab, brighter).mean() < 1.1
