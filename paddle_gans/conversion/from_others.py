"""Converts other people's weight files to a folder that ``paddle_gans.load`` opens."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from paddle import nn

from data_reader.atomic import atomic_folder
from data_reader.errors import InputError
from paddle_gans import models
from paddle_gans.training.options import resolve
from paddle_gans.weights import formats

from .detect import detect, stargan_options
from .networks import Row, load_into, names_of, networks_of
from .state_dicts import Match, StateDict, read

# G_A and G_B of the papers' authors and PaddleGAN; G_AB, G_A2B and the like of others.
SIDE = re.compile(
    r"(?<![A-Za-z])(?:net_?)?([GD]|(?i:gen|disc?|generator|discriminator))_?"
    r"((?i:A2B|B2A|AB|BA|A|B))(?![A-Za-z0-9])"
)
STEP = re.compile(r"(?:^|iter_)(\d+)_(?:nets|weight|checkpoint)")
MAX_GROWTH = 8  # parameters that shapes may ask for, in numbers that the file holds
HINTS = {  # what the user may say of each model, because no file does
    "pix2pix": ("direction", "norm_mode"),
    "cyclegan": ("direction",),
    "cut": ("direction",),
    "dcgan": (),
    "stargan_v2": ("domains", "w_hpf"),
}


class Converted(NamedTuple):
    """One converted network."""

    name: str
    source: StateDict
    match: Match
    layer: nn.Layer
    rows: list[Row]


@dataclass
class Conversion:
    """The networks of one model, its options, and notes for the user."""

    model: str
    options: dict[str, Any]
    networks: list[Converted] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    step: int = 0

    @property
    def is_fan_alone(self) -> bool:
        """Whether there is only the face-alignment network, which is no model."""
        return [one.name for one in self.networks] == ["fan"]


def convert(sources: Sequence[Path], hints: Mapping[str, Any]) -> Conversion:
    """Read files, or folders of them, and convert their networks; writes nothing.

    Raises:
        InputError: a file is damaged, of no known network, or nearly one; the files do not belong
            together; or they need something that our models do not have.
    """
    notes, matches = [], []
    for path in weight_files(sources):
        states, others = read(path)
        if others:
            notes.append(f"{path}: skipped, not weights: {', '.join(others[:5])}")
        for state in states:
            if state.count(r"mlp_(\d+)\.") > 0:
                notes.append(f"{state} is CUT's netF, which only training uses")
            else:
                matches.append((state, detect(state)))
    if not matches:
        raise InputError(f"{notes[-1]}; give netG")
    of = {match.model: state for state, match in matches}
    if len(of) > 1:
        both = ", ".join(f"{state} is of {model}" for model, state in of.items())
        raise InputError(f"{both}; convert them one at a time")
    (model,) = of
    for key in hints:
        if key not in HINTS[model]:
            raise InputError(f"{model} does not use --{key.replace('_', '-')}; leave it out")
    named = with_names(matches, hints)
    options = options_of(model, named, hints)
    step = STEP.search(matches[0][0].path.stem)
    result = Conversion(model, options, notes=notes, step=int(step[1]) if step else 0)
    layers = networks_of(model, list(named), options)
    for name, (state, match) in named.items():
        check_size(layers[name], state)
        rename = partial(names_of(model, name, options), **match.naming)
        rows = load_into(layers[name], rename, state, match)
        result.networks.append(Converted(name, state, match, layers[name], rows))
    result.notes += assumptions(result, hints)
    return result


def weight_files(sources: Sequence[Path]) -> list[Path]:
    """The weight files of ``sources``; of a folder those named ``latest_...`` if it has any."""
    files = []
    for source in sources:
        if not source.is_dir():
            files.append(source)
            continue
        inside = sorted(p for p in source.iterdir() if p.suffix in formats.SUFFIXES and p.is_file())
        if not inside:
            suffixes = ", ".join(formats.SUFFIXES)
            raise InputError(f"{source} holds no file that ends in {suffixes}")
        latest = [path for path in inside if path.name.startswith("latest")]
        files += latest or inside
    return list(dict.fromkeys(files))


def with_names(
    matches: Sequence[tuple[StateDict, Match]], hints: Mapping[str, Any]
) -> dict[str, tuple[StateDict, Match]]:
    """The matches keyed by the names of our networks."""
    sides = [side_of(state) for state, _ in matches]
    # Beside generators called AB and BA, D_A judges images of A; otherwise what G_A makes.
    d_judges_own = any(
        side in ("AB", "BA") and match.options.get("generator") == "resnet_9blocks"
        for (_, match), side in zip(matches, sides)
    )
    named: dict[str, tuple[StateDict, Match]] = {}
    for (state, match), side in zip(matches, sides):
        name = match.part
        if match.model == "cyclegan":
            own = d_judges_own or match.options.get("discriminator") == "article"
            name = cyclegan_name(state, match, side, own, hints)
        if name in named:
            raise InputError(
                f"{named[name][0]} and {state} are both {match.model}'s {name}; give one of them"
            )
        named[name] = (state, match)
    return named


def side_of(state: StateDict) -> str | None:
    """A, B, AB or BA, from the network's name in its file or the file's name; None if unknown."""
    found = SIDE.search(state.label) or SIDE.search(state.path.stem)
    return found[2].upper().replace("2", "") if found else None


def cyclegan_name(
    state: StateDict, match: Match, side: str | None, d_judges_own: bool, hints: Mapping[str, Any]
) -> str:
    """Which of CycleGAN's networks a state dict is."""
    if match.part == "generator":
        if side is None:
            return "generator_ba" if hints.get("direction") == "b2a" else "generator_ab"
        if "direction" in hints:
            raise InputError(f"the name of {state} says its direction; leave --direction out")
        return "generator_ab" if side in ("A", "AB") else "generator_ba"
    if side not in ("A", "B"):
        raise InputError(f"{state}: of A or of B? Rename it latest_net_D_A.pth or ..._D_B.pth")
    own = side.lower()
    return f"discriminator_{own if d_judges_own else {'a': 'b', 'b': 'a'}[own]}"


