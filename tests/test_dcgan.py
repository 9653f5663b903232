"""DCGAN: shapes, the double sigmoid of the article, MNIST's files, generation."""

import gzip
import math

import numpy as np
import paddle
import pytest
from conftest import TINY, noise_image, real_data
from paddle import nn

import paddle_gans
from data_reader import InputError
from data_reader.digits import read_digits, read_idx
from data_reader.images import read_image, write_image
from paddle_gans.infer import main
from paddle_gans.models.dcgan import DCGAN, Discriminator, Generator, walk
from paddle_gans.train_command import main as train_main
from paddle_gans.training.model import Update


@pytest.mark.parametrize("size", [28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_networks_follow_the_size(size, channels):
    image = Generator(size, channels, base_dim=4)(paddle.zeros([2, 100]))
    assert image.shape == [2, channels, size, size]
    assert Discriminator(size, channels, base_dim=4)(image).shape == [2, 1]


@pytest.mark.parametrize("size", [32, 64])
def test_the_papers_networks_have_convolutions_alone(size):
    model = DCGAN(generator="paper", crop_size=size, base_dim=4, noise="normal")
    for network in (model.generator, model.discriminator):
        convs = [x for x in network.sublayers() if isinstance(x, (nn.Conv2D, nn.Conv2DTranspose))]
        assert len(convs) == (4 if size == 32 else 5)
        assert all(conv.bias is None for conv in convs)
        assert not any(isinstance(x, (nn.Linear, nn.MaxPool2D)) for x in network.sublayers())
    image = model.generator(model.noise(3))
    assert image.shape == [3, 1, size, size]
    assert model.discriminator(image).shape == [3, 1]
    noise = model.noise(500).numpy()
    assert noise.std() == pytest.approx(1, rel=0.02)
    assert noise.max() > 3
    (field,) = model.generator_inputs()
    assert (field.values, field.range) == ("normal", None)


@pytest.mark.parametrize(
    ("options", "said"),
    [({}, "add --crop-size 64"), ({"crop_size": 64, "upsample": "resize"}, "leave --upsample out")],
)
def test_what_the_papers_generator_cannot_do(options, said):
    with pytest.raises(InputError, match=said):
        DCGAN(generator="paper", **options)


def test_the_papers_networks_are_trained_and_drawn(tmp_path):
    options = {"generator": "paper", "crop_size": 32, "base_dim": 4, "noise": "normal"}
    paddle_gans.train("dcgan", steps=2, batch_size=4, out=tmp_path / "run", **options)
    assert paddle_gans.load(tmp_path / "run")(count=2, seed=1)[0].shape == (32, 32, 3)


def test_defaults_are_the_articles():
    model = DCGAN()
    assert (DCGAN.paper_config.batch_size, DCGAN.paper_config.epochs) == (128, 20)
    assert model.generator.fc1.weight.shape == [100, 2048]
    assert model.generator.fc2.weight.shape == [2048, 6272]
    assert model.discriminator.fc1.weight.shape == [2048, 1024]
    assert model.g_steps == 2
    assert model.optimizers["generator"]._beta1 == 0.5


def test_order_of_the_updates():
    model, update, asked = DCGAN(**TINY["dcgan"]), Update(), []

    def listening(losses, optimizer, **settings):
        asked.append((*losses, optimizer is model.optimizers["generator"]))
        return update(losses, optimizer, **settings)

    model.train_step({"image": paddle.zeros([4, 1, 28, 28])}, 0, listening)
    assert asked == [
        ("d_loss_fake", False), ("d_loss_real", False), ("g_loss", True), ("g_loss", True),
    ]  # fmt: skip


def test_double_sigmoid_is_the_articles_slip():
    """A logit l gives the loss softplus(-l) once, and softplus(-sigmoid(l)) with two sigmoids."""
    once, twice = DCGAN(**TINY["dcgan"]), DCGAN(**TINY["dcgan"], double_sigmoid=True)
    images = paddle.zeros([4, 1, 28, 28])

    class Two(paddle.nn.Layer):
        def forward(self, x):
            return paddle.full([4, 1], 2.0)

    once.discriminator = twice.discriminator = Two()
    assert once.loss(images, True).item() == pytest.approx(math.log(1 + math.exp(-2)), rel=1e-5)
    sigmoid = 1 / (1 + math.exp(-2))
    expected = math.log(1 + math.exp(-sigmoid))
    assert twice.loss(images, True).item() == pytest.approx(expected, rel=1e-5)


def test_init_of_the_paper_or_of_the_framework():
    assert DCGAN().discriminator.conv2.weight.numpy().std() == pytest.approx(0.02, rel=0.05)
    default = DCGAN(init="framework").discriminator.conv2.weight.numpy().std()
    assert default > 0.03


def test_noise_is_uniform_in_minus_one_to_one():
    noise = DCGAN(**TINY["dcgan"]).noise(500).numpy()
    assert noise.shape == (500, 100)
    assert -1 <= noise.min() < -0.99
    assert 0.99 < noise.max() <= 1
    assert noise.std() == pytest.approx(1 / math.sqrt(3), rel=0.02)


def test_a_walk_passes_through_its_corners_in_equal_steps():
    corners = paddle.to_tensor([[0.0, 0.0], [4.0, 0.0], [4.0, 8.0]])
    points = walk(corners, 5).numpy()
    np.testing.assert_allclose(points, [[0, 0], [2, 0], [4, 0], [4, 4], [4, 8]], atol=1e-6)


# MNIST's files


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype("uint8").tobytes()


def mnist_folder(tmp_path, packed=True):
    digits = np.random.default_rng(0).integers(0, 256, (6, 28, 28))
    root = tmp_path / "mnist" / "raw"
    root.mkdir(parents=True)
    for split, count in (("train", 6), ("t10k", 3)):
        for what, array in (("images-idx3", digits[:count]), ("labels-idx1", np.arange(count))):
            data = idx(array)
            name = f"{split}-{what}-ubyte"
            (root / (f"{name}.gz" if packed else name)).write_bytes(
                gzip.compress(data) if packed else data
            )
    return tmp_path / "mnist", digits


@pytest.mark.parametrize("packed", [True, False])
def test_mnist_is_found_in_any_folder_that_holds_it(tmp_path, packed):
    root, digits = mnist_folder(tmp_path, packed)
    train = read_digits(root, train=True, size=28, channels=1)
    assert len(train) == 6
    item = train.item(4, np.random.default_rng(0))["image"]
    np.testing.assert_allclose(item[0], digits[4] / 127.5 - 1, atol=1e-6)
    assert train.labels.tolist() == [0, 1, 2, 3, 4, 5]
    test = read_digits(root, train=False, size=32, channels=3)
    assert len(test) == 3
    assert test.item(0, np.random.default_rng(0))["image"].shape == (3, 32, 32)


def test_idx_files_are_not_said_to_be_left_out(tmp_path, capsys):
    root, _ = mnist_folder(tmp_path)
    train_main(["--model", "dcgan", "--data", str(root), "--dry-run", "--batch-size", "2"])
    assert "left out" not in capsys.readouterr().out


def test_damaged_idx_files_are_named(tmp_path):
    root, digits = mnist_folder(tmp_path)
    file = root / "raw" / "train-images-idx3-ubyte.gz"
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])
    with pytest.raises(InputError, match="cannot unpack"):
        read_idx(file)
    file.write_bytes(gzip.compress(idx(digits)[:-5]))
    with pytest.raises(InputError, match=r"its header says \[6, 28, 28\]"):
        read_idx(file)
    file.write_bytes(gzip.compress(b"<html>not found</html>"))
    with pytest.raises(InputError, match="not an idx file"):
        read_idx(file)
    file.write_bytes(whole)
    (root / "raw" / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError, match="train-labels-idx1-ubyte"):
        read_digits(root, train=True, size=28, channels=1)


