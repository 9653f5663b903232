"""Weights travel between the reference implementations' names and layouts and ours."""

from __future__ import annotations

from functools import partial

import numpy as np
import paddle
import pytest
from paddle import nn

from data_reader.errors import InputError
from paddle_gans.models import pix2pix
from paddle_gans.networks.layers import instance_norm
from paddle_gans.networks.patch_gan import PatchGAN
from paddle_gans.networks.resnet import ResNetGenerator
from paddle_gans.networks.unet import UNet
from paddle_gans.weights import name_maps
from paddle_gans.weights.arrays import load_state_strict


def same(layer: str) -> str:
    return layer


def discriminator():
    return pix2pix.Discriminator(2)


def discriminator_weights() -> dict[str, np.ndarray]:
    return name_maps.to_reference(discriminator(), name_maps.pix2pix_discriminator)


@pytest.mark.parametrize(
    ("build", "rename"),
    [
        (lambda: pix2pix.Generator(2, 2), name_maps.pix2pix_generator),
        (discriminator, name_maps.pix2pix_discriminator),
        (lambda: UNet(depth=6, base_dim=2), partial(name_maps.junyanz_unet, depth=6)),
        (lambda: PatchGAN(base_dim=2), name_maps.patch_gan),
        (
            lambda: ResNetGenerator(
                base_dim=2, num_blocks=2, norm=nn.BatchNorm2D, norm_shifts=True
            ),
            partial(name_maps.junyanz_resnet, num_blocks=2),
        ),
    ],
    ids=["article generator", "article discriminator", "unet", "patch_gan", "resnet"],
)
def test_there_and_back_is_the_same_network(build, rename):
    one, other = build(), build()
    reference = name_maps.to_reference(one, rename)
    assert len(reference) == len(one.state_dict())
    load_state_strict(other, name_maps.to_ours(reference, other, rename))
    for name, x in one.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name].numpy(), x.numpy(), err_msg=name)


def test_linear_weights_are_transposed_even_square_ones():
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 3))
    reference = {
        "0.weight": np.array([[1, 2], [3, 4]], "float32"),  # y = (x0 + 2 x1, 3 x0 + 4 x1)
        "0.bias": np.zeros(2, "float32"),
        "1.weight": np.array([[1, 0], [0, 1], [1, 1]], "float32"),
        "1.bias": np.array([0, 0, 100], "float32"),
    }
    load_state_strict(network, name_maps.to_ours(reference, network, same))
    assert network(paddle.to_tensor([[1.0, 10.0]])).tolist() == [[21.0, 43.0, 164.0]]
    back = name_maps.to_reference(network, same)
    np.testing.assert_array_equal(back["0.weight"], reference["0.weight"])


def test_norms_have_the_reference_names():
    batch = name_maps.reference_names(nn.Sequential(nn.BatchNorm2D(2)), same)
    assert set(batch.values()) == {"0.weight", "0.bias", "0.running_mean", "0.running_var"}
    instance = name_maps.reference_names(nn.Sequential(nn.InstanceNorm2D(2)), same)
    assert instance == {"0.scale": "0.weight", "0.bias": "0.bias"}


def test_unet_levels_are_nested():
    # Depth 5, the levels from outside in: 0 holds its inner level at 1, 1 to 3 hold theirs at 3.
    inner = "model.model.1.model.3.model.3.model.3.model"
    expected = {
        "encoder.0.0": "model.model.0",
        "encoder.1.1": "model.model.1.model.1",
        "encoder.1.2": "model.model.1.model.2",
        "encoder.4.1": f"{inner}.1",
        "decoder.0.1": f"{inner}.3",
        "decoder.0.2": f"{inner}.4",
        "decoder.3.1": "model.model.1.model.5",
        "decoder.3.2": "model.model.1.model.6",
        "decoder.4.1": "model.model.3",
    }
    assert {layer: name_maps.junyanz_unet(layer, depth=5) for layer in expected} == expected


def test_resnet_blocks_stand_between_two_halves_of_one_list():
    dropped = ResNetGenerator(base_dim=2, num_blocks=2, dropout=0.5, norm=instance_norm)
    layers = {name.rpartition(".")[0] for name in dropped.state_dict()}
    assert {name_maps.junyanz_resnet(layer, num_blocks=2) for layer in layers} == {
        *("model.1", "model.4", "model.7"),
        # Dropout is the fifth entry of a block, so that its second convolution is the seventh.
        *("model.10.conv_block.1", "model.10.conv_block.6"),
        *("model.11.conv_block.1", "model.11.conv_block.6"),
        *("model.12", "model.15", "model.19"),
    }


def test_the_reference_counter_of_batches_is_left_out():
    network = nn.Sequential(nn.BatchNorm2D(2))
    reference = name_maps.to_reference(network, same)
    reference["0.num_batches_tracked"] = np.array(7)
    assert set(name_maps.to_ours(reference, network, same)) == set(network.state_dict())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w.pop("in1.weight"), "missing: in1.weight"),
        (lambda w: w.update(extra=np.zeros(3)), "unexpected: extra"),
        (
            lambda w: w.update({"conv5.bias": np.zeros(2)}),
            r"of another shape: conv5.bias \[2\] instead of \[1\]",
        ),
    ],
)
def test_other_weights_are_refused_by_the_names_in_the_file(change, said):
    weights = discriminator_weights()
    change(weights)
    with pytest.raises(InputError, match=said):
        name_maps.to_ours(weights, discriminator(), name_maps.pix2pix_discriminator)


def test_fill_sets_nothing_when_one_name_is_wrong():
    network = discriminator()
    before = network.conv1.weight.numpy()
    arrays = {name: np.ones(x.shape, "float32") for name, x in network.state_dict().items()}
    arrays["norm9.scale"] = arrays.pop("norm4.scale")
    with pytest.raises(InputError, match=r"missing: norm4.scale; unexpected: norm9.scale"):
        load_state_strict(network, arrays)
    np.testing.assert_array_equal(network.conv1.weight.numpy(), before)


def test_a_long_list_of_names_is_cut():
    with pytest.raises(InputError, match=r"missing: conv1.weight, .* and 10 more\. Build"):
        load_state_strict(discriminator(), {})
