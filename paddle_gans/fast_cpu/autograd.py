"""Linear and bilinear operations with gradients of every order, from functions that have none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import paddle
from paddle import Tensor
from paddle.autograd import PyLayer

from .memory import check_unchanged

Function = Callable[[Tensor], Tensor]


class LinearOp(PyLayer):
    """Apply ``function``, which is linear; its gradient is ``adjoint``, whose gradient is it."""

    @staticmethod
    def forward(ctx, x: Tensor, function: Function, adjoint: Function) -> Tensor:
        ctx.function, ctx.adjoint = function, adjoint
        return function(x)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return LinearOp.apply(gradient, ctx.adjoint, ctx.function)


linear_op = LinearOp.apply


class Product:
    """A product of ``operands``, by name; subclasses define which.

    `PyLayer.apply` does not look for tensors inside this object.
    """

    kind = ""  # the operation's name in messages

    def __init__(self, operands: Mapping[str, Tensor]):
        self.operands = operands

    def compute(self) -> Tensor:
        """Return the product as a new tensor without a gradient."""
        raise NotImplementedError

    def shape(self) -> Sequence[int]:
        """Return the product's shape."""
        raise NotImplementedError

    def gradient(self, name: str, result: Tensor) -> Tensor:
        """Return the gradient of one operand, given that of the result."""
        raise NotImplementedError

    def apply(self) -> Tensor:
        """Return the product, with gradients for the operands that require one."""
        wanted = [name for name, t in self.operands.items() if not t.stop_gradient]
        if not wanted or not paddle.is_grad_enabled():
            with paddle.no_grad():
                return self.compute()
        # How often each operand had been changed in place.
        self.versions = {name: t.inplace_version for name, t in self.operands.items()}
        # Whoever needs the gradient of a weight also needs that of its bias.
        groups = [("w", "bias")] if {"w", "bias"} <= set(wanted) else []
        groups = [(name,) for name in wanted if not groups or name not in groups[0]] + groups
        result = None
        for names in groups:
            part = ProductFn.apply(*[self.operands[n] for n in names], names, self, result is None)
            result = part if result is None else result + part
        return result

    def check_operands(self, *names: str) -> None:
        """Raise RuntimeError if one of these operands was changed in place since `apply`."""
        for name in names:
            what = f"the {name} of a {self.kind}"
            check_unchanged(self.operands[name], self.versions[name], what)


class ProductFn(PyLayer):
    """A product as a function of one of its operands alone, or of a weight and its bias.

    `paddle.grad` does not tell a PyLayer which of its inputs need a gradient, so each operand has
    a PyLayer of its own: the first returns the product, the others return zeros, and the
    framework's addition sends the gradient to those that need it.
    """

    @staticmethod
    def forward(ctx, *arguments) -> Tensor:
        """Arguments: the operands, their names, the product, whether this is its first PyLayer."""
        *_, ctx.names, ctx.product, first = arguments
        product = ctx.product
        return product.compute() if first else paddle.zeros(product.shape(), "float32")

    @staticmethod
    def backward(ctx, gradient: Tensor):
        found = [ctx.product.gradient(name, gradient) for name in ctx.names]
        return tuple(found) if len(found) > 1 else found[0]
