"""The face-alignment network: its maps, masks and landmarks, its weights' files, aligned faces."""

from __future__ import annotations

import cv2
import numpy as np
import paddle
import pytest
from golden import FOLDER, OUTPUT, VARIABLE, Case

from data_reader.errors import InputError
from paddle_gans.fast_cpu import accelerate
from paddle_gans.inference import align
from paddle_gans.networks.fan import FAN, peaks, places
from paddle_gans.training.fan_weights import load_fan
from paddle_gans.weights import formats, name_maps, paddle_file
from paddle_gans.weights.arrays import layer_arrays, load_state_strict

CASES = sorted(FOLDER.glob("stargan_v2_fan*.json"))


@pytest.fixture(scope="module")
def fan():
    paddle.seed(0)
    network = FAN()
    accelerate(network)
    return network


def image(n=1, side=256):
    return np.random.default_rng(side).uniform(-1, 1, (n, 3, side, side)).astype("float32")


# What the reference computes.


@pytest.mark.skipif(not CASES, reason=f"no golden cases in {FOLDER}; {VARIABLE} names another")
@pytest.mark.parametrize("kernels", ["plain", "fast"])
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_equals_the_reference(path, kernels, monkeypatch):
    monkeypatch.setenv("PADDLE_GANS_FAST_CPU", "0" if kernels == "plain" else "1")
    case, network = Case(path), FAN()
    accelerate(network)
    with np.load(path.with_suffix(".npz")) as reference:
        if "mask_face" in reference:
            ours = network.to_masks(paddle.to_tensor(reference["heatmaps_64"]))
            theirs = reference["mask_face"], reference["mask_nose_eyes"]
        else:
            weights = case.weights(case["params"])
            load_state_strict(network, name_maps.to_ours(weights, network, name_maps.fan))
            ours = [network(*case.inputs().values())]
            theirs = [reference["heatmaps"]]
        for a, b in zip(ours, theirs):
            assert np.abs(a.numpy() - b).max() <= OUTPUT


# The network.


def test_images_of_other_sizes(fan):
    x = paddle.to_tensor(image(2, 96), stop_gradient=False)
    heat = fan.heat(x)
    assert heat.shape == [2, 98, 64, 64]
    face, detail = fan.masks(x[:1])
    assert face.shape == detail.shape == [1, 1, 256, 256]
    np.testing.assert_allclose(face, fan.to_masks(heat[:1])[0], atol=1e-4)
    landmarks = fan.landmarks(x[1:])
    assert landmarks.shape == [1, 98, 2]
    np.testing.assert_allclose(landmarks / 96, peaks(heat[1:])[0], atol=1e-6)
    assert all(result.stop_gradient for result in (heat, face, detail, landmarks))


def test_images_come_to_the_network_from_0_to_1(fan):
    x = paddle.to_tensor(image())
    np.testing.assert_array_equal(fan.heat(x), fan((x + 1) / 2)[:, :98])


def test_it_is_frozen_in_training_mode_too(fan):
    before = {name: x.numpy() for name, x in fan.state_dict().items()}
    x = paddle.to_tensor(image(), stop_gradient=False)
    fan.eval()
    still = fan(x)
    fan.train()
    moving = fan(x)
    np.testing.assert_array_equal(moving, still)
    moving.square().sum().backward()
    assert float(x.grad.abs().sum()) > 0
    for name, p in fan.named_parameters():
        assert p.stop_gradient, name
        assert p.grad is None, name
    for name, array in before.items():
        np.testing.assert_array_equal(fan.state_dict()[name], array, err_msg=name)


def test_places_are_rows_columns_and_distances():
    rows, columns, distances = places(3, 5).numpy()[0]
    np.testing.assert_allclose(rows, np.repeat([[-1.0], [0], [1]], 5, axis=1))
    np.testing.assert_allclose(columns, np.repeat([[-1, -0.5, 0, 0.5, 1]], 3, axis=0))
    np.testing.assert_allclose(distances[:, 2], [0.5**0.5, 0, 0.5**0.5], rtol=1e-6)
    np.testing.assert_allclose(distances[0, [0, 4]], 1)


# Landmarks.


