"""LPIPS: the perceptual distance of two images, in the features of a classification network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from data_reader.errors import InputError
from data_reader.transforms import normalise
from paddle_gans.weights import formats
from paddle_gans.weights.arrays import load_state_strict, require_equal

# ImageNet's mean and deviation, for images in [-1, 1].
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
LINEAR = Path(__file__).parent / "lpips_linear"  # the authors' weights of version 0.1, BSD-2
MIN_SIDE = 32  # pixels; the last maps of a smaller image are empty


# Blocks: the size of the pool before one (0: none), and (channels, kernel, stride, padding) of each
# of its convolutions. What a block returns is a feature.
BLOCKS = {
    "alex": [
        (0, [(64, 11, 4, 2)]),
        (3, [(192, 5, 1, 2)]),
        (3, [(384, 3, 1, 1)]),
        (0, [(256, 3, 1, 1)]),
        (0, [(256, 3, 1, 1)]),
    ],
    "vgg": [
        (0, 2 * [(64, 3, 1, 1)]),
        (2, 2 * [(128, 3, 1, 1)]),
        (2, 3 * [(256, 3, 1, 1)]),
        (2, 3 * [(512, 3, 1, 1)]),
        (2, 3 * [(512, 3, 1, 1)]),
    ],
}
VERSION_0_0 = {  # sums of the linear weights of its files, whose names and shapes are those of 0.1
    "alex": (2.56589, 10.25739, 22.43431, 16.31391, 13.93452),
    "vgg": (3.64161, 1.96011, 1.1231, 20.10626, 25.68957),
}


def convolutions(backbone: str) -> tuple[nn.Sequential, list[int]]:
    """Return the layers of a backbone, and the indices of those whose outputs are features."""
    layers, taken, before = [], [], 3
    for pool, block in BLOCKS[backbone]:
        layers += [nn.MaxPool2D(pool, 2)] if pool else []
        for channels, kernel, stride, padding in block:
            convolution = nn.Conv2D(before, channels, kernel, stride=stride, padding=padding)
            layers += [convolution, nn.ReLU()]
            before = channels
        taken.append(len(layers) - 1)
    return nn.Sequential(*layers), taken


class LPIPS(nn.Layer):
    """Distances [N] of images [N, 3, H, W] in [-1, 1] with sides of at least 32 pixels.

    ``backbone`` is "alex" or "vgg". Source: Zhang et al. 2018, equation 1; version 0.1 of the
    authors' weights.
    """

    def __init__(self, backbone: str = "alex"):
        super().__init__()
        self.backbone = backbone
        self.features, self.taken = convolutions(backbone)
        channels = [block[-1][0] for _, block in BLOCKS[backbone]]
        self.linear = nn.LayerList([nn.Conv2D(n, 1, 1, bias_attr=False) for n in channels])
        # Constants, not weights: no file has them.
        self.shift, self.scale = (
            paddle.to_tensor(values).reshape([1, 3, 1, 1]) for values in (SHIFT, SCALE)
        )

    def embed(self, x: Tensor) -> list[Tensor]:
        """Return the features of images, normalised at every place: five of [N, C, h, w]."""
        x, found = (x - self.shift) / self.scale, []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in self.taken:
                length = paddle.sqrt((x * x).sum(axis=1, keepdim=True))
                found.append(x / (length + 1e-10))
        return found

    def between(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """Return the distances [N] of embedded images; one side may be a single image."""
        parts = [weigh((x - y) ** 2).mean(axis=[1, 2, 3]) for weigh, x, y in zip(self.linear, a, b)]
        return paddle.add_n(parts)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.between(self.embed(a), self.embed(b))

    @paddle.no_grad()
    def distances(self, images: np.ndarray, truths: np.ndarray) -> list[float]:
        """Return the distance of each image to its truth; uint8 [N, H, W, 3] both."""
        both = (paddle.to_tensor(planes(x)) for x in (images, truths))
        return self(*both).numpy().astype(np.float64).tolist()

    @paddle.no_grad()
    def diversity(self, images: np.ndarray) -> float:
        """Return the mean distance of all pairs of images, uint8 [K, H, W, 3], K at least 2."""
        found, pairs = self.embed(paddle.to_tensor(planes(images))), []
        for i in range(len(images) - 1):
            one, others = [x[i : i + 1] for x in found], [x[i + 1 :] for x in found]
            pairs.append(self.between(one, others))
        return float(F.relu(paddle.concat(pairs)).mean())


def planes(images) -> np.ndarray:
    """Convert images, uint8 [H, W, C] each, to the networks' float32 [N, C, H, W] in [-1, 1]."""
    return np.stack([normalise(image) for image in images])


def build(trunk: Mapping[str, Any], linear: Mapping[str, Any] | None, source: str) -> LPIPS:
    """Build LPIPS from published files: a backbone of torchvision, and other linear weights.

    Names are torchvision's (``features.0.weight``; the classifier is ignored) and the authors'
    (``lin0.model.1.weight``) or PaddleGAN's (``0.model.1.weight``). The shapes tell which backbone
    it is.
    """
    trunk = {
        n: x for n, x in trunk.items() if n.startswith("features.") and isinstance(x, np.ndarray)
    }
    first = trunk.get("features.0.weight")
    kinds = {(64, 3, 11, 11): "alex", (64, 3, 3, 3): "vgg"}
    backbone = kinds.get(tuple(first.shape)) if first is not None else None
    if backbone is None:
        raise InputError(
            f"{source}: the first file is neither AlexNet nor VGG-16 with torchvision's names "
            "(features.0.weight ...); use alexnet-owt-7be5be79.pth or vgg16-397923af.pth"
        )
    if linear is None:
        linear = formats.load(LINEAR / f"{backbone}.pth")
    # lin0.model.1.weight and the like (model.0 without dropout) become our linear.0.weight.
    pattern, ours = r"^(?:lin)?(\d+)\.(?:.+\.)?weight$", r"linear.\1.weight"
    arrays = {name: x for name, x in linear.items() if isinstance(x, np.ndarray)}
    linear = {re.sub(pattern, ours, name): x for name, x in arrays.items()}
    with paddle.LazyGuard():  # no random weights
        network = LPIPS(backbone)
    shapes = {name: tuple(x.shape) for name, x in network.state_dict().items()}
    require_equal(
        {name: shape for name, shape in shapes.items() if name.startswith("linear.")},
        linear,
        f"{source}: the second file does not hold the linear weights of LPIPS with {backbone}",
    )
    sums = [float(linear[f"linear.{i}.weight"].sum()) for i in range(len(network.linear))]
    if np.allclose(sums, VERSION_0_0[backbone], rtol=0.01):
        raise InputError(
            f"{source}: the second file has the weights of LPIPS 0.0, whose distances are others "
            f"than those of 0.1; use lpips/weights/v0.1/{backbone}.pth"
        )
    load_state_strict(network, {**trunk, **linear}, source)
    network.eval()
    return network
