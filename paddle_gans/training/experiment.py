"""Set up a run: resolve its options, build the model, find the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from data_reader import layout
from data_reader.datasets import ImageDataset, Paired
from data_reader.errors import InputError
from data_reader.images import is_image, left_out
from data_reader.loader import Loader
from data_reader.reader import PairReader, data_reader
from paddle_gans.fast_cpu import accelerate
from paddle_gans.weights import formats

from . import parallel
from .config import OPTIONS, RunConfig
from .loggers import check_installed
from .mixed_precision import check_amp
from .model import GANModel
from .options import resolve
from .run_folder import versions
from .validation import Validation, make_validation


@dataclass
class Experiment:
    """A run with everything resolved: the model built, the data found, the length known."""

    config: RunConfig
    out: Path  # the run folder
    model: GANModel
    loader: Loader
    sample_batch: dict[str, np.ndarray]  # first items of the test set, for the sample grids
    validation: Validation
    steps: int  # total
    record: dict[str, Any]  # the content of config.json
    warnings: list[str]  # what the user should know before the first step


def setup(model_class: type[GANModel], settings: Mapping[str, Any]) -> Experiment:
    """Build everything that ``settings`` ask for: fields of ``RunConfig``, and model options.

    Values that are not given come from the model's ``paper_config``, or from its ``demo_config``
    and ``demo_options`` on the embedded data.
    """
    name = model_name(model_class)
    reader, settings = reader_in(model_class, settings)
    config, given = configure(model_class, settings)
    choose_device(config.device)
    parallel.start()
    warnings = check_amp(config.amp)
    check_installed(config.log or [])
    if config.format == "safetensors":
        formats.safetensors("--format safetensors cannot be written")
    root = data_root(model_class, config.data, config.data_root)
    options = resolve(model_class, {**model_class.options_from_data(root), **given}, name)
    paddle.seed(config.seed)
    model = model_class(**options)
    warnings += parallel.synchronise_batch_norm(model)
    accelerate(model)

    bad_files: dict[str, None] | None = {} if config.on_bad_file == "skip" else None
    loader = make_loader(model, root, config, reader, bad_files)
    dataset, per_epoch = loader.dataset, loader.steps_per_epoch
    if reader:
        test_set: ImageDataset | None = reader.test.dataset if reader.test else None
    else:
        test_set = model.dataset(root, train=False)
    few = config.batch_size // (parallel.world_size() * config.accumulate)
    validation = make_validation(model, dataset, test_set, config, per_epoch, few, bad_files)
    if config.steps is None and config.epochs is None:
        raise InputError(f"{name} has no length of its own; give --steps or --epochs")
    steps = config.steps or (config.epochs or 0) * per_epoch
    record = {
        "model": name,
        "options": options,
        "data_path": config.data,
        "data": dataset.fingerprint(bad_files),
        **{k: v for k, v in asdict(config).items() if k not in ("data", "out", "resume")},
        "log": config.log or [],
        "device": paddle.get_device(),
        "world_size": parallel.world_size(),
        "steps": steps,
        "versions": versions(),
    }
    warnings = data_warnings(dataset, root, bad_files) + warnings
    if validation.items:
        warnings.append(validation.describe())
    elif validation.metrics and config.validate_every != 0:
        warnings.append("no validation: the data has no test set")
    items = test_set or dataset
    count = min(model.sample_grid.count, len(items))
    samples = Loader(items, count, seed=config.seed, shuffle=False, workers=0, bad=bad_files)
    shown = samples.batch(0)
    out = run_folder_of(model_class, config)
    return Experiment(config, out, model, loader, shown, validation, steps, record, warnings)


def configure(
    model_class: type[GANModel], settings: Mapping[str, Any]
) -> tuple[RunConfig, dict[str, Any]]:
    """Return the run's settings, and the options of the model; None counts as not given."""
    given = {name: value for name, value in settings.items() if value is not None}
    run = {name: given.pop(name) for name in OPTIONS if name in given}
    if "steps" in run and "epochs" in run:
        raise InputError("--steps and --epochs both set the length of the run; give one of them")
    if "steps" in run or "epochs" in run:
        run = {"steps": None, "epochs": None, **run}
    if run.get("data") in (None, "demo"):
        if run.get("preset") == "quick":
            raise InputError("--preset quick is for your own data; the embedded data has its own")
        return replace(model_class.demo_config, **run), {**model_class.demo_options, **given}
    if run.get("preset") == "quick":
        run = {**model_class.quick_config, **run}
        given = {**model_class.quick_options, **given}
    return replace(model_class.paper_config, **run), given


def data_root(model_class: type[GANModel], data: Any, root: Any) -> Any:
    """Return what the model reads its data from; None: the embedded data."""
    if root is None:
        return None if data == "demo" else data
    check_reads_pairs(model_class, "--data-root is for list files of pairs")
    return layout.ListFile(layout.one_path(data or "demo"), root)