def test_a_peak_leans_towards_its_higher_neighbour():
    heat = np.zeros((1, 4, 8, 8), "float32")
    heat[0, 0, 3, 5], heat[0, 0, 3, 6], heat[0, 0, 2, 5] = 0.9, 0.5, 0.1
    heat[0, 1, 3, 5] = 0.8  # its neighbours are equal
    heat[0, 2, 0, 5], heat[0, 2, 0, 6] = 0.7, 0.6  # at the border it stays where it is
    heat[0, 3] = -1
    heat[0, 3, 6, 7] = -0.5
    place, height = peaks(paddle.to_tensor(heat))
    np.testing.assert_allclose(
        place[0] * 8, [[5.75, 3.25], [5.5, 3.5], [5.5, 0.5], [7.5, 6.5]], rtol=1e-6
    )
    np.testing.assert_allclose(height[0], [0.9, 0.8, 0.7, -0.5], rtol=1e-6)


# Masks, by hand: a bright point of a map of 64 is a tent of +-4.05 pixels in the mask.

NEXT = 1 - 63 / 255  # how high the tent is a pixel beside its top


def masks_of(fan, points, heat=0.8, row=21):
    """The masks of maps that are dark but for landmarks at a column each; 21 of 64 is 85 of 256."""
    maps = np.zeros((1, 98, 64, 64), "float32")
    for landmark, column in points.items():
        maps[0, landmark, row, column] = heat
    return [mask.numpy()[0, 0] for mask in fan.to_masks(paddle.to_tensor(maps))]


@pytest.mark.parametrize(
    ("first", "last", "down", "power", "detail"),
    [
        (8, 24, 0, 3, False),  # chin
        (34, 45, 7, 2, False),  # brows
        (47, 50, 7, 2, False),
        (51, 51, 0, 1, True),  # nose
        (52, 54, -4, 1, True),
        (55, 59, -8, 4, True),  # nostrils
        (77, 81, 8, 4, False),  # upper lip
        (83, 87, -8, 4, False),  # lower lip
        (88, 95, 2, 3, False),  # between the lips
        (96, 97, 0, 1, True),  # pupils
    ],
)
def test_a_bright_point_is_moved_and_sharpened(fan, first, last, down, power, detail):
    face, nose_eyes = masks_of(fan, {first: 21, last: 42})
    tent = [NEXT**power, 1, NEXT**power]
    np.testing.assert_allclose(face[85 + down, 169:172], tent, atol=1e-4)
    np.testing.assert_allclose(face[84 + down : 87 + down, 170], tent, atol=1e-4)
    # It has ended five rows away; the first landmark's is the same, where there are two.
    assert face[: 85 + down - 4].max() == face[85 + down + 5 :].max() == 0
    np.testing.assert_array_equal(face[:, 80:91], face[:, 165:176] if first != last else 0)
    np.testing.assert_array_equal(nose_eyes, face if detail else 0)


def test_eyes_are_there_twice(fan):
    face, nose_eyes = masks_of(fan, {60: 21, 75: 42})
    for column in (85, 170):
        around = slice(column - 1, column + 2)
        np.testing.assert_allclose(face[85 + 8, around], [NEXT**3, 1, NEXT**3], atol=1e-4)
        np.testing.assert_allclose(face[85 + 24, around], [NEXT, 1, NEXT], atol=1e-4)
    np.testing.assert_array_equal(nose_eyes, face)


def test_some_landmarks_are_in_no_mask(fan):
    for mask in masks_of(fan, dict.fromkeys((*range(8), *range(25, 33), 33, 46, 76, 82), 21)):
        assert not mask.any()


def test_faint_heat_is_none_and_what_is_left_is_stretched_to_1(fan):
    assert not np.any(masks_of(fan, {51: 21}, heat=0.099))
    face, _ = masks_of(fan, {51: 21}, heat=0.2)  # the tent counts as far as it is above 0.1
    np.testing.assert_allclose(face[85, 85:89], [1, NEXT, 1 - 2 * 63 / 255, 0], atol=1e-4)


def test_a_part_that_leaves_below_comes_back_above(fan):
    face, _ = masks_of(fan, {60: 21}, row=63)  # row 255
    assert face[(255 + 8) % 256, 85] > 0.99
    assert face[(255 + 24) % 256, 85] > 0.99


def test_masks_stay_within_1_where_parts_meet(fan):
    maps = np.zeros((1, 98, 64, 64), "float32")
    maps[:, 51:60, 20:40, 20:40] = 0.7
    for mask in fan.to_masks(paddle.to_tensor(maps)):
        assert mask.numpy().max() == 1


# Weights from files.


def save(path, arrays):
    with path.open("wb") as file:
        paddle_file.dump(arrays, file)


