"""Drawn faces: the same everywhere, of any size, and of kinds that differ in shape alone."""

import hashlib

import numpy as np
import pytest

from data_reader.errors import InputError
from draw_demo.faces import FACE_COUNTS, KINDS, animal_face


def digest(*images):
    return hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest()[:16]


@pytest.fixture(scope="module")
def faces():
    return {kind: np.stack([animal_face(i, 32, kind) for i in range(40)]) for kind in KINDS}


def test_every_supported_opencv_and_numpy_draws_the_same_faces():
    # Recorded with OpenCV 4.8, 4.11 (NumPy 1.26) and 5.0 (NumPy 2.4).
    for kind, size, expected in (
        ("cat", 64, "32fe63db49de075f"),
        ("dog", 64, "a27dd222bdcfe6ff"),
        ("rabbit", 101, "d2c6b82508f84cc5"),
    ):
        found = digest(*(animal_face(i, size, kind, s) for i in range(6) for s in FACE_COUNTS))
        assert found == expected


def test_a_face_has_any_size_and_no_two_are_alike(faces):
    small = animal_face(3, 64, "dog")
    assert small.shape == (64, 64, 3)
    assert small.dtype == np.uint8
    large = animal_face(3, 128, "dog").reshape(64, 2, 64, 2, 3).mean((1, 3))
    assert np.abs(large - small).mean() < 6
    tests = [animal_face(i, 32, kind, "test") for kind in KINDS for i in range(12)]
    assert len({digest(face) for face in (*tests, *np.concatenate(list(faces.values())))}) == 156


def test_kinds_differ_in_shape_and_share_their_colours(faces):
    """Outlines tell the kinds apart where colours do not."""

    def outlines(images):
        grey = images.astype(float).mean(-1)
        across = np.abs(grey[:, :, 2:] - grey[:, :, :-2])[:, 1:-1]
        edges = np.minimum(across + np.abs(grey[:, 2:] - grey[:, :-2])[:, :, 1:-1], 60)
        edges = edges.reshape(len(edges), 10, 3, 10, 3).mean((2, 4)).reshape(len(edges), -1)
        return edges / np.linalg.norm(edges, axis=1, keepdims=True)

    def colours(images):
        return images[:, 12:24, 8:24].astype(float).mean((1, 2))

    def recognised(describe):
        """The share of the second half whose nearest mean of the first half is their kind's."""
        values = [describe(faces[kind]) for kind in KINDS]
        means = np.stack([v[:20].mean(0) for v in values])
        near = [((v[20:, None] - means) ** 2).sum(-1).argmin(1) for v in values]
        return np.mean([n == k for k, n in enumerate(near)])

    assert recognised(outlines) > 0.9
    assert recognised(colours) < 0.7


def test_coats_vary_within_a_kind(faces):
    for images in faces.values():
        brow = images[:, 12:18, 12:20].mean((1, 2))
        assert brow.std(0).min() > 25
        border = images[:, :4, :4].mean((1, 2))
        assert border.std(0).min() > 20


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((0, 64, "horse"), "cat, dog, rabbit"),
        ((0, 64, "cat", "val"), "train or test"),
        ((-1,), "index from 0"),
        ((0, 16), "size from 32"),
    ],
)
def test_what_cannot_be_drawn_is_said(arguments, says):
    with pytest.raises(InputError, match=says):
        animal_face(*arguments)
