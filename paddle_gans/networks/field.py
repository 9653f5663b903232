"""What a network reads or returns, described for programs that run it without this package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from paddle.static import InputSpec

Axis = int | str  # a length, or the name of one that is free


@dataclass(frozen=True)
class Field:
    """An input or the output of a network: its axes and the meaning of its values."""

    name: str
    shape: tuple[Axis, ...]
    dtype: str  # float32 or int64
    values: str  # "uniform" in the range, "normal" (the range is None), "integer" in the range
    range: tuple[float, float] | None
    meaning: str

    def spec(self) -> InputSpec:
        """Return the description for the framework's exporter."""
        shape = [n if isinstance(n, int) else None for n in self.shape]
        return InputSpec(shape, self.dtype, self.name)

    def sized(self, lengths: Mapping[str, int]) -> list[int]:
        """Return the shape, with numbers for the names."""
        return [n if isinstance(n, int) else lengths[n] for n in self.shape]

    def draw(self, rng: np.random.Generator, lengths: Mapping[str, int]) -> np.ndarray:
        """Draw random values."""
        shape = self.sized(lengths)
        if self.values == "normal":
            return rng.standard_normal(shape).astype(self.dtype)
        low, high = self.range
        if self.values == "integer":
            return rng.integers(low, high, shape, endpoint=True, dtype=self.dtype)
        return rng.uniform(low, high, shape).astype(self.dtype)

    def code(self, lengths: Mapping[str, int]) -> str:
        """Return a line of NumPy code that draws random values."""
        shape = self.sized(lengths)
        if self.values == "normal":
            return f'{self.name} = np.random.standard_normal({shape}).astype("{self.dtype}")'
        low, high = self.range
        if self.values == "integer":
            return f"{self.name} = np.random.randint({low}, {high + 1}, {shape})"
        return f'{self.name} = np.random.uniform({low}, {high}, {shape}).astype("{self.dtype}")'
