"""Import OpenCV, or explain how to install it."""

try:
    import cv2
except ImportError as error:
    raise ImportError(
        f"OpenCV cannot be imported ({error}): `pip install opencv-python-headless`, or for "
        "opencv-python the system package libgl1"
    ) from error

__all__ = ["cv2"]
