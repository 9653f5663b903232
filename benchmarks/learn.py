"""python benchmarks/learn.py --model pix2pix --data PATH --minutes 15: what is learned in a time.

Trains on real images for the given wall-clock time (or ``--steps N``), measures on held-out ones
beside simple baselines, and prints a table; the last line is one JSON object with the same metrics.
All flags of ``python -m paddle_gans.train``, the model's own included, are passed on; defaults are
the ``DEFAULTS`` of ``benchmarks/measures/<model>.py``. ``--measure-only`` measures the run in
``--out`` instead of training one.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import paddle_gans  # noqa: E402
from data_reader import framework  # noqa: E402
from data_reader.errors import InputError  # noqa: E402

MINUTES = 15.0


def training_flags(model: str, words: Sequence[str]) -> dict[str, Any]:
    """Parse the flags of the training command; returns the given ones alone.

    Raises:
        InputError: a flag is unknown, or its value is not valid.
    """
    from paddle_gans import models
    from paddle_gans.command import add_options
    from paddle_gans.train_command import build_parser
    from paddle_gans.training.options import options_of

    parser = build_parser()
    add_options(parser, model, options_of(models.find(model)))
    given = vars(parser.parse_all(["--model", model, *words]))
    if "dry_run" in given or "resume" in given:
        raise InputError("--dry-run and --resume do nothing here; leave them out")
    del given["model"]
    return given


def train_for(minutes: float | None, model: str, **settings: Any) -> None:
    """Train for so many minutes, as a user with a clock would: SIGTERM saves and stops.

    Without ``minutes``, train until ``steps`` or ``epochs`` are done.
    """
    from paddle_gans.training.guards import Stopped

    if not {"steps", "epochs"} & set(settings):
        settings["steps"] = 10**9
        minutes = MINUTES if minutes is None else minutes
    alarm = threading.Timer((minutes or 0) * 60, os.kill, (os.getpid(), signal.SIGTERM))
    alarm.daemon = True
    if minutes is not None:
        alarm.start()
    try:
        paddle_gans.train(model, **settings)
    except Stopped:
        pass
    finally:
        alarm.cancel()


def read_config(out: str, model: str) -> dict[str, Any]:
    """The configuration of the run in ``out``.

    Raises:
        InputError: there is no run of this model.
    """
    path = Path(out) / "config.json"
    if not path.exists():
        raise InputError(f"{path} not found. --measure-only needs a run folder as --out")
    config = json.loads(path.read_text(encoding="utf-8"))
    if config["model"] != model:
        raise InputError(f"{out} holds a run of {config['model']}, not of {model}; change --model")
    return config


def minutes_until(out: str, step: int) -> float:
    """How long the run in ``out`` took until ``step``, by its log."""
    from paddle_gans.training.panels import read_log

    lines = [line for line in read_log(Path(out) / "log.jsonl") if "losses" in line]
    return max((line["seconds"] for line in lines if line["step"] <= step), default=0.0) / 60


def check_training_set(translate, config: dict[str, Any], data: str) -> None:
    """Print a note where the run was not trained on this training set."""
    here = len(translate.model.dataset(data, train=True))
    there = config["data"]["items"]
    if config.get("limit") is None and here != there:
        print(
            f"note: the run was trained on {there} items, and {data} has {here}; some of the "
            "held-out images may be among those that it was trained on"
        )


def chosen_options(config: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """The run's options that are in ``defaults`` or differ from the model's own defaults."""
    from paddle_gans import models
    from paddle_gans.training.options import options_of

    usual = {name: o.default for name, o in options_of(models.find(config["model"])).items()}
    options = config["options"]
    chosen = {k: x for k, x in options.items() if k in defaults or x != usual.get(k)}
    return {"batch_size": config["batch_size"], **chosen}


def build_parser() -> argparse.ArgumentParser:
    """The flags that the training command does not have, and those that it does otherwise."""
    measures = sorted(p.stem for p in (HERE / "measures").glob("[!_]*.py"))
    parser = argparse.ArgumentParser(
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, choices=measures)
    parser.add_argument("--data", required=True, metavar="PATH", help="real images")
    parser.add_argument(
        "--minutes",
        type=float,
        metavar="X",
        help=f"training ({MINUTES:g}; with --steps or --epochs: no limit)",
    )
    parser.add_argument("--out", metavar="DIR", help="run folder (runs/learn/<model>)")
    parser.add_argument(
        "--measure-only", action="store_true", help="measure the run in --out; train nothing"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure one model."""
    given, rest = build_parser().parse_known_args(argv)
    framework.prepare()
    model, out = given.model, given.out or f"runs/learn/{given.model}"
    module = importlib.import_module(f"measures.{model}")
    prepare = getattr(module, "prepare", lambda data, out, options: data)
    if given.measure_only:
        if rest or given.minutes is not None:
            flag = rest[0] if rest else "--minutes"
            raise InputError(
                f"{flag}: --measure-only takes the options from {out}/config.json; leave it out"
            )
        data = prepare(given.data, out, read_config(out, model)["options"])
    else:
        if (Path(out) / "config.json").exists():
            raise InputError(
                f"{out} holds a run already; choose another --out, or measure it by --measure-only"
            )
        settings = {**module.DEFAULTS, **training_flags(model, rest)}
        data = prepare(given.data, out, settings)
        train_for(given.minutes, model, data=data, out=out, **settings)

    config, translate = read_config(out, model), paddle_gans.load(out)
    check_training_set(translate, config, data)
    minutes = minutes_until(out, translate.step)
    print(f"\n{out}: {translate.step} steps in {minutes:.1f} minutes")
    metrics = module.measure(translate, data, Path(out), config["options"])
    samples = sorted((Path(out) / "samples").glob("*.png"))
    if samples:
        print(f"samples: {samples[-1]}")
    about = {"steps": translate.step, "minutes": round(minutes, 2)}
    about.update(chosen_options(config, module.DEFAULTS))
    print(json.dumps({"model": model, "cores": os.cpu_count(), **metrics, **about}))
    return 0


if __name__ == "__main__":
    from paddle_gans.command import run

    run(main)
