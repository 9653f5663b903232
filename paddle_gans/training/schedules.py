"""What changes in time, as pure functions of it."""


def linear_decay(epoch: int, start: int, end: int) -> float:
    """1 until epoch ``start``, then on a straight line to 0 at epoch ``end`` and after.

    Source: CycleGAN, section 4 (100 epochs at the initial rate, 100 towards zero).
    """
    return 1.0 - min(1.0, max(0.0, (epoch - start) / (end - start)))


def linear_ramp_down(step: int, steps: int) -> float:
    """1 at step 0, on a straight line to 0 at step ``steps`` and after; 0 where ``steps`` is 0."""
    return max(0.0, 1.0 - step / steps) if steps > 0 else 0.0
