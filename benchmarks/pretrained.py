"""python benchmarks/pretrained.py NAME --data PATH: train weights of paddle_gans/pretrained again.

Runs the training commands of the recipe below, in ``runs/pretrained/`` (the same command again
resumes). With ``--save`` it then measures the weights on held-out images and writes them, in half
precision, into the package, with their model card.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import numpy as np  # noqa: E402

import paddle_gans  # noqa: E402
from data_reader import framework  # noqa: E402
from data_reader.embedded import demo_path  # noqa: E402
from data_reader.errors import InputError  # noqa: E402
from paddle_gans.weights import pretrained  # noqa: E402

MACHINE = "one core of an AMD EPYC (Zen 4), shared with other work"
LOG = "--log-every 100 --sample-every 500 --save-every 500 --workers 1"
LARGEST_HALF = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Recipe:
    """What a model is trained on, and the flags of its training: a string for each stage.

    Each stage starts from the weights of the one before.
    """

    model: str
    title: str
    data: str  # the data set's name; the embedded ones: `demo`
    source: str
    terms: str
    limits: str
    stages: tuple[str, ...]


DRAWN = {
    "data": "demo",
    "source": "the drawings that come with this package",
    "terms": "MIT, as this package",
}
DEMO_FOLDERS = {"pix2pix": "streets", "cyclegan": "landscapes", "stargan_v2": "faces",
                "colorization": "colours", "dcgan": "digits"}  # fmt: skip
CROPS = (  # of photographs that labels or outlines describe
    "--direction b2a --load-size 0 --crop-size 128 --flip --generator unet_128 "
    "--discriminator paper --lambda-fm 10 --ema-decay 0.999 --amp bf16"
)
FACES = (
    "--domains cat,dog,rabbit --crop-size 64 --base-dim 16 --max-channels 128 --hidden-dim 256 "
    "--batch-size 4 --learning-rate 4e-4 --beta1 0 --ema-decay 0.998 --lambda-cyc 3 --amp bf16"
)
SHORT = "--diff-augment translation,cutout --ema-decay 0.999"  # for small data sets
RECIPES: dict[str, Recipe] = {
    "pix2pix_demo": Recipe(
        model="pix2pix",
        title="label maps of streets to images",
        limits="draws what tools/draw_demo draws: real label maps give a drawing, no photograph",
        stages=(f"--base-dim 32 {SHORT} --steps 7786 --decay-start-epoch 13 --decay-end-epoch 25",),
        **DRAWN,
    ),
    "pix2pix_edges2photo": Recipe(
        model="pix2pix",
        title="outlines of shoes and handbags to photographs",
        data="edges2photo128",
        source="1,500 photographs of shoes and handbags on white with their outlines, 128 pixels a "
        "side, from the sets edges2shoes and edges2handbags of the pix2pix paper",
        terms="the sets state no licence: for research and study",
        limits="nearly everything becomes dark leather; expects one object on white, drawn in "
        "outlines of one pixel",
        stages=(f"{CROPS} --base-dim 24 --upsample bilinear --lambda-l1 20 --steps 13000",),
    ),
    "pix2pix_facades": Recipe(
        model="pix2pix",
        title="label maps of facades to photographs",
        data="facades",
        source="400 rectified photographs of facades and their label maps, from the CMP Facade "
        "Database",
        terms="the database is for research",
        limits="all walls are of the same stone; what the labels leave open (sky, street, what is "
        "beside the house) is blurred; edges ring",
        stages=(
            f"{CROPS} --base-dim 32 --upsample resize --lambda-l1 10 --steps 18117",
            f"{CROPS} --base-dim 32 --upsample bilinear --lambda-l1 10 --steps 17280",
        ),
    ),
    "cyclegan_demo": Recipe(
        model="cyclegan",
        title="drawn landscapes to paintings and back",
        limits="knows the drawings and brush strokes of tools/draw_demo, not real paintings; gives "
        "some skies a bright disc like a sun",
        stages=(
            "--base-dim 32 --residual-num 6 --load-size 108 --crop-size 96 --ema-decay 0.999 "
            "--amp bf16 --steps 8166",
        ),
        **DRAWN,
    ),
    "stargan_v2_demo": Recipe(
        model="stargan_v2",
        title="drawn animals: cats, dogs and rabbits to each other",
        limits="knows these drawings, not photographs of animals",
        stages=(
            f"{FACES} --mapping-learning-rate 4e-5 --lambda-ds 1 --ds-steps 8000 --steps 2036",
            f"{FACES} --mapping-learning-rate 4e-5 --lambda-ds 1 --ds-steps 6000 --steps 1723 "
            "--upsample bilinear",
            f"{FACES} --mapping-learning-rate 1e-4 --lambda-ds 3 --ds-steps 6000 --steps 3000 "
            "--upsample bilinear",
        ),
        **DRAWN,
    ),
    "colorization_demo": Recipe(
        model="colorization",
        title="grey drawings of scenes, still lifes and flowers to colour",
        limits="knows the colours of these drawings, not those of photographs",
        stages=(
            "--base-dim 16 --load-size 128 --crop-size 96 --batch-size 4 --learning-rate 4e-4 "
            f"--pretrain-steps 1500 {SHORT.replace('0.999', '0.995')} --amp bf16 --steps 4000",
        ),
        **DRAWN,
    ),
    "colorization_landscapes": Recipe(
        model="colorization",
        title="grey photographs of landscapes to colour",
        data="landscapes128",
        source="1,600 photographs of skies, water, mountains and woods, 128 pixels a side",
        terms="the collection states no licence: for research and study",
        limits="made for landscapes at 128 pixels; people and towns get the colours of grass and "
        "stone, and sunsets a blue sky",
        stages=(
            "--base-dim 32 --load-size 128 --crop-size 112 --batch-size 8 --pretrain-steps 2000 "
            f"{SHORT} --amp bf16 --steps 3500",
        ),
    ),
}


def run_folders(name: str) -> list[Path]:
    """The folder of each stage's run."""
    count = len(RECIPES[name].stages)
    return [Path("runs/pretrained") / (f"{name}_{i}" if count > 1 else name) for i in range(count)]


