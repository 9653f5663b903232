"""The published data sets that ``data_reader.download`` knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True)
class File:
    url: str
    size: int  # bytes; exact if there is a checksum, else rounded; 0 if unknown
    checksum: str = ""  # "sha256:..." or "md5:..."; empty if none is published
    mirror: str = "--url"  # what names another server: a flag, or an environment variable

    @property
    def name(self) -> str:
        return Path(urlsplit(self.url).path).name


@dataclass(frozen=True)
class DataSet:
    """One published data set and how to train on it."""

    model: str
    what: str
    files: tuple[File, ...]
    holds: tuple[str, ...]  # what its folder contains when it is complete
    flags: str = ""  # of the training command
    train_on: str = ""  # the folder inside that --data names
    mirror: str = ""  # for --url, fast from China, where a public project documents one


BERKELEY = "http://efrosgans.eecs.berkeley.edu"
# Sizes and SHA-256 of the CycleGAN and COCO archives and the sizes of MNIST are those that
# TensorFlow Datasets publishes; the pix2pix sizes are the server's listing, rounded.
# fmt: off
_COCO = (
    ("train2017", 19336861798, "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929"),
    ("val2017", 815585330, "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05"),
)
_MNIST = (
    ("train-images-idx3-ubyte.gz", 9912422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
    ("train-labels-idx1-ubyte.gz", 28881, "d53e105ee54ea40749a09fcbcd1e9432"),
    ("t10k-images-idx3-ubyte.gz", 1648877, "9fb629c4189551a2d022fa330f9573f3"),
    ("t10k-labels-idx1-ubyte.gz", 4542, "ec29112dd5afa0611ce80d1b7f02629c"),
)
_PIX2PIX = (
    ("facades", 30_000_000, "400 facades and their label maps", "--direction b2a"),
    ("cityscapes", 103_000_000, "2975 street scenes and their label maps (the authors no longer "
     "point to it, for its licence: cityscapes-dataset.com)", "--direction b2a"),
    ("maps", 250_000_000, "1096 aerial photographs and their maps"),
    ("edges2shoes", 2_100_000_000, "50,000 shoes and their edges"),
    ("edges2handbags", 8_600_000_000, "137,000 handbags and their edges"),
    ("night2day", 2_000_000_000, "the same places by night and by day"),
)
_CYCLEGAN = (
    ("monet2photo", 305231073, "paintings by Monet, photographs",
     "88f91b00fc228f97c9411fbf1880ec1d119c98f1722e4cfcfaa2fb35fac05b04"),
    ("vangogh2photo", 306590349, "paintings by van Gogh, photographs",
     "362c3473e70be0944bda08d49d660eafdc2854df55d697835b8186d1d79caaff"),
    ("cezanne2photo", 279885071, "paintings by Cezanne, photographs",
     "3a6c10ca21f9485862f1cbd707744b9dc258954a04631271d23a3605eeb63cff"),
    ("ukiyoe2photo", 292946532, "ukiyo-e prints, photographs",
     "02a2a2fb5ecf425ca1bf86aca7304377da64a2a1d3b86df54eb65e4068bf3b08"),
    ("horse2zebra", 116867962, "horses, zebras",
     "a74d9d392eecca9966b51287a76ca126af473d9de4f3e8fc0e9cda08fa1730a1"),
    ("apple2orange", 78456409, "apples, oranges",
     "845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8"),
    ("summer2winter_yosemite", 132640856, "Yosemite in summer, in winter",
     "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9"),
    ("iphone2dslr_flower", 339964458, "flowers by telephone, by camera",
     "8fcb5e374d631b107e1d961b8c4cd0a186aa2a4ff3e279923f4c426128de7113"),
)
DATA_SETS: dict[str, DataSet] = {}
for _name, _size, _what, *_flags in _PIX2PIX:
    _file = File(f"{BERKELEY}/pix2pix/datasets/{_name}.tar.gz", _size)
    DATA_SETS[_name] = DataSet("pix2pix", _what, (_file,), ("train",), *_flags)
for _name, _size, _what, _checksum in _CYCLEGAN:
    _file = File(f"{BERKELEY}/cyclegan/datasets/{_name}.zip", _size, f"sha256:{_checksum}")
    DATA_SETS[_name] = DataSet("cyclegan", _what, (_file,), ("trainA", "trainB"))
DATA_SETS |= {
    "afhq": DataSet(
        "stargan_v2", "faces of cats, dogs, wild animals (not for commercial use)",
        (File("https://www.dropbox.com/s/t9l9o3vsx2jai3z/afhq.zip?dl=1", 0),), ("train",),
    ),
    "celeba_hq": DataSet(
        "stargan_v2", "faces of women, men (not for commercial use)",
        (File("https://www.dropbox.com/s/f7pvjij2xlpff59/celeba_hq.zip?dl=1", 0),), ("train",),
    ),
    "coco2017": DataSet(
        "colorization", "123,000 photographs",
        tuple(
            File(f"http://images.cocodataset.org/zips/{name}.zip", size, f"sha256:{checksum}")
            for name, size, checksum in _COCO
        ),
        ("train2017", "val2017"), train_on="train2017",
    ),
    "mnist": DataSet(
        "dcgan", "70,000 digits",
        tuple(
            File(f"https://ossci-datasets.s3.amazonaws.com/mnist/{name}", size, f"md5:{checksum}")
            for name, size, checksum in _MNIST
        ),
        tuple(name for name, *_ in _MNIST),
        mirror="https://dataset.bj.bcebos.com/mnist",  # of paddle.vision.datasets
    ),
}
# fmt: on
