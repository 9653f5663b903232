"""The plans that were made, so that each is made once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Callable, Optional

from .onednn import OneDNN, OneDNNError, Plan
from .switch import engine

MOST = 256  # that are kept; each holds compiled code

plans: OrderedDict[Hashable, Optional[Plan]] = OrderedDict()  # by use, the latest last


def find(key: Hashable, make: Callable[[OneDNN], Plan]) -> Optional[Plan]:
    """The plan of this name, made where there is none; None where oneDNN has no such primitive.

    The caller holds the engine's lock as long as it uses the plan.
    """
    if key not in plans:
        try:
            plans[key] = make(engine())
        except OneDNNError:
            plans[key] = None
        while len(plans) > MOST:
            _, oldest = plans.popitem(last=False)
            if oldest is not None:
                oldest.close()
    plans.move_to_end(key)
    return plans[key]


def run(key: Hashable, make: Callable[[OneDNN], Plan], addresses: Mapping[int, int]) -> None:
    """Run the plan of this name, which there is, on the contiguous memory at these addresses."""
    with engine().lock:
        find(key, make).run(addresses)
