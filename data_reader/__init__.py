"""Read and write images: the data sets of the models, as ``paddle.io`` datasets.

``from data_reader import data_reader`` is the pix2pix paper's reader. Names are imported on first
use, so that ``python -m data_reader.download --help`` needs no Paddle.
"""

import importlib

_HOMES = {
    "data_reader": "reader",
    "demo_path": "embedded",
    "Domains": "domains",
    "InputError": "errors",
    "Loader": "loader",
    "Paired": "datasets",
    "Photos": "photos",
    "Unpaired": "datasets",
}

__all__ = list(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