def test_weights_open_under_either_name(fan, tmp_path):
    ours, theirs = layer_arrays(fan), name_maps.to_reference(fan, name_maps.fan)
    assert len(theirs) == len(ours)
    # The published file has what other networks of its family need too.
    theirs["m1.b1_4.conv1.weight"], theirs["bn1.num_batches_tracked"] = np.ones(3), np.array(5)
    save(tmp_path / "theirs.pdparams", theirs)
    save(tmp_path / "nested.pdparams", {"state_dict": theirs, "epoch": 3})
    formats.save_network(tmp_path / "ours.pdparams", fan, {"network": "fan"})
    for name in ("theirs", "nested", "ours"):
        loaded = layer_arrays(load_fan(tmp_path / f"{name}.pdparams"))
        assert set(loaded) == set(ours)
        for key, array in ours.items():
            np.testing.assert_array_equal(loaded[key], array, err_msg=f"{name}: {key}")


def test_layers_stand_where_the_reference_has_them():
    expected = {
        "stem.0.conv": "conv1.conv",
        "stem.1": "bn1",
        "stem.6.shortcut.2": "conv4.downsample.2",
        "stem.7.conv": "m0.coordconv.conv",
        "hourglass.beside.steps.0.0": "m0.b1_4.bn1",
        "hourglass.inner.after.steps.2.2": "m0.b3_3.conv3",
        "hourglass.inner.inner.inner.before.steps.1.0": "m0.b2_1.bn2",
        "hourglass.inner.inner.inner.inner.steps.1.2": "m0.b2_plus_1.conv2",
        "head.0.steps.0.2": "top_m_0.conv1",
        "head.4": "l0",
    }
    assert {layer: name_maps.fan(layer) for layer in expected} == expected


def test_weights_that_are_missing_or_wrong_say_what_is_needed(tmp_path):
    needed = "--w-hpf 1 needs the face-alignment network's weights: --fan-weights FILE.*wing.ckpt"
    with pytest.raises(InputError, match=needed):
        load_fan(None)
    with pytest.raises(InputError, match=f"absent.pdparams does not exist.*{needed}"):
        load_fan(tmp_path / "absent.pdparams")
    (tmp_path / "wing.ckpt").write_bytes(b"PK\x03\x04" + bytes(60))
    with pytest.raises(InputError, match=f"wing.ckpt is damaged.*{needed}"):
        load_fan(tmp_path / "wing.ckpt")
    save(tmp_path / "other.pdparams", {"conv1.conv.weight": np.zeros((64, 6, 7, 7), "float32")})
    with pytest.raises(InputError, match=f"other.pdparams.*missing: conv1.conv.bias.*{needed}"):
        load_fan(tmp_path / "other.pdparams")
    save(tmp_path / "ours.pdparams", {"stem.1.bias": np.zeros(64, "float32")})
    with pytest.raises(InputError, match=f"ours.pdparams.*missing: stem.0.conv.*{needed}"):
        load_fan(tmp_path / "ours.pdparams")


# Alignment.

COLOURS = {"left": (255, 0, 0), "right": (0, 255, 0), "mouth": (0, 0, 255)}


def drawn_face(turn=0.0, scale=1.0, at=(200.0, 180.0), shape=(400, 420)):
    """A dark photograph with discs for eyes and mouth, and its landmarks; pixels and degrees."""
    cos, sin = scale * np.cos(np.radians(turn)), scale * np.sin(np.radians(turn))
    matrix = np.array([[cos, -sin], [sin, cos]])

    def put(x, y):
        return matrix @ (x, y) + at

    rgb = np.full((*shape, 3), 20, np.uint8)
    landmarks = np.full((98, 2), at)
    places = {"left": put(-30, -20), "right": put(30, -20), "mouth": put(0, 40)}
    for part, place in places.items():
        # OpenCV draws around the middle of a pixel, our places are counted from its edge.
        centre = tuple(round(16 * (v - 0.5)) for v in place)
        cv2.circle(rgb, centre, round(16 * 6 * scale), COLOURS[part], -1, cv2.LINE_8, 4)
    ring = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    for first, x in ((60, -30), (68, 30)):
        for i, angle in enumerate(ring):
            landmarks[first + i] = put(x + 8 * np.cos(angle), -20 + 4 * np.sin(angle))
    landmarks[76], landmarks[82] = put(-20, 40), put(20, 40)
    return rgb, landmarks


def found(rgb):
    """The middle of each part's disc, (column, row) in pixels from the edge."""
    middles = {}
    for part, colour in COLOURS.items():
        weight = rgb[..., np.argmax(colour)].astype(float) - 20
        weight[rgb[..., np.argmax(colour)] < 60] = 0
        rows, columns = np.mgrid[: rgb.shape[0], : rgb.shape[1]] + 0.5
        middles[part] = [(v * weight).sum() / weight.sum() for v in (columns, rows)]
    return middles


