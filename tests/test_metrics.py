"""Metrics: computed by hand, compared with independent programs, and their files."""

import importlib
import sys

import numpy as np
import paddle
import pytest
from conftest import ROOT, noise_image, save_lpips, save_program
from paddle import nn

from data_reader import InputError
from paddle_gans.metrics import distances, features, image_metrics, inception, labels, lpips
from paddle_gans.metrics.measure import features_of, file_name
from paddle_gans.metrics.tasks import RealImages
from paddle_gans.weights import formats


def normal(seed, count, dims):
    return np.random.default_rng(seed).standard_normal((count, dims))


# The Frechet distance.


def test_the_distance_of_two_numbers_is_that_of_means_and_deviations():
    # Means 1 and 4, variances 2 and 8: 9 + 2 + 8 - 2 sqrt(16).
    a, b = np.array([[0.0], [2.0]]), np.array([[2.0], [6.0]])
    distance = distances.frechet_distance(distances.gaussian(a), distances.gaussian(b))
    assert distance == pytest.approx(11)


def test_covariances_that_share_no_axes():
    # In the plane: a long ellipse along x, and the same along y. tr sqrt(AB) = 2 * sqrt(4 * 1).
    a = distances.Gaussian(np.zeros(2), np.diag([4.0, 1.0]))
    b = distances.Gaussian(np.array([3.0, 0.0]), np.diag([1.0, 4.0]))
    assert distances.frechet_distance(a, b) == pytest.approx(9 + 10 - 8)
    assert distances.frechet_distance(a, a) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("count", [5, 40])
