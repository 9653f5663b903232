"""Converts other people's weight files to a folder that ``paddle_gans.load`` opens."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
HINTS = {  # what the user may say about each model
    "pix2pix": ("direction", "norm_mode"),
    "cyclegan": ("direction",),
    "cut": ("direction",),
    "dcgan": (),
    "stargan_v2": ("domains", "w_hpf"),
}


@dataclass
class Hints:
    """What the user says because no file does."""

    direction: str | None = None  # a2b or b2a
    domains: Sequence[str] | None = None
    w_hpf: float | None = None
    norm_mode: str | None = None  # running or instance


@dataclass
class Converted:
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


def convert(sources: Sequence[Path], hints: Hints) -> Conversion:
    """Read files, or folders of them, and convert their networks; writes nothing.

    Raises:
        InputError: a file is damaged, of no known network, or nearly one; the files do not belong
            together; or they need something that our models do not have.
    """
    states, notes = [], []
    for path in weight_files(sources):
        found, others = read(path)
        states += found
        if others:
            notes.append(f"{path}: skipped, not weights: {', '.join(others[:5])}")
    matches = [(state, detect(state)) for state in states if not is_projection(state)]
    left = [
        f"{state} is CUT's netF, which only training uses"
        for state in filter(is_projection, states)
    ]
    if not matches:
        raise InputError(f"{left[0]}; give netG")
    notes += [f"left out: {sentence}" for sentence in left]
    of = {match.model: state for state, match in matches}
    if len(of) > 1:
        both = ", ".join(f"{state} is of {model}" for model, state in of.items())
        raise InputError(f"{both}; convert them one at a time")
    model = next(iter(of))
    for key, value in vars(hints).items():
        if value is not None and key not in HINTS[model]:
            raise InputError(f"{model} does not use --{key.replace('_', '-')}; leave it out")
    named = with_names(matches, hints)
    options = options_of(model, named, hints)
    result = Conversion(model, options, notes=notes, step=step_of(states[0].path))
    layers = networks_of(model, list(named), options)
    for name, (state, match) in named.items():
        check_size(layers[name], state)
        rows = load_into(layers[name], names_of(model, name, options), state, match)
        result.networks.append(Converted(name, state, match, layers[name], rows))
    result.notes += assumptions(result, hints)
    return result


def is_projection(state: StateDict) -> bool:
    """Whether a state dict is the network that CUT compares patches with, netF."""
    return state.count(r"mlp_(\d+)\.") > 0


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
    matches: Sequence[tuple[StateDict, Match]], hints: Hints
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
    state: StateDict, match: Match, side: str | None, d_judges_own: bool, hints: Hints
) -> str:
    """Which of CycleGAN's networks a state dict is."""
    if match.part == "generator":
        if side is None:
            return "generator_ba" if hints.direction == "b2a" else "generator_ab"
        if hints.direction is not None:
            raise InputError(f"the name of {state} says its direction; leave --direction out")
        return "generator_ab" if side in ("A", "AB") else "generator_ba"
    if side not in ("A", "B"):
        raise InputError(f"{state}: of A or of B? Rename it latest_net_D_A.pth or ..._D_B.pth")
    own = side.lower()
    return f"discriminator_{own if d_judges_own else {'a': 'b', 'b': 'a'}[own]}"


def options_of(
    model: str, named: dict[str, tuple[StateDict, Match]], hints: Hints
) -> dict[str, Any]:
    """The options that all networks agree on, with the model's defaults for the others."""
    if set(named) == {"fan"}:
        return {}
    states = {name: state for name, (state, _) in named.items()}
    if model == "stargan_v2":
        given = stargan_options(states, hints.domains, hints.w_hpf)
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
        if model == "cut":
            given["direction"] = hints.direction or "a2b"
        if model == "pix2pix":
            # PaddleGAN evaluates with batch norm in training mode.
            of_paddle = all(state.of_paddle for state in states.values())
            given["norm_mode"] = hints.norm_mode or ("instance" if of_paddle else "running")
            given["direction"] = hints.direction or "a2b"
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


def step_of(path: Path) -> int:
    """The training step in a file's name; 0 if there is none."""
    found = STEP.search(path.stem)
    return int(found[1]) if found else 0


def check_size(layer: nn.Layer, state: StateDict) -> None:
    """Refuse shapes that need a network far larger than what the file holds."""
    given = sum(x.size for x in state.arrays.values())
    needed = sum(math.prod(x.shape) for x in layer.parameters())
    if needed > MAX_GROWTH * given + 2**22:
        raise InputError(
            f"{state}: its shapes need a network with {needed / 1e6:.0f} million numbers, but it "
            f"holds {given / 1e6:.1f} million"
        )


def assumptions(result: Conversion, hints: Hints) -> list[str]:
    """Notes about what the files did not say."""
    names, notes = {one.name for one in result.networks}, []
    if result.model == "stargan_v2" and not result.is_fan_alone:
        if hints.domains is None:
            notes.append(
                f"the files do not name the domains, so they are {result.options['domains']}; "
                "--domains names them, in the order of the folders' names in training"
            )
        if "discriminator" in names:
            notes.append("files with a discriminator hold the trained networks, not the EMA")
        if result.options["w_hpf"] > 0 and hints.w_hpf is None:
            notes.append(f"w_hpf is {result.options['w_hpf']:g}; --w-hpf X sets another one")
    if result.model == "pix2pix" and "generator" in names and hints.norm_mode is None:
        others = {"running": "instance uses each image's own, as test.py without --eval does",
                  "instance": "running uses those of training"}  # fmt: skip
        mode = result.options["norm_mode"]
        whose = {"running": "of training, as with test.py --eval", "instance": "of each image"}
        notes.append(f"batch norm uses the statistics {whose[mode]}; --norm-mode {others[mode]}")
    if result.options.get("noise") == "normal":
        notes.append("images are drawn from normal noise, as in the tutorial")
    if any(one.match.dropout for one in result.networks):
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
