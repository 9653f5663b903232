"""Adversarial losses and gradient penalties, averaged over the batch and the patch map."""

from __future__ import annotations

from collections.abc import Callable

import paddle
import paddle.nn.functional as F
from paddle import Tensor


def vanilla(logits: Tensor, is_real: bool) -> Tensor:
    """Binary cross entropy of logits of any shape against all ones (real) or zeros (fake).

    Source: Goodfellow et al. 2014, section 3; for the generator the non-saturating form.
    """
    target = paddle.full_like(logits, float(is_real))
    return F.binary_cross_entropy_with_logits(logits, target)


def lsgan(scores: Tensor, is_real: bool) -> Tensor:
    """Mean squared distance of scores of any shape to 1 (real) or 0 (fake); Mao et al. 2017."""
    return (scores - float(is_real)).square().mean()


def wasserstein(scores: Tensor, is_real: bool) -> Tensor:
    """Mean score of the critic, negated for real images; Arjovsky et al. 2017."""
    return -scores.mean() if is_real else scores.mean()


# Choices of --gan-mode. "wgangp" is to be combined with `gradient_penalty`.
GAN_LOSSES: dict[str, Callable[[Tensor, bool], Tensor]] = {
    "vanilla": vanilla,
    "lsgan": lsgan,
    "wgangp": wasserstein,
}


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """Mean of (gradient norm - 1)^2 of the critic at images between real and fake ones.

    ``real`` and ``fake`` are [N, C, H, W]; each pair is interpolated by a uniform random weight.
    Source: Gulrajani et al. 2017, equation 3.
    """
    share = paddle.rand([real.shape[0], 1, 1, 1])
    mixed = (share * real + (1 - share) * fake).detach()
    mixed.stop_gradient = False
    # The sum, not the mean: each image's score depends on that image alone.
    (slope,) = paddle.grad(critic(mixed).sum(), mixed, create_graph=True)
    norm = (slope.reshape([slope.shape[0], -1]) ** 2).sum(axis=1).sqrt()
    return ((norm - 1) ** 2).mean()


def r1_penalty(logits: Tensor, real: Tensor) -> Tensor:
    """Half the squared gradient norm of the discriminator at real images, averaged over the batch.

    ``logits`` [N] must be computed from ``real`` [N, C, H, W] with ``real.stop_gradient`` False;
    the penalty is differentiable. Source: Mescheder et al. 2018, equation 9.
    """
    # The sum, not the mean: each image's logit depends on that image alone.
    (slope,) = paddle.grad(logits.sum(), real, create_graph=True)
    return slope.square().sum() / (2 * slope.shape[0])
