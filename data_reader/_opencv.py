"""OpenCV, or what helps where it cannot be imported."""

import os

# For formats whose sizes we do not read ourselves; OpenCV looks at it when it is imported.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**28))

try:
    import cv2
except ImportError as error:
    raise ImportError(
        f"OpenCV cannot be imported ({error}): `pip install opencv-python-headless`, or for "
        "opencv-python the system package libgl1"
    ) from error

__all__ = ["cv2"]