@pytest.mark.parametrize(
    "pose",
    [
        {},
        {"turn": 25},
        {"turn": -70, "scale": 0.9},
        {"scale": 0.55, "at": (110.0, 150.0)},
        {"turn": 10, "scale": 3.5, "at": (700.5, 650.25), "shape": (1300, 1400)},
    ],
    ids=str,
)
def test_an_aligned_face_has_its_eyes_and_mouth_in_the_same_places(pose):
    # By the formula: 60 between the eyes, 60 from eyes to mouth, so the side is 4 x 60 and the
    # centre 0.1 x 60 under the eyes: 128 pixels are 240.
    expected = {"left": (48, 60.8), "right": (80, 60.8), "mouth": (64, 92.8)}
    rgb, landmarks = drawn_face(**pose)
    aligned = align.align(rgb, landmarks, 128)
    assert aligned.shape == (128, 128, 3)
    assert aligned.dtype == np.uint8
    for part, middle in found(aligned).items():
        np.testing.assert_allclose(middle, expected[part], atol=0.5, err_msg=part)


def test_a_long_face_is_measured_by_its_height():
    _, landmarks = drawn_face()
    landmarks[[76, 82]] += (0, 40)  # 100 from eyes to mouth
    centre, right = align.crop_square(landmarks)
    np.testing.assert_allclose(right, (3.6 * 100 / 2, 0), atol=1e-9)
    np.testing.assert_allclose(centre, (200, 180 - 20 + 10))


def test_fine_stripes_become_grey_when_they_shrink():
    rgb, landmarks = drawn_face(scale=6, at=(750, 700), shape=(1500, 1500))
    rgb[:] = 255 * (np.arange(1500) % 2)[:, None]
    aligned = align.align(rgb, landmarks, 96)
    assert np.abs(aligned.astype(int) - 127.5).max() < 12


def test_beyond_the_border_stands_the_mirror_image():
    rgb, landmarks = drawn_face(at=(60.0, 180.0))
    rgb[:, :30] = (90, 160, 30)
    aligned = align.align(rgb, landmarks, 240)  # at the photograph's scale, 120 left of 60
    assert (aligned[:, 32:58] == (90, 160, 30)).all()
    assert (aligned[:, 62:88] == (90, 160, 30)).all()


def test_a_face_without_size_is_refused():
    with pytest.raises(InputError, match="no size"):
        align.align(np.zeros((64, 64, 3), np.uint8), np.full((98, 2), 30.0), 64)


# Finding.


class Bright(FAN):
    """Puts every landmark at the brightest pixel, with its red value as the height."""

    def heat(self, x):
        small = paddle.nn.functional.avg_pool2d(x[:, :1], 4) * 0.5 + 0.5
        return small.expand([-1, 98, -1, -1])


@pytest.fixture(scope="module")
def bright():
    return Bright()


@pytest.mark.parametrize(
    ("shape", "at"),
    [
        ((300, 300), (100, 90)),
        ((300, 500), (260, 140)),
        ((500, 300), (150, 60)),
        ((90, 200), (180, 70)),
    ],
    ids=str,
)
def test_landmarks_are_in_pixels_of_the_photograph(bright, shape, at):
    rgb = np.zeros((*shape, 3), np.uint8)
    rgb[at[1] - 4 : at[1] + 4, at[0] - 4 : at[0] + 4] = 255
    landmarks = align.find_face(bright, rgb)
    assert landmarks.shape == (98, 2)
    np.testing.assert_allclose(landmarks, np.broadcast_to(at, (98, 2)), atol=5)


def test_a_clear_face_in_the_middle_is_looked_at_once(bright, monkeypatch):
    seen = []
    monkeypatch.setattr(bright, "heat", lambda x: seen.append(x.shape) or Bright.heat(bright, x))
    align.find_face(bright, np.full((80, 120, 3), 200, np.uint8))
    assert seen == [[1, 3, 256, 256]]


def test_every_part_of_a_photograph_is_looked_at():
    for height, width in ((100, 100), (100, 260), (333, 200)):
        covered = np.zeros((height, width), int)
        squares = align.squares(height, width)
        assert squares[0][2] == min(height, width)
        assert len(set(squares)) == len(squares)
        for left, top, side in squares:
            assert covered[top : top + side, left : left + side].shape == (side, side)
            covered[top : top + side, left : left + side] += 1
        assert covered.min() >= 1


def test_a_photograph_without_a_face_is_refused(bright):
    with pytest.raises(InputError, match="no face is found"):
        align.find_face(bright, np.full((70, 90, 3), 30, np.uint8))
