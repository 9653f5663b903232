"""From files of other people's weights to a folder that `paddle_gans.load` opens."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from data_reader.atomic import atomic_folder
from data_reader.errors import InputError
from paddle_gans import models
from paddle_gans.models import stargan_v2
from paddle_gans.training import checkpoint
from paddle_gans.training.options import resolve

from . import stargan
from .fit import Row, put_into
from .networks import Network, network_of, numbers_needed
from .pieces import SUFFIXES, Piece, read
from .recognise import Found, recognise

# G_A and G_B of the papers' authors and PaddleGAN; G_AB, G_A2B and the like of others.
SIDE = re.compile(r"(?<![A-Za-z])(?:net_?)?([GD])_?(A2B|B2A|AB|BA|A|B)(?![A-Za-z0-9])")
STEP = re.compile(r"(?:^|iter_)(\d+)_(?:nets|weight|checkpoint)")
SLACK = 8  # times as many numbers as a file has may a network have that its shapes ask for


@dataclass
class Choice:
    """What the user says that no file does."""

    direction: Optional[str] = None  # a2b or b2a
    domains: Optional[Sequence[str]] = None
    w_hpf: Optional[float] = None
    norm_mode: Optional[str] = None  # running or instance


@dataclass
class Converted:
    """One network as it was brought over."""

    name: str
    piece: Piece
    found: Found
    network: Network
    rows: list[Row]


@dataclass
class Result:
    """The networks of one model, its options, and what else there is to say."""

    model: str
    options: dict[str, Any]
    networks: list[Converted] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    step: int = 0

    @property
    def is_fan_alone(self) -> bool:
        """Whether there is only what finds faces: no model of its own."""
        return [converted.name for converted in self.networks] == ["fan"]


def convert(sources: Sequence[Path], choice: Choice) -> Result:
    """Read files, or folders of them, and bring their networks over; nothing is written.

    Raises:
        InputError: a file cannot be read, is of no network that is known, or is nearly one; the
            files do not belong together; or they ask for what our models do not have.
    """
    pieces, remarks = [], []
    for path in listed(sources):
        found, left = read(path)
        pieces += found
        if left:
            remarks.append(f"{path}: left out, being no network's weights: {', '.join(left[:5])}")
    known = [(piece, recognise(piece)) for piece in pieces]
    of = {found.model: piece for piece, found in known}
    if len(of) > 1:
        both = ", ".join(f"{piece} is of {model}" for model, piece in of.items())
        raise InputError(f"{both}; convert them one at a time")
    check_choice(next(iter(of)), choice)
    named = with_names(known, choice)
    options = options_of(named, choice)
    result = Result(next(iter(of)), options, remarks=remarks, step=step_of(pieces[0].path))
    for name, (piece, found) in named.items():
        check_size(result.model, name, options, piece)
        network = network_of(result.model, name, options)
        rows = put_into(network, piece, found)
        result.networks.append(Converted(name, piece, found, network, rows))
    result.remarks += remarks_on(result, choice)
    return result


def check_choice(model: str, choice: Choice) -> None:
    """Refuse what has no meaning for a model."""
    known = {
        "pix2pix": ("direction", "norm_mode"),
        "cyclegan": ("direction",),
        "stargan_v2": ("domains", "w_hpf"),
    }
    for key, value in vars(choice).items():
        if value is not None and key not in known[model]:
            raise InputError(f"these are of {model}; --{key.replace('_', '-')} is not for it")


def listed(sources: Sequence[Path]) -> list[Path]:
    """The files that are meant: of a folder those of the newest epoch, ``latest_...``, if named so.

    Raises:
        InputError: a folder holds no file of weights.
    """
    files = []
    for source in sources:
        if not source.is_dir():
            files.append(source)
            continue
        inside = sorted(p for p in source.iterdir() if p.suffix in SUFFIXES and p.is_file())
        if not inside:
            raise InputError(f"{source} holds no file that ends in {', '.join(SUFFIXES)}")
        latest = [path for path in inside if path.name.startswith("latest")]
        files += latest or inside
    return list(dict.fromkeys(files))


def with_names(
    known: Sequence[tuple[Piece, Found]], choice: Choice
) -> dict[str, tuple[Piece, Found]]:
    """Each piece under the name of our network that it is.

    Raises:
        InputError: two pieces are the same network, or it cannot be told which one a piece is.
    """
    sides = [side_of(piece) for piece, _ in known]
    # Where such generators are called AB and BA, D_A judges pictures of A; else what G_A makes.
    d_judges_own = any(
        side in ("AB", "BA") and found.options.get("generator") == "resnet_9blocks"
        for (_, found), side in zip(known, sides)
    )
    named: dict[str, tuple[Piece, Found]] = {}
    for (piece, found), side in zip(known, sides):
        name = found.part
        if found.model == "cyclegan":
            own = d_judges_own or found.options.get("discriminator") == "article"
            name = cyclegan_name(piece, found, side, own, choice)
        if name in named:
            raise InputError(
                f"{named[name][0]} and {piece} are both {found.model}'s {name}; give one of them"
            )
        named[name] = (piece, found)
    return named


def side_of(piece: Piece) -> Optional[str]:
    """A, B, AB or BA, as the network is called in its file or as the file is; None: not said."""
    match = SIDE.search(piece.label) or SIDE.search(piece.path.stem)
    return match[2].replace("2", "") if match else None


def cyclegan_name(
    piece: Piece, found: Found, side: Optional[str], d_judges_own: bool, choice: Choice
) -> str:
    """Which of CycleGAN's networks a piece is."""
    if found.part == "generator":
        if side is None:
            return "generator_ba" if choice.direction == "b2a" else "generator_ab"
        if choice.direction is not None:
            raise InputError(f"{piece} says by its name which way it goes; leave --direction out")
        return "generator_ab" if side in ("A", "AB") else "generator_ba"
    if side not in ("A", "B"):
        raise InputError(f"{piece}: of A or of B? Call it latest_net_D_A.pth, or ..._D_B.pth")
    own = side.lower()
    return f"discriminator_{own if d_judges_own else {'a': 'b', 'b': 'a'}[own]}"


