"""Upsampling without the checkerboard that a transposed convolution can leave."""

from __future__ import annotations

from typing import Optional

from paddle import nn


def resize_conv(channels: int, width: int, *, bias_attr: Optional[bool] = None) -> nn.Sequential:
    """Nearest-neighbour upsampling and a 3x3 convolution.

    Input [N, channels, H, W], output [N, width, 2H, 2W]. Every output pixel is made of equally
    many inputs, which is not so in a transposed convolution whose kernel does not divide by its
    stride. Source: Odena et al. 2016, "Deconvolution and Checkerboard Artifacts".
    """
    return nn.Sequential(
        nn.Upsample(scale_factor=2),
        nn.Pad2D(1, mode="reflect"),
        nn.Conv2D(channels, width, 3, bias_attr=bias_attr),
    )
