"""Where the layers of the face-alignment network stand in the code of StarGAN v2's authors.

The map stands a floor below: training opens the published weights with it.
"""

from paddle_gans.training.fan_weights import reference_layer as network

__all__ = ["network"]
