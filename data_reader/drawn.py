"""The embedded data: drawn pictures in the place of files, for every model to start with."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from . import demo, demo_faces, demo_photos, demo_scenes, transforms
from .datasets import Paired, PictureDataset, Unpaired
from .domains import Domains
from .photos import Photos, colour_of


class StreetScenes(Paired):
    """Street scenes, A the photograph and B its label map; items as of ``Paired``."""

    def __init__(self, split: str, *, size: int = 128, crop_size: int = 112, flip: bool = False):
        how = "Random" if split == "train" else "Center"
        scenes = range(demo.COUNTS[split])
        super().__init__(scenes, load_size=0, crop_size=crop_size, crop_type=how, flip=flip)
        self.split, self.size = split, size
        # Drawing takes longer than cropping; 400 scenes of 128 pixels fill 40 MB.
        self._draw = lru_cache(maxsize=512)(demo.street_scene)

    def read(self, index):
        return list(self._draw(self.items[index], self.size, self.split))

    def files(self, index, rng=None):
        return [f"embedded street scene {self.split} {self.items[index]}"]

    def paths(self):
        return ()

    def describe(self):
        return f"drawn street scenes, {self.split}, {self.size}x{self.size}"


class Landscapes(Unpaired):
    """Landscapes, A photo-like ones and B painted ones, no two of the same place."""

    def __init__(self, split: str, *, size: int = 72, crop_size: int = 64, flip: bool = True):
        how = "Random" if split == "train" else "Center"
        scenes = range(demo_scenes.LANDSCAPE_COUNTS[split])
        super().__init__(scenes, scenes, load_size=0, crop_size=crop_size, crop_type=how, flip=flip)
        self.split, self.size = split, size
        self._draw = lru_cache(maxsize=1024)(demo_scenes.landscape)

    def read(self, side, index):
        style = "photo" if side == "a" else "painting"
        return self._draw((self.a if side == "a" else self.b)[index], self.size, style, self.split)

    def _name(self, side, index):
        return f"embedded landscape {self.split} {side} {index}"

    def paths(self):
        return ()

    def describe(self):
        return f"drawn landscapes, photo-like and painted, {self.split}, {self.size}x{self.size}"

    def remarks(self):
        return []


class AnimalFaces(Domains):
    """Faces of cats, dogs and rabbits; items as of ``Domains``."""

    domains = demo_faces.KINDS

    def __init__(self, split: str, *, image_size: int = 64, latent_dim: int = 16):
        faces = {kind: range(demo_faces.FACE_COUNTS[split]) for kind in demo_faces.KINDS}
        train = split == "train"
        super().__init__(faces, faces, image_size=image_size, augment=train, latent_dim=latent_dim)
        self.split = split
        self._draw = lru_cache(maxsize=1024)(demo_faces.animal_face)  # 12 MB at 64 pixels

    def read(self, domain, picture):
        return self._draw(picture, self.image_size, self.domains[domain], self.split)

    def name(self, domain, picture):
        return f"embedded animal face {self.split} {self.domains[domain]} {picture}"

    def paths(self):
        return ()

    def describe(self):
        kinds, size = ", ".join(f"{name}s" for name in self.domains), self.image_size
        return f"drawn faces of {kinds}, {self.split}, {size}x{size}"

    def remarks(self):
        return []


class ColourScenes(Photos):
    """Still lifes, landscapes and flowers; items as of ``Photos``."""

    def __init__(self, split: str, *, size: int = 72, crop_size: int = 64, flip: bool = True):
        how = "Random" if split == "train" else "Center"
        scenes = range(demo_photos.PHOTO_COUNTS[split])
        super().__init__(scenes, load_size=0, crop_size=crop_size, crop_type=how, flip=flip)
        self.split, self.size = split, size
        self._draw = lru_cache(maxsize=512)(demo_photos.colour_scene)  # 6 MB at 72 pixels

    def read(self, index):
        return self._draw(self.items[index], self.size, self.split)

    def look(self, index):
        return colour_of(self.read(index))

    def files(self, index, rng=None):
        return [f"embedded colour scene {self.split} {self.items[index]}"]

    def paths(self):
        return ()

    def describe(self):
        return f"drawn scenes in colour, {self.split}, {self.size}x{self.size}"

    def remarks(self):
        return []


class DrawnDigits(PictureDataset):
    """Digits drawn with a pen; items hold ``image``, float32 [C, size, size] in [-1, 1]."""

    def __init__(self, split: str, *, size: int = 28, channels: int = 1):
        self.items = range(demo_scenes.DIGIT_COUNTS[split])
        self.split, self.size, self.channels = split, size, channels

    def item(self, index, rng):
        image, _ = demo_scenes.digit(self.items[index], self.split)
        image = transforms.resize(image[:, :, None], self.size, self.size)
        return {"image": transforms.normalise(np.repeat(image, self.channels, axis=2))}

    def files(self, index, rng=None):
        return [f"embedded digit {self.split} {self.items[index]}"]

    def describe(self):
        return f"drawn digits, {self.split}, {self.size}x{self.size}"
