"""The embedded data sets: small synthetic images as ordinary files, in the layouts users have."""

from __future__ import annotations

from pathlib import Path

DEMO = Path(__file__).with_name("demo")

# The colours of the label maps in streets/.
STREET_LABELS: dict[str, tuple[int, int, int]] = {
    "sky": (70, 130, 180),
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "terrain": (152, 251, 152),
    "building": (70, 70, 70),
    "vegetation": (107, 142, 35),
    "pole": (153, 153, 153),
    "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0),
    "car": (0, 0, 142),
    "person": (220, 20, 60),
}


def demo_path(name: str) -> Path:
    """Return the folder of an embedded data set.

    ``streets``: pairs of photograph A and label map B. ``landscapes``: unpaired photographs A and
    paintings B. ``faces``: the domains cat, dog and rabbit. ``colours``: photographs. ``digits``:
    MNIST's four files.
    """
    return DEMO / name
