"""python benchmarks/metrics_parity.py: our figures beside those of independent programs.

Both get the same pictures, the same features and the same random weights. Printed are the values'
size and the largest difference; what is not installed is left out, with its name. Needs, each for
its own rows: scipy, torch with pytorch-fid, torchmetrics, torchvision and lpips, scikit-image. The
last line is one JSON object.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data_reader import framework

framework.prepare()

import numpy as np  # noqa: E402
import paddle  # noqa: E402

from data_reader import demo_path, layout  # noqa: E402
from data_reader.images import read_image  # noqa: E402
from data_reader.transforms import resize  # noqa: E402
from paddle_gans.metrics import distances, features, image_metrics, lpips  # noqa: E402


class Row(NamedTuple):
    """One comparison: the largest of our values, and the largest difference."""

    what: str
    against: str
    size: float
    difference: float


def compare(what: str, against: str, ours, theirs) -> Row:
    """A row of values in the same order."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    return Row(what, against, float(np.abs(ours).max()), float(np.abs(ours - theirs).max()))


def some_features(seed: int, count: int, dims: int, shift: float = 0.0) -> np.ndarray:
    """Features that hang together, [count, dims] float32, not negative as Inception's."""
    rng = np.random.default_rng(seed)
    mixed = rng.standard_normal((count, dims)) @ rng.standard_normal((dims, dims)) / dims**0.5
    return np.abs(mixed + shift).astype("float32")


def frechet() -> Iterator[Row]:
    """More pictures than features, and fewer, against two square roots of a matrix."""
    for count, dims in ((500, 64), (60, 128)):
        a, b = some_features(1, count, dims), some_features(2, count + 7, dims, 0.2)
        ours = distances.frechet_distance(distances.gaussian(a), distances.gaussian(b))
        kind = "" if count > dims else ", singular"
        yield compare(
            f"Frechet distance, {count} of {dims}{kind}", "scipy sqrtm", ours, by_sqrtm(a, b)
        )


def by_sqrtm(a: np.ndarray, b: np.ndarray) -> float:
    """The formula as it stands in the article."""
    from scipy import linalg

    a, b = a.astype("float64"), b.astype("float64")
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    apart = a.mean(0) - b.mean(0)
    cross = linalg.sqrtm(cov_a @ cov_b).real
    return float(apart @ apart + np.trace(cov_a + cov_b - 2 * cross))


def frechet_of_pytorch_fid() -> Iterator[Row]:
    """The distance as pytorch-fid finds it."""
    from pytorch_fid.fid_score import calculate_frechet_distance

    a, b = some_features(3, 900, 256), some_features(4, 800, 256, 0.3)
    gaussians = [distances.gaussian(x) for x in (a, b)]
    theirs = calculate_frechet_distance(*gaussians[0], *gaussians[1])
    ours = distances.frechet_distance(*gaussians)
    yield compare("Frechet distance, 900 of 256", "pytorch-fid", ours, theirs)


def kernel() -> Iterator[Row]:
    """The unbiased polynomial MMD, whole and in subsets."""
    import torch
    from torchmetrics.image.kid import poly_mmd

    a, b = some_features(5, 300, 128), some_features(6, 300, 128, 0.2)

    def theirs(x, y):
        return float(poly_mmd(*(torch.from_numpy(z.astype("float64")) for z in (x, y))))

    yield compare("KID, all of 300", "torchmetrics", distances.kernel_distance(a, b), theirs(a, b))
    rng, found = np.random.default_rng(9), []
    for _ in range(10):
        found.append(theirs(*(x[rng.choice(300, 100, replace=False)] for x in (a, b))))
    ours = distances.kid(a, b, subset=100, subsets=10, seed=9)
    yield compare("KID, 10 subsets of 100", "torchmetrics", ours, (np.mean(found), np.std(found)))


def photographs(count: int, size: int) -> np.ndarray:
    """Embedded scenes, uint8 [count, size, size, 3]."""
    paths, _ = layout.photos(demo_path("colours"), train=False)
    return np.stack([resize(read_image(path), size, size) for path in paths[:count]])


def noisy(images: np.ndarray, seed: int = 0) -> np.ndarray:
    """The same with noise."""
    noise = np.random.default_rng(seed).normal(0, 20, images.shape)
    return np.clip(images + noise, 0, 255).astype("uint8")


