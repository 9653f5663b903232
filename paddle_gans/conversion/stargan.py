"""The options of StarGAN v2, from the shapes of its networks together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from data_reader.errors import InputError

from .pieces import Piece

NEEDED = ("generator", "mapping_network", "style_encoder")
USUAL_MAX = 512  # channels, where no network reaches its limit


def options_of(
    pieces: Mapping[str, Piece], domains: Optional[Sequence[str]], w_hpf: Optional[float]
) -> dict[str, Any]:
    """The options of the networks that these pieces are, by our names.

    Raises:
        InputError: a network is missing, they do not belong together, ``domains`` are of another
            number, or ``w_hpf`` contradicts the generator.
    """
    missing = [part for part in NEEDED if part not in pieces]
    if missing:
        given = ", ".join(f"{piece.path.name} has the {part}" for part, piece in pieces.items())
        raise InputError(
            f"StarGAN v2 needs its three networks together; {' and '.join(missing)} missing "
            f"({given}); give the file of the averaged networks, 100000_nets_ema.ckpt say"
        )
    generator, mapping, encoder = (pieces[part] for part in NEEDED)
    dims = widths(encoder)
    crop_size = 2 ** (len(dims) + 1)
    if generator.shape("from_rgb.weight")[:1] != (dims[0],):
        raise InputError(
            f"{generator} and {encoder} are of other widths: from_rgb.weight is "
            f"{list(generator.shape('from_rgb.weight'))}, shared.0.weight begins with {dims[0]}"
        )
    limited = dims[-1] < dims[0] * 2 ** (len(dims) - 1)
    return {
        "domains": ",".join(names_of(mapping, encoder, domains)),
        "crop_size": crop_size,
        "base_dim": None if dims[0] == 2**14 // crop_size else dims[0],
        "max_channels": dims[-1] if limited else max(USUAL_MAX, dims[-1]),
        "latent_dim": side(mapping, "shared.0.weight", 1),
        "hidden_dim": side(mapping, "shared.0.weight", 0),
        "style_dim": side(encoder, "unshared.0.weight", 0),
        **high_pass(generator, crop_size, w_hpf),
    }


def widths(encoder: Piece) -> list[int]:
    """The channels at each size of map down to 4 pixels."""
    blocks = encoder.count(r"shared\.(\d+)\.conv1\.")
    shapes = [encoder.shape(f"shared.{i + 1}.conv1.weight") for i in range(blocks)]
    shapes.append(encoder.shape(f"shared.{blocks}.conv2.weight"))
    if not 4 <= blocks <= 10 or any(len(shape) != 4 or shape[0] < 1 for shape in shapes):
        raise InputError(f"{encoder}: {blocks} blocks of convolutions are of no picture's size")
    return [shape[0] for shape in shapes]


def side(piece: Piece, name: str, axis: int) -> int:
    shape = piece.shape(name)
    if len(shape) != 2 or min(shape) < 1:
        raise InputError(f"{piece}: {name} is {list(shape)}, not the weight of a linear layer")
    return shape[axis]


def names_of(mapping: Piece, encoder: Piece, domains: Optional[Sequence[str]]) -> list[str]:
    """The domains' names: a file holds only how many there are."""
    count, other = mapping.count(r"unshared\.(\d+)\."), encoder.count(r"unshared\.(\d+)\.")
    if count != other:
        raise InputError(f"{mapping} has {count} domains, {encoder} {other}; they are of two runs")
    if domains is None:
        return [f"domain{i + 1}" for i in range(count)]
    if len(domains) != count or any("," in name for name in domains):
        raise InputError(
            f"{mapping.path} has {count} domains, --domains {' '.join(domains)} names "
            f"{len(domains)}; their order is that of the folders' names in training"
        )
    return list(domains)


def high_pass(generator: Piece, crop_size: int, w_hpf: Optional[float]) -> dict[str, float]:
    """``w_hpf``: above 0 the generator is a block deeper; its value is in no weight."""
    blocks = generator.count(r"encode\.(\d+)\.")
    deeper = blocks == int(math.log2(crop_size)) - 1
    if w_hpf is not None and (w_hpf > 0) != deeper:
        raise InputError(
            f"{generator}: --w-hpf {w_hpf:g} does not suit its {blocks} blocks, which are those "
            f"{'with' if deeper else 'without'} high-pass skips"
        )
    if not deeper:
        return {"w_hpf": 0.0}
    kernel = generator.arrays.get("hpf.filter")
    if w_hpf is None and kernel is not None and kernel.size == 9 and kernel.ravel()[4] > 0:
        w_hpf = round(8 / float(kernel.ravel()[4]), 6)
    return {"w_hpf": 1.0 if w_hpf is None else w_hpf}
