"""Report an evaluation: a table, and a JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from data_reader.errors import InputError
from paddle_gans.training.checkpoint import read_json
from paddle_gans.weights import pretrained

COLUMNS = {  # digits after the point, and which direction is better
    "fid": (2, "lower"),
    "kid": (5, "lower"),
    "kid_std": (5, ""),
    "lpips_diversity": (4, "higher"),
    "lpips": (4, "lower"),
    "psnr": (2, "higher"),
    "ssim": (4, "higher"),
    "ciede2000": (2, "lower"),
    "chroma": (2, ""),
    "chroma_truth": (2, ""),
    "pixel_accuracy": (4, "higher"),
    "class_accuracy": (4, "higher"),
    "class_iou": (4, "higher"),
    "lattice": (2, ""),
    "lattice_truth": (2, ""),
    "lattice_ratio": (2, "near 1"),
}


def table(rows: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the lines of a table with a column for each metric, and which direction is better."""
    names = [name for name in COLUMNS if any(name in row for row in rows.values())]
    cells = [["", *names]]
    for title, row in rows.items():
        shown = [f"{row[n]:.{COLUMNS[n][0]}f}" if n in row else "" for n in names]
        cells.append([title, *shown])
    cells.append(["better", *(COLUMNS[name][1] for name in names)])
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    return [
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:]))])
        for line in cells
    ]


def output_file(weights: str, output: str | None) -> Path:
    """Return where the metrics are written: ``output``, or metrics.json beside the weights.

    For weights that come with the package it is NAME_metrics.json in the working directory.
    """
    given = pretrained.locate(weights)
    folder = given if given.is_dir() else given.parent
    path = folder / "metrics.json" if output is None else Path(output)
    if output is None and pretrained.is_pretrained(given):
        path = Path(f"{folder.name}_metrics.json")
    if path.suffix.lower() != ".json":
        raise InputError(f"--output {path} must end in .json, e.g. {path}.json")
    if path.is_dir() or path.parent.is_file():
        raise InputError(f"--output {path} cannot be a file there; name another")
    if path.exists() and "figures" not in read_json(path):
        raise InputError(f"{path} holds something other than metrics; name another --output")
    return path