def make_loader(
    model: GANModel,
    root: Any,
    config: RunConfig,
    reader: PairReader | None,
    bad_files: dict[str, None] | None,
) -> Loader:
    """Return the training batches of this rank."""
    size = parallel.world_size()
    if reader:
        if size > 1:
            raise InputError("data=reader trains in one process; give --data a list file instead")
        if reader.batch_num == 0:
            raise InputError(
                f"the reader has {len(reader.dataset)} pairs, fewer than a batch of "
                f"{reader.batch_size}; lower batch_size, or set drop_last to False"
            )
        loader: Loader = reader
    else:
        dataset = model.dataset(root, train=True)
        if dataset is None:
            raise InputError(f"--data {config.data} contains nothing to train on")
        loader = Loader(
            dataset if config.limit is None else dataset.limited(config.limit),
            config.batch_size,
            seed=config.seed,
            workers=config.workers,
            rank=parallel.rank(),
            world_size=size,
            bad=bad_files,
        )
    if loader.batch_size // size % config.accumulate:
        raise InputError(
            f"--accumulate {config.accumulate} does not divide a batch of "
            f"{loader.batch_size // size}; choose a divisor, or a --batch-size that is a multiple"
        )
    return loader


def reader_in(
    model_class: type[GANModel], settings: Mapping[str, Any]
) -> tuple[PairReader | None, dict[str, Any]]:
    """Return the reader given as ``data``, or None, and settings with what follows from it."""
    reader = settings.get("data")
    if isinstance(reader, data_reader):
        reader = reader.make_data()[0]
    if not isinstance(reader, PairReader):
        if callable(reader):
            raise InputError("data is a path or a reader of data_reader(cfg), not another function")
        return None, dict(settings)
    check_reads_pairs(model_class, "data=reader is for pairs")
    fixed = {
        "batch_size": reader.batch_size,
        "load_size": reader.dataset.load_size,
        "crop_size": reader.dataset.crop_size,
        "flip": reader.dataset.flip,
        "limit": None,
        "data_root": None,
    }
    for name, value in fixed.items():
        if settings.get(name) not in (None, value):
            raise InputError(f"{name} {settings[name]} differs from the reader's {value}; omit it")
    return reader, {**settings, **fixed, "data": reader.dataset.what.removeprefix("list ")}


def check_reads_pairs(model_class: type[GANModel], use: str) -> None:
    """Raise InputError unless the model trains on pairs of images."""
    if not issubclass(model_class.data_class, Paired):
        raise InputError(f"{use}; {model_name(model_class)} reads folders")


def data_warnings(
    dataset: ImageDataset, root: Any, bad_files: dict[str, None] | None = None
) -> list[str]:
    """What the user should know about the data before the start."""
    try:
        found = dataset.warnings()
    except InputError as error:  # an image could not be read
        if bad_files is None:
            raise
        bad_files[str(error)], found = None, []
    if root is None:
        return [
            f"training on the embedded data in data_reader/demo ({dataset.describe()}); --data "
            "FOLDER trains on your own images",
            *found,
        ]
    images = (path for _, path in dataset.paths() if is_image(path))  # idx files hold many
    more = left_out(path.parent for path in images if path.parent.is_dir())
    return [f"data: {dataset.describe()}; {len(dataset)} items", *filter(None, [more]), *found]


def model_name(model_class: type[GANModel]) -> str:
    """The name of a model: that of its file; a subclass defined elsewhere has its model's."""
    homes = [c.__module__ for c in model_class.__mro__ if issubclass(c, GANModel)]
    home = next((m for m in homes if m.startswith("paddle_gans.models.")), homes[0])
    return home.rsplit(".", 1)[-1]


def choose_device(device: str) -> None:
    """Select where tensors live: "auto", "cpu", "gpu" or "gpu:K"."""
    # Paddle ends the process when asked for a GPU that does not exist.
    count = paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0
    if device == "auto":
        device = "gpu" if count else "cpu"
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "gpu") or (number and not (kind == "gpu" and number.isdigit())):
        raise InputError(f"--device {device} is unknown; use auto, cpu, gpu, gpu:0, gpu:1 ...")
    if kind == "gpu" and int(number or 0) >= count:
        raise InputError(f"--device {device}: Paddle finds {count} GPUs here; use --device cpu")
    if device == "gpu" and parallel.world_size() > 1:
        device = f"gpu:{paddle.distributed.ParallelEnv().device_id}"
    paddle.set_device(device)


def run_folder_of(model_class: type[GANModel], config: RunConfig) -> Path:
    """The run folder: ``out``, else the run that ``resume`` names, else ``runs/<model>``."""
    if config.resume in ("auto", "never"):
        return Path(config.out or Path("runs") / model_name(model_class))
    path = Path(config.resume)
    if not path.is_dir():
        raise InputError(f"--resume {path} is not a folder; use auto, never, a run or checkpoint")
    return Path(config.out or (path.parent.parent if path.name.isdigit() else path))
