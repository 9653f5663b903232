"""The programs to export of a trained model, chosen by the class of its data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn

from data_reader.domains import Domains
from data_reader.errors import InputError
from data_reader.photos import Photos
from paddle_gans.inference.translator import Translator, by_data, round_up
from paddle_gans.models import _stargan_v2_networks as stargan_v2
from paddle_gans.models import pix2pix
from paddle_gans.networks.field import Axis, Field

TEST_SIDE = 64  # pixels, about, of the images that a program is tested with
ODD_STEP = 13  # pixels between the test sizes where any size is possible
STYLE_NETWORKS = ("generator", "mapping_network", "style_encoder")


@dataclass(frozen=True)
class Program:
    """One network to export.

    ``truth`` computes the expected output from the same inputs, the way the model translates;
    height and width must be multiples of ``multiple`` where they are free.
    """

    name: str
    layer: nn.Layer
    inputs: Sequence[Field]
    output: Field
    truth: Callable[..., Tensor]
    multiple: int = 1
    side: int = 256  # pixels, of the example

    @property
    def any_size(self) -> bool:
        return any("height" in field.shape for field in self.inputs)

    def cases(self) -> list[dict[str, int]]:
        """Return three sets of lengths to test the program with."""
        if not self.any_size:
            return [{"batch": n} for n in (1, 2, 3)]
        first = round_up(TEST_SIDE, self.multiple)
        step = self.multiple if self.multiple > 1 else ODD_STEP
        sides = [(1, first, first), (2, first + step, first), (1, first, first + 2 * step)]
        return [dict(zip(("batch", "height", "width"), case)) for case in sides]

    def example_inputs(self) -> str:
        """Return a line of NumPy code that draws inputs for one image of the training size."""
        side = round_up(self.side, self.multiple)
        lengths = {"batch": 1, "height": side, "width": side}
        return "; ".join(field.code(lengths) for field in self.inputs)

    def about(self) -> dict[str, Any]:
        """Return this program's entry in export.json."""
        return {
            "name": self.name,
            "inputs": [asdict(field) for field in self.inputs],
            "output": asdict(self.output),
            "sides_are_multiples_of": self.multiple if self.any_size else None,
        }


def programs_of(translate: Translator) -> list[Program]:
    """Return the programs of a model, in the order in which its networks are saved."""
    if not translate.takes_images:
        return generated(translate)
    kinds = {Photos: lightness_to_colours, Domains: styles}
    return by_data(translate.model, kinds, image_to_image)(translate)


def for_page(translate: Translator, programs: Sequence[Program]) -> dict[str, Any]:
    """Describe a model and its programs for the page that runs them in the browser."""
    choices = translate.model.inference
    kinds = {Photos: "photographs", Domains: "domains"}
    takes_images = translate.takes_images
    return {
        "title": f"{translate.name}, step {translate.step}",
        "kind": by_data(translate.model, kinds, "images") if takes_images else "noise",
        "programs": [
            {"label": ", ".join(map(str, choices.get(one.name, {}).values())), **one.about()}
            for one in programs
        ],
        "side": translate.options.get("crop_size"),
        "domains": getattr(translate, "domains", []),
    }


def image(name: str, channels: int, meaning: str, *sides: Axis) -> Field:
    """Describe images in [-1, 1], of any size unless the sides are given."""
    shape = ("batch", channels, *(sides or ("height", "width")))
    return Field(name, shape, "float32", "uniform", (-1, 1), meaning)


def image_to_image(translate: Translator) -> list[Program]:
    """Return a program for each network, for example both directions of CycleGAN."""
    model = translate.model
    choices = {
        name: choice for name, choice in model.inference.items() if choice in translate.covered
    }
    if len({tuple(choice.items()) for choice in choices.values()}) < len(choices):
        raise InputError(
            f"{translate.name} needs several networks for one image, which cannot be exported; add "
            "its programs to paddle_gans/exporting/programs.py"
        )
    return [
        Program(
            name,
            model.inference_network(name),
            [image("x", 3, "RGB, value / 127.5 - 1")],
            image("y", 3, "RGB, (value + 1) * 127.5"),
            partial(model.translate, **choice),
            model.size_multiple,
            translate.options.get("crop_size") or 256,
        )
        for name, choice in choices.items()
    ]


