"""Deterministic arrays for the golden cases: a name and a shape give the same numbers anywhere."""

import zlib

import numpy as np


def array(key, shape, kind, salt=""):
    rng = np.random.RandomState(zlib.crc32((salt + key).encode()) & 0xFFFFFFFF)
    x = rng.standard_normal(tuple(shape))
    if kind == "weight":
        # conv [out, in, kh, kw], linear [out, in], transposed conv [in, out, kh, kw]
        fan_in = int(np.prod(shape[1:]))
        x = x / np.sqrt(max(fan_in, 1))
    elif kind == "bias":
        x = 0.1 * x
    elif kind == "norm_weight":
        x = 1.0 + 0.1 * x
    elif kind == "running_mean":
        x = 0.1 * x
    elif kind == "running_var":
        x = 1.0 + 0.1 * np.abs(x)
    elif kind == "image":
        x = np.tanh(x)
    elif kind == "probe" or kind == "normal":
        pass
    else:
        raise ValueError(kind)
    return x.astype("float32")
