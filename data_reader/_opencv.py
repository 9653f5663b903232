"""Import OpenCV, or explain how to install it; its errors as the user's."""

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import InputError

try:
    import cv2
except ImportError as error:
    raise ImportError(
        f"OpenCV cannot be imported ({error}): `pip install opencv-python-headless`, or for "
        "opencv-python the system package libgl1"
    ) from error

__all__ = ["cv2", "pixel_errors"]


@contextmanager
def pixel_errors(failure: str) -> Iterator[None]:
    """Turn an error of OpenCV or of the memory into an InputError that starts with ``failure``."""
    try:
        yield
    except cv2.error as error:
        raise InputError(f"{failure}: OpenCV reports: {' '.join(error.err.split())}") from error
    except MemoryError as error:
        raise InputError(
            f"{failure}: there is not enough memory; make the image smaller"
        ) from error
