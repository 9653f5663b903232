"""Trained weights that others publish; `paddle_gans.weights.__main__` fetches them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from data_reader._data_sets import BERKELEY, File

AUTHORS = "the papers' authors"
JUNYANZ = (AUTHORS, "BSD 2-Clause (their code)")
CLOVAAI = (AUTHORS, "CC BY-NC 4.0")
PADDLEGAN = ("PaddleGAN", "Apache 2.0 (its code)")
TORCHVISION = ("torchvision", "BSD 3-Clause (its code)")
BUCKET = "https://paddlegan.bj.bcebos.com"
TORCH = "https://download.pytorch.org/models"
PYPI = "https://files.pythonhosted.org/packages"


@dataclass(frozen=True)
class Published:
    """Weights on somebody's server.

    Files with a checksum were converted by the developers; other addresses are those that the
    publisher's documents name, and could not be tried.
    """

    model: str
    what: str
    publisher: str
    licence: str
    files: tuple[File, ...]
    member: str = ""  # the weights in an archive
    flags: tuple[str, ...] = ()  # of convert
    use: str = ""  # the flag that takes the file as it is, which is then not converted


def _berkeley(model: str, folder: str, name: str, what: str, size: int, *flags: str) -> Published:
    file = File(f"{BERKELEY}/{folder}/{name}.pth", size)
    return Published(model, what, *JUNYANZ, (file,), flags=flags)


def _paddlegan(model: str, what: str, path: str, **more: Any) -> Published:
    return Published(model, what, *PADDLEGAN, (File(f"{BUCKET}/{path}", 0),), **more)


def _stargan(what: str, *paths: str, flags: tuple[str, ...] = ()) -> Published:
    files = tuple(File(f"https://www.dropbox.com/s/{path}?dl=1", 0) for path in paths)
    return Published("stargan_v2", what, *CLOVAAI, files, flags=flags)


WING = "tjxpypwpt38926e/wing.ckpt"
# fmt: off
_CYCLEGAN = {
    "apple2orange": "apples to oranges", "orange2apple": "oranges to apples",
    "horse2zebra": "horses to zebras", "zebra2horse": "zebras to horses",
    "summer2winter_yosemite": "summer to winter", "winter2summer_yosemite": "winter to summer",
    "monet2photo": "Monet's paintings to photographs", "style_monet": "photographs to Monet",
    "style_cezanne": "photographs to Cezanne", "style_ukiyoe": "photographs to ukiyo-e",
    "style_vangogh": "photographs to van Gogh", "sat2map": "aerial photographs to maps",
    "map2sat": "maps to aerial photographs", "iphone2dslr_flower": "flowers, shallow focus",
    "cityscapes_photo2label": "streets to label maps",
    "cityscapes_label2photo": "label maps to streets",
    "facades_photo2label": "facades to label maps", "facades_label2photo": "label maps to facades",
}
_PIX2PIX = {
    "edges2shoes": ("edges to shoes",), "day2night": ("day to night",),
    "sat2map": ("aerial photographs to maps",),
    "map2sat": ("maps to aerial photographs", "--direction", "b2a"),
    "facades_label2photo": ("label maps to facades", "--direction", "b2a"),
}
_CUT = {
    "horse2zebra": "horses to zebras", "cat2dog": "cats to dogs",
    "cityscapes": "label maps to streets",
}
PUBLISHED: dict[str, Published] = {
    **{f"cyclegan_{name}": _berkeley("cyclegan", "cyclegan/pretrained_models", name, what,
                                     45_500_000)
       for name, what in _CYCLEGAN.items()},
    **{f"pix2pix_{name}": _berkeley("pix2pix", "pix2pix/models-pytorch", name, what, 217_700_000,
                                    *flags)
       for name, (what, *flags) in _PIX2PIX.items()},
    **{f"{variant}_{name}": Published(
           "cut", what, *JUNYANZ, (File(f"{BERKELEY}/CUT/pretrained_models.tar", 0),),
           f"checkpoints/{name}_{variant}_pretrained/latest_net_G.pth")
       for name, what in _CUT.items() for variant in ("cut", "fastcut")},
    "stargan_v2_afhq": _stargan("cats, dogs, wild animals", "etwm810v25h42sn/100000_nets_ema.ckpt",
                                flags=("--domains", "cat", "dog", "wild")),
    "stargan_v2_celeba_hq": _stargan("women, men", "96fmei6c93o8b8t/100000_nets_ema.ckpt", WING,
                                     flags=("--domains", "female", "male")),
    "wing": _stargan("the face-alignment network", WING),
    "paddlegan_cyclegan_horse2zebra": _paddlegan(
        "cyclegan", "horses and zebras", "models/CycleGAN_horse2zebra.pdparams"),
    "paddlegan_cyclegan_cityscapes": _paddlegan(
        "cyclegan", "streets and label maps", "models/CycleGAN_cityscapes.pdparams"),
    "paddlegan_pix2pix_cityscapes": _paddlegan(
        "pix2pix", "label maps to streets", "models/Pix2Pix_cityscapes.pdparams",
        flags=("--direction", "b2a")),
    "paddlegan_stargan_v2_afhq": _paddlegan(
        "stargan_v2", "cats, dogs, wild animals", "models/starganv2_afhq.pdparams",
        flags=("--domains", "cat", "dog", "wild")),
    "paddlegan_wing": _paddlegan(
        "stargan_v2", "the face-alignment network", "models/wing.pdparams"),
    "vintagify": Published(
        "cyclegan", "photographs to a vintage look", "vintagify 0.1.2 on PyPI", "MIT",
        (File(f"{PYPI}/e3/50/53aaa00fe47bc8a8f67ec0a5f040b9cc95f0fa108217934222dca4df90bd/"
              "vintagify-0.1.2-py3-none-any.whl", 42328832,
              "sha256:f3b38b728cc6158e97f77c3cc1bf784a63f427db47c445941ad2da3747fa208f"),),
        "vintagify/resources/G_A2B_epoch33.pth"),
    "gan_face_generate": Published(
        "dcgan", "drawn faces of DigiFace-1M", "gan_face_generate 1.1.1 on PyPI", "MIT",
        (File(f"{PYPI}/95/04/bb51d207d2c5d34ea80ba7c0e4734b879466810700a9e81fa540d13e4eb2/"
              "gan_face_generate-1.1.1-py3-none-any.whl", 13306246,
              "sha256:24102f4be41d164e44251168ede0458a45e498a888c81493e2aea48529640569"),),
        "gan_face_generate/weights.tar"),
    "inception": Published(
        "evaluate", "FID's Inception v3", "pytorch-fid", "Apache 2.0",
        (File("https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
              "pt_inception-2015-12-05-6726825d.pth", 95_600_000),), use="--features"),
    "paddlegan_inception": _paddlegan(
        "evaluate", "FID's Inception v3", "InceptionV3.pdparams", use="--features"),
    "alexnet": Published("evaluate", "AlexNet for LPIPS", *TORCHVISION,
                         (File(f"{TORCH}/alexnet-owt-7be5be79.pth", 244_400_000),), use="--lpips"),
    "vgg16": Published("evaluate", "VGG-16 for LPIPS", *TORCHVISION,
                       (File(f"{TORCH}/vgg16-397923af.pth", 553_400_000),), use="--lpips"),
    "paddlegan_vgg16": _paddlegan(
        "evaluate", "VGG-16 for LPIPS", "models/vgg16_from_torch.pdparams", use="--lpips"),
}
# fmt: on
