"""Schedules, as pure functions of step or epoch."""

from data_reader.errors import InputError


def decay_epochs(start: int | None, end: int | None) -> tuple[int, int] | None:
    """Return the epochs of the learning rates' decay, None without; InputError for half of them."""
    if start is None and end is None:
        return None
    if start is None or end is None or end <= start:
        raise InputError(
            f"--decay-end-epoch {end} is not after --decay-start-epoch {start}; give both, the end "
            "after the start"
        )
    return start, end


def linear_decay(epoch: int, start: int, end: int) -> float:
    """Return 1 until epoch ``start``, falling linearly to 0 at epoch ``end`` and after.

    Source: CycleGAN, section 4 (100 epochs at the initial rate, 100 decaying to 0).
    """
    return 1.0 - min(1.0, max(0.0, (epoch - start) / (end - start)))


def linear_ramp_down(step: int, steps: int) -> float:
    """Return 1 at step 0, falling linearly to 0 at ``steps`` and after; 0 if ``steps`` is 0."""
    return max(0.0, 1.0 - step / steps) if steps > 0 else 0.0
