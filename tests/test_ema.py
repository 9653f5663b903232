"""The moving average of weights, on numbers worked by hand."""

import numpy as np
import paddle
import pytest
from paddle import nn

from data_reader.errors import InputError
from paddle_gans.training.ema import average_of, soft_update, warm_up_decay
from paddle_gans.training.model import GANModel, Update
from paddle_gans.training.trainer import training_step


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
    with pytest.raises(InputError, match=r"as the weight of the new weights it is tau=0.001"):
        soft_update(target, source, 0.001)
    with pytest.raises(InputError):
        soft_update(target, source, 1.5)
    assert target.weight.item() == 10.0


def test_tau_weighs_the_new_weights():
    target, source = layer(10.0), layer(20.0)
    soft_update(target, source, tau=0.1)
    assert target.weight.item() == pytest.approx(11.0)
    with pytest.raises(InputError, match=r"as the weight of the average it is decay=0.9"):
        soft_update(target, source, tau=0.9)
    for both in ({}, {"decay": 0.9, "tau": 0.1}):
        with pytest.raises(InputError, match="either decay"):
            soft_update(target, source, **both)
    assert target.weight.item() == pytest.approx(11.0)


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


def test_the_first_steps_have_a_lower_decay():
    decays = [warm_up_decay(0.999, step) for step in (0, 8, 90, 10_000)]
    assert decays == [0.1, 0.5, 0.91, 0.999]


BATCH = {"x": paddle.zeros([2, 1])}


class OneNumber(GANModel):
    """A model of one weight that grows by 1 in each step."""

    def __init__(self, decay, **settings):
        super().__init__()
        self.generator = layer(0.0)
        self.keep_averages(decay, "generator", **settings)

    def train_step(self, batch, step, update):
        self.generator.weight.set_value(self.generator.weight + 1)
        return {}


def test_a_model_keeps_the_average_of_its_networks():
    model = OneNumber(0.9)
    for step in range(3):
        training_step(model, BATCH, step, Update())
    # Decays 1/10, 2/11, 3/12 towards 1, 2, 3.
    expected = 0.9 * 1
    expected = 2 / 11 * expected + 9 / 11 * 2
    expected = 3 / 12 * expected + 9 / 12 * 3
    assert model.averaged("generator").weight.item() == pytest.approx(expected)
    assert "generator_ema.weight" in model.state_dict()

    plain = OneNumber(0.75, warm_up=False)
    training_step(plain, BATCH, 0, Update())
    assert plain.averaged("generator").weight.item() == pytest.approx(0.25)


def test_without_a_decay_there_is_no_average():
    model = OneNumber(0.0)
    training_step(model, BATCH, 0, Update())
    assert model.averaged("generator") is model.generator
    assert list(model.state_dict()) == ["generator.weight", "generator.bias"]


def test_a_step_in_parts_moves_the_average_once():
    model = OneNumber(0.5, warm_up=False)
    training_step(model, BATCH, 0, Update(accumulate=2))
    assert model.averaged("generator").weight.item() == pytest.approx(1.0)  # (0 + 2) / 2


@pytest.mark.parametrize("decay", [-0.1, 0.3, 1.0, 2.0])
def test_a_decay_that_is_none_is_refused(decay):
    with pytest.raises(InputError, match="--ema-decay"):
        OneNumber(decay)


def test_networks_that_differ_are_an_error():
    with pytest.raises(ValueError, match="only one of the two networks has"):
        soft_update(nn.Linear(1, 1), nn.Linear(1, 1, bias_attr=False), 0.9)
