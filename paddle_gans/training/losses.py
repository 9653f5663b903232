"""Adversarial losses and penalties, each once; averages over the batch and the patch map."""

from __future__ import annotations

from typing import Callable

import paddle
import paddle.nn.functional as F
from paddle import Tensor


def vanilla(logits: Tensor, is_real: bool) -> Tensor:
    """Binary cross entropy of logits of any shape against all ones or all zeros, >= 0.

    Source: Goodfellow et al. 2014, with the generator's non-saturating form.
    """
    target = paddle.full_like(logits, float(is_real))
    return F.binary_cross_entropy_with_logits(logits, target)


def lsgan(scores: Tensor, is_real: bool) -> Tensor:
    """Mean squared distance of scores of any shape to 1 (real) or 0 (fake); Mao et al. 2017."""
    return (scores - float(is_real)).square().mean()


def wasserstein(scores: Tensor, is_real: bool) -> Tensor:
    """The critic's mean score, negated for real images; Arjovsky et al. 2017."""
    return -scores.mean() if is_real else scores.mean()


# What `--gan-mode` names. WGAN-GP is the Wasserstein loss with `gradient_penalty` beside it.
GAN_LOSSES: dict[str, Callable[[Tensor, bool], Tensor]] = {
    "vanilla": vanilla,
    "lsgan": lsgan,
    "wgangp": wasserstein,
}


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """How far the critic's slope between real and fake images is from 1, squared.

    ``real`` and ``fake`` are [N, C, H, W]; each pair is mixed by its own uniform weight.
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
    """Half the squared slope of the discriminator at real images, averaged over the batch.

    ``logits`` [N] were computed from ``real`` [N, C, H, W] with ``real.stop_gradient`` False; the
    penalty can itself be differentiated. Source: Mescheder et al. 2018, equation 9.
    """
    # The sum, not the mean: each image's logit depends on that image alone.
    (slope,) = paddle.grad(logits.sum(), real, create_graph=True)
    return slope.square().sum() / (2 * slope.shape[0])
