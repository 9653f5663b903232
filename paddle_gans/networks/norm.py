"""Norms that more than one article uses."""

from functools import partial

from paddle import nn

# Each channel of each image to mean 0 and variance 1, without a learned scale or shift; a
# convolution in front of it carries its own bias.
instance_norm = partial(nn.InstanceNorm2D, weight_attr=False, bias_attr=False)