def options_of(named: dict[str, tuple[Piece, Found]], choice: Choice) -> dict[str, Any]:
    """The options that all pieces agree on, and the model's own for the rest.

    Raises:
        InputError: they do not agree.
    """
    model = next(iter(named.values()))[1].model
    if model == "stargan_v2":
        if set(named) == {"fan"}:
            return {}
        pieces = {name: piece for name, (piece, _) in named.items()}
        given = stargan.options_of(pieces, choice.domains, choice.w_hpf)
        if given["w_hpf"] > 0:
            if "fan" not in named:
                raise InputError(
                    f"{pieces['generator'].path} is for faces and needs the network that finds "
                    "them: give the authors' wing.ckpt too"
                )
            given["fan_weights"] = "fan.pdparams"
        elif "fan" in named:
            raise InputError(f"{pieces['fan']}: this generator has w_hpf 0 and looks for no faces")
        domains = given["domains"].split(",")
        stargan_v2.check_options(
            domains, given["crop_size"], given["w_hpf"], given.get("fan_weights")
        )
    else:
        given = merged(named)
        if model == "pix2pix":
            # In evaluation mode PaddleGAN's batch norm goes by each picture's own statistics.
            own = all(piece.of_paddle for piece, _ in named.values())
            given["norm_mode"] = choice.norm_mode or ("instance" if own else "running")
            given["direction"] = choice.direction or "a2b"
    return resolve(models.find(model), given, model)


def merged(named: dict[str, tuple[Piece, Found]]) -> dict[str, Any]:
    """The pieces' options in one."""
    options: dict[str, Any] = {}
    first: dict[str, Piece] = {}
    for piece, found in named.values():
        for key, value in found.options.items():
            if options.setdefault(key, value) != value:
                raise InputError(
                    f"{first[key]} has {key} {options[key]}, {piece} has {value}; a model here has "
                    "one for both: convert one of them alone"
                )
            first.setdefault(key, piece)
    return options


def step_of(path: Path) -> int:
    """How long the weights were trained, if their file's name says it; else 0."""
    match = STEP.search(path.stem)
    return int(match[1]) if match else 0


def check_size(model: str, name: str, options: Mapping[str, Any], piece: Piece) -> None:
    """Refuse shapes that ask for a network far larger than what the file holds."""
    there = sum(math.prod(x.shape) for x in piece.arrays.values())
    needed = numbers_needed(model, name, options)
    if needed > SLACK * there + 2**22:
        raise InputError(
            f"{piece}: its shapes are those of a network with {needed / 1e6:.0f} million numbers, "
            f"but it holds {there / 1e6:.1f} million"
        )


def remarks_on(result: Result, choice: Choice) -> list[str]:
    """Sentences about what the files did not say."""
    names, found = {c.name for c in result.networks}, []
    if result.model == "stargan_v2" and not result.is_fan_alone:
        if choice.domains is None:
            found.append(
                f"the files name no domains: they are {result.options['domains']}; --domains "
                "names them, in the order of the folders' names in training"
            )
        if "discriminator" in names:
            found.append("beside a discriminator these are the trained networks, not the averages")
        if result.options["w_hpf"] > 0 and choice.w_hpf is None:
            found.append(f"w_hpf {result.options['w_hpf']:g}; --w-hpf X if it was another one")
    if result.model == "pix2pix" and "generator" in names and choice.norm_mode is None:
        others = {"running": "instance goes by each picture's own, as test.py without --eval does",
                  "instance": "running goes by those of training"}  # fmt: skip
        mode = result.options["norm_mode"]
        whose = {"running": "training's, as with test.py --eval", "instance": "each picture's own"}
        found.append(f"batch norm's statistics are {whose[mode]}; --norm-mode {others[mode]}")
    if any(c.found.dropout for c in result.networks):
        found.append("its dropout is left out, which only training notices")
    if any(c.piece.vectors for c in result.networks):
        found.append("spectral norms are divided into the weights; training on is without them")
    return found


def write(result: Result, folder: Path) -> list[Path]:
    """Write the networks into a new or empty folder, all or none; returns the files.

    Raises:
        InputError: the folder holds something, or cannot be written.
    """
    paths = [folder / f"{one.name}.pdparams" for one in result.networks]
    folder = folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"--to {paths[0].parent} is there and not empty; name a new folder")
    usable = {}
    if not result.is_fan_alone:
        usable = dict(models.find(result.model).inference_for(result.options))
        if "fan_weights" in result.options and result.options["w_hpf"] > 0:
            result.options["fan_weights"] = str(folder / "fan.pdparams")
    with atomic_folder(folder) as partial:
        for one in result.networks:
            # Without an entry `load` leaves a file alone, and `--init-from` goes by its name.
            entry = {}
            if one.name in usable:
                entry = {
                    "model": result.model,
                    "options": result.options,
                    "network": one.name,
                    "translate": dict(usable[one.name]),
                    "step": result.step,
                    "source": one.found.what,
                }
            checkpoint.save_network(partial / f"{one.name}.pdparams", one.network.layer, entry)
    return paths
