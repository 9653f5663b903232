"""The moving average of weights, on numbers worked by hand."""

import numpy as np
import paddle
import pytest
from paddle import nn

from data_reader.errors import InputError
from paddle_gans.training.ema import average_of, soft_update


def layer(value):
    network = nn.Linear(1, 1)
    network.weight.set_value(paddle.full([1, 1], value))
    network.bias.set_value(paddle.full([1], 0.0))
    return network


def test_the_decay_weighs_the_average():
    target, source = layer(10.0), layer(20.0)
    soft_update(target, source, 0.9)
    assert target.weight.item() == pytest.approx(11.0)  # 0.9 * 10 + 0.1 * 20
    soft_update(target, source, 0.9)
    assert target.weight.item() == pytest.approx(11.9)
    assert source.weight.item() == 20.0


def test_a_call_copied_from_the_article_is_refused_and_nothing_moves():
    target, source = layer(10.0), layer(20.0)
    with pytest.raises(InputError, match=r"weight of the running average.*give 0\.999"):
        soft_update(target, source, 0.001)
    with pytest.raises(InputError):
        soft_update(target, source, 1.5)
    assert target.weight.item() == 10.0


def test_statistics_are_copied_and_weights_averaged():
    source = nn.BatchNorm2D(2)
    target = average_of(source)
    source.weight.set_value(paddle.to_tensor([3.0, 3.0]))
    source._mean.set_value(paddle.to_tensor([5.0, 7.0]))
    soft_update(target, source, 0.5)
    assert target.weight.numpy().tolist() == [2.0, 2.0]
    assert target._mean.numpy().tolist() == [5.0, 7.0]


def test_an_average_starts_as_a_copy_and_is_frozen():
    source = nn.Sequential(nn.Conv2D(1, 2, 3), nn.InstanceNorm2D(2))
    target = average_of(source)
    before = source.state_dict()
    for name, value in target.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name].numpy())
    assert all(p.stop_gradient for p in target.parameters())
    assert not any(p.stop_gradient for p in source.parameters())
    target[0].weight.set_value(target[0].weight + 1)  # the copy's memory is its own
    assert (source[0].weight.numpy() != target[0].weight.numpy()).all()


def test_networks_that_differ_are_an_error():
    with pytest.raises(ValueError, match="only one of the two networks has"):
        soft_update(nn.Linear(1, 1), nn.Linear(1, 1, bias_attr=False), 0.9)