def of_scikit_image() -> Iterator[Row]:
    """SSIM, PSNR, CIEDE2000."""
    from skimage import color, metrics

    truths = photographs(4, 96)
    made = noisy(truths)
    theirs = [
        metrics.structural_similarity(
            x, y, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for x, y in zip(made, truths)
    ]
    ours = [image_metrics.ssim(x, y) for x, y in zip(made, truths)]
    yield compare("SSIM, 4 pictures of 96 px", "scikit-image", ours, theirs)
    ours = [image_metrics.psnr(x, y) for x, y in zip(made, truths)]
    theirs = [metrics.peak_signal_noise_ratio(y, x) for x, y in zip(made, truths)]
    yield compare("PSNR", "scikit-image", ours, theirs)
    ours = [image_metrics.ciede2000(x, y) for x, y in zip(made, truths)]
    theirs = [
        color.deltaE_ciede2000(color.rgb2lab(x), color.rgb2lab(y)).mean()
        for x, y in zip(made, truths)
    ]
    yield compare("CIEDE2000", "scikit-image", ours, theirs)


def randomise(network, seed: int) -> None:
    """Random weights that keep a deep network's values about as large from layer to layer."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
                if layer.bias is not None:
                    layer.bias.normal_(0, 0.1)
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.uniform_(0.5, 1.5)
                layer.bias.normal_(0, 0.2)
                layer.running_mean.normal_(0, 0.2)
                layer.running_var.uniform_(0.5, 1.5)


def inception() -> Iterator[Row]:
    """FID's Inception of pytorch-fid, saved by torch and read by us."""
    import torch
    import torchvision
    from pytorch_fid import inception as theirs

    def random_state(url, progress=True):  # in the place of the download
        fresh = torchvision.models.inception_v3(
            num_classes=1008, aux_logits=False, weights=None, init_weights=False
        )
        randomise(fresh, 0)
        return fresh.state_dict()

    download, theirs.load_state_dict_from_url = theirs.load_state_dict_from_url, random_state
    try:
        network = theirs.InceptionV3().eval()
    finally:
        theirs.load_state_dict_from_url = download
    images = photographs(3, 128)
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inception.pth"
        torch.save(random_state(""), path)
        ours = features.open_features(path)(images)
        x = torch.from_numpy(images.transpose(0, 3, 1, 2).astype("float32") / 255)
        found = network(x)[0][:, :, 0, 0].numpy()
    yield compare("FID's Inception v3, 3 pictures of 128 px", "pytorch-fid", ours, found)


def lpips_of(backbone: str) -> Iterator[Row]:
    """LPIPS of its authors, saved by torch and read by us."""
    import lpips as authors
    import torch

    network = authors.LPIPS(
        net=backbone, pretrained=False, pnet_rand=True, verbose=False, use_dropout=True
    ).eval()
    randomise(network.net, 1)
    with torch.no_grad():
        for layer in network.lins:
            layer.model[1].weight.uniform_(0, 1)  # trained ones are not negative
    truths = photographs(3, 96)
    made = noisy(truths)
    trunk = {f"features.{n.split('.', 1)[1]}": x for n, x in network.net.state_dict().items()}
    linear = {n: x for n, x in network.state_dict().items() if n[:3] == "lin" and n[3].isdigit()}
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "trunk.pth", Path(folder) / "linear.pth"]
        torch.save(trunk, files[0])
        torch.save(linear, files[1])
        opened = features.open_lpips(*files)
        ours = opened.distances(made, truths)
        x, y = (torch.from_numpy(lpips.planes(z)) for z in (made, truths))
        found = network(x, y).flatten().numpy()
        yield compare(f"LPIPS, {backbone}, 3 pairs of 96 px", "lpips", ours, found)
        pairs = [(0, 1), (0, 2), (1, 2)]
        mean = np.mean([float(network(y[i : i + 1], y[j : j + 1])) for i, j in pairs])
        yield compare(f"LPIPS of all pairs, {backbone}", "lpips", opened.diversity(truths), mean)


def lpips_alex() -> Iterator[Row]:
    """With AlexNet."""
    return lpips_of("alex")


def lpips_vgg() -> Iterator[Row]:
    """With VGG-16."""
    return lpips_of("vgg")


COMPARISONS = (
    frechet, frechet_of_pytorch_fid, kernel, of_scikit_image, inception, lpips_alex, lpips_vgg,
)  # fmt: skip


def main() -> int:
    """Print the table."""
    rows = []
    print(f"Paddle {paddle.__version__}")
    print(f"{'figure':44s} {'against':14s} {'largest value':>14s} {'difference':>12s}")
    for comparison in COMPARISONS:
        try:
            for row in comparison():
                rows.append(row)
                print(f"{row.what:44s} {row.against:14s} {row.size:14.6g} {row.difference:12.2g}")
        except ImportError as error:
            print(f"{comparison.__name__}: left out, {error.name} is not installed")
    print(json.dumps([row._asdict() for row in rows]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
