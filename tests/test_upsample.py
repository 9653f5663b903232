"""``--upsample``: transposed convolutions, nearest or bilinear, where there is the option."""

import numpy as np
import paddle
import pytest
from conftest import TINY
from paddle import nn

from data_reader.errors import InputError
from paddle_gans import models
from paddle_gans.conversion.networks import names_of
from paddle_gans.models._stargan_v2_networks import AdaINResidualBlock
from paddle_gans.networks.layers import resize_conv
from paddle_gans.training.options import options_of, resolve

GENERATORS = [
    ("pix2pix", {"generator": "resnet"}, [1, 3, 32, 48]),
    ("pix2pix", {"generator": "unet_128", "crop_size": 128}, [1, 3, 128, 128]),
    ("cyclegan", {"generator": "resnet_9blocks"}, [1, 3, 32, 48]),
    ("dcgan", {"crop_size": 32}, [2, 100]),
]


def generator(name, options):
    model = models.find(name)(**{**TINY[name], **options})
    return model.inference_network(next(iter(model.inference)))


@pytest.mark.parametrize("upsample", ["resize", "bilinear"])
@pytest.mark.parametrize(("name", "options", "shape"), GENERATORS)
def test_no_transposed_convolution_and_the_same_shapes(name, options, shape, upsample):
    x = paddle.randn(shape)
    deconv = generator(name, options)
    resize = generator(name, {**options, "upsample": upsample})
    transposed = [isinstance(layer, nn.Conv2DTranspose) for layer in deconv.sublayers()]
    assert any(transposed)
    assert not any(isinstance(layer, nn.Conv2DTranspose) for layer in resize.sublayers())
    assert resize(x).shape == deconv(x).shape


def test_the_choices_are_the_same_wherever_there_is_one():
    found = {name: options_of(models.find(name)).get("upsample") for name in models.names()}
    assert {name for name, option in found.items() if option} >= {"pix2pix", "cyclegan", "dcgan"}
    stargan = found.pop("stargan_v2")  # whose paper resizes
    assert (stargan.default, stargan.choices) == ("nearest", ("nearest", "bilinear"))
    for option in filter(None, found.values()):
        assert (option.default, option.choices) == ("deconv", ("deconv", "resize", "bilinear"))


def test_resize_conv_repeats_pixels_mirrors_the_border_and_convolves():
    up = resize_conv(1, 1, bias_attr=False)
    up[2].weight.set_value(paddle.to_tensor([[[[0.0, 0, 0], [1, 0, 0], [0, 0, 0]]]]))
    x = paddle.to_tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    # Each pixel takes its left neighbour; the first column mirrors the second.
    expected = [[1, 1, 1, 2], [1, 1, 1, 2], [3, 3, 3, 4], [3, 3, 3, 4]]
    np.testing.assert_array_equal(up(x)[0, 0].numpy(), np.float32(expected))


def test_bilinear_keeps_a_slope_straight_where_resize_makes_steps():
    slope = paddle.arange(8, dtype="float32").reshape([1, 1, 1, 8]).expand([1, 1, 8, 8])
    for upsample, step in (("resize", 1.0), ("bilinear", 0.5)):
        up = resize_conv(1, 1, upsample=upsample, bias_attr=False)
        up[2].weight.set_value(paddle.to_tensor([[[[0.0, 0, 0], [0, 1, 0], [0, 0, 0]]]]))
        steps = np.diff(up(slope)[0, 0, 0].numpy())[2:-2]
        assert (steps.min(), steps.max()) == (step if step < 1 else 0, step)


def test_a_block_of_stargan_v2_keeps_a_slope_straight_with_bilinear():
    slope = paddle.arange(8, dtype="float32").reshape([1, 1, 1, 8]).expand([1, 1, 8, 8])
    for upsample, step in (("nearest", 1.0), ("bilinear", 0.5)):
        block = AdaINResidualBlock(1, 1, 4, up=True, upsample=upsample)
        block.conv2.weight.set_value(paddle.zeros([1, 1, 3, 3]))  # the shortcut alone
        rows = block(slope, paddle.zeros([1, 4]))[0, 0].numpy() * 2**0.5
        np.testing.assert_allclose(np.diff(rows[0])[2:-2].max(), step, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "options"), [*(pair[:2] for pair in GENERATORS[:3]), ("stargan_v2", {})]
)
def test_no_other_code_has_such_a_generator(name, options):
    model_class = models.find(name)
    part = next(iter(model_class.inference))
    options = {**TINY[name], **options, "upsample": "bilinear"}
    with pytest.raises(InputError, match=r"only --upsample (deconv|nearest) converts"):
        names_of(name, part, resolve(model_class, options, name))
