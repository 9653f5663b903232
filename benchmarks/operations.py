"""How many floating-point operations a training step needs, counted while it runs."""

from __future__ import annotations

import math

import paddle
from paddle import nn


class Count:
    """Counts the convolutions and linear layers of a model within a ``with``: ``operations``.

    A multiplication and an addition are two. To the forward pass come one of equal cost for the
    gradient of the weights and one for that of the input, where they are wanted. Where the slope of
    a discriminator at its input is itself differentiated (R1), there are three more: that slope,
    and its derivative by weights and by what came in from above.
    """

    def __init__(self, model: nn.Layer):
        self.operations, self._steep = 0, False
        self.model, self._hooks = model, []

    def __enter__(self) -> Count:
        for layer in self.model.sublayers():
            if isinstance(layer, (nn.Conv2D, nn.Conv2DTranspose, nn.Linear)):
                self._hooks.append(layer.register_forward_post_hook(self._count))
        discriminator = getattr(self.model, "discriminator", None)
        if discriminator is not None:
            self._hooks.append(discriminator.register_forward_pre_hook(self._look))
        return self

    def __exit__(self, *exc) -> None:
        for hook in self._hooks:
            hook.remove()

    def _look(self, _, inputs) -> None:
        """Note whether a discriminator is asked for its slope at this input."""
        x = inputs[0]
        self._steep = paddle.is_grad_enabled() and x.is_leaf and not x.stop_gradient

    def _count(self, layer, inputs, output) -> None:
        x = inputs[0]
        if isinstance(layer, nn.Linear):
            products = math.prod(x.shape) * layer.weight.shape[1]
        elif isinstance(layer, nn.Conv2DTranspose):
            products = math.prod(x.shape) * math.prod(layer.weight.shape[1:])
        else:
            products = math.prod(output.shape) * math.prod(layer.weight.shape[1:])
        passes = 1
        if paddle.is_grad_enabled():
            passes += (not x.stop_gradient) + (not layer.weight.stop_gradient)
            passes += 3 * self._steep
        self.operations += 2 * products * passes