def lightness_to_colours(translate: Translator) -> list[Program]:
    model = translate.model
    ab = Field("y", ("batch", 2, "height", "width"), "float32", "uniform", None,
               "a and b of CIE Lab, each / 110")  # fmt: skip
    lightness = image("x", 1, "L of CIE Lab (0 to 100), L / 50 - 1")
    side = translate.options.get("crop_size") or 256
    network = model.inference_network("generator")
    return [Program("generator", network, [lightness], ab, model.translate, 1, side)]


def generated(translate: Translator) -> list[Program]:
    """Return the program from noise to images, with the inputs that the model describes."""
    model = translate.model
    inputs, network = model.generator_inputs(), model.inference_network("generator")
    rng = np.random.default_rng(0)
    with paddle.no_grad():
        y = network(*[paddle.to_tensor(field.draw(rng, {"batch": 1})) for field in inputs])
    output = image("y", y.shape[1], "(value + 1) * 127.5", *y.shape[2:])
    return [Program("generator", network, inputs, output, network)]


def styles(translate: Translator) -> list[Program]:
    """Return the generator, which reads a style, and the two networks that compute styles."""
    model = translate.model
    names, side = model.domains, model.crop_size
    numbered = ", ".join(f"{i} {name}" for i, name in enumerate(names))
    y = Field("y", ("batch",), "int64", "integer", (0, len(names) - 1), f"domain: {numbered}")
    z = Field("z", ("batch", model.latent_dim), "float32", "normal", None, "latent code, N(0, 1)")
    s = Field("s", ("batch", model.style_dim), "float32", "normal", None, "style")
    square = image("x", 3, "RGB, value / 127.5 - 1", side, side)
    # The face-alignment network works at the training size only.
    source = square if model.fan is not None else image("x", 3, square.meaning)
    result = image("result", 3, "RGB, (value + 1) * 127.5", *source.shape[2:])
    sizes = {"multiple": model.size_multiple, "side": side}
    generator, mapping_network, style_encoder = map(model.inference_network, STYLE_NETWORKS)
    return [
        Program("generator", Renderer(generator, model.fan), [source, s], result,
                model.render, **sizes),
        Program("mapping_network", mapping_network, [z, y], s, mapping_network),
        Program("style_encoder", StyleEncoder(style_encoder), [square, y], s, style_encoder,
                side=side),
    ]  # fmt: skip


# Tracing turns sizes that are read from `shape` into constants; these forms read none.


def make_traceable(model: nn.Layer) -> None:
    """Replace the layers that cannot be traced by equal ones; weights and names stay."""
    model.eval()
    for layer in model.sublayers(include_self=True):
        layer.recompute = False  # needed in training only
        if isinstance(layer, pix2pix.Norm) and layer.mode == "running":
            layer.__class__ = nn.BatchNorm2D  # Paddle 2.6 cannot trace its super()
        elif type(layer) is stargan_v2.AdaIN:
            layer.__class__ = AdaIN


class AdaIN(stargan_v2.AdaIN):
    """The same values without merging the batch into the channels."""

    def forward(self, x, s):
        scale, shift = self.affine(s).unsqueeze([2, 3]).chunk(2, axis=1)
        mean = x.mean([2, 3], keepdim=True)
        centred = x - mean
        variance = centred.square().mean([2, 3], keepdim=True)
        return centred * (variance + 1e-5).rsqrt() * (1 + scale) + shift


class Renderer(nn.Layer):
    """Images x [N, 3, H, W] in styles s [N, style_dim], clipped to [-1, 1]; ``fan`` finds faces."""

    def __init__(self, generator: nn.Layer, fan: nn.Layer | None = None):
        super().__init__()
        self.generator, self.fan = generator, fan

    def forward(self, x, s):
        masks = None if self.fan is None else self.fan.masks(x)
        return paddle.clip(self.generator(x, s, masks), -1.0, 1.0)


class StyleEncoder(nn.Layer):
    """Images x [N, 3, S, S] and their domains y [N] to styles."""

    def __init__(self, network: nn.Layer):
        super().__init__()
        self.network = network

    def forward(self, x, y):
        heads = self.network.unshared
        h = self.network.shared(x).reshape([-1, heads[0].weight.shape[0]])
        return stargan_v2.select_domain([head(h) for head in heads], y)
