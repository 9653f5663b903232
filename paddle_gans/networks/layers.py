"""Layers that several models share."""

from __future__ import annotations

from functools import partial

from paddle import nn

# Normalises each channel of each image to mean 0 and variance 1, without a learned scale or
# shift; the convolution before it keeps its bias.
instance_norm = partial(nn.InstanceNorm2D, weight_attr=False, bias_attr=False)


def resize_conv(
    channels: int, width: int, *, upsample: str = "resize", bias_attr: bool | None = None
) -> nn.Sequential:
    """Return upsampling and a 3x3 convolution: [N, C, H, W] to [N, width, 2H, 2W].

    Every output pixel depends on equally many inputs, unlike in a transposed convolution whose
    kernel is not a multiple of its stride; this avoids its checkerboard. Source: Odena et al.
    2016, "Deconvolution and Checkerboard Artifacts". ``upsample`` "resize" repeats pixels;
    "bilinear" interpolates: the steps of repeated pixels become a plaid where many such layers
    follow each other, as in a U-Net.
    """
    mode = "bilinear" if upsample == "bilinear" else "nearest"
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode=mode),
        nn.Pad2D(1, mode="reflect"),
        nn.Conv2D(channels, width, 3, bias_attr=bias_attr),
    )