def test_the_real_mnist():
    train = read_digits(real_data("mnist"), train=True, size=28, channels=1)
    assert len(train) == 60_000
    assert np.bincount(train.labels).tolist()[:3] == [5923, 6742, 5958]


# Training and drawing


def test_a_folder_of_images_trains_in_colour(tmp_path):
    for i in range(4):
        write_image(tmp_path / "images" / f"{i}.png", noise_image(i, 40, 50))
    result = paddle_gans.train(
        "dcgan", data=str(tmp_path / "images"), out=str(tmp_path / "run"), steps=1, batch_size=2,
        crop_size=32, channels=3, base_dim=4,
    )  # fmt: skip
    assert set(result.losses) == {"d_loss_fake", "d_loss_real", "g_loss"}
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no images"):
        paddle_gans.train("dcgan", data=str(tmp_path / "empty"), out=str(tmp_path / "x"), steps=1)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("dcgan") / "run"
    paddle_gans.train("dcgan", out=str(out), steps=2, batch_size=4, base_dim=4)
    return out


def test_infer_draws_a_grid_or_files(run, tmp_path):
    weights = ["--weights", str(run / "generator.pdparams")]
    grid = tmp_path / "grid.png"
    assert main([*weights, "--count", "9", "--seed", "3", "--output", str(grid)]) == 0
    first = read_image(grid)
    assert main([*weights, "--count", "9", "--seed", "3", "--output", str(tmp_path / "b.png")]) == 0
    np.testing.assert_array_equal(first, read_image(tmp_path / "b.png"))
    assert main([*weights, "--count", "9", "--seed", "4", "--output", str(tmp_path / "c.png")]) == 0
    assert not np.array_equal(first, read_image(tmp_path / "c.png"))
    assert main([*weights, "--count", "5", "--output", str(tmp_path / "files")]) == 0
    assert len(list((tmp_path / "files").glob("*.png"))) == 5
    strip = tmp_path / "strip.png"
    assert main([*weights, "--count", "9", "--interpolate", "--output", str(strip)]) == 0


def test_neighbours_of_an_interpolation_are_alike(run):
    draw = paddle_gans.load(str(run))
    images = np.stack(draw(count=9, interpolate=True)).astype("float32")
    apart = np.abs(images[1:] - images[:-1]).mean((1, 2, 3))
    assert apart.max() < np.abs(images[0] - images[-1]).mean()


def test_an_input_for_a_model_that_draws_is_refused(run, tmp_path):
    with pytest.raises(InputError, match="omit --input"):
        main(["--weights", str(run), "--input", str(tmp_path), "--output", str(tmp_path / "x")])


def test_a_count_below_one_is_refused(run, tmp_path):
    with pytest.raises(InputError, match="count"):
        main(["--weights", str(run), "--count", "0", "--output", str(tmp_path / "x.png")])