def commands(name: str, data: str) -> list[str]:
    """The flags of each stage's training command."""
    recipe, found, before = RECIPES[name], [], ""
    for flags, out in zip(recipe.stages, run_folders(name)):
        found.append(f"--model {recipe.model} --data {data} {flags}{before} --out {out}")
        before = f" --init-from {out}"
    return found


def train(name: str, data: str) -> None:
    """Run all stages, or resume them."""
    from paddle_gans.train_command import main

    for command in commands(name, data):
        print(f"\npython -m paddle_gans.train {command}", flush=True)
        main(shlex.split(f"{command} {LOG}"))


def save(name: str, data: str, runs: Sequence[Path]) -> None:
    """Measure the last run and write its weights and model card into the package."""
    from learn import minutes_until, read_config

    recipe, run = RECIPES[name], runs[-1]
    config = read_config(str(run), recipe.model)
    steps = [weights_step(folder) for folder in runs]
    minutes = sum(minutes_until(str(folder), step) for folder, step in zip(runs, steps))
    figures = learned(recipe.model, run, data, config["options"])
    folder = pretrained.FOLDER / name
    write_halves(run, folder)
    card = {
        "model": recipe.model,
        "title": recipe.title,
        "data": recipe.data,
        "source": recipe.source,
        "terms": recipe.terms,
        "pixels": config["options"]["crop_size"],
        "steps": sum(steps),
        "hours": round(minutes / 60, 1),
        "machine": MACHINE,
        "commands": [f"python -m paddle_gans.train {c}" for c in commands(name, recipe.data)],
        "figures": {},
        "limits": recipe.limits,
    }
    write_card(folder, card)  # evaluation finds the weights by their name
    card["figures"] = {
        "measured by benchmarks/learn.py": figures,
        f"python -m paddle_gans.evaluate --weights {name} --data {recipe.data}": evaluated(
            name, data
        ),
    }
    write_card(folder, card)


def weights_step(run: Path) -> int:
    """The step of the weights in a run folder."""
    return paddle_gans.load(run).step


def learned(model: str, run: Path, data: str, options: dict[str, Any]) -> dict[str, Any]:
    """The metrics of ``benchmarks/learn.py``, beside its baselines."""
    if data == "demo":
        data = str(demo_path(DEMO_FOLDERS[model]))
    translate = paddle_gans.load(run)
    module = importlib.import_module(f"measures.{model}")
    prepare = getattr(module, "prepare", lambda data, out, options: data)
    return module.measure(translate, prepare(data, str(run), options), run, options)


def evaluated(name: str, data: str) -> dict[str, Any]:
    """The metrics of the evaluating command that need no other network."""
    from paddle_gans import evaluate

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "metrics.json"
        evaluate.main(["--weights", name, "--data", data, "--output", str(file)])
        rows = json.loads(file.read_text(encoding="utf-8"))["figures"]
    rows = {title: {key: round(x, 4) for key, x in row.items()} for title, row in rows.items()}
    return next(iter(rows.values())) if len(rows) == 1 else rows


def write_halves(run: Path, folder: Path) -> None:
    """Write a run's networks as float16, unless a value is too large for it."""
    from paddle_gans.weights import formats

    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.pdparams"):
        old.unlink()
    for file in formats.network_files(run):
        arrays, entry = formats.read_network(file)
        small = {
            key: x.astype(np.float16)
            if x.dtype == np.float32 and np.abs(x).max(initial=0) < LARGEST_HALF
            else x
            for key, x in arrays.items()
        }
        formats.write_network(folder / f"{file.stem}.pdparams", small, entry)


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """Write the model card."""
    text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
    (folder / pretrained.CARD).write_text(text, encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Train, and save if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=RECIPES, metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument("--data", metavar="PATH", help="the data set that the recipe names")
    parser.add_argument("--save", action="store_true", help="write weights and card")
    parser.add_argument(
        "--runs", nargs="+", type=Path, metavar="DIR", help="save these runs, one for each stage"
    )
    given = parser.parse_args(argv)
    recipe = RECIPES[given.name]
    data = given.data or ("demo" if recipe.data == "demo" else None)
    if data is None:
        raise InputError(f"--data is missing: give the folder of {recipe.data}: {recipe.source}")
    framework.prepare()
    if given.runs is None:
        train(given.name, data)
    if given.save:
        save(given.name, data, given.runs or run_folders(given.name))
    return 0


if __name__ == "__main__":
    from paddle_gans.command import run

    run(main)
