"""What there is to export of a trained model: its programs, with their inputs and their truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Callable, Optional, Union

import numpy as np
from paddle import Tensor, nn
from paddle.static import InputSpec

from data_reader.errors import InputError
from paddle_gans.inference.tiling import round_up
from paddle_gans.inference.translator import Translator

from .traceable import Mapped, Rendered, Styled

Axis = Union[int, str]  # a number, or the name of a length that is free
SMALL = 64  # pixels a side, about, of the pictures that a program is tried with
ODD = 13  # pixels that their sides differ by where every size is possible


@dataclass(frozen=True)
class Field:
    """An input or the output of a program: its axes, and what its values are."""

    name: str
    shape: tuple[Axis, ...]
    dtype: str  # float32 or int64
    values: str  # "uniform" in the range, "normal" (the range is None), "integer" in the range
    range: Optional[tuple[float, float]]
    meaning: str

    def spec(self) -> InputSpec:
        """What the framework's exporter is told."""
        return InputSpec([n if isinstance(n, int) else None for n in self.shape],
                         self.dtype, self.name)  # fmt: skip

    def sized(self, lengths: Mapping[str, int]) -> list[int]:
        """The shape with these lengths in the place of names."""
        return [n if isinstance(n, int) else lengths[n] for n in self.shape]

    def draw(self, rng: np.random.Generator, lengths: Mapping[str, int]) -> np.ndarray:
        """Random values of these lengths."""
        shape = self.sized(lengths)
        if self.values == "normal":
            return rng.standard_normal(shape).astype(self.dtype)
        low, high = self.range
        if self.values == "integer":
            return rng.integers(low, high, shape, endpoint=True, dtype=self.dtype)
        return rng.uniform(low, high, shape).astype(self.dtype)

    def code(self, lengths: Mapping[str, int]) -> str:
        """A line of NumPy that draws random values."""
        shape = self.sized(lengths)
        if self.values == "normal":
            return f'{self.name} = np.random.standard_normal({shape}).astype("{self.dtype}")'
        low, high = self.range
        if self.values == "integer":
            return f"{self.name} = np.random.randint({low}, {high + 1}, {shape})"
        return f'{self.name} = np.random.uniform({low}, {high}, {shape}).astype("{self.dtype}")'


@dataclass(frozen=True)
class Program:
    """One network to export, under its name.

    ``truth`` is what this package computes from the same inputs, through the model's own way of
    translating; the exported file is held against it. ``multiple`` is what height and width
    divide by where they are free.
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
        """Whether height and width are free."""
        return any("height" in field.shape for field in self.inputs)

    def cases(self) -> list[dict[str, int]]:
        """Three lengths of what is free, to try the program with."""
        if not self.any_size:
            return [{"batch": n} for n in (1, 2, 3)]
        first = round_up(SMALL, self.multiple)
        step = self.multiple if self.multiple > 1 else ODD
        sides = [(1, first, first), (2, first + step, first), (1, first, first + 2 * step)]
        return [dict(zip(("batch", "height", "width"), case)) for case in sides]

    def example(self) -> dict[str, int]:
        """The lengths that a user begins with: one picture of the training size."""
        side = round_up(self.side, self.multiple)
        return {"batch": 1, "height": side, "width": side}

    def about(self) -> dict[str, Any]:
        """What the file beside the programs says of this one."""
        return {
            "name": self.name,
            "inputs": [asdict(field) for field in self.inputs],
            "output": asdict(self.output),
            "sides_are_multiples_of": self.multiple if self.any_size else None,
        }


def programs_of(translate: Translator) -> list[Program]:
    """The programs of a model, in the order in which its networks are saved.

    Raises:
        InputError: the model is none of those that are known, and takes no pictures.
    """
    special = {"colorization": colours, "dcgan": drawings, "stargan_v2": styles}
    if translate.name in special:
        return special[translate.name](translate)
    if not translate.takes_images:
        raise InputError(
            f"{translate.name} takes no pictures, and export does not know what it takes; add its "
            "programs to paddle_gans/exporting/programs.py"
        )
    return pictures(translate)


def image(name: str, channels: int, meaning: str, *sides: Axis) -> Field:
    """Images in [-1, 1]; any size where no sides are given."""
    shape = ("batch", channels, *(sides or ("height", "width")))
    return Field(name, shape, "float32", "uniform", (-1, 1), meaning)


def pictures(translate: Translator) -> list[Program]:
    """A program for each network, from picture to picture: pix2pix, both ways of CycleGAN."""
    model = translate.model
    choices = {
        name: choice for name, choice in model.inference.items() if choice in translate.covered
    }
    if len({tuple(choice.items()) for choice in choices.values()}) < len(choices):
        raise InputError(
            f"{translate.name} translates with several networks together, and export does not know "
            "how; add its programs to paddle_gans/exporting/programs.py"
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


def colours(translate: Translator) -> list[Program]:
    """Colorization: lightness in, colours out."""
    model = translate.model
    ab = Field("y", ("batch", 2, "height", "width"), "float32", "uniform", None,
               "a and b of CIE Lab, each / 110")  # fmt: skip
    lightness = image("x", 1, "L of CIE Lab (0 to 100), L / 50 - 1")
    side = translate.options["crop_size"]
    network = model.inference_network("generator")
    return [Program("generator", network, [lightness], ab, model.translate, 1, side)]


def drawings(translate: Translator) -> list[Program]:
    """DCGAN: noise in, images out."""
    model, side = translate.model, translate.options["crop_size"]
    meaning = "noise, uniform in the range"
    z = Field("z", ("batch", model.noise_dim), "float32", "uniform", (-1, 1), meaning)
    drawn = image("y", translate.options["channels"], "(value + 1) * 127.5", side, side)
    return [Program("generator", model.inference_network("generator"), [z], drawn, model.draw)]


STYLE_NETWORKS = ("generator", "mapping_network", "style_encoder")


def styles(translate: Translator) -> list[Program]:
    """StarGAN v2: the generator given a style, and the two networks that styles come from."""
    model = translate.model
    names, side = model.domains, model.crop_size
    numbered = ", ".join(f"{i} {name}" for i, name in enumerate(names))
    y = Field("y", ("batch",), "int64", "integer", (0, len(names) - 1), f"domain: {numbered}")
    z = Field("z", ("batch", model.latent_dim), "float32", "normal", None, "latent code, N(0, 1)")
    s = Field("s", ("batch", model.style_dim), "float32", "normal", None, "style")
    square = image("x", 3, "RGB, value / 127.5 - 1", side, side)
    faces = model.fan is not None  # which are found at the training size alone
    source = square if faces else image("x", 3, square.meaning)
    result = image("result", 3, "RGB, (value + 1) * 127.5", *source.shape[2:])
    sizes = {"multiple": model.size_multiple, "side": side}
    generator, mapping_network, style_encoder = map(model.inference_network, STYLE_NETWORKS)
    mapped, styled = Mapped(mapping_network), Styled(style_encoder)
    return [
        Program("generator", Rendered(generator, model.fan), [source, s], result,
                model.render, **sizes),
        Program("mapping_network", mapped, [z, y], s, mapping_network),
        Program("style_encoder", styled, [square, y], s, style_encoder, side=side),
    ]  # fmt: skip
