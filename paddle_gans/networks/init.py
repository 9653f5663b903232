"""Weight initialisation."""

from paddle import nn


def normal_init(network: nn.Layer, std: float = 0.02, norm_std: float = 0.0) -> nn.Layer:
    """Initialise convolutions and linear layers: weights from N(0, std), biases 0.

    With ``norm_std`` above 0, the scales of norm layers come from N(1, norm_std), as in the
    authors' code. Returns the network. Source: DCGAN, section 3; pix2pix, appendix 6.2.
    """
    weight, zero = nn.initializer.Normal(0.0, std), nn.initializer.Constant(0.0)
    scale = nn.initializer.Normal(1.0, norm_std)
    for layer in network.sublayers(include_self=True):
        if isinstance(layer, (nn.Conv2D, nn.Conv2DTranspose, nn.Linear)):
            weight(layer.weight)
            if layer.bias is not None:
                zero(layer.bias)
        elif norm_std > 0 and isinstance(layer, nn.BatchNorm2D):
            scale(layer.weight)
    return network


def he_init(network: nn.Layer) -> nn.Layer:
    """Initialise convolutions and linear layers: weights from N(0, sqrt(2 / fan_in)), biases 0.

    Returns the network. Source: He et al. 2015, equation 10.
    """
    weight, zero = nn.initializer.KaimingNormal(), nn.initializer.Constant(0.0)
    for layer in network.sublayers(include_self=True):
        if isinstance(layer, (nn.Conv2D, nn.Linear)):
            weight(layer.weight)
            if layer.bias is not None:
                zero(layer.bias)
    return network