def options_of(
    model: str, named: dict[str, tuple[StateDict, Match]], hints: Mapping[str, Any]
) -> dict[str, Any]:
    """The options that all networks agree on, with the model's defaults for the others."""
    if set(named) == {"fan"}:
        return {}
    states = {name: state for name, (state, _) in named.items()}
    if model == "stargan_v2":
        given = stargan_options(states, hints.get("domains"), hints.get("w_hpf"))
        if given["w_hpf"] > 0:
            if "fan" not in named:
                raise InputError(
                    f"{states['generator'].path} is for faces and needs the face-alignment "
                    "network: give the authors' wing.ckpt too"
                )
            given["fan_weights"] = "fan.pdparams"
        elif "fan" in named:
            raise InputError(f"{states['fan']}: this generator has w_hpf 0 and aligns no faces")
    else:
        given = merged(named)
        if model in ("cut", "pix2pix"):
            given["direction"] = hints.get("direction", "a2b")
        if model == "pix2pix":
            # PaddleGAN evaluates with batch norm in training mode.
            usual = "instance" if all(x.of_paddle for x in states.values()) else "running"
            given["norm_mode"] = hints.get("norm_mode", usual)
    return resolve(models.find(model), given, model)


def merged(named: dict[str, tuple[StateDict, Match]]) -> dict[str, Any]:
    """All networks' options in one dict."""
    options: dict[str, Any] = {}
    first: dict[str, StateDict] = {}
    for state, match in named.values():
        for key, value in match.options.items():
            if options.setdefault(key, value) != value:
                raise InputError(
                    f"{first[key]} has {key} {options[key]}, {state} has {value}; a model here has "
                    "one for both: convert them separately"
                )
            first.setdefault(key, state)
    return options


def check_size(layer: nn.Layer, state: StateDict) -> None:
    """Refuse shapes that need a network far larger than what the file holds."""
    given = sum(x.size for x in state.arrays.values())
    needed = sum(math.prod(x.shape) for x in layer.parameters())
    if needed > MAX_GROWTH * given + 2**22:
        raise InputError(
            f"{state}: its shapes need a network with {needed / 1e6:.0f} million numbers, but it "
            f"holds {given / 1e6:.1f} million"
        )


def assumptions(result: Conversion, hints: Mapping[str, Any]) -> list[str]:
    """Notes about what the files did not say."""
    names, notes = {one.name for one in result.networks}, []
    if result.model == "stargan_v2" and not result.is_fan_alone:
        if "domains" not in hints:
            notes.append(
                f"the files do not name the domains, so they are {result.options['domains']}; "
                "--domains names them, in the order of the folders' names in training"
            )
        if "discriminator" in names:
            notes.append("files with a discriminator hold the trained networks, not the EMA")
        if result.options["w_hpf"] > 0 and "w_hpf" not in hints:
            notes.append(f"w_hpf is {result.options['w_hpf']:g}; --w-hpf X sets another one")
    if result.model == "pix2pix" and "generator" in names and "norm_mode" not in hints:
        whose = {
            "running": "of training, as test.py --eval; --norm-mode instance uses each image's",
            "instance": "of each image; --norm-mode running uses those of training",
        }
        notes.append(f"batch norm uses the statistics {whose[result.options['norm_mode']]}")
    if result.options.get("noise") == "normal":
        notes.append("images are drawn from normal noise, as in the tutorial")
    if any(one.match.naming.get("dropout") for one in result.networks):
        notes.append("dropout is skipped, which affects training only")
    if any(one.source.vectors for one in result.networks):
        notes.append("spectral norms are folded into the weights; further training is without them")
    return notes


def write(result: Conversion, folder: Path, suffix: str = ".pdparams") -> list[Path]:
    """Write the networks into a new or empty folder, all or none; returns the files."""
    usable = {}
    if not result.is_fan_alone:
        usable = dict(models.find(result.model).inference_for(result.options))
        if "fan_weights" in result.options and result.options["w_hpf"] > 0:
            result.options["fan_weights"] = str(folder.resolve() / f"fan{suffix}")
    with new_folder(folder) as partial:
        for one in result.networks:
            # Without an entry, `load` ignores a file and `--init-from` uses its name.
            entry = {}
            if one.name in usable:
                entry = {
                    "model": result.model,
                    "options": result.options,
                    "network": one.name,
                    "translate": dict(usable[one.name]),
                    "step": result.step,
                    "source": one.match.what,
                }
            formats.save_network(partial / f"{one.name}{suffix}", one.layer, entry)
    return [folder / f"{one.name}{suffix}" for one in result.networks]


def new_folder(folder: Path):
    """Write a folder atomically; refuse one that is not empty."""
    path = folder.resolve()
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"--to {folder} exists and is not empty; name a new folder")
    return atomic_folder(path)


def is_ours(path: Path) -> bool:
    """Whether paddle_gans saved a file."""
    return path.suffix in formats.NATIVE and formats.ENTRY in formats.load(path)


def resave(files: Sequence[Path], folder: Path, suffix: str) -> list[Path]:
    """Write files of ours in another format; returns the new files."""
    with new_folder(folder) as partial:
        for path in files:
            formats.write_network(partial / f"{path.stem}{suffix}", *formats.read_network(path))
    return [folder / f"{path.stem}{suffix}" for path in files]
