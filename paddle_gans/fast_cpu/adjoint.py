"""Linear functions with gradients of every order: the adjoint, the function itself, the adjoint."""

from __future__ import annotations

from typing import Callable

from paddle import Tensor
from paddle.autograd import PyLayer

Function = Callable[[Tensor], Tensor]


class Linear(PyLayer):
    """``there``, a linear function that knows no gradient, and ``back``, its adjoint."""

    @staticmethod
    def forward(ctx, x: Tensor, there: Function, back: Function) -> Tensor:
        ctx.there, ctx.back = there, back
        return there(x)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return Linear.apply(gradient, ctx.back, ctx.there)
