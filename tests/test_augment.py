"""Differentiable augmentation, on numbers worked by hand."""

import numpy as np
import paddle
import pytest
from conftest import TINY

from data_reader.errors import InputError
from paddle_gans import models
from paddle_gans.training.augment import DiffAugment, adjust_color, cut_out, shift
from paddle_gans.training.options import options_of

ALL = "color,translation,cutout"


def ramp(count=1, channels=3, height=4, width=4):
    """Return images whose pixels all differ."""
    size = count * channels * height * width
    return paddle.arange(size, dtype="float32").reshape([count, channels, height, width]) / size


def number(value, dtype="float32"):
    """Return one number per image."""
    return paddle.full([1, 1, 1, 1], value, dtype)


def test_color_changes_brightness_then_saturation_then_contrast():
    x = paddle.to_tensor([[[[0.9]], [[0.0]], [[0.0]]]])  # its grey value is 0.3
    y = adjust_color(x, number(0.0), number(0.5), number(1.0))
    np.testing.assert_allclose(y.flatten().numpy(), [0.6, 0.15, 0.15], rtol=1e-6)

    # Brightness makes it 0.25 and 1.25; contrast is around their mean, 0.75.
    y = adjust_color(paddle.to_tensor([[[[0.0, 1.0]]]]), number(0.25), number(1.0), number(1.5))
    np.testing.assert_allclose(y.flatten().numpy(), [0.0, 1.5], atol=1e-6)


@pytest.mark.parametrize(("down", "right"), [(1, 0), (0, 1), (-2, 1), (0, 0), (4, 0)])
def test_translation_moves_pixels_and_leaves_zeros(down, right):
    x = ramp() + 1
    y = shift(x, number(down, "int64"), number(right, "int64"))
    expected = np.zeros([3, 4, 4], "float32")
    for row in range(4):
        for column in range(4):
            if 0 <= row - down < 4 and 0 <= column - right < 4:
                expected[:, row, column] = x[0, :, row - down, column - right].numpy()
    np.testing.assert_array_equal(y[0].numpy(), expected)


def test_translation_reaches_an_eighth_of_each_side():
    paddle.seed(0)
    x = paddle.zeros([400, 1, 16, 32])
    x[:, :, 8, 16] = 1
    (y,) = DiffAugment("translation")(x)
    _, _, rows, columns = np.nonzero(y.numpy())
    assert set(rows - 8) == set(range(-2, 3))
    assert set(columns - 16) == set(range(-4, 5))


def test_cutout_clears_a_rectangle_as_far_as_it_lies_in_the_image():
    y = cut_out(paddle.ones([1, 2, 8, 8]), number(1, "int64"), number(-2, "int64"), 4, 4)
    expected = np.ones([8, 8], "float32")
    expected[1:5, 0:2] = 0
    np.testing.assert_array_equal(y[0, 0].numpy(), expected)
    np.testing.assert_array_equal(y[0, 1].numpy(), expected)


def test_cutout_is_half_as_wide_and_high_and_centred_anywhere():
    paddle.seed(0)
    (y,) = DiffAugment("cutout")(paddle.ones([500, 1, 8, 16]))
    cleared = 1 - y.numpy()[:, 0]
    sizes = {(int(c.any(1).sum()), int(c.any(0).sum())) for c in cleared}
    assert max(sizes) == (4, 8)
    assert min(height for height, _ in sizes) == 2  # half of it outside
    assert cleared.sum(0).min() > 0  # every pixel is cut at times


def test_all_images_of_a_call_get_the_same_transform_and_each_index_its_own():
    paddle.seed(3)
    x = ramp(1, 3, 32, 32).expand([8, 3, 32, 32])
    one, other = DiffAugment(ALL)(x, x)
    np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert len({image.tobytes() for image in one.numpy()}) == 8


def test_the_seed_decides():
    x = ramp(2, 3, 16, 16)
    results = []
    for seed in (5, 5, 6):
        paddle.seed(seed)
        results.append(DiffAugment(ALL)(x)[0].numpy())
    np.testing.assert_array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


@pytest.mark.parametrize("policy", ["color", "translation", "cutout", ALL])
def test_gradients_agree_with_finite_differences(policy):
    augmented = DiffAugment(policy)
    weights = paddle.to_tensor(np.random.default_rng(0).normal(size=[2, 3, 8, 8]).astype("float64"))

    def loss(x):
        paddle.seed(1)
        return (augmented(x.astype("float32"))[0].astype("float64") * weights).sum()

    x = ramp(2, 3, 8, 8).astype("float64")
    x.stop_gradient = False
    loss(x).backward()
    # Every transform is linear in the image up to a constant, so one large step is exact enough.
    direction = np.random.default_rng(1).normal(size=x.shape)
    moved = paddle.to_tensor(x.numpy() + direction)
    change = (loss(moved) - loss(x.detach())).item()
    assert change == pytest.approx(float((x.grad.numpy() * direction).sum()), rel=1e-4)


def test_without_a_policy_images_stay_and_nothing_is_drawn():
    x = ramp()
    paddle.seed(0)
    before = paddle.get_rng_state()[0].current_seed()
    assert DiffAugment(None)(x)[0] is x
    assert DiffAugment("")(x)[0] is x
    assert paddle.get_rng_state()[0].current_seed() == before


def test_an_unknown_transform_is_refused_by_name():
    with pytest.raises(InputError, match=r"'colour' is not one of color, translation, cutout"):
        DiffAugment("translation,colour")


@pytest.mark.parametrize("name", models.names())
def test_every_model_takes_a_policy_and_refuses_a_wrong_one(name):
    model_class = models.find(name)
    if "diff_augment" not in options_of(model_class):
        pytest.skip("this model has no such option")
    with pytest.raises(InputError, match="'blur' is not one of"):
        model_class(**{**TINY.get(name, {}), "diff_augment": "blur"})
