"""Packaging of paddle_gans and data_reader."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "paddle_gans/__init__.py").read_text())[1]

setup(
    name="paddle-gans",
    version=VERSION,
    description="pix2pix, CycleGAN, CUT, StarGAN v2, colorization and DCGAN for PaddlePaddle",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    packages=find_packages(include=["paddle_gans*", "data_reader*"]),
    package_data={
        "paddle_gans": [
            "py.typed",
            "exporting/web/*",
            "pretrained/*/*.json",
            "pretrained/*/*.pdparams",
            "pretrained/*/examples/*.txt",
            "pretrained/*/examples/*/*.png",
            "metrics/lpips_linear/*",
        ],
        # The embedded data sets, a pattern for each depth of folders.
        "data_reader": ["demo/*/*.gz", "demo/*/*/*.*g", "demo/*/*/*/*.jpg"],
    },
    entry_points={"console_scripts": ["paddle-gans=paddle_gans.__main__:entry"]},
    python_requires=">=3.10",
    # The framework is an extra: installing this package never replaces the one that is there.
    install_requires=["numpy", "matplotlib", "opencv-python", "tqdm"],
    extras_require={
        "cpu": ["paddlepaddle==3.2.2"],
        # The newest GPU build on PyPI, with what it runs with; README.md says how to get 3.x.
        "gpu": ["paddlepaddle-gpu==2.6.2", "numpy<2", "opencv-python<4.12"],
        "test": [
            "pytest",
            "ruff==0.17.6",
            "mypy==2.4.1",
            "nbclient",
            "nbformat",
            "ipykernel",
            "av>=14",
        ],
        "bench": ["torch"],
        "parity": ["torch"],  # for the tests of converted weights alone
        "export": ["paddle2onnx", "onnx", "onnxruntime"],
        "serve": ["gradio>=6"],
        # tensorboardX writes TensorBoard's files and requires three packages, TensorBoard itself
        # ten; crc32c makes the checksums of pictures quick.
        "log": ["visualdl>=2.5", "tensorboardX>=2.6", "crc32c"],
        "video": ["av>=14"],  # H.264 with sound; OpenCV's wheels have neither
        "notebooks": ["nbclient", "nbformat", "ipykernel"],
    },
    classifiers=[
        "License :: OSI Approved :: MIT License",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
