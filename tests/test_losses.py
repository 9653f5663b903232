"""Adversarial losses and the penalty, against numbers worked by hand."""

import math

import numpy as np
import paddle
import pytest

from data_reader import InputError
from paddle_gans.training.losses import gradient_penalty, lsgan, vanilla, wasserstein
from paddle_gans.training.model import Update, adam, frozen


def test_vanilla_is_binary_cross_entropy_of_logits():
    logits = paddle.to_tensor([[[[0.0, math.log(3.0)]]]])
    # sigmoid: 1/2 and 3/4
    assert float(vanilla(logits, True)) == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    assert float(vanilla(logits, False)) == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_lsgan_and_wasserstein():
    scores = paddle.to_tensor([[[[0.5, -1.0]]]])
    assert float(lsgan(scores, True)) == pytest.approx((0.25 + 4) / 2)
    assert float(lsgan(scores, False)) == pytest.approx((0.25 + 1) / 2)
    assert float(wasserstein(scores, True)) == pytest.approx(0.25)
    assert float(wasserstein(scores, False)) == pytest.approx(-0.25)


def test_gradient_penalty_of_a_known_slope():
    """score = 3 * sum(x) over 4 values has a slope of norm 6 everywhere; (6 - 1)^2 = 25."""
    real, fake = paddle.zeros([2, 1, 2, 2]), paddle.ones([2, 1, 2, 2])
    slope = paddle.to_tensor(3.0, stop_gradient=False)
    penalty = gradient_penalty(lambda x: (slope * x).sum(axis=[1, 2, 3]), real, fake)
    assert float(penalty) == pytest.approx(25.0, rel=1e-5)
    penalty.backward()
    # d/dw (2w - 1)^2 = 4 (2w - 1) = 20 at w = 3: the penalty reaches the critic's weights.
    assert float(slope.grad) == pytest.approx(20.0, rel=1e-5)


def one_weight(value, learning_rate=0.1):
    layer = paddle.nn.Linear(1, 1, bias_attr=False)
    layer.weight.set_value(np.array([[value]], "float32"))
    return layer, adam(layer, learning_rate=learning_rate, beta1=0.5, beta2=0.999)


def test_update_sums_weighted_terms_and_returns_them_unweighted():
    layer, optimizer = one_weight(2.0)
    w = layer.weight.sum()
    terms = Update()({"square": w**2, "line": w * 3}, optimizer, weights={"line": -2.0})
    assert {name: float(t) for name, t in terms.items()} == {"square": 4.0, "line": 6.0}
    assert all(t.stop_gradient for t in terms.values())
    assert layer.weight.grad.item() == pytest.approx(2 * 2.0 - 2 * 3)
    # Adam's first step is the learning rate against the gradient's sign.
    assert layer.weight.item() == pytest.approx(2.1, rel=1e-5)


def test_update_sees_only_its_own_loss():
    """Gradients of an earlier backward pass are cleared."""
    layer, optimizer = one_weight(2.0)
    (layer.weight.sum() * 1000).backward()
    Update()({"line": layer.weight.sum() * -1}, optimizer)
    assert layer.weight.grad.item() == -1.0


def test_a_weight_without_a_term_is_an_error():
    layer, optimizer = one_weight(2.0)
    with pytest.raises(InputError, match="'l1'"):
        Update()({"gan": layer.weight.sum()}, optimizer, weights={"l1": 100.0})


def test_frozen_networks_pass_gradients_through_and_get_none():
    layer, _ = one_weight(2.0)
    x = paddle.ones([1, 1])
    x.stop_gradient = False
    with frozen(layer):
        y = layer(x)
    y.backward()
    assert layer.weight.grad is None
    assert x.grad.item() == 2.0
    assert not layer.weight.stop_gradient


def test_weight_decay_is_in_the_gradient():
    """Adam divides by the gradient's size; L2 in the gradient therefore moves by lr, not lr*wd."""
    layer = paddle.nn.Linear(1, 1, bias_attr=False)
    layer.weight.set_value(np.array([[4.0]], "float32"))
    optimizer = adam(layer, learning_rate=0.1, beta1=0.0, beta2=0.99, weight_decay=1e-2)
    Update()({"nothing": layer.weight.sum() * 0}, optimizer)
    assert layer.weight.item() == pytest.approx(3.9, rel=1e-4)