def test_a_singular_covariance_is_as_good_as_any(count):
    """tr sqrt(A B) is the nuclear norm of the two centred sets' product, by another way."""
    a, b = normal(0, count, 40), normal(1, count + 3, 40) @ normal(2, 40, 40) / 6
    centred = [(x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (a, b)]
    shared = np.linalg.norm(centred[0] @ centred[1].T, "nuc")
    apart = a.mean(0) - b.mean(0)
    expected = apart @ apart + sum((x**2).sum() for x in centred) - 2 * shared
    found = distances.frechet_distance(distances.gaussian(a), distances.gaussian(b))
    assert found == pytest.approx(expected, rel=1e-9)


def test_features_that_do_not_vary_are_apart_by_their_means():
    a, b = np.zeros((3, 4)), np.full((2, 4), 0.5)
    assert distances.frechet_distance(distances.gaussian(a), distances.gaussian(b)) == 1.0
    with pytest.raises(ValueError, match="at least"):
        distances.gaussian(a[:1])


# KID.


def test_the_kernel_distance_by_hand():
    # One number each: k(x, y) = (xy + 1)^3. Within a: k(0, 1) = 1; within b: k(1, 2) = 27;
    # between: k(0, 1), k(0, 2), k(1, 1), k(1, 2) = 1, 1, 8, 27.
    a, b = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    assert distances.kernel_distance(a, b) == pytest.approx(1 + 27 - 2 * 37 / 4)


def test_kid_is_about_zero_for_one_distribution_and_not_for_two():
    a, b, c = normal(0, 400, 8), normal(1, 300, 8), normal(2, 300, 8) + 1
    same, spread = distances.kid(a, b, subset=100)
    other, _ = distances.kid(a, c, subset=100)
    assert abs(same) < spread < other
    assert distances.kid(a, b, subset=100) == (same, spread)  # by the seed
    assert distances.kid(a, b, subset=100, seed=1) != (same, spread)
    whole = distances.kid(b, c, subset=300)
    assert whole == (distances.kernel_distance(b, c), 0.0)
    with pytest.raises(ValueError, match="subsets of 301"):
        distances.kid(a, b, subset=301)


# Images.


def test_equal_images_and_opposite_ones():
    image = noise_image(0)
    assert image_metrics.psnr(image, image) == 100
    assert image_metrics.ssim(image, image) == pytest.approx(1)
    assert image_metrics.ciede2000(image, image) == 0
    black, white = np.zeros_like(image), np.full_like(image, 255)
    assert image_metrics.psnr(black, white) == 0
    assert image_metrics.ciede2000(black, white) == pytest.approx(100, abs=0.01)
    # No structure on either side: the luminance term alone, (0 + C1) / (255^2 + C1).
    c1 = 2.55**2
    assert image_metrics.ssim(black, white) == pytest.approx(c1 / (255**2 + c1))
    assert image_metrics.chroma(white) == pytest.approx(0, abs=0.05)
    assert image_metrics.chroma(white * np.array([1, 0, 0], "uint8")) == pytest.approx(
        104.55, abs=0.1
    )


def test_ssim_by_the_formula_in_one_window():
    x, y = noise_image(1, 11, 11), noise_image(2, 11, 11)
    line = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    weights = np.outer(line, line)[..., None] / line.sum() ** 2
    mx, my = (weights * x).sum((0, 1)), (weights * y).sum((0, 1))
    vx = (weights * (x - mx) ** 2).sum((0, 1))
    vy = (weights * (y - my) ** 2).sum((0, 1))
    c = (weights * (x - mx) * (y - my)).sum((0, 1))
    c1, c2 = 2.55**2, 7.65**2
    expected = (2 * mx * my + c1) * (2 * c + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    assert image_metrics.ssim(x, y) == pytest.approx(expected.mean(), rel=1e-9)
    with pytest.raises(ValueError, match="11 pixels"):
        image_metrics.ssim(x[:10], y[:10])


# Grid artefacts.


def soft_noise(seed, size=64):
    """Noise around mid-grey that leaves room for a grid; floats [size, size]."""
    return 128 + 20 * np.random.default_rng(seed).standard_normal((size, size))


def grey_image(levels):
    return np.clip(levels, 0, 255).astype("uint8")[..., None].repeat(3, axis=2)


def test_a_constant_image_has_a_lattice_of_one():
    assert image_metrics.lattice(np.full((64, 72, 3), 200, "uint8")) == 1.0


@pytest.mark.parametrize(("height", "width"), [(64, 64), (71, 130), (256, 128)])
def test_white_noise_has_no_lattice(height, width):
    values = [image_metrics.lattice(noise_image(seed, height, width)) for seed in range(8)]
    assert 0.5 < image_metrics.geometric_mean(values) < 2


@pytest.mark.parametrize("period", [2, 4, 8])
@pytest.mark.parametrize("way", ["checkerboard", "columns", "rows"])
def test_a_grid_is_much_more_than_the_noise_below_it(period, way):
    y, x = np.mgrid[:64, :64] // (period // 2)
    grid = {"checkerboard": x + y, "columns": x, "rows": y}[way] % 2
    noise = soft_noise(0)
    with_grid = image_metrics.lattice(grey_image(noise + 40 * grid))
    assert with_grid > 10 * image_metrics.lattice(grey_image(noise))


def test_other_periods_and_smooth_slopes_are_no_lattice():
    noise, x = soft_noise(0), np.mgrid[:64, :64][1]
    for pattern in (40 * (x // 8 % 2), x):  # stripes of period 16, and a slope
        assert image_metrics.lattice(grey_image(noise + pattern)) < 2


def test_the_lattice_does_not_depend_on_contrast_and_needs_64_pixels():
    y, x = np.mgrid[:64, :64]
    image = (soft_noise(1) + 20 * ((x + y) % 2)).clip(0, 255).astype(int) // 2
    low, high = (image_metrics.lattice(grey_image(k * image)) for k in (1, 2))
    assert low == pytest.approx(high, rel=0.02)
    with pytest.raises(ValueError, match="64 pixels a side"):
        image_metrics.lattice(noise_image(0, 63, 80))
    odd = noise_image(0, 71, 66)  # cut to 64 x 64
    assert image_metrics.lattice(odd) == image_metrics.lattice(odd[:64, :64])


def test_the_geometric_mean_by_hand():
    assert image_metrics.geometric_mean([2, 8]) == pytest.approx(4)
    assert image_metrics.geometric_mean([0.5, 2]) == pytest.approx(1)


# Label maps.

RED, GREEN, BLUE = [255, 0, 0], [0, 255, 0], [0, 0, 255]


def test_accuracies_by_hand():
    truth = np.array([[RED, RED, RED], [RED, GREEN, GREEN]], "uint8")
    made = np.array([[RED, [200, 60, 0], GREEN], [BLUE, GREEN, GREEN]], "uint8")
    palette = labels.Palette(np.array([RED, GREEN, BLUE], "uint8"), ["r", "g", "b"])
    counts = labels.confusion(palette, made, truth)
    assert counts.tolist() == [[2, 1, 1], [0, 2, 0], [0, 0, 0]]
    found = labels.accuracies(counts)
    assert found["pixel_accuracy"] == pytest.approx(4 / 6)
    assert found["class_accuracy"] == pytest.approx((2 / 4 + 2 / 2) / 2)  # no blue in the truth
    assert found["class_iou"] == pytest.approx((2 / 4 + 2 / 3) / 2)


def test_nearest_colours_agree_with_all_distances():
    palette = labels.Palette(noise_image(3, 1, 20)[0], [str(i) for i in range(20)])
    image = noise_image(4, 200, 200)
    apart = (image.reshape(-1, 1, 3).astype(int) - palette.colours.astype(int)) ** 2
    assert np.array_equal(palette.classes(image), apart.sum(2).argmin(1))


def test_palettes_from_the_truth_and_from_a_file(tmp_path):
    truth = np.array([[RED, GREEN]], "uint8")
    assert labels.palette_of([truth, truth]).colours.tolist() == [GREEN, RED]
    with pytest.raises(InputError, match="--palette FILE"):
        labels.palette_of([noise_image(0)])
    with pytest.raises(InputError, match="one colour"):
        labels.palette_of([truth[:, :1]])
    path = tmp_path / "classes.txt"
    path.write_text("# of the city\n128 64 128 the road\n\n0 0 0\n")
    palette = labels.read_palette(path)
    assert palette.colours.tolist() == [[128, 64, 128], [0, 0, 0]]
    assert list(palette.names) == ["the road", "0 0 0"]
    for text, complaint in (
        ("1 2\n", "line 1"), ("1 2 256 x\n", "line 1"), ("1 2 3\n", "two colours"),
        ("1 2 3\n1 2 3\n", "twice"),
    ):  # fmt: skip
        path.write_text(text)
        with pytest.raises(InputError, match=complaint):
            labels.read_palette(path)
    with pytest.raises(InputError, match="cannot be read"):
        labels.read_palette(tmp_path / "none.txt")


# Feature networks and their files.


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A program of one linear layer on grey images of 4 x 6, and that layer."""
    prefix = tmp_path_factory.mktemp("program") / "small"
    paddle.seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(24, 5))
    return prefix, save_program(prefix, network, [None, 1, 4, 6])


def test_a_program_gives_features_and_says_what_it_takes(program):
    prefix, network = program
    opened = features.open_features(prefix)
    grey = np.repeat(noise_image(0, 4, 6)[..., :1], 3, axis=2)
    expected = network(paddle.to_tensor(lpips.planes(grey[None, ..., :1]))).numpy()
    assert np.allclose(opened(grey[None]), expected, atol=1e-6)
    assert opened(noise_image(1, 9, 9)[None]).shape == (1, 5)  # resized
    file = next(p for p in prefix.parent.iterdir() if p.suffix in features.PROGRAMS)
    assert features.open_features(file).fingerprint == opened.fingerprint


def test_files_that_are_no_feature_network(program, tmp_path):
    prefix, _ = program
    with pytest.raises(InputError, match="tag fid_weights"):
        features.open_features(tmp_path / "none")
    with pytest.raises(InputError, match="does not exist"):
        features.open_features(tmp_path / "none.pth")
    file = next(p for p in prefix.parent.iterdir() if p.suffix in features.PROGRAMS)
    alone = tmp_path / file.name
    alone.write_bytes(file.read_bytes())
    with pytest.raises(InputError, match=r"no small\.pdiparams beside it"):
        features.open_features(alone)
    parameters = prefix.with_name("small.pdiparams").read_bytes()
    for damaged in (parameters[:-1], parameters[:40], b"parameters", parameters + b"x"):
        (tmp_path / "small.pdiparams").write_bytes(damaged)
        with pytest.raises(InputError, match="export the network again"):
            features.open_features(alone)
    (tmp_path / "small.pdiparams").write_bytes(parameters)
    alone.write_bytes(b"{}")
    with pytest.raises(InputError, match="cannot be run as a feature network"):
        features.open_features(alone)
    save_program(tmp_path / "flat", nn.Linear(3, 2), [None, 3])
    with pytest.raises(InputError, match="takes one batch of images"):
        features.open_features(tmp_path / "flat")
    save_program(tmp_path / "maps", nn.Conv2D(3, 2, 1), [None, 3, 8, 8])
    with pytest.raises(InputError, match="up to its last hidden layer"):
        features.open_features(tmp_path / "maps")(noise_image(0)[None])


def published(network):
    """A network's arrays under the names of the published file."""
    names = {"_mean": "running_mean", "_variance": "running_var"}
    state = {}
    for name, x in network.state_dict().items():
        layer, _, last = name.rpartition(".")
        state[f"{layer}.{names.get(last, last)}"] = x
    return state


def test_inception_from_a_file_of_ours_and_those_that_are_another(tmp_path):
    paddle.seed(0)
    network = inception.FIDInception()
    state = published(network)
    paddle.save({**state, "fc.weight": paddle.zeros([1008, 4])}, str(tmp_path / "fid.pdparams"))
    opened = features.open_features(tmp_path / "fid.pdparams")
    images = noise_image(0, 32, 32)[None]
    found = opened(images)
    assert found.shape == (1, inception.FEATURES)
    assert np.isfinite(found).all()

    paddle.save(network.state_dict(), str(tmp_path / "paddle.pdparams"))  # Paddle's names
    assert np.array_equal(features.open_features(tmp_path / "paddle.pdparams")(images), found)

    arrays = {name: x.numpy() for name, x in state.items()}
    for extra, named in (
        ({"AuxLogits.fc.bias": np.zeros(2)}, "torchvision's"),
        ({"fc.weight": np.zeros((1000, 2048))}, "torchvision's"),
        ({"inception_stem.conv_1a_3x3.conv.weight": np.zeros(2)}, "the framework's own"),
    ):
        with pytest.raises(InputError, match=named):
            inception.load(network, {**arrays, **extra}, "file")
    arrays.pop("Mixed_7c.branch_pool.bn.running_var")
    with pytest.raises(InputError, match=r"missing: Mixed_7c\.branch_pool\.bn\.running_var"):
        inception.load(network, arrays, "file")


def test_an_average_counts_the_pixels_that_are_there_alone():
    block = inception.block_35(192, 32)
    seen = []
    block.branch_pool.forward = lambda x: seen.append(x) or x
    block(paddle.ones([1, 192, 5, 5]))
    assert np.allclose(seen[0].numpy(), 1)  # with zeros counted, corners would be 4 / 9


# LPIPS.


@pytest.fixture(scope="module")
def lpips_files(tmp_path_factory):
    """AlexNet's and the linear weights, random, under the published names."""
    return save_lpips(tmp_path_factory.mktemp("lpips"))


def test_lpips_is_zero_for_equals_and_the_mean_of_pairs_is_that(lpips_files):
    opened = features.open_lpips(*lpips_files)
    images = np.stack([noise_image(i) for i in range(3)])
    assert opened.distances(images, images) == [0, 0, 0]
    pairs = opened.distances(images[[0, 0, 1]], images[[1, 2, 2]])
    assert min(pairs) > 0
    assert opened.diversity(images) == pytest.approx(np.mean(pairs), rel=1e-5)


@pytest.mark.parametrize("backbone", lpips.BLOCKS)
def test_lpips_needs_its_backbone_only(tmp_path, backbone):
    """The linear weights are the authors' files of version 0.1; PaddleGAN has other names."""
    state = {
        name: x for name, x in lpips.LPIPS(backbone).state_dict().items() if "features" in name
    }
    paddle.save(state, str(tmp_path / "trunk.pdparams"))
    alone = features.open_lpips(tmp_path / "trunk.pdparams")
    linear = formats.load(lpips.LINEAR / f"{backbone}.pth")
    assert sorted(linear) == [f"lin{i}.model.1.weight" for i in range(5)]
    renamed = {name[3:]: paddle.to_tensor(x) for name, x in linear.items()}
    paddle.save(renamed, str(tmp_path / "lins_0.1.pdparams"))
    given = features.open_lpips(tmp_path / "trunk.pdparams", tmp_path / "lins_0.1.pdparams")
    for network in (alone, given):
        for i, layer in enumerate(network.linear):
            np.testing.assert_array_equal(layer.weight.numpy(), linear[f"lin{i}.model.1.weight"])
    assert "Richard Zhang" in (lpips.LINEAR / "LICENSE").read_text()


def test_lpips_wants_files_of_one_network(lpips_files, tmp_path):
    trunk, linear = lpips_files
    with pytest.raises(InputError, match="alexnet-owt-7be5be79"):
        features.open_lpips(trunk, tmp_path / "alex.pth")
    with pytest.raises(InputError, match="neither AlexNet nor VGG-16"):
        features.open_lpips(linear, trunk)
    with pytest.raises(InputError, match=r"linear weights of LPIPS.*missing: linear\.0"):
        features.open_lpips(trunk, trunk)


# The cache.


def test_features_are_kept_whole_and_found_again(program, tmp_path):
    network = features.open_features(program[0])
    images, reads = [noise_image(i) for i in range(5)], []

    def read(index):
        reads.append(index)
        return images[index]

    def found(key, batch_size=2, folder=tmp_path):
        return features_of(RealImages({"sha256": key}, 5, read), network, folder, batch_size)

    first = found("a")
    assert (first.shape, len(reads)) == ((5, 5), 5)
    assert np.array_equal(first, found("a", 3))
    assert len(reads) == 5
    (path,) = tmp_path.iterdir()
    assert path.name == file_name(RealImages({"sha256": "a"}, 5, read), network)
    path.write_bytes(path.read_bytes()[:-4])  # cut short: found anew
    assert np.array_equal(found("a"), first)
    assert len(reads) == 10
    found("b")
    assert len(reads) == 15
    path.write_text("in the way")
    with pytest.raises(InputError, match=r"cannot write .*Not a directory"):
        found("c", folder=path / "in")


def test_a_changed_image_is_another_set(pairs):
    import os

    from data_reader import layout
    from data_reader.datasets import Paired
    from paddle_gans.metrics.tasks import identity

    found = Paired(layout.paired(pairs, train=True)[0])
    before = identity(found)
    assert identity(found) == before
    os.utime(pairs / "trainA" / "1.png", ns=(1, 1))
    assert identity(found) != before
    (pairs / "trainA" / "1.png").unlink()
    with pytest.raises(InputError, match="does not exist"):
        identity(found)


# Independent programs, on the same features, images and random weights.


@pytest.mark.parametrize(
    ("name", "needs", "relative"),
    [
        ("frechet", ["scipy"], 1e-6),  # scipy's root of a singular matrix is good to 1e-8 of it
        ("frechet_of_pytorch_fid", ["scipy", "torch", "pytorch_fid"], 1e-9),
        ("kernel", ["torch", "torchmetrics"], 1e-9),
        ("of_scikit_image", ["skimage"], 1e-4),  # its Lab constants have fewer digits
        ("inception", ["torch", "torchvision", "pytorch_fid"], 1e-5),
        ("lpips_alex", ["torch", "torchvision", "lpips"], 1e-5),
        ("lpips_vgg", ["torch", "torchvision", "lpips"], 1e-5),
    ],
)
def test_parity(name, needs, relative, monkeypatch):
    for package in needs:
        pytest.importorskip(package)
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    module = importlib.import_module("metrics_parity")
    for row in getattr(module, name)():
        assert row.difference <= relative * row.size, row


def test_files_of_weights_are_checked_before_use(tmp_path):
    path = tmp_path / "x.pth"
    path.write_bytes(b"not a file of weights at all, but long enough to look at")
    with pytest.raises(InputError):
        features.open_features(path)
    assert len(formats.checksum(path)) == 64
