"""Mixed precision: the framework's autocast on a GPU, bfloat16 products on a CPU."""

from __future__ import annotations

import paddle

from data_reader.errors import InputError
from paddle_gans.fast_cpu import bfloat16, has_bf16


def autocast(amp: str):
    """The context that computes in ``amp``: "off", "bf16" or "fp16"."""
    if paddle.get_device() == "cpu":
        return bfloat16(amp == "bf16")
    dtype = "float16" if amp == "fp16" else "bfloat16"
    return paddle.amp.auto_cast(enable=amp != "off", dtype=dtype)


def check_amp(amp: str) -> list[str]:
    """Return warnings about ``amp``; InputError if the current device cannot compute in it."""
    if amp not in ("off", "bf16", "fp16"):
        raise InputError(f"amp must be off, bf16 or fp16, not {amp!r}")
    if amp == "off" or paddle.get_device() != "cpu":
        return []
    if amp == "fp16":
        raise InputError("--amp fp16 needs a GPU, and this is a CPU; use bf16, or leave it out")
    if has_bf16():
        return []
    return ["--amp bf16: this processor has no bfloat16 instructions; computing in float32"]
